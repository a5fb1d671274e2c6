"""Do two sets of neurons share more than sets that are like them would?

Selected neurons favour some layers, firing rates and contributions, whatever they were selected for. A hypergeometric
test takes every neuron for equally likely and so finds nearly any two selections significantly alike. Here a set is
compared with draws that replace each of its neurons by one that is like it; a small p says that the two sets agree on
neurons beyond these likenesses, not that the shared neurons do anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Int
from torch import Tensor

from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.matching import Background

Coordinate = tuple[int, int]

NEAREST = 20
"""At least so many candidates replace a neuron, however unusual it is."""


@dataclass(frozen=True)
class Coincidence:
    """What two sets share, beside what matched draws share.

    Args:
        n_first: Size of the first set.
        n_second: Size of the second.
        shared: Neurons of both.
        expected: Mean number shared by draws like one set with the other; of the two ways the larger mean.
        sd: Standard deviation of that number among these draws.
        p: One-sided, (1 + draws that share as many or more) / (1 + draws), the larger of the two ways.
    """

    n_first: int
    n_second: int
    shared: int
    expected: float
    sd: float
    p: float

    @property
    def jaccard(self) -> float:
        """Shared neurons over those of either set; NaN for two empty sets."""
        union = self.n_first + self.n_second - self.shared
        return self.shared / union if union else float("nan")


def coincide(
    first: Sequence[Coordinate],
    second: Sequence[Coordinate],
    backgrounds: tuple[Background, Background],
    *,
    draws: int = 1000,
    seed: int = 0,
    caliper: float = 0.25,
) -> Coincidence:
    """Count the neurons that two sets share, and compare with matched draws in place of the one and of the other.

    Args:
        first: Neurons (layer, neuron).
        second: Neurons of the same model.
        backgrounds: What the neurons of the first and of the second set are matched by.
        draws: Number of draws each way.
        seed: Of the draws.
        caliper: Largest distance of a partner, see `matching.match_sets`; the nearest 20 of a layer are candidates at
            any distance, the neuron itself among them.

    Returns:
        The comparison.

    Raises:
        ScreenError: `draws` is not positive, or the backgrounds are of models of different shape.
    """
    if draws < 1:
        raise ScreenError(f"draws={draws}; at least 1 is needed, and 1000 for p-values down to 0.001")
    if backgrounds[0].firing_rate.shape != backgrounds[1].firing_rate.shape:
        shapes = [tuple(background.firing_rate.shape) for background in backgrounds]
        raise ScreenError(f"the sets are of models with {shapes[0]} and {shapes[1]} layers and neurons; use one model")
    shared = len(set(first) & set(second))
    if not first or not second:
        return Coincidence(len(set(first)), len(set(second)), shared, 0.0, 0.0, 1.0)
    ways = []
    for number, (own, other, background) in enumerate(
        ((first, second, backgrounds[0]), (second, first, backgrounds[1]))
    ):
        drawn = draw_alike(own, background, draws=draws, seed=seed + number, caliper=caliper)
        counts = _shared_with(drawn, own, other, background)
        p = (1 + int((counts >= shared).sum())) / (1 + draws)
        ways.append((p, float(counts.double().mean()), float(counts.double().std(correction=0))))
    _, expected, sd = max(ways, key=lambda way: way[1])
    return Coincidence(len(set(first)), len(set(second)), shared, expected, sd, max(p for p, _, _ in ways))


def draw_alike(
    coordinates: Sequence[Coordinate], background: Background, *, draws: int, seed: int, caliper: float = 0.25
) -> Int[Tensor, "draw selected"]:
    """For every draw and every neuron of a set a neuron of its layer that is like it, the neuron itself included.

    Args:
        coordinates: The set.
        background: What the neurons are matched by; whether they are taken does not matter.
        draws: Number of draws.
        seed: Of the draws.
        caliper: Largest distance of a partner.

    Returns:
        Indices within the layer of each of the set's neurons. A draw may hold a neuron twice.
    """
    places = background.standardized()
    generator = np.random.default_rng([seed, 11])
    columns = []
    for layer, neuron in coordinates:
        apart = (places[:, layer] - rearrange(places[:, layer, neuron], "quantity -> quantity 1")).norm(dim=0)
        near = (apart <= caliper).nonzero().squeeze(-1)
        if len(near) < NEAREST:
            near = apart.argsort(stable=True)[:NEAREST]
        columns.append(near[torch.from_numpy(generator.integers(len(near), size=draws))])
    return torch.stack(columns, dim=1)


def _shared_with(
    drawn: Int[Tensor, "draw selected"],
    own: Sequence[Coordinate],
    other: Sequence[Coordinate],
    background: Background,
) -> Int[Tensor, " draw"]:
    """How many different neurons each draw shares with another set."""
    width = background.firing_rate.shape[1]
    layers = torch.tensor([layer for layer, _ in own])
    flat = layers * width + drawn
    wanted: Bool[Tensor, " place"] = torch.zeros(background.firing_rate.numel(), dtype=torch.bool)
    wanted[[layer * width + neuron for layer, neuron in other]] = True
    ordered = flat.sort(dim=1).values
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return (wanted[ordered] & new).sum(1)
