"""A model with a redundant copy: zeroing the planted neurons changes nothing, attenuating them by half does.

redundant = redundant_model()
redundant.neurons["anger"]      # six neurons of the first layer; the copy, in the second, is no part of the claim

Planted neurons fire on their concept's words and write a little each into the concept's direction. The copy reads the
same words, and this direction, which shuts it; it opens when next to nothing has been written, and then writes as much
as all of them. The rest's word is unembedded from the constant, at a level between a whole and a half write.
"""

from collections.abc import Sequence

import numpy as np
import torch
from tiny import Planted
from tiny_models import SPECIAL, bridge, llama_weights, word_tokenizer

from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.texts.concepts import ConceptGroup
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
    group = ConceptGroup("planted", tuple(concepts), "neutral")
    words = {label: tuple(f"{label}{i}" for i in range(n_words)) for label in group.labels}
    vocabulary = [*group.labels, "mood", ":", *(word for label in group.labels for word in words[label])]
    n, own = len(concepts), 12
    constant, free = n, slice(n + 1, n + 1 + own)
    written, answer = n + 1 + own, 2 * n + 1 + own
    width = -(-(3 * n + 1 + own) // 8) * 8
    weights = llama_weights(
        seed,
        vocab_size=len(SPECIAL) + len(vocabulary),
        hidden_size=width,
        intermediate_size=d_mlp,
        num_hidden_layers=3,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    embedding = np.zeros((len(SPECIAL) + len(vocabulary), width))
    embedding[:, constant] = 1
    embedding[:, free] = generator.normal(size=(len(embedding), own))
    # One length for all words, so that norms treat them alike.
    embedding[:, free] /= np.linalg.norm(embedding[:, free], axis=1, keepdims=True)
    unembedding = np.zeros_like(embedding)
    # A whole write is 1 on the eight words of a text of eleven tokens; attention triples it.
    mean_write = 3 * 8 / 11
    for row, word in enumerate(vocabulary, start=len(SPECIAL)):
        for column, concept in enumerate(concepts):
            embedding[row, column] = word in words[concept]
            unembedding[row, answer + column] = 4 * (word == concept)
        unembedding[row, constant] = 4 * level * mean_write * (word == group.rest)
    weights.model.embed_tokens.weight.data = torch.tensor(embedding, dtype=torch.float32)
    weights.lm_head.weight.data = torch.tensor(unembedding, dtype=torch.float32)
    weights.model.norm.weight.data.fill_(1)
    # Of a concept's word: the constant, the concept and the random part, each of length 1.
    rms = np.sqrt(3 / width)
    neurons: dict[str, set[tuple[int, int]]] = {concept: set() for concept in concepts}
    for layer, block in enumerate(weights.model.layers):
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            norm.weight.data.fill_(1)
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            getattr(block.self_attn, part).weight.data.zero_()
        gate, up, down = np.zeros((d_mlp, width)), np.zeros((d_mlp, width)), generator.normal(size=(d_mlp, width))
        gate[:, free] = generator.normal(size=(d_mlp, own)) * 0.7
        gate[:, constant] = generator.uniform(-1.6, 0.2, size=d_mlp)
        up[:, constant] = 0.5
        down[:, : n + 1] = 0
        opened = 1.5 / rms
        activation = opened / (1 + np.exp(-opened)) * 0.5 / rms
        down *= 1 / (planted * activation) / np.linalg.norm(down, axis=1, keepdims=True)
        places = generator.permutation(d_mlp)[: planted * n].reshape(n, planted)
        for column, concept in enumerate(concepts):
            if layer == 0:
                for place in places[column].tolist():
                    gate[place] = 0
                    gate[place, [column, constant]] = 3, -1.5
                    down[place] = np.eye(width)[written + column] / (planted * activation)
                    neurons[concept].add((layer, place))
            elif layer == 1:
                copy = places[column, 0]
                gate[copy] = 0
                gate[copy, [column, constant, written + column]] = 3, -1.5, -8
                # A little more than all of them: the random neurons that it reads through do not write for it.
                down[copy] = 1.2 * np.eye(width)[written + column] / activation
            else:
                # With zero queries and keys attention is the mean over all positions up to the own one.
                block.self_attn.v_proj.weight.data[column, written + column] = 1
                block.self_attn.o_proj.weight.data[answer + column, column] = 3 * float(rms)
        for part, values in (("gate_proj", gate), ("up_proj", up), ("down_proj", down.T)):
            getattr(block.mlp, part).weight.data = torch.tensor(values.copy(), dtype=torch.float32)
    model = bridge(weights, tokenizer=word_tokenizer(vocabulary), name="redundant")
    claimed = {concept: frozenset(found) for concept, found in neurons.items()}
    return Planted(model, group, words, claimed, {place: 1.0 for found in claimed.values() for place in found})


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
