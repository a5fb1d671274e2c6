"""The numbers that are kept of a set of texts, and how they combine.

Sums are exact for whole numbers (int64) and float64 otherwise, so the order of texts changes them by rounding only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """Texts that are summed together.

    Args:
        source: Where they come from.
        label: Their label, or nothing for a null cell.
        part: Half 0 or 1 of a true cell; number of a null cell.
    """

    source: str
    label: str | None
    part: int


@dataclass(frozen=True, eq=False)
class Sums:
    """Statistics that add up over texts.

    Args:
        texts: Number of texts.
        tokens: Number of counted tokens, T.
        firings: Counted tokens with an activation above zero, f.
        texts_fired: Texts with at least one firing.
        total: Sum of activations over tokens.
        squares: Sum of their squares.
        positive_total: Sum of max(x, 0) over tokens.
        positive_squares: Sum of its squares.
        rate_total: Sum over texts of the share of the text's tokens that fire.
        rate_squares: Sum of its squares.
        mean_total: Sum over texts of the text's mean activation.
        mean_squares: Sum of its squares.
    """

    texts: Int[Tensor, " cell"]
    tokens: Int[Tensor, " cell"]
    firings: Int[Tensor, "cell layer neuron"]
    texts_fired: Int[Tensor, "cell layer neuron"]
    total: Float[Tensor, "cell layer neuron"]
    squares: Float[Tensor, "cell layer neuron"]
    positive_total: Float[Tensor, "cell layer neuron"]
    positive_squares: Float[Tensor, "cell layer neuron"]
    rate_total: Float[Tensor, "cell layer neuron"]
    rate_squares: Float[Tensor, "cell layer neuron"]
    mean_total: Float[Tensor, "cell layer neuron"]
    mean_squares: Float[Tensor, "cell layer neuron"]

    @classmethod
    def zeros(cls, cells: int, layers: int, neurons: int) -> "Sums":
        """Nothing counted yet."""

        def empty(name: str) -> Tensor:
            whole = name in ("texts", "tokens", "firings", "texts_fired")
            shape = (cells,) if name in ("texts", "tokens") else (cells, layers, neurons)
            return torch.zeros(shape, dtype=torch.int64 if whole else torch.float64)

        return cls(**{field.name: empty(field.name) for field in fields(cls)})

    def pool(self, rows: Sequence[int], n_rows: int) -> "Sums":
        """Add cells up into rows.

        Args:
            rows: For every cell the row it goes to; -1 leaves it out.
            n_rows: Number of rows; a row without cells is zero.

        Returns:
            The sums with `n_rows` in place of the cells.
        """
        kept = torch.tensor([i for i, row in enumerate(rows) if row >= 0], dtype=torch.int64)
        target = torch.tensor([row for row in rows if row >= 0], dtype=torch.int64)

        def added(values: Tensor) -> Tensor:
            pooled = torch.zeros((n_rows, *values.shape[1:]), dtype=values.dtype)
            return pooled.index_add_(0, target, values[kept])

        return self._each(added)

    def __add__(self, other: "Sums") -> "Sums":
        return type(self)(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def _each(self, change: Any) -> "Sums":
        return type(self)(**{field.name: change(getattr(self, field.name)) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Extremes:
    """Statistics that combine by maximum and minimum.

    Args:
        maximum: Largest activation; minus infinity where nothing was counted.
        minimum: Smallest activation; infinity where nothing was counted.
        positive_minimum: Smallest activation above zero; infinity where it never fired.
    """

    maximum: Float[Tensor, "cell layer neuron"]
    minimum: Float[Tensor, "cell layer neuron"]
    positive_minimum: Float[Tensor, "cell layer neuron"]

    @classmethod
    def empty(cls, cells: int, layers: int, neurons: int) -> "Extremes":
        """Nothing counted yet."""
        shape = (cells, layers, neurons)
        infinity = float("inf")
        return cls(
            torch.full(shape, -infinity, dtype=torch.float64),
            torch.full(shape, infinity, dtype=torch.float64),
            torch.full(shape, infinity, dtype=torch.float64),
        )

    def spread(self, rows: Sequence[int], n_rows: int) -> "Extremes":
        """Put every cell at its row among `n_rows`; rows without a cell are empty. Rows are distinct."""
        spread = type(self).empty(n_rows, *self.maximum.shape[1:])
        for field in fields(self):
            getattr(spread, field.name)[list(rows)] = getattr(self, field.name)
        return spread

    def join(self, other: "Extremes") -> "Extremes":
        """The extremes of both."""
        return type(self)(
            torch.maximum(self.maximum, other.maximum),
            torch.minimum(self.minimum, other.minimum),
            torch.minimum(self.positive_minimum, other.positive_minimum),
        )

    @property
    def positive_maximum(self) -> Float[Tensor, "cell layer neuron"]:
        """Largest value of max(x, 0); zero where it never fired."""
        return self.maximum.clamp(min=0)
