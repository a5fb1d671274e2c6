"""Choose every injection's dose on development texts and read it on test texts, each reading saved as it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from tqdm.auto import tqdm

from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.steps import Step
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.cross_signal.outcomes import TEST, CrossSignal
from emorhet_lens.errors import ModelError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.screening.neurons import MatchedSets, Neurons

Choice = Literal["margin", "accuracy"]


@dataclass(frozen=True, eq=False)
class CrossSignalPlan:
    """What will be measured, with the answers without injection that were needed to say what it costs.

    Args:
        neurons: The sets whose signal is injected.
        matched: Their random sets.
        units: The injection at dose 1, by injected concept and draw.
        omegas: The doses to choose from.
        choice: By what a dose is chosen.
        loop: The questions about development texts.
        readings: The questions about test texts.
        base: The answers to `readings` without injection.
        read: The concepts whose texts are read.
        where: At which positions is injected.
        seconds_per_text: Measured on the answers without injection.
        options: How it is measured.
        warnings: What a reader has to know.
        files: Where results are kept.
        primary_family: Whether the tests are the primary family.
    """

    neurons: Neurons
    matched: MatchedSets
    units: Mapping[tuple[str, int], Mask]
    omegas: tuple[float, ...]
    choice: Choice
    loop: tuple[Reading, ...]
    readings: tuple[Reading, ...]
    base: tuple[Answers, ...]
    read: tuple[str, ...]
    where: Where
    seconds_per_text: float
    options: dict[str, Any]
    warnings: tuple[str, ...]
    files: EffectFiles | None
    primary_family: bool

    @property
    def texts(self) -> int:
        """How many texts still have to go through the model under an injection."""
        total = 0
        for concept, draw in self.units:
            steps = [(_dev(concept, draw, omega, n), one) for omega in self.omegas for n, one in enumerate(self.loop)]
            steps += [(Step(TEST, concept, draw, number), one) for number, one in enumerate(self.readings)]
            total += sum(
                len(one.encoded.texts) for step, one in steps if self.files is None or not self.files.has(step)
            )
        return total

    @property
    def minutes(self) -> float:
        """Predicted duration, from the time that the answers without injection took."""
        return self.texts * self.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> CrossSignal:
        """Make the readings that are missing.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show progress bars.

        Returns:
            What came out.

        Raises:
            StoreError: It is another model.
            ModelError: The model answers with NaN, as it does where a dose is too large.
        """
        chosen: dict[tuple[str, int], float] = {}
        masked: dict[Step, Answers] = {}
        rows: list[dict[str, Any]] = []
        for (concept, draw), unit in tqdm(self.units.items(), desc="injections", disable=not progress):
            scores = {}
            for omega in self.omegas:
                answers = [
                    self._read(model, one, unit * omega, _dev(concept, draw, omega, number))
                    for number, one in enumerate(self.loop)
                ]
                scores[omega] = sum(balanced_score(one, self.choice) for one in answers) / len(answers)
                rows.append({"injected": concept, "draw": draw, "omega": omega, self.choice: scores[omega]})
            # Of equal doses the one nearest to nothing.
            best = max(self.omegas, key=lambda omega: (scores[omega], -abs(omega)))
            chosen[concept, draw] = best
            for number, one in enumerate(self.readings):
                step = Step(TEST, concept, draw, number)
                masked[step] = self._read(model, one, unit * best, step)
        effects = Effects(
            concepts=self.neurons.concepts,
            masks=(TEST,),
            questions=tuple(reading.question for reading in self.readings),
            base=self.base,
            masked=masked,
            side={},
            sizes={concept: len(found) for concept, found in self.neurons.sets.items()},
            balance=self.matched.balance,
            options=self.options,
            warnings=self.warnings,
        )
        return CrossSignal(effects, chosen, pd.DataFrame(rows), self.read, self.primary_family)

    def _read(self, model: LensModel, reading: Reading, mask: Mask, step: Step) -> Answers:
        if self.files is not None and self.files.has(step):
            return self.files.load(step)

        try:
            found = reading.read(model, mask.by_batch(model, where=self.where), progress=False)
        except ModelError as cause:
            raise ModelError(f"{mask.name}: {cause}; give smaller doses") from cause
        if self.files is not None:
            self.files.save(step, found)
        return found


def balanced_score(answers: Answers, choice: Choice) -> float:
    """The mean over labels of the means over each label's texts, so that no label outweighs another.

    Args:
        answers: With texts of at least one label.
        choice: `"margin"` in nats, or `"accuracy"`.

    Returns:
        The score.
    """
    values = answers.margin() if choice == "margin" else answers.correct().double()
    table = pd.Series(values.numpy()).groupby(list(answers.targets)).mean()
    return float(table.mean())


def _dev(concept: str, draw: int, omega: float, number: int) -> Step:
    return Step(f"dev-{omega!r}".replace(".", "_").replace("+", ""), concept, draw, number)
