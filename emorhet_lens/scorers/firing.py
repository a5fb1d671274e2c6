"""Scorers of firing, after Lee et al. 2025 and Zheng et al. 2026.

f counts the tokens of a concept on which a neuron fires, P = f / T, P_hat = P / sum over concepts of P, and
H = -sum P_hat log P_hat in nats. With several sources P is adjusted for what tells the sources apart, see
`probability`. Tokens of one text are not independent, and none of these numbers says how sure it is.
"""

import math

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.scorers.registry import Against, Scores, blank_absent, per_row, register_scorer


@register_scorer("frequency")
def frequency(stats: ActivationStats, against: Against = "rest") -> Scores:  # noqa: ARG001
    """f: number of the concept's tokens on which the neuron fires, all sources together."""
    return blank_absent(stats.summed("firings")[:-1].double(), stats.summed("texts")[:-1])


@register_scorer("probability")
def probability(stats: ActivationStats, against: Against = "rest") -> Scores:  # noqa: ARG001
    """P = f / T: share of the concept's tokens on which the neuron fires.

    With several sources a source's own firing rate is taken out: P is the rate on the rest of all sources, times the
    geometric mean over sources of (rate on the concept) / (rate on the source's rest), at most 1. Rates are then
    (f + 1/2) / (T + 1), so that a neuron that never fires has a ratio.
    """
    texts = stats.summed("texts")[:-1]
    if len(stats.sources) == 1:
        return blank_absent(stats.summed("firings")[:-1] / per_row(stats.summed("tokens")[:-1]), texts)
    overall = _smoothed_log_rate(stats, None)[-1]
    ratios = []
    for source in stats.sources:
        rates = _smoothed_log_rate(stats, source)
        own_rest = rates[-1] if stats.summed("texts", source)[-1] > 0 else overall
        ratios.append(blank_absent(rates[:-1] - own_rest, stats.summed("texts", source)[:-1]))
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
    return blank_absent(whole.expand_as(shares), stats.summed("texts")[:-1])


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


def _smoothed_log_rate(stats: ActivationStats, source: str | None) -> Float[Tensor, "label layer neuron"]:
    rate = (stats.summed("firings", source) + 0.5) / (per_row(stats.summed("tokens", source)) + 1)
    return rate.log()
