"""Scorers that compare a concept with the rest, or with all other texts, of the same source.

They are averaged over the sources that hold the concept, so that what tells two sources apart is not mistaken for the
concept. Those named after texts use texts as observations, not tokens.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import StatsError
from emorhet_lens.scorers.registry import Against, Scores, blank_absent, per_row, register_scorer, require_against

_SUPPORT = 2


@register_scorer("difference")
def difference(stats: ActivationStats, against: Against = "rest") -> Scores:
    """D = |A_target - A_other| / A_all after Zheng et al. 2026, with A the mean of max(x, 0).

    At site `post` half of all neurons have a mean activation at or below zero, so that the signed mean makes D a
    search for small denominators. A neuron that fires in fewer than two texts of a source gets 0 there.
    """
    return _difference(stats, against, "positive_total")


@register_scorer("difference_signed")
def difference_signed(stats: ActivationStats, against: Against = "rest") -> Scores:
    """D with A the signed mean activation: the formula to the letter. Neurons with a mean near zero win."""
    return _difference(stats, against, "total")


@register_scorer("difference_scaled")
def difference_scaled(stats: ActivationStats, against: Against = "rest") -> Scores:
    """|A_target - A_other| with signed means, divided by the standard deviation over all tokens of the source."""

    def compare(source: str) -> Scores:
        tokens, total = stats.summed("tokens", source), stats.summed("total", source)
        mean, other = _target_and_other(total, against), _target_and_other(tokens, against)
        overall = total.sum(0) / tokens.sum()
        variance = stats.summed("squares", source).sum(0) / tokens.sum() - overall.square()
        apart = (mean[0] / per_row(other[0]) - mean[1] / per_row(other[1])).abs()
        return _ratio(apart, variance.clamp(min=0).sqrt())

    return _over_sources(stats, against, compare)


@register_scorer("standardized")
def standardized(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Cohen's d of the texts' mean activations: difference of means over the pooled standard deviation of texts."""

    def compare(source: str) -> Scores:
        (m1, v1, n1), (m0, v0, n0) = _text_moments(stats, against, source, "mean")
        # One text has no variance, and no weight in the pooled one.
        spread = [torch.where(n > 1, (n - 1) * v, 0) for v, n in ((v1, n1), (v0, n0))]
        pooled = (spread[0] + spread[1]) / (n1 + n0 - 2).clamp(min=1)
        return _ratio(m1 - m0, pooled.sqrt())

    return _over_sources(stats, against, compare)


@register_scorer("rate_z")
def rate_z(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Welch's z of the texts' firing rates: difference of means over its standard error, text by text.

    A source with a single text of the concept, or of what it is compared with, has no standard error and is left out.
    """
    return _welch(stats, against, "rate")


@register_scorer("mean_z")
def mean_z(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Welch's z of the texts' mean activations; for sources with a single text see `rate_z`."""
    return _welch(stats, against, "mean")


@register_scorer("mutual_information")
def mutual_information(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Mutual information in nats between firing and belonging to the concept, from the texts' mean firing rates.

    Both classes get equal weight. It has no sign: a neuron that falls silent for a concept is informative too.
    """

    def compare(source: str) -> Scores:
        (r1, _, _), (r0, _, _) = _text_moments(stats, against, source, "rate")
        middle = (r1 + r0) / 2
        return _binary_entropy(middle) - (_binary_entropy(r1) + _binary_entropy(r0)) / 2

    return _over_sources(stats, against, compare)


@register_scorer("auroc")
def auroc(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Chance that a text of the concept has a higher mean activation than another text, in the binormal approximation.

    Phi((m1 - m0) / sqrt(v1 + v0)) is what means and variances allow; it is exact where both are normal.
    `emorhet_lens.screening.text_ranking.exact_auroc` ranks the texts themselves for the few neurons that are worth it.
    """

    def compare(source: str) -> Scores:
        (m1, v1, _), (m0, v0, _) = _text_moments(stats, against, source, "mean")
        chance: Scores = torch.special.ndtr(_ratio(m1 - m0, (v1 + v0).sqrt()))
        return chance

    return _over_sources(stats, against, compare)


def require_references(stats: ActivationStats, against: Against) -> None:
    """Refuse sources in which a concept has nothing to be compared with.

    Raises:
        StatsError: A source lacks the rest class (`against="rest"`) or holds one label only.
    """
    for source in stats.sources:
        texts = stats.summed("texts", source)
        if against == "rest" and texts[-1] == 0:
            advice = 'compare with against="others"' if len(stats.sources) == 1 else "pass allow_missing_rest=True"
            raise StatsError(
                f"the source {source!r} has no {stats.group.rest!r} texts to compare its concepts with; {advice}, "
                "which is recorded, or leave the source out"
            )
        if int((texts > 0).sum()) < 2:
            raise StatsError(
                f"the source {source!r} holds one label only; pass allow_missing_rest=True or leave it out"
            )


def _over_sources(stats: ActivationStats, against: Against, compare: Callable[[str], Scores]) -> Scores:
    """Mean over the sources that hold a concept and something to compare it with."""
    scores = []
    for source in stats.sources:
        target, other = _target_and_other(stats.summed("texts", source), against)
        scores.append(blank_absent(compare(source), torch.where(other > 0, target, 0)))
    return torch.stack(scores).nanmean(0)


def _difference(stats: ActivationStats, against: Against, total: str) -> Scores:
    def compare(source: str) -> Scores:
        sums, tokens = stats.summed(total, source), stats.summed("tokens", source)
        (target, other), (n1, n0) = _target_and_other(sums, against), _target_and_other(tokens, against)
        apart = (target / per_row(n1) - other / per_row(n0)).abs()
        ratio = _ratio(apart, sums.sum(0) / tokens.sum())
        supported = stats.summed("texts_fired", source).sum(0) >= _SUPPORT
        return ratio if total == "total" else ratio.where(supported, 0)

    return _over_sources(stats, against, compare)


def _welch(stats: ActivationStats, against: Against, quantity: Literal["rate", "mean"]) -> Scores:
    def compare(source: str) -> Scores:
        (m1, v1, n1), (m0, v0, n0) = _text_moments(stats, against, source, quantity)
        return _ratio(m1 - m0, (v1 / n1.clamp(min=1) + v0 / n0.clamp(min=1)).sqrt())

    return _over_sources(stats, against, compare)


def _text_moments(
    stats: ActivationStats, against: Against, source: str, quantity: Literal["rate", "mean"]
) -> list[tuple[Scores, Scores, Float[Tensor, "concept 1 1"]]]:
    """Mean, variance (NaN of fewer than two texts) and number of texts: of each concept, then of its counterpart."""
    totals = _target_and_other(stats.summed(f"{quantity}_total", source), against)
    squares = _target_and_other(stats.summed(f"{quantity}_squares", source), against)
    counts = _target_and_other(stats.summed("texts", source).double(), against)
    moments = []
    for total, square, count in zip(totals, squares, counts, strict=True):
        n = per_row(count)
        mean = total / n
        variance = (square - total * mean) / (n - 1)
        # Sums of equal values leave a trace of rounding, which must not pass for a variance.
        variance = variance.where(variance > 1e-12 * (square / n), 0).where(n > 1, torch.nan)
        moments.append((mean, variance, n))
    return moments


def _target_and_other(values: Tensor, against: Against) -> tuple[Tensor, Tensor]:
    """From one row a label to one row a concept: the concept's own, and those it is compared with."""
    require_against(against)
    target = values[:-1]
    other = values[-1:].expand_as(target) if against == "rest" else values.sum(0, keepdim=True) - target
    return target, other


def _binary_entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """0 / 0 is 0 here: a neuron that never varies is not selective. What is unknown stays unknown."""
    return torch.where((numerator == 0) & ~denominator.isnan(), 0, numerator / denominator)
