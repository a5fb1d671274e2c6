"""From scores to a set of neurons: floor, support, assignment to concepts, ranking, and ties at the cut.

Everything here is a pure function of statistics and options, so that the same selection can be made from a half of the
texts or from texts with shuffled labels.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import ScreenError
from emorhet_lens.scorers import SCORERS, Against, probability

_CHOICES = {
    "scope": ("global", "layer", "concept"),
    "assign": ("argmax", "threshold"),
    "combine": ("conjunction", "fusion"),
    "against": ("rest", "others"),
}
_SIGN = {"highest": 1, "lowest": -1}
_FUSION_OFFSET = 60


@dataclass(frozen=True)
class ScreenOptions:
    """How neurons are selected.

    Args:
        scorers: Names of scorers. With several, the first one decides to which concept a neuron belongs.
        combine: With several scorers: `"conjunction"` orders by the worst of the ranks, so that a neuron has to be
            near the top by every one; `"fusion"` by the sum of 1 / (60 + rank) (Cormack et al. 2009).
        top: Share of all neurons that is selected, rounded up.
        scope: Whether the share is taken of all neurons at once, in every layer, or for every concept.
        assign: A neuron goes to the one concept that fits best (`"argmax"`: by P_hat for scores of a whole neuron,
            by the score itself otherwise), or to every concept on which it fires more often than `bar` says.
        bar: For `assign="threshold"`: quantile of P over all neurons and concepts.
        floor: Quantile of P over all neurons and concepts that a neuron has to pass for some concept; none by default.
        support: Fewest texts of its concept in which a neuron has to fire.
        against: What contrasts compare a concept with: the rest, or all other texts.
        allow_missing_rest: Accept sources without a rest class by treating all texts as one source.

    Raises:
        ScreenError: An option is unknown or out of its range.
    """

    scorers: tuple[str, ...] = ("standardized", "difference_scaled", "difference")
    combine: Literal["conjunction", "fusion"] = "conjunction"
    top: float = 0.002
    scope: Literal["global", "layer", "concept"] = "concept"
    assign: Literal["argmax", "threshold"] = "argmax"
    bar: float = 0.95
    floor: float | None = None
    support: int = 2
    against: Against = "others"
    allow_missing_rest: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.scorers if name not in SCORERS]
        if unknown or not self.scorers:
            raise ScreenError(f"unknown scorers {unknown}; there are {', '.join(SCORERS)}")
        for option, allowed in _CHOICES.items():
            if getattr(self, option) not in allowed:
                raise ScreenError(f"{option}={getattr(self, option)!r} is unknown; it is one of {', '.join(allowed)}")
        if not 0 < self.top <= 1:
            raise ScreenError(f"top={self.top} has to be a share above 0 and at most 1")
        for option in ("bar", "floor"):
            value = getattr(self, option)
            if value is not None and not 0 <= value < 1:
                raise ScreenError(f"{option}={value} has to be a quantile from 0 to below 1")
        if self.support < 0:
            raise ScreenError(f"support={self.support} texts cannot be negative")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "scorers": list(self.scorers)}


@dataclass(frozen=True, eq=False)
class Selection:
    """Neurons in the order of selection.

    Args:
        concept: Index of the concept.
        layer: Layer of the neuron.
        neuron: Index within the layer.
        score: Score by the first scorer.
        ties: Scope (`"global"`, a layer, a concept) to (candidates with the score of the cut, places left for them),
            where there were more of the former.
        candidates: Neurons that passed floor, support and assignment.
    """

    concept: Int[Tensor, " selected"]
    layer: Int[Tensor, " selected"]
    neuron: Int[Tensor, " selected"]
    score: Float[Tensor, " selected"]
    ties: dict[str, tuple[int, int]]
    candidates: int

    def keys(self) -> set[tuple[int, int, int]]:
        """The set of (concept, layer, neuron)."""
        return set(zip(self.concept.tolist(), self.layer.tolist(), self.neuron.tolist(), strict=True))


def select(stats: ActivationStats, options: ScreenOptions) -> Selection:
    """Select neurons.

    Args:
        stats: The statistics.
        options: How.

    Returns:
        The selected neurons, the most selective first; equal scores by layer, then by neuron.
    """
    stats = stats.without_sources() if options.allow_missing_rest else stats
    rates = probability(stats, options.against)
    scores = [SCORERS[name].compute(stats, options.against) for name in options.scorers]
    # Turned so that high is selective.
    merits = torch.stack([_SIGN[SCORERS[name].best] * s for name, s in zip(options.scorers, scores, strict=True)])
    eligible = _assigned(merits[0], rates, options) & _supported(stats, rates, options)
    eligible &= ~merits.isnan().any(0)
    merit = merits[0] if len(merits) == 1 else _combined(merits, eligible, options.combine)
    merit = merit.masked_fill(~eligible, -torch.inf)
    picked: list[tuple[int, int, int]] = []
    ties: dict[str, tuple[int, int]] = {}
    neurons = merit.shape[-1]
    for name, part, wanted in _scopes(merit, options):
        best = part.amax(0)
        order, tie = _top(rearrange(best, "layer neuron -> (layer neuron)"), wanted)
        if tie[0] > tie[1]:
            ties[name] = tie
        for flat in order.tolist():
            layer, neuron = divmod(flat, neurons)
            concepts = (part[:, layer, neuron] > -torch.inf).nonzero().squeeze(-1).tolist()
            picked += [(concept, layer, neuron) for concept in concepts]
    # Scopes are ranked one after the other; the ranks of a concept go over all layers.
    picked.sort(key=lambda place: (-float(merit[place]), *place[1:], place[0]))
    concept, layer, neuron = torch.tensor(picked, dtype=torch.int64).reshape(-1, 3).unbind(1)
    return Selection(concept, layer, neuron, scores[0][concept, layer, neuron], ties, int(eligible.any(0).sum()))


def _assigned(
    merit: Float[Tensor, "concept layer neuron"], rates: Float[Tensor, "concept layer neuron"], options: ScreenOptions
) -> Bool[Tensor, "concept layer neuron"]:
    """Which concepts a neuron may be selected for."""
    if options.assign == "threshold":
        return rates > _quantile(rates, options.bar)
    decisive = rates if SCORERS[options.scorers[0]].whole_neuron else merit
    best = decisive.nan_to_num(-torch.inf).argmax(0)
    concepts = torch.arange(len(rates))
    return rearrange(concepts, "concept -> concept 1 1") == rearrange(best, "layer neuron -> 1 layer neuron")


def _supported(
    stats: ActivationStats, rates: Float[Tensor, "concept layer neuron"], options: ScreenOptions
) -> Bool[Tensor, "concept layer neuron"]:
    enough = stats.summed("texts_fired")[:-1] >= options.support
    if options.floor is None:
        return enough
    active = (rates > _quantile(rates, options.floor)).any(0)
    return enough & rearrange(active, "layer neuron -> 1 layer neuron")


def _quantile(rates: Float[Tensor, "concept layer neuron"], share: float) -> Float[Tensor, ""]:
    """The value below or at which this share of all known rates lies."""
    known = rates[~rates.isnan()]
    return known.kthvalue(max(1, round(share * len(known)))).values


def _combined(
    merits: Float[Tensor, "scorer concept layer neuron"],
    eligible: Bool[Tensor, "concept layer neuron"],
    combine: Literal["conjunction", "fusion"],
) -> Float[Tensor, "concept layer neuron"]:
    # scipy ranks in ascending order; equal merits share the mean of their ranks.
    ranks = torch.stack([torch.from_numpy(rankdata(-merit[eligible].numpy())) for merit in merits])
    joint = -ranks.amax(0) if combine == "conjunction" else (1 / (_FUSION_OFFSET + ranks)).sum(0)
    combined = torch.full(eligible.shape, -torch.inf, dtype=torch.float64)
    combined[eligible] = joint
    return combined


def _scopes(
    merit: Float[Tensor, "concept layer neuron"], options: ScreenOptions
) -> Iterator[tuple[str, Float[Tensor, "concept layer neuron"], int]]:
    """The rankings to make, one by one, since each is as large as all scores: name, merits that take part, places."""
    concepts, layers, neurons = merit.shape
    share = math.ceil(options.top * layers * neurons - 1e-9)
    if options.scope == "global":
        yield "global", merit, share
        return
    whole = torch.full_like(merit, -torch.inf)
    if options.scope == "concept":
        here = repeat(torch.eye(concepts, dtype=torch.bool), "part concept -> part concept 1 1")
        yield from ((f"concept {c}", merit.where(here[c], whole), share) for c in range(concepts))
        return
    here = repeat(torch.eye(layers, dtype=torch.bool), "part layer -> part 1 layer 1")
    places = math.ceil(options.top * neurons - 1e-9)
    yield from ((f"layer {layer}", merit.where(here[layer], whole), places) for layer in range(layers))


def _top(merit: Float[Tensor, " neuron"], wanted: int) -> tuple[Int[Tensor, " selected"], tuple[int, int]]:
    """The best, equal ones in order of position, and how many tie at the cut for how many places."""
    order = torch.sort(merit, descending=True, stable=True).indices
    order = order[merit[order] > -torch.inf][:wanted]
    if len(order) == 0:
        return order, (0, 0)
    cut = merit[order[-1]]
    return order, (int((merit == cut).sum()), int((merit[order] == cut).sum()))
