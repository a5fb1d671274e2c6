"""Statistics from activations in plain loops, and the published selections written out from their formulas.

Nothing here uses the package's own sums, scorers or selection: it is what those are compared with.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from tiny import PAIR_GROUP

from emorhet_lens.activations.design import assign_cells
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.activations.sums import Cell, Extremes, Sums
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

Pick = tuple[int, int, int]


def stats_by_hand(
    activations: Sequence[object],
    labels: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    group: ConceptGroup = PAIR_GROUP,
    seed: int = 0,
    first_id: int = 0,
) -> ActivationStats:
    """Statistics of texts whose activations are given, as if a model called `by hand` had them.

    Args:
        activations: For every text `[token, neuron]` (one layer) or `[token, layer, neuron]`.
        labels: Of the texts.
        sources: Of the texts; all of the source `made` by default.
        group: Of the labels.
        seed: Of halves and null cells.
        first_id: Number of the first text, so that statistics with other texts can be added.
    """
    arrays = [np.asarray(text, dtype=np.float64) for text in activations]
    texts = [array[:, None] if array.ndim == 2 else array for array in arrays]
    _, layers, neurons = texts[0].shape
    examples = tuple(
        Example(f"{first_id + index:05}", "words", label, source)
        for index, (label, source) in enumerate(zip(labels, sources or ["made"] * len(labels), strict=True))
    )
    corpus = Corpus("by hand", group, examples)
    assigned = assign_cells(corpus, seed=seed)
    cells = tuple(sorted({true for true, _ in assigned}, key=lambda c: (c.source, c.label, c.part)))
    null_cells = tuple(sorted({null for _, null in assigned}, key=lambda c: (c.source, c.part)))
    return ActivationStats(
        group=group,
        model=ModelIdentity("by hand", "Hand", "0", False, "float64", layers, neurons, (1.0,) * (4 * layers)),
        options={
            **{"site": "post", "tokens": "text", "prompt": None, "prepend_bos": False, "seed": seed, "skipped": []},
            "corpora": [{"name": corpus.name, "sha256": corpus.digest, "counts": corpus.counts()}],
            "ids": [example.key for example in corpus],
            "plan": [[index] for index in range(len(corpus))],
        },
        cells=cells,
        sums=_sums(texts, [true for true, _ in assigned], cells),
        extremes=_extremes(texts, [true for true, _ in assigned], cells),
        null_cells=null_cells,
        null_sums=_sums(texts, [null for _, null in assigned], null_cells),
        output_norm=torch.ones(layers, neurons, dtype=torch.float64),
    )


def _sums(texts: list[np.ndarray], members: list[Cell], cells: tuple[Cell, ...]) -> Sums:
    sums = Sums.zeros(len(cells), *texts[0].shape[1:])
    for text, member in zip(texts, members, strict=True):
        row, positive = cells.index(member), np.where(text > 0, text, 0)
        fired = (text > 0).sum(0)
        for name, value in {
            "texts": 1,
            "tokens": len(text),
            "firings": fired,
            "texts_fired": fired > 0,
            "total": text.sum(0),
            "squares": (text**2).sum(0),
            "positive_total": positive.sum(0),
            "positive_squares": (positive**2).sum(0),
            "rate_total": fired / len(text),
            "rate_squares": (fired / len(text)) ** 2,
            "mean_total": text.mean(0),
            "mean_squares": text.mean(0) ** 2,
        }.items():
            getattr(sums, name)[row] += torch.as_tensor(value)
    return sums


def _extremes(texts: list[np.ndarray], members: list[Cell], cells: tuple[Cell, ...]) -> Extremes:
    extremes = Extremes.empty(len(cells), *texts[0].shape[1:])
    for text, member in zip(texts, members, strict=True):
        row = cells.index(member)
        for own, value, join in (
            (extremes.maximum, text.max(0), torch.maximum),
            (extremes.minimum, text.min(0), torch.minimum),
            (extremes.positive_minimum, np.where(text > 0, text, np.inf).min(0), torch.minimum),
        ):
            own[row] = join(own[row], torch.from_numpy(value))
    return extremes


def firing_probabilities(activations: Sequence[np.ndarray], labels: Sequence[str], group: ConceptGroup) -> np.ndarray:
    """P = f / T of every concept, layer and neuron, token by token."""
    _, layers, neurons = activations[0].shape
    fired = np.zeros((len(group.concepts), layers, neurons))
    counted = np.zeros(len(group.concepts))
    for text, label in zip(activations, labels, strict=True):
        if label == group.rest:
            continue
        concept = group.concepts.index(label)
        for token in text:
            counted[concept] += 1
            fired[concept] += token > 0
    return fired / counted[:, None, None]


def entropies(rates: np.ndarray) -> np.ndarray:
    """H = -sum P_hat log P_hat of every neuron; 0 for one that never fires."""
    _, layers, neurons = rates.shape
    result = np.zeros((layers, neurons))
    for layer in range(layers):
        for neuron in range(neurons):
            total = sum(rates[:, layer, neuron])
            shares = [rate / total for rate in rates[:, layer, neuron] if rate > 0]
            result[layer, neuron] = -sum(share * math.log(share) for share in shares)
    return result


def lee_selection(rates: np.ndarray, top: float = 0.01) -> list[Pick]:
    """The share `top` of all neurons with the lowest H, each for the concept of its largest P_hat."""
    _, layers, neurons = rates.shape
    entropy = entropies(rates)
    ranking = sorted((entropy[layer, n], layer, n) for layer in range(layers) for n in range(neurons))
    chosen = ranking[: math.ceil(top * layers * neurons)]
    return [(int(np.argmax(rates[:, layer, n])), layer, n) for _, layer, n in chosen]


def lape_selection(rates: np.ndarray, top: float = 0.01, bar: float = 0.95) -> list[Pick]:
    """Of the neurons with P above the bar for some concept the lowest H, each for all concepts with P above it.

    The bar is the value of rank round(bar * n) among all n probabilities; the share is one of all neurons.
    """
    concepts, layers, neurons = rates.shape
    entropy = entropies(rates)
    ascending = sorted(rates.ravel().tolist())
    height = ascending[round(bar * len(ascending)) - 1]
    passing = [(layer, n) for layer in range(layers) for n in range(neurons) if max(rates[:, layer, n]) > height]
    ranking = sorted((entropy[layer, n], layer, n) for layer, n in passing)
    chosen = ranking[: math.ceil(top * layers * neurons)]
    return [(c, layer, n) for _, layer, n in chosen for c in range(concepts) if rates[c, layer, n] > height]
