"""What a mask did to texts that do not have its concept: which of them were given it, and what became of the others.

Predictions are of the readout that was asked; a text that is given a concept has not become a text of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.answers import Answers

ALL = "all"
"""In place of a label: the texts of all labels."""
_PER_TEXT = ("before", "after", "log_odds", "right_before", "right_after")


@dataclass(frozen=True, eq=False)
class Moved:
    """The texts without a concept, unsteered and steered, text by text.

    Args:
        targets: The texts' own labels.
        before: Whether a text was given the concept without the mask.
        after: Whether it is under the mask.
        log_odds: Steered minus unsteered log odds of the concept, nats; NaN for readouts without log-probabilities.
        right_before: Whether a text was given its own label without the mask.
        right_after: Whether it is under the mask.
    """

    targets: tuple[str, ...]
    before: Bool[Tensor, " example"]
    after: Bool[Tensor, " example"]
    log_odds: Float[Tensor, " example"]
    right_before: Bool[Tensor, " example"]
    right_after: Bool[Tensor, " example"]

    @property
    def change(self) -> Float[Tensor, " example"]:
        """Steered minus unsteered: 1 where a text became the concept, -1 where it no longer is."""
        return self.after.double() - self.before.double()

    def of(self, label: str) -> "Moved":
        """The texts of one label, or of `ALL`."""
        chosen = [label in (ALL, target) for target in self.targets]
        kept = tuple(target for target, is_kept in zip(self.targets, chosen, strict=True) if is_kept)
        return Moved(kept, **{name: getattr(self, name)[torch.tensor(chosen)] for name in _PER_TEXT})


def moved_between(before: Answers, after: Answers, concept: str) -> Moved:
    """Compare answers to one question with and without a mask.

    Args:
        before: Without the mask.
        after: Under the mask, on the same texts.
        concept: A label that was asked about.

    Returns:
        The texts.

    Raises:
        EffectsError: The answers are of different texts.
    """
    if before.keys != after.keys:
        raise EffectsError("steered and unsteered answers are of different texts; measure them again")
    column = after.labels.index(concept)
    return Moved(
        after.targets,
        before.predicted == column,
        after.predicted == column,
        _log_odds(after.log_probs, column) - _log_odds(before.log_probs, column),
        before.correct(),
        after.correct(),
    )


def join_moved(parts: Sequence[Moved]) -> Moved:
    """The texts of several questions, one after the other."""
    joined = {name: torch.cat([getattr(one, name) for one in parts]) for name in _PER_TEXT}
    return Moved(tuple(target for one in parts for target in one.targets), **joined)


def _log_odds(log_probs: Float[Tensor, "example concept"], column: int) -> Float[Tensor, " example"]:
    """log p - log(sum of the other p)."""
    others = [index for index in range(log_probs.shape[1]) if index != column]
    return log_probs[:, column] - log_probs[:, others].logsumexp(1)
