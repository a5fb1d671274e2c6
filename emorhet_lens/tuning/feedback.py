"""The feedback loop of the adaptive mask: raise the dose while the concept's recall on development texts stays up.

What the loop ends with was chosen because recall fell on these texts. Its trace describes the search and tests
nothing: the same loop lowers recall with sets that were drawn at random. See `emorhet_lens.tuning.loop_matched`.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_kinds import Reference
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.scorers import Against
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.tuning.dev_readings import DevReadings
from emorhet_lens.tuning.dose_search import Budget, DoseSearch, Outcome, Search, Trial
from emorhet_lens.tuning.doses import Dose, dosed_mask
from emorhet_lens.tuning.store import TuningFiles


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What one loop ended with.

    Args:
        concept: Whose texts were read.
        name: Whose neurons were masked: `own`, `random0`, `other_fear`, ...
        outcome: `"reached"`, `"budget"` or `"not reached"`; see `emorhet_lens.tuning.dose_search.DoseSearch.conclude`.
        dose: The dose that is taken.
        base_recall: Recall without the mask.
        base_margin: Mean margin without it, nats.
        target: Recall at or below which the loop ends.
        trace: One trial a step, in order.
        mask: The mask at that dose.
        options: How it was tuned.
    """

    concept: str
    name: str
    outcome: Outcome
    dose: Dose
    base_recall: float
    base_margin: float
    target: int | float
    trace: tuple[Trial, ...]
    mask: Mask
    options: dict[str, Any]

    def __repr__(self) -> str:
        return (
            f"Tuning({self.name} on {self.concept}: {self.outcome} at alpha {self.dose.alpha:.2f}, "
            f"tau {self.dose.tau:.2f} after {len(self.trace)} steps)"
        )

    @property
    def final(self) -> Trial:
        """The trial of the dose that is taken."""
        return next(trial for trial in self.trace if trial.dose == self.dose)

    def to_dataframe(self) -> pd.DataFrame:
        """The trace: one row a step with alpha, tau, neurons, recall, margin, ppl_ratio, kl and taken."""
        return pd.DataFrame([trial.row() | {"taken": trial.dose == self.dose} for trial in self.trace])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, without the mask and without the options of the readout."""
        margin = self.base_margin
        return {
            "concept": self.concept,
            "name": self.name,
            "outcome": self.outcome,
            "alpha": self.dose.alpha,
            "tau": self.dose.tau,
            "base_recall": self.base_recall,
            "base_margin": margin if margin == margin else None,
            "target": self.target,
            "trace": [trial.to_json() for trial in self.trace],
        }


@dataclass(frozen=True, eq=False)
class FeedbackLoop:
    """Everything that the loops of different sets have in common.

    Args:
        readings: The development texts.
        stats: Of the screening.
        delta: How far recall has to fall.
        search: `"ladder"` or `"bisection"`.
        steps: Most doses that are tried.
        budget: What a dose may cost.
        reference: See `emorhet_lens.tuning.doses.dosed_mask`, for this and the next two.
        difference: Name of the scorer that is D.
        against: What D compares a concept with.
        options: How it was set up.
        files: Where steps are kept.
    """

    readings: DevReadings
    stats: ActivationStats
    delta: int | float
    search: Search
    steps: int
    budget: Budget
    reference: Reference
    difference: str
    against: Against
    options: dict[str, Any]
    files: TuningFiles | None = None

    def search_for(self, concept: str) -> DoseSearch:
        """The search for a concept, whose target is its unmasked recall minus delta.

        Raises:
            EffectsError: An option of the search cannot be used.
        """
        return DoseSearch(self.readings.base[concept].recall - self.delta, self.budget, self.search, self.steps)

    def mask(self, neurons: Neurons, dose: Dose, concept: str) -> Mask:
        """A set at a dose."""
        return dosed_mask(
            neurons,
            self.stats,
            dose,
            concept=concept,
            reference=self.reference,
            difference=self.difference,
            against=self.against,
        )

    def texts(self, concept: str, name: str) -> int:
        """The most texts that the loop of a set still sends through the model."""
        trials = [] if self.files is None else self.files.load(concept, name)
        if self.search_for(concept).next_dose(trials) is None:
            return 0
        return (self.steps - len(trials)) * self.readings.cost(concept)

    def run(self, model: LensModel, neurons: Neurons, concept: str, name: str = "own") -> Tuning:
        """Run the loop of one set, from where it stopped.

        Args:
            model: The model that the readings were prepared on.
            neurons: The set.
            concept: Whose texts are read.
            name: What to call the set.

        Returns:
            What it ended with.

        Raises:
            MaskError: The set is empty.
            ModelError: The model answers with NaN.
            StoreError: It is another model, or a kept step is damaged.
        """
        search = self.search_for(concept)
        trials = [] if self.files is None else self.files.load(concept, name)
        while (dose := search.next_dose(trials)) is not None:
            mask = self.mask(neurons, dose, concept)
            score, side = self.readings.score(model, concept, mask)
            trials.append(Trial(dose, len(mask), score.recall, score.margin, side.ppl_ratio, side.kl))
            if self.files is not None:
                self.files.save(concept, name, len(trials) - 1, trials[-1])
        outcome, index = search.conclude(trials)
        dose = trials[index].dose
        base = self.readings.base[concept]
        return Tuning(
            concept=concept,
            name=name,
            outcome=outcome,
            dose=dose,
            base_recall=base.recall,
            base_margin=base.margin,
            target=search.target,
            trace=tuple(trials),
            mask=self.mask(neurons, dose, concept),
            options=self.options,
        )


def require_delta(delta: int | float) -> None:
    """Refuse a fall of recall that no mask, or every mask, would reach.

    Raises:
        EffectsError: It is not between 0 and 1, 0 excluded.
    """
    if not 0 < delta <= 1:
        raise EffectsError(f"delta={delta} has to be above 0, or any mask would do, and at most 1")
