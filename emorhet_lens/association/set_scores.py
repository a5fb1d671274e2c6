"""How active a set of neurons is on a text, with source and length of the text partialled out.

The score is the mean over the set's neurons of their mean activation over the text's counted tokens, each in standard
deviations over tokens. It says how far the set is moved, not whether the text carries the concept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.screening.neurons import Coordinate
from emorhet_lens.screening.shortlist import TextActivations

Scores = Float[Tensor, " example"]


@dataclass(frozen=True, eq=False)
class SetScores:
    """What is needed to score sets of neurons on texts.

    Args:
        sets: Neurons by concept and draw; draw -1 is the concept's own set.
        values: Standardized mean activations with source and length partialled out.
        place: Column of every neuron.
    """

    sets: Mapping[tuple[str, int], tuple[Coordinate, ...]]
    values: Float[Tensor, "example neuron"]
    place: Mapping[Coordinate, int]

    @classmethod
    def of(
        cls,
        texts: TextActivations,
        lengths: Sequence[int],
        stats: ActivationStats,
        sets: Mapping[tuple[str, int], tuple[Coordinate, ...]],
    ) -> "SetScores":
        """Standardize by the statistics' means and standard deviations over tokens, then partial out.

        Args:
            texts: Activations on the texts.
            lengths: Counted tokens of every text.
            stats: Give means and standard deviations.
            sets: Neurons by concept and draw.
        """
        layer, neuron = texts.coordinates.unbind(1)
        tokens = stats.sums.tokens.sum()
        mean = (stats.sums.total.sum(0) / tokens)[layer, neuron]
        spread = (stats.sums.squares.sum(0) / tokens)[layer, neuron] - mean.square()
        spread = spread.clamp(min=0).sqrt()
        standardized = (texts.mean - mean) / spread.where(spread > 0, 1)
        at = {(row, column): index for index, (row, column) in enumerate(texts.coordinates.tolist())}
        return cls(sets, partial_out(standardized, texts.sources, lengths), at)

    def score(self, concept: str, draw: int = -1, without: frozenset[Coordinate] = frozenset()) -> Scores | None:
        """Mean over a set's neurons; nothing if none is left."""
        columns = [self.place[one] for one in self.sets[concept, draw] if one not in without]
        return self.values[:, columns].mean(1) if columns else None


def partial_out(
    values: Float[Tensor, "example neuron"], sources: Sequence[str], lengths: Sequence[int]
) -> Float[Tensor, "example neuron"]:
    """What is left of every column after its regression on source and the logarithm of length.

    Args:
        values: One row a text.
        sources: Of the texts.
        lengths: Counted tokens of the texts.
    """
    design = [[float(source == name) for name in dict.fromkeys(sources)] for source in sources]
    predictors = torch.tensor([[*row, math.log(n)] for row, n in zip(design, lengths, strict=True)], dtype=values.dtype)
    # An orthonormal basis of the predictors; equal lengths within a source make them dependent.
    basis, sizes, _ = torch.linalg.svd(predictors, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    left: Float[Tensor, "example neuron"] = values - basis @ (basis.T @ values)
    return left
