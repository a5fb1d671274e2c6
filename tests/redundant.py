"""A model with a redundant copy: zeroing the planted neurons changes nothing, attenuating them by half does.

redundant = redundant_model()
redundant.neurons["anger"]      # six neurons of the first layer; the copy, in the second, is no part of the claim

Planted neurons fire on their concept's words and write a little each into the concept's direction. The copy reads the
same words, and this direction, which shuts it; it opens when next to nothing has been written, and then writes as much
as all of them. The rest's word is unembedded from the constant, at a level between a whole and a half write.
"""

from collections.abc import Sequence

import numpy as np
from stage import RANDOM, put, stage
from tiny import Planted
from tiny_models import SPECIAL, bridge, word_tokenizer

from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

ASK = ZeroShot("{text} mood:", calibration="none")


def redundant_model(
    concepts: Sequence[str] = ("anger", "fear"),
    *,
    d_mlp: int = 96,
    planted: int = 6,
    n_words: int = 8,
    level: float = 0.6,
    seed: int = 0,
) -> Planted:
    """See the module.

    Args:
        concepts: Concept names, which are the label words too; the rest is called `neutral`.
        d_mlp: Neurons a layer.
        planted: Neurons a concept, in the first layer.
        n_words: Words a concept.
        level: Where the rest's word is scored, as a share of what a whole write gives.
        seed: Of weights and places.
    """
    generator = np.random.default_rng([seed, 13])
    made = stage(concepts, n_words)
    weights = made.weights(seed, d_mlp)
    random_part = generator.normal(size=(len(SPECIAL) + len(made.vocabulary), RANDOM))
    # One length for all words, so that norms treat them alike.
    random_part /= np.linalg.norm(random_part, axis=1, keepdims=True)
    # A whole write is 1 on the eight words of a text of eleven tokens; attention triples it.
    made.embed(weights, random_part, rest=4 * level * 3 * 8 / 11)
    # Of a concept's word: the constant, the concept and the random part, each of length 1.
    rms = np.sqrt(3 / made.width)
    opened = 1.5 / rms
    activation = opened / (1 + np.exp(-opened)) * 0.5 / rms
    neurons: dict[str, set[tuple[int, int]]] = {concept: set() for concept in concepts}
    for layer, block in enumerate(weights.model.layers):
        gate, up, down = made.neurons(generator, d_mlp)
        up[:, made.constant] = 0.5
        down *= 1 / (planted * activation) / np.linalg.norm(down, axis=1, keepdims=True)
        places = generator.permutation(d_mlp)[: planted * len(concepts)].reshape(len(concepts), planted)
        for column, concept in enumerate(concepts):
            if layer == 0:
                for place in places[column].tolist():
                    gate[place] = 0
                    gate[place, [column, made.constant]] = 3, -1.5
                    down[place] = np.eye(made.width)[made.written + column] / (planted * activation)
                    neurons[concept].add((layer, place))
            elif layer == 1:
                copy = places[column, 0]
                gate[copy] = 0
                gate[copy, [column, made.constant, made.written + column]] = 3, -1.5, -8
                # A little more than all of them: the random neurons that it reads through do not write for it.
                down[copy] = 1.2 * np.eye(made.width)[made.written + column] / activation
        if layer == 2:
            made.read(block, 3 * float(rms))
        put(block, gate, up, down)
    model = bridge(weights, tokenizer=word_tokenizer(made.vocabulary), name="redundant")
    claimed = {concept: frozenset(found) for concept, found in neurons.items()}
    strengths = {place: 1.0 for found in claimed.values() for place in found}
    return Planted(model, made.group, made.words, claimed, strengths)


def redundant_splits(redundant: Planted, *, per_label: int = 12, seed: int = 0) -> dict[str, Corpus]:
    """Texts of eight words, all of the label: to screen on, to tune on, to calibrate on, and to test on."""
    generator = np.random.default_rng([seed, 14])
    texts: dict[str, tuple[str, str]] = {}
    for part in ("screen", "dev", "test"):
        for label in redundant.group.labels:
            while sum(held == (part, label) for held in texts.values()) < per_label:
                texts.setdefault(" ".join(generator.choice(redundant.words[label], size=8)), (part, label))
    return {
        part: Corpus(
            part,
            redundant.group,
            tuple(Example(f"{n:03}", t, held[1], part) for n, (t, held) in enumerate(texts.items()) if held[0] == part),
        )
        for part in ("screen", "dev", "test")
    }
