"""Draw neurons that are like given ones in everything that a generic effect depends on.

Partners are of the same layer and near in two quantities: the logit of the firing rate, and the logarithm of mean |x|
times the length of the output weights, which is how much a neuron writes into the residual stream. Among the
candidates within the caliper one is drawn at random, so that the sets differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from emorhet_lens.errors import ScreenError
from emorhet_lens.stats import ActivationStats

QUANTITIES = ("logit firing rate", "log contribution")


@dataclass(frozen=True, eq=False)
class Background:
    """What is known of all neurons of a model.

    Args:
        firing_rate: Share of counted tokens on which a neuron fires.
        contribution: Mean |x| times the length of the output weights.
        taken: Neurons that no random set may hold, because some concept selected them.
    """

    firing_rate: Float[Tensor, "layer neuron"]
    contribution: Float[Tensor, "layer neuron"]
    taken: Bool[Tensor, "layer neuron"]

    @classmethod
    def of(cls, stats: ActivationStats) -> "Background":
        """From statistics, with nothing taken yet."""
        rate = stats.firing_rate()
        return cls(rate, stats.mean_magnitude() * stats.output_norm, torch.zeros_like(rate, dtype=torch.bool))

    def taking(self, coordinates: list[tuple[int, int]]) -> "Background":
        """The same with these neurons taken."""
        taken = self.taken.clone()
        for layer, neuron in coordinates:
            taken[layer, neuron] = True
        return replace(self, taken=taken)

    def standardized(self) -> Float[Tensor, "quantity layer neuron"]:
        """The quantities of `QUANTITIES`, with mean 0 and standard deviation 1 within each layer."""
        # A neuron that never fires, or never moves, still needs a finite place.
        quantities = torch.stack(
            [torch.logit(self.firing_rate.clamp(1e-6, 1 - 1e-6)), self.contribution.clamp(min=1e-12).log()]
        )
        spread = quantities.std(-1, keepdim=True)
        return (quantities - quantities.mean(-1, keepdim=True)) / spread.where(spread > 0, 1)


@dataclass(frozen=True, eq=False)
class Match:
    """Drawn sets.

    Args:
        sets: For every draw, concept to coordinates.
        balance: Rows of the balance table.
    """

    sets: tuple[dict[str, tuple[tuple[int, int], ...]], ...]
    balance: list[dict[str, Any]]


def match_sets(
    sets: Mapping[str, tuple[tuple[int, int], ...]],
    background: Background,
    *,
    seed: int,
    n: int,
    caliper: float,
) -> Match:
    """Draw `n` matched sets for every concept.

    Args:
        sets: Concept to coordinates (layer, neuron).
        background: What to match by, and which neurons are taken.
        seed: Of the draws.
        n: Number of sets; a neuron can be in several of them, but only once in each.
        caliper: Largest Euclidean distance of a partner in standardised quantities.

    Returns:
        The sets and the balance. Where no free neuron lies within the caliper the nearest one is taken and counted.

    Raises:
        ScreenError: `n` is not positive, or a layer has fewer free neurons than were selected in it.
    """
    if n < 1:
        raise ScreenError(f"n={n} random sets were asked for; it has to be at least 1")
    places = background.standardized()
    generator = np.random.default_rng([seed, 3])
    drawn: list[dict[str, tuple[tuple[int, int], ...]]] = []
    outside = dict.fromkeys(sets, 0)
    for _ in range(n):
        one: dict[str, tuple[tuple[int, int], ...]] = {}
        for concept, coordinates in sets.items():
            partners, far = _draw(coordinates, places, background.taken, generator, caliper)
            one[concept] = partners
            outside[concept] += far
        drawn.append(one)
    balance = [
        row
        for concept in sets
        if sets[concept]
        for row in _balance_rows(concept, sets[concept], [one[concept] for one in drawn], places, outside[concept])
    ]
    return Match(tuple(drawn), balance)


def _draw(
    coordinates: tuple[tuple[int, int], ...],
    places: Float[Tensor, "quantity layer neuron"],
    taken: Bool[Tensor, "layer neuron"],
    generator: np.random.Generator,
    caliper: float,
) -> tuple[tuple[tuple[int, int], ...], int]:
    free = ~taken
    for layer, neuron in coordinates:
        free[layer, neuron] = False
    partners: list[tuple[int, int]] = [(-1, -1)] * len(coordinates)
    far = 0
    # In random order, so that no neuron always has the first choice.
    for index in generator.permutation(len(coordinates)):
        layer, neuron = coordinates[index]
        if not free[layer].any():
            raise ScreenError(f"layer {layer} has no neuron left to match with; select fewer neurons")
        apart = (places[:, layer] - rearrange(places[:, layer, neuron], "quantity -> quantity 1")).norm(dim=0)
        apart = apart.masked_fill(~free[layer], torch.inf)
        near = (apart <= caliper).nonzero().squeeze(-1)
        if len(near):
            partner = int(near[generator.integers(len(near))])
        else:
            partner, far = int(apart.argmin()), far + 1
        free[layer, partner] = False
        partners[index] = (layer, partner)
    return tuple(partners), far


def _balance_rows(
    concept: str,
    own: tuple[tuple[int, int], ...],
    drawn: list[tuple[tuple[int, int], ...]],
    places: Float[Tensor, "quantity layer neuron"],
    outside: int,
) -> list[dict[str, Any]]:
    def at(coordinates: list[tuple[int, int]]) -> Float[Tensor, "quantity selected"]:
        layer, neuron = torch.tensor(coordinates).unbind(1)
        return places[:, layer, neuron]

    mine, theirs = at(list(own)), at([coordinate for one in drawn for coordinate in one])
    return [
        {
            "concept": concept,
            "quantity": quantity,
            "selected": float(mine[row].mean()),
            "random": float(theirs[row].mean()),
            "difference": float(mine[row].mean() - theirs[row].mean()),
            "outside_caliper": outside / (len(own) * len(drawn)),
        }
        for row, quantity in enumerate(QUANTITIES)
    ]
