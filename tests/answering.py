"""Models that answer, and families of tests whose truth is known.

answering = answering_model(seed=0)                 # planted neurons write what the label words are read from
parts = answering_splits(answering, per_label=12)   # screen, dev and test
claims = sets_of(stats, answering.neurons)          # the planted neurons, with what matching needs

A null family passes matched random sets off as the neurons of concepts; a planted family claims the planted neurons
for some concepts and such random sets for the others.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from stage import RANDOM, put, stage
from tiny import Planted, planted_corpus
from tiny_models import SPECIAL, WORDS, bridge, llama_weights, word_tokenizer

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.plan import effects
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import screen
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.tuning.loop_matched import tune_all
from emorhet_lens.tuning.tunings import Tunings

TEMPLATE = "{text} mood:"
ANSWERS = ZeroShot(TEMPLATE)
NULL_GROUP = ConceptGroup("null", ("glad", "sad", "calm"), "cold")


def answering_model(
    concepts: Sequence[str] = ("anger", "fear", "happiness"),
    *,
    d_mlp: int = 256,
    per_layer: int = 3,
    strength: float = 0.25,
    n_words: int = 8,
    seed: int = 0,
) -> Planted:
    """A model that names the concept of a text after `TEMPLATE`, by its planted neurons and in no other way.

    It stands on `stage`. In the first two layers `per_layer` neurons a concept fire on the concept's words and write
    into the concept's direction. All other neurons write as much into random directions. The word of the rest has no
    direction of its own.

    Args:
        concepts: Concept names, which are the label words too; the rest is called `neutral`.
        d_mlp: Neurons a layer.
        per_layer: Planted neurons a concept in each of the first two layers.
        strength: Length of every neuron's output weights.
        n_words: Words a concept; there are three times as many neutral words.
        seed: Of weights and places.
    """
    generator = np.random.default_rng([seed, 11])
    made = stage(concepts, {**dict.fromkeys(concepts, n_words), "neutral": 3 * n_words})
    weights = made.weights(seed, d_mlp)
    made.embed(weights, generator.normal(size=(len(SPECIAL) + len(made.vocabulary), RANDOM)) / np.sqrt(RANDOM))
    neurons: dict[str, set[tuple[int, int]]] = {concept: set() for concept in concepts}
    for layer, block in enumerate(weights.model.layers):
        gate, up, down = made.neurons(generator, d_mlp)
        up[:, made.constant] = 1
        if layer < 2:
            places = generator.permutation(d_mlp)[: per_layer * len(concepts)].reshape(len(concepts), per_layer)
            for column, concept in enumerate(concepts):
                for place in places[column].tolist():
                    # Steep, so that next to nothing is written for other words.
                    gate[place] = 0
                    gate[place, [column, made.constant]] = 3, -1.5
                    up[place, made.constant] = 0.5
                    down[place] = np.eye(made.width)[made.written + column]
                    neurons[concept].add((layer, place))
        else:
            made.read(block, 3)
        put(block, gate, up, down * strength / np.linalg.norm(down, axis=1, keepdims=True))
    model = bridge(weights, tokenizer=word_tokenizer(made.vocabulary), name="answering")
    planted = {concept: frozenset(found) for concept, found in neurons.items()}
    strengths = {place: 1.0 for found in planted.values() for place in found}
    return Planted(model, made.group, made.words, planted, strengths)


def answering_splits(answering: Planted, *, per_label: int = 12, seed: int = 0) -> dict[str, Corpus]:
    """Texts to screen on, to calibrate on and to test on; the latter two hold no text of the rest."""
    parts = {}
    for number, part in enumerate(("screen", "dev", "test")):
        corpus = planted_corpus(answering, per_label=per_label, sources=(part,), seed=3 * seed + number)
        parts[part] = corpus if part == "screen" else corpus.where(lambda example: example.label != "neutral")
    return parts


def sets_of(
    stats: ActivationStats,
    sets: Mapping[str, Collection[tuple[int, int]]],
    *,
    also_taken: Collection[tuple[int, int]] = (),
) -> Neurons:
    """Neurons by hand that can be matched; no random set may hold any of them, or of `also_taken`."""
    ordered = {concept: tuple(sorted(places)) for concept, places in sets.items()}
    return Neurons(
        ordered,
        {concept: (0.0,) * len(places) for concept, places in ordered.items()},
        stats.model,
        background=Background.of(stats).taking([*also_taken, *(p for places in ordered.values() for p in places)]),
    )


def random_claims(stats: ActivationStats, like: Neurons, seed: int) -> Neurons:
    """One draw of matched random sets, in place of sets that a screen found."""
    return sets_of(stats, like.matched_random(seed=seed, n=1).sets[0].sets)


@dataclass(frozen=True, eq=False)
class Family:
    """One family of tests.

    Args:
        effects: What came out.
        planted: The concepts whose planted neurons were masked.
    """

    effects: Effects
    planted: tuple[str, ...] = ()


def null_parts(seed: int, *, per_label: int = 12) -> dict[str, Corpus]:
    """Texts of random words with labels that mean nothing; all are different."""
    generator = np.random.default_rng([seed, 12])
    texts: dict[str, None] = {}
    while len(texts) < 3 * 4 * per_label:
        texts[" ".join(generator.choice(WORDS[:-8], size=int(generator.integers(3, 8))))] = None
    parts: dict[str, list[Example]] = {"screen": [], "dev": [], "test": []}
    for number, text in enumerate(texts):
        part = tuple(parts)[number % 3]
        label = NULL_GROUP.labels[number // 3 % 4]
        if part == "screen" or label != NULL_GROUP.rest:
            parts[part].append(Example(f"{number:03}", text, label, "made"))
    return {part: Corpus(part, NULL_GROUP, tuple(examples)) for part, examples in parts.items()}


def null_model(seed: int, d_mlp: int) -> Any:
    """Random weights; attention adds little, so that a mask shifts the answers to all texts in a like way."""
    weights = llama_weights(seed, num_hidden_layers=2, intermediate_size=d_mlp)
    for block in weights.model.layers:
        block.self_attn.o_proj.weight.data *= 0.25
    return bridge(weights, name="null")


def null_family(seed: int, *, masks: Any = ("zero",), d_mlp: int = 2048, size: int = 92, per_label: int = 30) -> Family:
    """Matched random sets passed off as the neurons of three concepts, on a model of random weights.

    Args:
        seed: Of model, texts and draws.
        masks: See `effects`.
        d_mlp: Neurons a layer, of two.
        size: Neurons that the screen selects for a concept, which is the size of the sets; by default what the default
            screen selects of the 46,080 neurons of the embedded model.
        per_label: Texts a label and split.
    """
    model = null_model(seed, d_mlp)
    parts = null_parts(seed, per_label=per_label)
    stats = collect_stats(model, parts["screen"], progress=False)
    found = screen(stats, shuffles=0, top=size / (2 * d_mlp), scorers=("standardized",), support=0).neurons
    claims = random_claims(stats, found, seed=seed)
    return Family(_measure(model, claims, parts, stats, masks, seed + 1_000_000))


def adaptive_null_family(
    seed: int, *, d_mlp: int = 2048, size: int = 92, per_label: int = 30, n_random: int = 8
) -> tuple[Family, Tunings]:
    """A null family whose masks come from the feedback loop, run on the claims and on the sets they are compared with.

    Args: see `null_family`.
    """
    model = null_model(seed, d_mlp)
    parts = null_parts(seed, per_label=per_label)
    stats = collect_stats(model, parts["screen"], progress=False)
    found = screen(stats, shuffles=0, top=size / (2 * d_mlp), scorers=("standardized",), support=0).neurons
    claims, draws = random_claims(stats, found, seed=seed), seed + 1_000_000
    tunings = tune_all(
        model,
        claims,
        parts["dev"],
        stats=stats,
        readout=ANSWERS,
        n_random=n_random,
        seed=draws,
        others=False,
        progress=False,
    )
    return Family(_measure(model, claims, parts, stats, tunings.masks(), draws, n_random)), tunings


def planted_family(
    seed: int, *, masks: Any = ("zero",), n_planted: int = 2, per_label: int = 12, **changes: Any
) -> Family:
    """Planted neurons claimed for the first `n_planted` concepts, matched random sets for the others.

    Args:
        seed: Of model, texts and draws.
        masks: See `effects`.
        n_planted: For how many of the concepts the planted neurons are claimed.
        per_label: Texts a label and split.
        **changes: Of the model, see `answering_model`.
    """
    answering = answering_model(("anger", "fear", "happiness", "sadness"), seed=seed, **changes)
    parts = answering_splits(answering, per_label=per_label, seed=seed)
    stats = collect_stats(answering.model, parts["screen"], progress=False)
    truth = sets_of(stats, answering.neurons)
    drawn = truth.matched_random(seed=seed, n=1).sets[0]
    honest = truth.concepts[:n_planted]
    claimed = {concept: (truth if concept in honest else drawn).sets[concept] for concept in truth.concepts}
    # What may be drawn must be the same for the claims and for the sets that they are compared with.
    claims = sets_of(stats, claimed, also_taken=[place for places in answering.neurons.values() for place in places])
    return Family(_measure(answering.model, claims, parts, stats, masks, seed + 1_000_000), honest)


def _measure(
    model: Any,
    claims: Neurons,
    parts: Mapping[str, Corpus],
    stats: ActivationStats,
    masks: Any,
    seed: int,
    n_random: int = 8,
) -> Effects:
    return effects(
        model,
        claims,
        parts["test"],
        masks=masks,
        readout=ANSWERS,
        dev=parts["dev"],
        stats=stats,
        n_random=n_random,
        seed=seed,
        progress=False,
    )
