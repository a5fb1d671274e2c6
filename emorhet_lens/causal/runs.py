"""Make the masked readings that were planned, one by one, each saved as it is made where a folder is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from emorhet_lens.causal.inputs import MakeMask
from emorhet_lens.causal.neutral import Neutral
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.side_effects import SideEffect, side_effects
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import Hooks
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.screening.neurons import MatchedSets, Neurons


@dataclass(frozen=True, eq=False)
class EffectPlan:
    """What will be measured, with the unmasked answers that were needed to say what it costs.

    Args:
        neurons: The sets.
        matched: Their random sets; nothing without the control `"random"`.
        masks: Kinds of mask by name.
        readings: The prepared questions.
        base: Their unmasked answers.
        steps: The masked readings.
        neutral: Texts for the side effects; nothing if there are none.
        where: At which positions masks act.
        seconds_per_text: Measured on the unmasked answers.
        options: How it is measured.
        warnings: What a reader has to know.
        files: Where results are kept.
    """

    neurons: Neurons
    matched: MatchedSets | None
    masks: Mapping[str, MakeMask]
    readings: tuple[Reading, ...]
    base: tuple[Answers, ...]
    steps: tuple[Step, ...]
    neutral: Neutral | None
    where: Where
    seconds_per_text: float
    options: dict[str, Any]
    warnings: tuple[str, ...]
    files: EffectFiles | None

    @property
    def remaining(self) -> tuple[Step, ...]:
        """The steps whose answers are not saved yet."""
        return tuple(step for step in self.steps if self.files is None or not self.files.has(step))

    @property
    def texts(self) -> int:
        """How many texts still have to go through the model under a mask, those of the side effects included."""
        targets = [answers.targets for answers in self.base]
        read = sum(step.only in (None, target) for step in self.remaining for target in targets[step.question])
        if self.neutral is None:
            return read
        undone = [key for key in self._side_keys() if self.files is None or self.files.load_side(*key) is None]
        return read + sum(len(self._draws(*key)) for key in undone) * len(self.neutral)

    @property
    def minutes(self) -> float:
        """Predicted duration, from the time that the unmasked answers took; the price of the masks comes on top."""
        return self.texts * self.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> Effects:
        """Make the readings that are missing.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show progress bars.

        Returns:
            The effects.

        Raises:
            StoreError: It is another model.
            ModelError: The model answers with NaN.
        """
        masked: dict[Step, Answers] = {}
        for step in tqdm(self.steps, desc="masked readings", disable=not progress):
            found = self.files.load(step) if self.files is not None and self.files.has(step) else None
            if found is None:
                hooks = self._hooks(model, step.mask, step.masked, step.draw)
                found = self.readings[step.question].read(model, hooks, only=step.only, progress=False)
                if self.files is not None:
                    self.files.save(step, found)
            masked[step] = found
        side = self._side_effects(model, progress)
        return Effects(
            concepts=self.neurons.concepts,
            masks=tuple(self.masks),
            questions=tuple(reading.question for reading in self.readings),
            base=self.base,
            masked=masked,
            side=side,
            sizes={concept: len(found) for concept, found in self.neurons.sets.items()},
            balance=pd.DataFrame() if self.matched is None else self.matched.balance,
            options=self.options,
            warnings=self.warnings,
        )

    def _side_effects(self, model: LensModel, progress: bool) -> dict[tuple[str, str, int], SideEffect]:
        result: dict[tuple[str, str, int], SideEffect] = {}
        if self.neutral is None:
            return result
        for mask, concept in self._side_keys():
            draws = self._draws(mask, concept)
            found = None if self.files is None else self.files.load_side(mask, concept)
            if found is None:
                hooks = [self._hooks(model, mask, concept, draw) for draw in draws]
                found = side_effects(model, self.neutral, hooks, progress=progress)
                if self.files is not None:
                    self.files.save_side(mask, concept, found)
            result |= {(mask, concept, draw): one for draw, one in zip(draws, found, strict=True)}
        return result

    def _side_keys(self) -> list[tuple[str, str]]:
        return [(mask, concept) for mask in self.masks for concept in self.neurons.concepts]

    def _draws(self, mask: str, concept: str) -> list[int]:
        return sorted({step.draw for step in self.steps if (step.mask, step.masked) == (mask, concept)})

    def _hooks(self, model: LensModel, kind: str, concept: str, draw: int) -> Hooks:
        if draw == OWN:
            neurons = self.neurons[concept]
        elif self.matched is not None:
            neurons = self.matched.sets[draw][concept]
        return self.masks[kind](neurons).by_batch(model, where=self.where)
