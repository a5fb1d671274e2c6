"""Scorers: pure functions from activation statistics to one number a concept and neuron, in a registry.

A high score is a correlation on one corpus. It is no evidence that the neuron matters for anything, and with tens of
thousands of neurons some score high by chance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import ScreenError

Against = Literal["rest", "others"]
Scores = Float[Tensor, "concept layer neuron"]
Compute = Callable[[ActivationStats, Against], Scores]
_Compute = TypeVar("_Compute", bound=Compute)


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


def require_against(against: str) -> None:
    """Refuse a comparison that is unknown.

    Raises:
        ScreenError: It is.
    """
    if against not in get_args(Against):
        raise ScreenError(f"against={against!r} is unknown; it is one of {', '.join(get_args(Against))}")


def per_row(counts: Tensor) -> Float[Tensor, "row 1 1"]:
    """Counts as doubles that divide `[row layer neuron]`."""
    return rearrange(counts.double(), "row -> row 1 1")


def blank_absent(scores: Scores, texts: Tensor) -> Scores:
    """NaN for concepts without texts."""
    return scores.masked_fill(rearrange(texts == 0, "concept -> concept 1 1"), torch.nan)
