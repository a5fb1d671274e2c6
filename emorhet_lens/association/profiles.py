"""Selectivity profiles: what a scorer says of all neurons for one concept, and whether two profiles go together.

Profiles are compared by Spearman's rank correlation over all neurons. Tens of thousands of neurons are no independent
observations: activations vary in few directions, so even the profiles of labels that mean nothing correlate well away
from 0. A correlation is therefore compared with those of shuffled labels, of the one group and then of the other. What
is left says that two contrasts of texts move the same neurons, and not that these neurons do anything for either.
Concepts of a group that are compared with each other have profiles that depend on each other: where one goes with a
concept of the other group, the rest tend to go against it. And shuffled labels are a mixture of the true ones, so that
where labels are few and clear even their profiles are much like the true ones, and little is left beyond them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.association.label_shuffles import shuffled_labels
from emorhet_lens.causal.inference import Excess, excess_over_random
from emorhet_lens.errors import ScreenError
from emorhet_lens.scorers import SCORERS, Scores
from emorhet_lens.screening.screen import Screen
from emorhet_lens.screening.selection import ScreenOptions

Correlations = Float[Tensor, "first second"]


@dataclass(frozen=True)
class ProfileCorrelation:
    """How alike the profiles of two concepts are.

    Args:
        rho: Spearman's correlation over all neurons.
        first: Its excess, in Fisher's z, where the labels of the first concept's group are shuffled; nothing without
            shuffles.
        second: The same for the second concept's group.
        reliability: Spearman's correlation r of each concept's profiles on the two halves of its texts. Halves are
            noisier than the whole, for which 2r / (1 + r) is an estimate.
    """

    rho: float
    first: Excess | None
    second: Excess | None
    reliability: tuple[float, float]

    @property
    def p(self) -> float:
        """The larger of the two p-values; NaN where one of the two nulls has fewer than two values."""
        sides = [math.nan if side is None else side.p for side in (self.first, self.second)]
        return math.nan if any(map(math.isnan, sides)) else max(sides)


def profile(stats: ActivationStats, options: ScreenOptions, scorer: str = "standardized") -> Scores:
    """The scores of all neurons for all concepts, as a screening with these options takes them.

    Args:
        stats: The statistics.
        options: Whether sources are kept apart and what a concept is compared with.
        scorer: A name of `SCORERS`.

    Returns:
        `[concept layer neuron]`, NaN for a concept without texts.

    Raises:
        ScreenError: There is no such scorer, or it says the same for every concept.
    """
    fit = [name for name, known in SCORERS.items() if not known.whole_neuron]
    if scorer not in fit:
        raise ScreenError(f"scorer={scorer!r} has no profile by concept; there are {', '.join(fit)}")
    return SCORERS[scorer].compute(stats.without_sources() if options.allow_missing_rest else stats, options.against)


def spearman(first: Float[Tensor, "first layer neuron"], second: Float[Tensor, "second layer neuron"]) -> Correlations:
    """Rank correlation of every profile of the one with every profile of the other; NaN for a profile with NaN."""
    rho: Correlations = einsum(_unit_ranks(first), _unit_ranks(second), "first place, second place -> first second")
    return rho


def fisher_z(r: float) -> float:
    """A correlation on a scale without ends, on which tests take it as normal; short of infinity for -1 and 1."""
    return math.atanh(min(max(r, -0.999999), 0.999999))


def correlate_profiles(
    first: Screen, second: Screen, *, scorer: str = "standardized", shuffles: int = 40, seed: int = 0
) -> dict[tuple[str, str], ProfileCorrelation]:
    """Compare the profiles of two screenings of one model, concept by concept.

    Args:
        first: A screening.
        second: Another one of the same model.
        scorer: What a profile is made of.
        shuffles: Shuffled labellings of each; 0 leaves the nulls out.
        seed: Of the shuffles.

    Returns:
        One comparison for every concept of the first and of the second.

    Raises:
        ScreenError: The scorer is unknown or has no profile, or labels cannot be shuffled.
    """
    own, other = (profile(one.stats, one.options, scorer) for one in (first, second))
    rho = spearman(own, other)
    nulls = (
        [spearman(shuffled, other) for shuffled in _shuffled_profiles(first, scorer, shuffles, seed)],
        [spearman(own, shuffled) for shuffled in _shuffled_profiles(second, scorer, shuffles, seed + 1)],
    )
    reliable = [_reliability(one, scorer) for one in (first, second)]
    return {
        (a, b): ProfileCorrelation(
            float(rho[i, j]),
            _excess(float(rho[i, j]), [float(one[i, j]) for one in nulls[0]]),
            _excess(float(rho[i, j]), [float(one[i, j]) for one in nulls[1]]),
            (reliable[0][i], reliable[1][j]),
        )
        for i, a in enumerate(first.stats.group.concepts)
        for j, b in enumerate(second.stats.group.concepts)
    }


def _shuffled_profiles(screen: Screen, scorer: str, shuffles: int, seed: int) -> Iterable[Scores]:
    if not shuffles:
        return ()
    return (profile(stats, screen.options, scorer) for stats in shuffled_labels(screen.stats, shuffles, seed=seed))


def _excess(rho: float, null: list[float]) -> Excess | None:
    """Beyond shuffled labels; labellings that are the same contrast, or its opposite, count once."""
    different = [fisher_z(value) for value in {round(abs(value), 9): value for value in null}.values()]
    return excess_over_random(fisher_z(rho), different) if len(different) > 1 and math.isfinite(rho) else None


def _reliability(screen: Screen, scorer: str) -> list[float]:
    halves = [profile(screen.stats.half(part), screen.options, scorer) for part in (0, 1)]
    return [float(value) for value in spearman(halves[0], halves[1]).diagonal()]


def _unit_ranks(scores: Scores) -> Float[Tensor, "concept place"]:
    """Ranks of every profile, centred and of length 1, so that a product is a correlation."""
    flat = rearrange(scores, "concept layer neuron -> concept (layer neuron)").numpy()
    ranks = torch.from_numpy(np.asarray(rankdata(flat, axis=1, nan_policy="propagate"), dtype=np.float64))
    centred = ranks - ranks.mean(1, keepdim=True)
    unit: Float[Tensor, "concept place"] = centred / centred.norm(dim=1, keepdim=True)
    return unit
