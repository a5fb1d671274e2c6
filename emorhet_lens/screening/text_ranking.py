"""Rank texts by what a few neurons do on them: how well a neuron tells a concept, and which texts drive it hardest.

Where the texts are those that the neurons were selected on, these numbers flatter them: with tens of thousands of
neurons the best on some texts are better there than on others. Texts that were held out are the fair test. The texts
that drive a neuron hardest are its extremes and not what it usually responds to.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from emorhet_lens.errors import ScreenError
from emorhet_lens.scorers import Against
from emorhet_lens.scorers.registry import require_against
from emorhet_lens.screening.neurons import Coordinate, Neurons
from emorhet_lens.screening.shortlist import TextActivations


def exact_auroc(
    texts: TextActivations, neurons: Neurons, *, against: Against = "others", by_source: bool = True
) -> pd.DataFrame:
    """Chance that a text of the concept has a higher mean activation than a text that it is compared with.

    The exact counterpart of the scorer `auroc`, which knows means and variances only: the texts themselves are
    ranked, within each source, and the sources that hold the concept and something to compare it with are averaged.
    Equal means count half. It is 0.5 for a neuron that ignores the concept, on average over such neurons; the best of
    many such neurons lie above that on the texts they were selected on.

    Args:
        texts: From `read_texts`.
        neurons: Each is tested for its own concept.
        against: Whether a concept is compared with the rest or with all other texts.
        by_source: Whether sources are kept apart; `False` is what `allow_missing_rest` does in a screening.

    Returns:
        One row a concept and neuron, most selective first: concept, layer, neuron, auroc (NaN where there is nothing
        to compare).

    Raises:
        ScreenError: A neuron was not read, a concept is not of the group, or `against` is unknown.
    """
    require_against(against)
    labels = np.array(texts.labels)
    sources = np.array(texts.sources if by_source else ["all"] * len(labels))
    rows = []
    for concept, (layer, neuron) in _pairs(texts, neurons):
        values = texts.mean[:, texts.place((layer, neuron))].numpy()
        compared = labels != concept if against == "others" else labels == texts.group.rest
        areas = []
        for source in np.unique(sources):
            target, other = (sources == source) & (labels == concept), (sources == source) & compared
            if target.any() and other.any():
                areas.append(roc_auc_score(target[target | other], values[target | other]))
        rows.append((concept, layer, neuron, float(np.mean(areas)) if areas else float("nan")))
    return pd.DataFrame(rows, columns=["concept", "layer", "neuron", "auroc"])


def driving_texts(texts: TextActivations, neurons: Neurons, *, n: int = 4) -> pd.DataFrame:
    """The texts on which a neuron reaches its highest activations, whatever their label.

    Args:
        texts: From `read_texts`.
        neurons: Which neurons, for example `neurons.head(3)`.
        n: Texts a neuron.

    Returns:
        One row a concept, neuron and text, the hardest driver first; equal ones by key. Columns: concept, layer,
        neuron, place (from 1), key, label, source, maximum.

    Raises:
        ScreenError: A neuron was not read, or a concept is not of the group.
    """
    rows: list[Mapping[str, Any]] = []
    for concept, (layer, neuron) in _pairs(texts, neurons):
        values = texts.maximum[:, texts.place((layer, neuron))].tolist()
        order = sorted(range(len(values)), key=lambda index: (-values[index], texts.keys[index]))
        for place, index in enumerate(order[:n], 1):
            found = (concept, layer, neuron, place, texts.keys[index], texts.labels[index], texts.sources[index])
            rows.append(dict(zip(_DRIVING, (*found, values[index]), strict=True)))
    return pd.DataFrame(rows, columns=list(_DRIVING))


_DRIVING = ("concept", "layer", "neuron", "place", "key", "label", "source", "maximum")


def _pairs(texts: TextActivations, neurons: Neurons) -> list[tuple[str, Coordinate]]:
    strangers = sorted(set(neurons.concepts) - set(texts.group.concepts))
    if strangers:
        raise ScreenError(f"{strangers} are no concepts of the group {texts.group.name!r} of the texts")
    return [(concept, coordinate) for concept, found in neurons.sets.items() for coordinate in found]
