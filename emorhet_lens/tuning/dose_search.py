"""The feedback of the adaptive mask: from the doses that were tried, which dose is next, and when to stop.

Nothing here knows of models or neurons. A search that ends with `reached` has found a dose at which recall is low
enough on a few development texts; it was looked for until it was found, so it is no evidence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from emorhet_lens.errors import EffectsError
from emorhet_lens.tuning.doses import Dose, dose_at, ladder

Search = Literal["ladder", "bisection"]
Outcome = Literal["reached", "budget", "not reached"]


@dataclass(frozen=True)
class Trial:
    """One step: a dose and what it did.

    Args:
        dose: The dose.
        neurons: Number of neurons that it masks.
        recall: Share of the concept's texts that were given the concept.
        margin: Mean log odds of the concept on its own texts, nats; NaN for readouts without log-probabilities.
        ppl_ratio: Perplexity of neutral text over that without the mask; NaN without neutral texts.
        kl: Divergence of its next-token distributions, nats a token; NaN without neutral texts.
    """

    dose: Dose
    neurons: int
    recall: float
    margin: float
    ppl_ratio: float
    kl: float

    def row(self) -> dict[str, Any]:
        """The trial as a row of a table: alpha, tau, neurons, recall, margin, ppl_ratio, kl."""
        return {
            "alpha": self.dose.alpha,
            "tau": self.dose.tau,
            "neurons": self.neurons,
            "recall": self.recall,
            "margin": self.margin,
            "ppl_ratio": self.ppl_ratio,
            "kl": self.kl,
        }

    def to_json(self) -> dict[str, Any]:
        """The row as JSON holds it, numbers that are not finite as text."""
        return {n: v if math.isfinite(v) else str(v) for n, v in self.row().items()}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Trial":
        """The inverse of `to_json`."""
        numbers = {name: float(row[name]) for name in ("recall", "margin", "ppl_ratio", "kl")}
        return cls(Dose(float(row["alpha"]), float(row["tau"])), int(row["neurons"]), **numbers)


@dataclass(frozen=True)
class Budget:
    """The most that a mask may cost on neutral text; see `emorhet_lens.causal.side_effects`.

    Args:
        ppl_ratio: Perplexity under the mask over that without.
        kl: Divergence of predictions, nats a token.

    Raises:
        EffectsError: No mask, not even one that does nothing, could keep to it.
    """

    ppl_ratio: int | float = 1.5
    kl: int | float = 0.25

    def __post_init__(self) -> None:
        if not (self.ppl_ratio >= 1 and self.kl >= 0):
            raise EffectsError(f"{self}: doing nothing has a ppl_ratio of 1 and a kl of 0; allow at least that")

    def exceeded_by(self, trial: Trial) -> bool:
        """Whether a trial cost more; what was not measured costs nothing."""
        return trial.ppl_ratio > self.ppl_ratio or trial.kl > self.kl


@dataclass(frozen=True)
class DoseSearch:
    """How the dose is looked for.

    Args:
        target: Recall at or below which the search ends.
        budget: What a dose may cost.
        kind: `"ladder"` raises the dose step by step. `"bisection"` tries the highest dose and then halves the
            interval of alpha in which the lowest dose that reaches the target lies; it takes recall and cost to be
            monotone in the dose, which a model with a redundant copy of what is masked is not.
        steps: Of the ladder, and most doses that are tried.

    Raises:
        EffectsError: The kind is unknown or there is no step.
    """

    target: int | float
    budget: Budget = Budget()
    kind: Search = "ladder"
    steps: int = 6

    def __post_init__(self) -> None:
        if self.kind not in get_args(Search):
            raise EffectsError(f"search={self.kind!r} is unknown; it is one of {', '.join(get_args(Search))}")
        if self.steps < 1:
            raise EffectsError(f"steps={self.steps} has to be at least 1")

    def reached_by(self, trial: Trial) -> bool:
        """Whether recall is low enough, up to rounding."""
        return trial.recall <= self.target + 1e-9

    def next_dose(self, trials: Sequence[Trial]) -> Dose | None:
        """The dose to try after these trials, or nothing when the search is over."""
        if len(trials) >= self.steps:
            return None
        if self.kind == "ladder":
            return None if trials and self._enough(trials[-1]) else ladder(self.steps)[len(trials)]
        high = [trial.dose.alpha for trial in trials if self._enough(trial)]
        if not high:
            return None if trials else dose_at(1, self.steps)
        low = max((trial.dose.alpha for trial in trials if not self._enough(trial)), default=0.0)
        return dose_at((low + min(high)) / 2, self.steps)

    def conclude(self, trials: Sequence[Trial]) -> tuple[Outcome, int]:
        """How a finished search ended, and which trial's dose is taken.

        Args:
            trials: All trials, at least one.

        Returns:
            `"reached"` and the lowest dose that reaches the target within the budget; `"budget"` where a dose
            exceeded the budget and none within it reached the target, with the highest dose within, or the lowest
            that was tried where none was; `"not reached"` and the highest dose otherwise.
        """
        by_dose = sorted(range(len(trials)), key=lambda index: trials[index].dose)
        within = [index for index in by_dose if not self.budget.exceeded_by(trials[index])]
        reached = [index for index in within if self.reached_by(trials[index])]
        if reached:
            return "reached", reached[0]
        if len(within) < len(trials):
            return "budget", within[-1] if within else by_dose[0]
        return "not reached", by_dose[-1]

    def _enough(self, trial: Trial) -> bool:
        return self.reached_by(trial) or self.budget.exceeded_by(trial)
