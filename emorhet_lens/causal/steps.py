"""Which masked readings the measurement of effects is made of, decided before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.questions import Question

CONTROLS = ("random", "other")
OWN = -1
"""The `draw` of a concept's own set."""
ADAPTIVE, SAME_DOSE = "adaptive", "same_dose"
"""Kinds of mask: every set at its own tuned dose, and the random sets at the dose of the concept's own set."""


def claims(mask: str, masks: Sequence[str]) -> bool:
    """Whether the tests of a kind of mask are claims; those at the same dose are half of the test of adaptive masks.

    Args:
        mask: The kind.
        masks: All kinds that were measured.
    """
    return mask != SAME_DOSE or ADAPTIVE not in masks


@dataclass(frozen=True, order=True)
class Step:
    """One question read under one mask.

    Args:
        mask: Name of the kind of mask.
        masked: Whose neurons are masked.
        draw: Which matched random set stands in for them; -1 for the concept's own set.
        question: Which question is read.
        only: The one label whose texts are read; all of the question's texts by default.
    """

    mask: str
    masked: str
    draw: int
    question: int
    only: str | None = None

    @property
    def name(self) -> str:
        """For files; no part holds a dot, so that no two steps share a name."""
        which = "own" if self.draw == OWN else f"random{self.draw}"
        return f"{self.mask}.{self.masked}.{which}.q{self.question}"


def plan_steps(
    questions: Sequence[Question],
    concepts: Sequence[str],
    *,
    masks: Sequence[str],
    controls: Sequence[str],
    n_random: int,
) -> tuple[Step, ...]:
    """List all masked readings.

    A concept's own set is read on every question (on those that ask for the concept, without the control `"other"`),
    its random sets on the concept's own texts only: the primary test needs no more.

    Args:
        questions: What is asked.
        concepts: Whose neurons are masked.
        masks: Names of the kinds of mask.
        controls: Any of `"random"` and `"other"`.
        n_random: Random sets a concept.

    Returns:
        The steps, mask by mask and concept by concept.

    Raises:
        EffectsError: A control is unknown, there are fewer than two random sets, or a name is not fit for files.
    """
    unknown = sorted(set(controls) - set(CONTROLS))
    if unknown:
        raise EffectsError(f"unknown controls {unknown}; there are {', '.join(CONTROLS)}")
    if "random" in controls and n_random < 2:
        raise EffectsError(f"n_random={n_random} sets cannot show how sets vary; draw at least 2 (8 by default)")
    unfit = [name for name in (*masks, *concepts) if not name.replace("_", "").replace("-", "").isalnum()]
    if unfit or not masks:
        raise EffectsError(f"masks and concepts need names of letters, digits, - and _, got {unfit or 'no mask'}")
    draws = n_random if "random" in controls else 0
    steps = []
    for mask in masks:
        for concept in concepts:
            for number, question in enumerate(questions):
                if concept in question.labels or "other" in controls:
                    steps.append(Step(mask, concept, OWN, number))
            for draw in range(draws):
                for number, question in enumerate(questions):
                    if concept in question.labels:
                        steps.append(Step(mask, concept, draw, number, only=concept))
    return tuple(steps)
