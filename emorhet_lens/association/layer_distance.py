"""How far apart the layers of two sets of neurons lie.

The distance is Wasserstein's: how many layers, on average, neurons of the one set would have to move to lie as those of
the other. Matched draws keep layers and say nothing about it, so it is compared with splits of both sets' layers at
random. Selections of any kind favour layers; that two differ does not say why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from emorhet_lens.texts.splitting import random_stream


@dataclass(frozen=True)
class LayerDistance:
    """Distance of two layer distributions, beside that of the same layers dealt at random.

    Args:
        distance: In layers; NaN where a set is empty.
        expected: Mean over splits at random of all layers into sets of the same sizes.
        sd: Standard deviation over them.
        p: One-sided, (1 + splits at least as far apart) / (1 + splits).
    """

    distance: float
    expected: float
    sd: float
    p: float


def layer_distance(
    first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]], *, draws: int = 1000, seed: int = 0
) -> LayerDistance:
    """Compare where two sets of neurons lie.

    Args:
        first: Neurons (layer, neuron).
        second: Neurons of the same model.
        draws: Splits at random.
        seed: Of the splits.

    Returns:
        The comparison.
    """
    mine, theirs = ([layer for layer, _ in side] for side in (first, second))
    if not mine or not theirs:
        return LayerDistance(float("nan"), float("nan"), float("nan"), float("nan"))
    counts = np.bincount([*mine, *theirs])
    # Dealing the union is drawing the first set's layers from it without putting back.
    drawn = random_stream(seed, "layers").multivariate_hypergeometric(counts, len(mine), size=draws)
    left = counts - drawn
    apart = np.abs(np.cumsum(drawn / len(mine) - left / len(theirs), axis=1)).sum(1)
    distance = float(wasserstein_distance(mine, theirs))
    # Sums in another order than scipy's, so equal distances may differ by rounding.
    p = (1 + int((apart >= distance - 1e-9).sum())) / (1 + draws)
    return LayerDistance(distance, float(apart.mean()), float(apart.std()), p)
