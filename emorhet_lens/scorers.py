"""Scorers: pure functions from activation statistics to one number a concept and neuron, in a registry.

Firing statistics (`frequency`, `probability`, `normalized`, `entropy`) follow Lee et al. 2025 and Zheng et al. 2026:
f counts the tokens of a concept on which a neuron fires, P = f / T, P_hat = P / sum over concepts of P, and
H = -sum P_hat log P_hat in nats. Contrasts (`difference` to `auroc`) compare a concept with the rest, or with all
other texts, of the same source, and are averaged over the sources that hold the concept, so that what tells two
sources apart is not mistaken for the concept. With several sources P is adjusted in the same spirit, see
`probability`.

A high score is a correlation on one corpus. It is no evidence that the neuron matters for anything, and with tens of
thousands of neurons some score high by chance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.errors import ScreenError, StatsError
from emorhet_lens.stats import ActivationStats

Against = Literal["rest", "others"]
Scores = Float[Tensor, "concept layer neuron"]
Compute = Callable[[ActivationStats, Against], Scores]
_Compute = TypeVar("_Compute", bound=Compute)
_SUPPORT = 2


@dataclass(frozen=True)
class Scorer:
    """A named scorer.

    Args:
        name: In the registry and in files.
        compute: From statistics and what a concept is compared with to scores `[concept layer neuron]`; a concept
            that has no texts gets NaN. Scores of a whole neuron are repeated for every concept.
        best: Whether the highest or the lowest score is the most selective.
        whole_neuron: Whether the score is one a neuron, so that the concept has to come from P_hat.
    """

    name: str
    compute: Compute
    best: Literal["highest", "lowest"] = "highest"
    whole_neuron: bool = False


SCORERS: dict[str, Scorer] = {}
"""All scorers by name; `register_scorer` adds to it."""


def register_scorer(
    name: str, *, best: Literal["highest", "lowest"] = "highest", whole_neuron: bool = False
) -> Callable[[_Compute], _Compute]:
    """Decorate a function to make it a scorer that `screen` knows by name.

    Args:
        name: Its name; must be new.
        best: Whether high or low scores are selective.
        whole_neuron: Whether it says something about the neuron and not about a concept.

    Returns:
        A decorator that leaves the function as it is.

    Raises:
        ScreenError: The name is taken.
    """
    if name in SCORERS:
        raise ScreenError(f"there is a scorer {name!r} already; choose another name")

    def register(compute: _Compute) -> _Compute:
        SCORERS[name] = Scorer(name, compute, best, whole_neuron)
        return compute

    return register


@register_scorer("frequency")
def frequency(stats: ActivationStats, against: Against = "rest") -> Scores:  # noqa: ARG001
    """f: number of the concept's tokens on which the neuron fires, all sources together."""
    return _blank_absent(stats.summed("firings")[:-1].double(), stats.summed("texts")[:-1])


@register_scorer("probability")
def probability(stats: ActivationStats, against: Against = "rest") -> Scores:  # noqa: ARG001
    """P = f / T: share of the concept's tokens on which the neuron fires.

    With several sources a source's own firing rate is taken out: P is the rate on the rest of all sources, times the
    geometric mean over sources of (rate on the concept) / (rate on the source's rest), at most 1. Rates are then
    (f + 1/2) / (T + 1), so that a neuron that never fires has a ratio.
    """
    texts = stats.summed("texts")[:-1]
    if len(stats.sources) == 1:
        return _blank_absent(stats.summed("firings")[:-1] / _per_row(stats.summed("tokens")[:-1]), texts)
    overall = _smoothed_log_rate(stats, None)[-1]
    ratios = []
    for source in stats.sources:
        rates = _smoothed_log_rate(stats, source)
        own_rest = rates[-1] if stats.summed("texts", source)[-1] > 0 else overall
        ratios.append(_blank_absent(rates[:-1] - own_rest, stats.summed("texts", source)[:-1]))
    return (overall + torch.stack(ratios).nanmean(0)).exp().clamp(max=1)


@register_scorer("normalized")
def normalized(stats: ActivationStats, against: Against = "rest") -> Scores:
    """P_hat: P divided by its sum over the concepts; 0 where P is 0 for all of them (never with several sources)."""
    rates = probability(stats, against)
    total = reduce(rates.nan_to_num(0), "concept layer neuron -> 1 layer neuron", "sum")
    return rates / total.where(total > 0, 1)


@register_scorer("entropy", best="lowest", whole_neuron=True)
def entropy(stats: ActivationStats, against: Against = "rest") -> Scores:
    """H of P_hat in nats: 0 where a neuron fires for one concept only, and where it never fires at all."""
    shares = normalized(stats, against)
    # Subtracting from zero keeps a neuron of one concept from showing as -0.
    whole = 0 - torch.xlogy(shares, shares).nan_to_num(0).sum(0)
    return _blank_absent(whole.expand_as(shares), stats.summed("texts")[:-1])


@register_scorer("entropy_corrected", best="lowest", whole_neuron=True)
def entropy_corrected(stats: ActivationStats, against: Against = "rest") -> Scores:
    """H plus (C - 1) / 2N, at most log C: Miller's (1955) correction for C concepts and N observations.

    N is the number of texts of the concepts in which the neuron fires, because tokens of one text are not
    independent observations. A neuron that never fires gets log C: nothing speaks for its being selective.
    """
    texts = stats.summed("texts")[:-1]
    present = int((texts > 0).sum())
    fired = stats.summed("texts_fired")[:-1].sum(0)
    # 0 / 0, with a single concept, stands for no correction.
    corrected = entropy(stats, against) + ((present - 1) / (2 * fired)).nan_to_num(0)
    return corrected.clamp(max=math.log(present))


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
        apart = (mean[0] / _per_row(other[0]) - mean[1] / _per_row(other[1])).abs()
        return _ratio(apart, variance.clamp(min=0).sqrt())

    return _over_sources(stats, against, compare)


@register_scorer("standardized")
def standardized(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Cohen's d of the texts' mean activations: difference of means over the pooled standard deviation of texts."""

    def compare(source: str) -> Scores:
        (m1, v1, n1), (m0, v0, n0) = _text_moments(stats, against, source, "mean")
        pooled = ((n1 - 1) * v1 + (n0 - 1) * v0) / (n1 + n0 - 2).clamp(min=1)
        return _ratio(m1 - m0, pooled.sqrt())

    return _over_sources(stats, against, compare)


@register_scorer("rate_z")
def rate_z(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Welch's z of the texts' firing rates: difference of means over its standard error, text by text."""
    return _welch(stats, against, "rate")


@register_scorer("mean_z")
def mean_z(stats: ActivationStats, against: Against = "rest") -> Scores:
    """Welch's z of the texts' mean activations."""
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
    `emorhet_lens.shortlist.exact_auroc` ranks the texts themselves for the few neurons that are worth it.
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
        scores.append(_blank_absent(compare(source), torch.where(other > 0, target, 0)))
    return torch.stack(scores).nanmean(0)


def _difference(stats: ActivationStats, against: Against, total: str) -> Scores:
    def compare(source: str) -> Scores:
        sums, tokens = stats.summed(total, source), stats.summed("tokens", source)
        (target, other), (n1, n0) = _target_and_other(sums, against), _target_and_other(tokens, against)
        apart = (target / _per_row(n1) - other / _per_row(n0)).abs()
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
    """Mean, variance and number of texts: of each concept, then of what it is compared with."""
    totals = _target_and_other(stats.summed(f"{quantity}_total", source), against)
    squares = _target_and_other(stats.summed(f"{quantity}_squares", source), against)
    counts = _target_and_other(stats.summed("texts", source).double(), against)
    moments = []
    for total, square, count in zip(totals, squares, counts, strict=True):
        n = _per_row(count)
        mean = total / n
        variance = (square - total * mean) / (n - 1)
        # Sums of equal values leave a trace of rounding, which must not pass for a variance.
        variance = variance.where(variance > 1e-12 * (square / n), 0)
        moments.append((mean, variance, n))
    return moments


def _target_and_other(values: Tensor, against: Against) -> tuple[Tensor, Tensor]:
    """From one row a label to one row a concept: the concept's own, and those it is compared with."""
    target = values[:-1]
    other = values[-1:].expand_as(target) if against == "rest" else values.sum(0, keepdim=True) - target
    return target, other


def _smoothed_log_rate(stats: ActivationStats, source: str | None) -> Float[Tensor, "label layer neuron"]:
    rate = (stats.summed("firings", source) + 0.5) / (_per_row(stats.summed("tokens", source)) + 1)
    return rate.log()


def _binary_entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """0 / 0 is 0 here: a neuron that never varies is not selective."""
    return torch.where(numerator == 0, 0, numerator / denominator)


def _per_row(counts: Tensor) -> Float[Tensor, "row 1 1"]:
    return rearrange(counts.double(), "row -> row 1 1")


def _blank_absent(scores: Scores, texts: Tensor) -> Scores:
    return scores.masked_fill(rearrange(texts == 0, "concept -> concept 1 1"), torch.nan)
