"""Draw neurons that are like given ones in everything that a generic effect depends on.

Partners are of the same layer and near in two quantities: the logit of the firing rate, and the logarithm of mean |x|
times the length of the output weights, which is how much a neuron writes into the residual stream. Partners are drawn
at random among the candidates within the caliper, and the sets of a concept share no neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import ScreenError
from emorhet_lens.models.sites import Site

QUANTITIES = ("logit firing rate", "log contribution")


@dataclass(frozen=True, eq=False)
class Background:
    """What is known of all neurons of a model.

    Args:
        firing_rate: Share of counted tokens on which a neuron fires.
        contribution: Mean |x| times the length of the output weights.
        taken: Neurons that no random set may hold, because some concept selected them.
        site: Where x was read.
    """

    firing_rate: Float[Tensor, "layer neuron"]
    contribution: Float[Tensor, "layer neuron"]
    taken: Bool[Tensor, "layer neuron"]
    site: Site = "post"

    @classmethod
    def of(cls, stats: ActivationStats) -> "Background":
        """From statistics, with nothing taken yet."""
        rate = stats.firing_rate()
        taken = torch.zeros_like(rate, dtype=torch.bool)
        return cls(rate, stats.mean_magnitude() * stats.output_norm, taken, stats.options["site"])

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
    disjoint: bool = True,
) -> Match:
    """Draw `n` matched sets for every concept.

    Args:
        sets: Concept to coordinates (layer, neuron).
        background: What to match by, and which neurons are taken.
        seed: Of the draws.
        n: Number of sets.
        caliper: Largest Euclidean distance of a partner in standardised quantities.
        disjoint: Whether the sets of a concept share no neuron. Sets that share neurons vary less than the selected
            set would among its like, which makes a test against them find too much.

    Returns:
        The sets and the balance. Where too few free neurons lie within the caliper the nearest are taken and counted.

    Raises:
        ScreenError: `n` is not positive, or a layer has too few free neurons.
    """
    if n < 1:
        raise ScreenError(f"n={n} random sets were asked for; it has to be at least 1")
    places = background.standardized()
    generator = np.random.default_rng([seed, 3])
    drawn: dict[str, list[tuple[tuple[int, int], ...]]] = {}
    outside: dict[str, int] = {}
    for concept, coordinates in sets.items():
        free = ~background.taken
        for layer, neuron in coordinates:
            free[layer, neuron] = False
        if disjoint:
            drawn[concept], outside[concept] = _draw(coordinates, places, free, generator, caliper, n)
        else:
            singles = [_draw(coordinates, places, free.clone(), generator, caliper, 1) for _ in range(n)]
            drawn[concept], outside[concept] = [one for (one,), _ in singles], sum(far for _, far in singles)
    balance = [
        row
        for concept in sets
        if sets[concept]
        for row in _balance_rows(concept, sets[concept], drawn[concept], places, outside[concept])
    ]
    return Match(tuple({concept: drawn[concept][k] for concept in sets} for k in range(n)), balance)


def _draw(
    coordinates: tuple[tuple[int, int], ...],
    places: Float[Tensor, "quantity layer neuron"],
    free: Bool[Tensor, "layer neuron"],
    generator: np.random.Generator,
    caliper: float,
    n: int,
) -> tuple[list[tuple[tuple[int, int], ...]], int]:
    """`n` disjoint sets of partners, and how many partners lie outside the caliper; marks partners as not free."""
    partners = [[(-1, -1)] * len(coordinates) for _ in range(n)]
    far = 0
    # In random order, so that no neuron always has the first choice.
    for index in generator.permutation(len(coordinates)):
        layer, neuron = coordinates[index]
        if int(free[layer].sum()) < n:
            wanted = sum(own == layer for own, _ in coordinates)
            raise ScreenError(
                f"layer {layer} has too few neurons left to match {wanted} of its neurons with {n} set(s) that share "
                "none; ask for fewer sets, select fewer neurons, or allow shared ones with disjoint=False"
            )
        apart = (places[:, layer] - rearrange(places[:, layer, neuron], "quantity -> quantity 1")).norm(dim=0)
        apart = apart.masked_fill(~free[layer], torch.inf)
        near = (apart <= caliper).nonzero().squeeze(-1).numpy()
        if len(near) >= n:
            chosen = generator.permutation(near)[:n]
        else:
            # Shuffled, so that no set gets all the nearest.
            chosen = generator.permutation(apart.argsort(stable=True)[:n].numpy())
            far += n - len(near)
        for own, partner in zip(partners, chosen.tolist(), strict=True):
            own[index] = (layer, partner)
            free[layer, partner] = False
    return [tuple(one) for one in partners], far


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
