"""Which neurons the cells of a sweep hold: the best of a range of layers, and random sets that match them.

A cell takes the best neurons of its range in the order of the screening's ranking of the whole model. Ranks of
several scorers are therefore those among all candidates, and the cells of a range are nested.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from emorhet_lens.errors import EffectsError, ScreenError
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import MatchedSets, Neurons, neurons_from
from emorhet_lens.screening.screen import Screen
from emorhet_lens.screening.selection import select
from emorhet_lens.sweeps.layer_ranges import LayerRange


@dataclass(frozen=True, eq=False)
class Cell:
    """One ratio in one range of layers.

    Args:
        ratio: Share of the range's neurons.
        layers: The range.
        needed: Neurons a concept.
        candidates: Neurons of the range that could be taken, by concept.
        neurons: The sets of the concepts that can be measured.
        matched: Their random sets.
        reasons: Why another concept cannot be measured.
        ties: By concept, candidates left out whose score is that of the last one taken; layer and index decided.
    """

    ratio: int | float
    layers: LayerRange
    needed: int
    candidates: Mapping[str, int]
    neurons: Neurons
    matched: MatchedSets
    reasons: Mapping[str, str]
    ties: Mapping[str, int]

    @property
    def key(self) -> tuple[int | float, str]:
        """Ratio and name of the range."""
        return self.ratio, self.layers.name

    @property
    def file_name(self) -> str:
        """For its folder; every digit counts, so that no two cells share one."""
        return f"{float(self.ratio)!r}.{self.layers.name}"


def rank(source: Screen | Neurons) -> Neurons:
    """All neurons that may be taken, by concept, the best first.

    Args:
        source: A screening, whose statistics are ranked again without a cut, with its own floor, support and
            assignment; or sets, which are taken as they are ranked.

    Returns:
        The ranking. No random set may hold a neuron that the screening itself selected.

    Raises:
        ScreenError: The sets carry nothing to match random sets by.
    """
    if isinstance(source, Neurons):
        if source.background is None:
            raise ScreenError("these neurons carry no statistics to match by; take them from a screen")
        return source
    found = select(source.stats, replace(source.options, scope="concept", top=1.0))
    concepts = source.stats.group.concepts
    places = (found.concept.tolist(), found.layer.tolist(), found.neuron.tolist(), found.score.tolist())
    rows = [(concepts[concept], *rest) for concept, *rest in zip(*places, strict=True)]
    return neurons_from(
        rows,
        concepts,
        model=source.neurons.model,
        site=source.neurons.site,
        background=source.neurons.background,
    )


def sizes(
    ratios: Sequence[int | float], ranges: Sequence[LayerRange], d_mlp: int, *, equal: bool
) -> dict[tuple[int | float, str], int]:
    """Neurons a concept in every cell: the ratio of its range, rounded up.

    Args:
        ratios: Shares above 0 and at most 1, each once.
        ranges: The ranges of layers.
        d_mlp: Neurons a layer.
        equal: Whether every range gets the number of the smallest one.

    Returns:
        By ratio and name of the range.

    Raises:
        EffectsError: A ratio is out of its range or occurs twice, or there is none.
    """
    if not ratios or len(set(ratios)) != len(ratios) or not all(0 < ratio <= 1 for ratio in ratios):
        raise EffectsError(f"ratios are shares above 0 and at most 1, each once, got {list(ratios)}")
    found: dict[tuple[int | float, str], int] = {}
    for ratio in ratios:
        own = {one.name: math.ceil(ratio * len(one) * d_mlp - 1e-9) for one in ranges}
        found |= {(ratio, name): min(own.values()) if equal else size for name, size in own.items()}
    return found


def fill_cell(
    ranked: Neurons,
    ratio: int | float,
    layers: LayerRange,
    needed: int,
    *,
    concepts: Sequence[str],
    n_random: int,
    seed: int,
) -> Cell:
    """Take the best neurons of a range, and draw random sets for them.

    Args:
        ranked: From `rank`.
        ratio: Of the cell.
        layers: Of the cell.
        needed: Neurons a concept.
        concepts: Concepts to measure.
        n_random: Random sets a concept, which share no neuron.
        seed: Of the random sets.

    Returns:
        The cell; a concept that cannot be measured has a reason in it.
    """
    here = {
        concept: [pair for pair in zip(places, ranked.scores[concept], strict=True) if pair[0][0] in layers]
        for concept, places in ranked.sets.items()
    }
    taken = {concept: own[:needed] for concept, own in here.items()}
    # All concepts' neurons are kept out, so that asking about fewer concepts gives the same random sets.
    background = ranked.background
    if background is not None:
        background = background.taking([place for own in taken.values() for place, _ in own])
    matched: dict[str, MatchedSets] = {}
    reasons: dict[str, str] = {}
    for concept in concepts:
        own = taken[concept]
        if len(own) < needed:
            reasons[concept] = (
                f"{len(own)} candidates in layers {layers.first}-{layers.last}, {needed} needed; lower the ratio, "
                "widen the range, or screen with less support"
            )
        else:
            try:
                matched[concept] = _sets(ranked, {concept: own}, background).matched_random(seed=seed, n=n_random)
            except ScreenError as error:
                reasons[concept] = f"no matched random sets: {error}"
    neurons = _sets(ranked, {concept: taken[concept] for concept in matched}, background)
    drawn = tuple(
        replace(
            neurons,
            sets={concept: found.sets[draw].sets[concept] for concept, found in matched.items()},
            scores={concept: found.sets[draw].scores[concept] for concept, found in matched.items()},
        )
        for draw in range(n_random)
    )
    balance = pd.concat([found.balance for found in matched.values()]) if matched else pd.DataFrame()
    return Cell(
        ratio,
        layers,
        needed,
        {concept: len(here[concept]) for concept in concepts},
        neurons,
        MatchedSets(drawn, balance),
        reasons,
        {concept: _tied([score for _, score in here[concept]], needed) for concept in matched},
    )


def _sets(
    like: Neurons, chosen: Mapping[str, Sequence[tuple[tuple[int, int], float]]], background: Background | None
) -> Neurons:
    sets = {concept: tuple(place for place, _ in own) for concept, own in chosen.items()}
    scores = {concept: tuple(score for _, score in own) for concept, own in chosen.items()}
    return replace(like, sets=sets, scores=scores, background=background)


def _tied(scores: Sequence[int | float], needed: int) -> int:
    return sum(score == scores[needed - 1] for score in scores[needed:])
