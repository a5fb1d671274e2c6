"""Corpora for the tests and a model whose neurons are known; the tiny models of `tiny_models` are here by name, too.

planted = planted_model(("anger", "fear"), seed=0)
corpus = planted_corpus(planted, per_label=30, topic=0.5)      # labels anger, fear, neutral
stats = collect_stats(planted.model, corpus, progress=False)
planted.neurons["anger"]                                       # {(layer, neuron), ...} that should be found
null = null_corpus(corpus)                                     # same texts, labels shuffled
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from tiny_models import (
    HAS_HOOKED,
    HOSTS,
    N_CTX,
    SPECIAL,
    WORDS,
    bridge,
    gpt2_weights,
    hooked_gpt2,
    hooked_llama,
    llama_weights,
    micro_model,
    save_model,
    tiny_gpt2,
    tiny_llama,
    tiny_mixtral,
    word_tokenizer,
)

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

__all__ = [
    "HAS_HOOKED",
    "HOSTS",
    "N_CTX",
    "PAIR_GROUP",
    "SPECIAL",
    "WORDS",
    "Planted",
    "bridge",
    "gpt2_weights",
    "hooked_gpt2",
    "hooked_llama",
    "llama_weights",
    "micro_model",
    "null_corpus",
    "planted_corpus",
    "planted_model",
    "require_equal",
    "save_model",
    "texts_corpus",
    "tiny_corpus",
    "tiny_gpt2",
    "tiny_llama",
    "tiny_mixtral",
    "word_tokenizer",
]

PAIR_GROUP = ConceptGroup("two", ("glad", "sad"), "plain")


def texts_corpus(*labelled: tuple[str, str], source: str = "made", group: ConceptGroup = PAIR_GROUP) -> Corpus:
    """A corpus of `(label, text)` pairs, with ids in order."""
    examples = tuple(Example(f"{i:03}", text, label, source) for i, (label, text) in enumerate(labelled))
    return Corpus("texts", group, examples)


def tiny_corpus(n: int = 18, *, seed: int = 0, source: str = "made") -> Corpus:
    """Texts of 1 to 12 random words of the tiny tokenizer, labels in turn."""
    generator = np.random.default_rng(seed)
    labelled = [
        (PAIR_GROUP.labels[i % 3], " ".join(generator.choice(WORDS, size=int(generator.integers(1, 13)))))
        for i in range(n)
    ]
    return texts_corpus(*labelled, source=source)


def require_equal(mine: ActivationStats, other: ActivationStats) -> None:
    """Two statistics hold the same bytes and say the same about themselves."""
    for name in ("group", "model", "options", "cells", "null_cells"):
        assert getattr(mine, name) == getattr(other, name), name
    assert torch.equal(mine.output_norm, other.output_norm)
    for name in ("sums", "extremes", "null_sums"):
        for field in fields(getattr(mine, name)):
            a, b = (getattr(getattr(stats, name), field.name) for stats in (mine, other))
            assert a.dtype == b.dtype, f"{name}.{field.name}"
            assert torch.equal(a, b), f"{name}.{field.name}"


@dataclass(frozen=True, eq=False)
class Planted:
    """A model of which it is known what some neurons respond to.

    Args:
        model: A raw `TransformerBridge` with a gated MLP.
        group: The concepts, with the rest `neutral`.
        words: The words of every label; those of `neutral` occur in texts of all labels.
        neurons: For every concept the (layer, neuron) that fire mostly on its words.
        strength: For every planted neuron how clean it is: 1 fires on the concept's words alone.
    """

    model: Any
    group: ConceptGroup
    words: dict[str, tuple[str, ...]]
    neurons: dict[str, frozenset[tuple[int, int]]]
    strength: dict[tuple[int, int], float]


def planted_model(
    concepts: Sequence[str] = ("anger", "fear", "happiness"),
    *,
    n_layers: int = 2,
    d_mlp: int = 40,
    per_layer: int = 3,
    noise: float = 0.6,
    context: float = 0.1,
    n_words: int = 8,
    seed: int = 0,
) -> Planted:
    """A gated model in which, in every layer, `per_layer` neurons a concept fire mostly on that concept's words.

    A word's embedding is a constant, its concept's direction, and a random part of its own. A planted neuron's gate
    compares the direction with half the constant and adds the random part, weighted from 0 (the cleanest neuron,
    strength 1) up to `noise`. All other neurons read the random part only. Use it with a raw corpus of
    `planted_corpus`; the default prompt and `tokens="text"` are right for it.

    Args:
        concepts: Concept names; the rest is called `neutral`.
        n_layers: Layers, each with planted neurons at other places.
        d_mlp: Neurons a layer.
        per_layer: Planted neurons a concept and layer.
        noise: How dirty the dirtiest planted neuron is; at 0 all are clean.
        context: Size of the attention's output, which makes a word's activations depend on the words before it.
        n_words: Words a concept; there are three times as many neutral words.
        seed: Of weights and places.
    """
    generator = np.random.default_rng(seed)
    group = ConceptGroup("planted", tuple(concepts), "neutral")
    words = {
        label: tuple(f"{label}{i}" for i in range(n_words if label != group.rest else 3 * n_words))
        for label in group.labels
    }
    vocabulary = [word for label in group.labels for word in words[label]]
    n_concepts, own = len(concepts), 12
    # Dimensions: the concepts, the constant, the random part, and zeros up to a multiple of eight.
    width = -(-(n_concepts + 1 + own) // 8) * 8
    constant, free = n_concepts, slice(n_concepts + 1, n_concepts + 1 + own)
    weights = llama_weights(
        seed,
        vocab_size=len(SPECIAL) + len(vocabulary),
        hidden_size=width,
        intermediate_size=d_mlp,
        num_hidden_layers=n_layers,
    )
    embedding = np.zeros((len(SPECIAL) + len(vocabulary), width))
    embedding[:, constant] = 1
    embedding[:, free] = generator.normal(size=(len(embedding), own)) / np.sqrt(own)
    for row, word in enumerate(vocabulary, start=len(SPECIAL)):
        for column, concept in enumerate(concepts):
            embedding[row, column] = word in words[concept]
    neurons: dict[str, set[tuple[int, int]]] = {concept: set() for concept in concepts}
    strength: dict[tuple[int, int], float] = {}
    weights.model.embed_tokens.weight.data = torch.tensor(embedding, dtype=torch.float32)
    for layer, block in enumerate(weights.model.layers):
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            norm.weight.data.fill_(1)
        # Layers add little to the stream, so that every layer reads the words.
        block.self_attn.o_proj.weight.data *= context
        block.mlp.down_proj.weight.data *= 0.02
        gate, up = np.zeros((d_mlp, width)), np.zeros((d_mlp, width))
        gate[:, free] = generator.normal(size=(d_mlp, own))
        up[:, free] = generator.normal(size=(d_mlp, own))
        places = generator.permutation(d_mlp)[: per_layer * n_concepts].reshape(n_concepts, per_layer)
        for column, concept in enumerate(concepts):
            for rank, place in enumerate(places[column].tolist()):
                share = rank / max(1, per_layer - 1)
                gate[place, free] *= noise * share
                gate[place, [column, constant]] = 1, -0.5
                up[place] = 0
                up[place, constant] = 1
                neurons[concept].add((layer, place))
                strength[layer, place] = 1 - share * min(1.0, noise)
        block.mlp.gate_proj.weight.data = torch.tensor(gate, dtype=torch.float32)
        block.mlp.up_proj.weight.data = torch.tensor(up, dtype=torch.float32)
    model = bridge(weights, tokenizer=word_tokenizer(vocabulary), name="planted")
    return Planted(model, group, words, {c: frozenset(found) for c, found in neurons.items()}, strength)


def planted_corpus(
    planted: Planted,
    *,
    per_label: int = 20,
    signal: float = 0.4,
    topic: float = 0.0,
    sources: Sequence[str] = ("made",),
    pairs: bool = False,
    seed: int = 0,
) -> Corpus:
    """Texts of 6 to 12 words: neutral words, and in texts of a concept a share of the concept's words.

    Args:
        planted: Gives words and group.
        per_label: Texts a label and source.
        signal: Share of a text's words that are of its concept; at least one. 0 is not possible: see `null_corpus`.
        topic: Share of the neutral words that come from two words drawn for the text, so that the tokens of a text
            are more alike than tokens of different texts.
        sources: Names of the sources.
        pairs: Whether text k of every label and source have one `pair`, and share length and neutral words.
        seed: Of the texts.
    """
    examples = []
    for number, source in enumerate(sources):
        for label in planted.group.labels:
            for k in range(per_label):
                column = 0 if pairs else planted.group.labels.index(label)
                frame = np.random.default_rng([seed, number, k, column])
                neutral = planted.words[planted.group.rest]
                favourites = frame.choice(neutral, size=2)
                length = int(frame.integers(6, 13))
                text = [
                    str(frame.choice(favourites) if frame.random() < topic else frame.choice(neutral))
                    for _ in range(length)
                ]
                if label != planted.group.rest:
                    for place in frame.permutation(length)[: max(1, round(signal * length))]:
                        text[place] = str(frame.choice(planted.words[label]))
                pair = f"pair{k}" if pairs else None
                examples.append(Example(f"{label}-{k}", " ".join(text), label, source, pair=pair))
    return Corpus("planted", planted.group, tuple(examples))


def null_corpus(corpus: Corpus, seed: int = 0) -> Corpus:
    """The same texts under the same keys, with the labels shuffled within each source."""
    generator = np.random.default_rng(seed)
    labels = [example.label for example in corpus]
    for source in corpus.sources:
        members = [index for index, example in enumerate(corpus) if example.source == source]
        shuffled = [labels[index] for index in generator.permutation(members)]
        for index, label in zip(members, shuffled, strict=True):
            labels[index] = label
    examples = tuple(replace(example, label=label) for example, label in zip(corpus, labels, strict=True))
    return Corpus(f"{corpus.name}-null", corpus.group, examples)
