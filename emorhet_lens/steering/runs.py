"""Make the steered readings that were planned, one by one, each saved as it is made where a folder is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from emorhet_lens.causal.neutral import Neutral
from emorhet_lens.causal.side_effects import SideEffect, side_effects
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.errors import ModelError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import Hooks
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.steering.steps import Push


@dataclass(frozen=True, eq=False)
class SteeringPlan:
    """What will be measured, with the unsteered answers that were needed to say what it costs.

    Args:
        neurons: The sets.
        matched: Their random sets, where a control needs them.
        pushes: The masks, in the order in which they are read.
        readings: The prepared questions.
        base: Their unsteered answers.
        neutral: Texts for the side effects; nothing if there are none.
        where: At which positions masks act.
        seconds_per_text: Measured on the unsteered answers.
        options: How it is measured.
        warnings: What a reader has to know.
        files: Where results are kept.
    """

    neurons: Neurons
    matched: MatchedSets | None
    pushes: Mapping[Push, Mask]
    readings: tuple[Reading, ...]
    base: tuple[Answers, ...]
    neutral: Neutral | None
    where: Where
    seconds_per_text: float
    options: dict[str, Any]
    warnings: tuple[str, ...]
    files: EffectFiles | None

    @property
    def steps(self) -> tuple[tuple[Push, int], ...]:
        """Every mask with every question that asks for its concept and holds texts without it."""
        asked = {
            concept: [
                number
                for number, one in enumerate(self.readings)
                if concept in one.question.labels and self._others(concept, number)
            ]
            for concept in self.neurons.concepts
        }
        return tuple((push, number) for push in self.pushes for number in asked[push.concept])

    @property
    def remaining(self) -> tuple[tuple[Push, int], ...]:
        """The steps whose answers are not saved yet."""
        return tuple(step for step in self.steps if self.files is None or not self.files.has(step[0].step(step[1])))

    @property
    def texts(self) -> int:
        """How many texts still have to go through the model under a mask, those of the side effects included."""
        read = sum(len(self._others(push.concept, number)) for push, number in self.remaining)
        if self.neutral is None:
            return read
        undone = [group for group in self._groups() if self.files is None or self._kept(group[0]) is None]
        return read + sum(len(group) for group in undone) * len(self.neutral)

    @property
    def minutes(self) -> float:
        """Predicted duration, from the time that the unsteered answers took; the price of the masks comes on top."""
        return self.texts * self.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> Steering:
        """Make the readings that are missing.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show progress bars.

        Returns:
            What came out.

        Raises:
            StoreError: It is another model.
            ModelError: The model answers with NaN, as it does where a push is too strong.
        """
        steered: dict[tuple[Push, int], Answers] = {}
        for push, number in tqdm(self.steps, desc="steered readings", disable=not progress):
            step = push.step(number)
            found = self.files.load(step) if self.files is not None and self.files.has(step) else None
            if found is None:
                keys = self._others(push.concept, number)
                try:
                    found = self.readings[number].read(model, self._hooks(model, push), only=keys, progress=False)
                except ModelError as cause:
                    raise ModelError(_too_strong(push, cause)) from cause
                if self.files is not None:
                    self.files.save(step, found)
            steered[push, number] = found
        return Steering(
            concepts=self.neurons.concepts,
            questions=tuple(reading.question for reading in self.readings),
            base=self.base,
            steered=steered,
            side=self._side_effects(model, progress),
            sizes={concept: len(found) for concept, found in self.neurons.sets.items()},
            balance=pd.DataFrame() if self.matched is None else self.matched.balance,
            options=self.options,
            warnings=self.warnings,
        )

    def _side_effects(self, model: LensModel, progress: bool) -> dict[Push, SideEffect]:
        result: dict[Push, SideEffect] = {}
        if self.neutral is None:
            return result
        for group in tqdm(self._groups(), desc="side effects", disable=not progress):
            found = self._kept(group[0])
            if found is None:
                try:
                    found = side_effects(model, self.neutral, [self._hooks(model, p) for p in group], progress=False)
                except ModelError as cause:
                    raise ModelError(_too_strong(group[0], cause)) from cause
                if self.files is not None:
                    self.files.save_side(group[0].kind, group[0].concept, found)
            result |= dict(zip(group, found, strict=True))
        return result

    def _groups(self) -> list[list[Push]]:
        """The masks that share a pass over the neutral texts: the draws of one control."""
        groups: dict[tuple[str, str], list[Push]] = {}
        for push in self.pushes:
            groups.setdefault((push.kind, push.concept), []).append(push)
        return list(groups.values())

    def _kept(self, push: Push) -> list[SideEffect] | None:
        return None if self.files is None else self.files.load_side(push.kind, push.concept)

    def _others(self, concept: str, number: int) -> list[str]:
        """Keys of the texts that do not have the concept."""
        answers = self.base[number]
        return [key for key, target in zip(answers.keys, answers.targets, strict=True) if target != concept]

    def _hooks(self, model: LensModel, push: Push) -> Hooks:
        return self.pushes[push].by_batch(model, where=self.where)


def _too_strong(push: Push, cause: ModelError) -> str:
    return f"{push.form} at strength {push.strength:g} towards {push.concept} ({push.control}): {cause}; push less"
