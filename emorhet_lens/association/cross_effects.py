"""Mask the neurons of one group's concepts while the concepts of another group are read.

Every cell, a masked concept and a read one, is the change of the read concept's own margin (its recall, for readouts
without margins) under the mask, minus that under matched random sets, which hold no neuron that either group selected.
One direction is fixed in advance as primary: devices masked, emotions read, Holm-corrected over all of its cells; the
other direction is exploratory. An effect says that the model needs these neurons for the other task too, on these
texts; neurons that matter for any task do so as well.
"""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from emorhet_lens.association.cross_plan import plan_cross_effects
from emorhet_lens.causal.inference import excess_over_random, holm
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.errors import EffectsError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus

Family = Literal["primary", "exploratory"]


@dataclass(frozen=True, eq=False)
class CrossEffects:
    """What masking one group did to the readings of another.

    Args:
        effects: All readings; their own primary family is empty, since no masked concept is read.
        reads: The concepts that were read, without the rest.
        family: What the tests of this direction are.
    """

    effects: Effects
    reads: tuple[str, ...]
    family: Family

    def to_dataframe(self) -> pd.DataFrame:
        """One row a mask, masked and read concept.

        Returns:
            Columns mask, masked, read, neurons, n, base (accuracy without mask), measure (`margin`, in nats, or
            `accuracy` for readouts without margins), own (mean change of the read concept's measure), random_mean,
            random_sd, excess, low and high (95 %, uncorrected), df, p, p_holm (over all cells of a mask),
            accuracy_change, family.
        """
        rows: list[dict[str, Any]] = []
        for mask in self.effects.masks:
            part = [self._cell(mask, masked, read) for masked in self.effects.concepts for read in self.reads]
            for row, p_holm in zip(part, holm([row["p"] for row in part]), strict=True):
                rows.append({**row, "p_holm": p_holm, "family": self.family})
        return pd.DataFrame(rows)

    def _cell(self, mask: str, masked: str, read: str) -> dict[str, Any]:
        effects, measure = self.effects, self.effects.measure
        own = effects.change(mask, masked, read)
        draws = [effects.change(mask, masked, read, draw) for draw in range(effects.n_random)]
        if own is None:
            raise EffectsError(f"{read!r} was not read while {masked!r} was masked; measure it again")
        random = [float(change.of(measure).mean()) for change in draws if change is not None]
        found = excess_over_random(float(own.of(measure).mean()), random)
        low, high = found.interval()
        return {
            **{"mask": mask, "masked": masked, "read": read, "neurons": effects.sizes[masked], "n": len(own.margin)},
            **{"base": own.accuracy_base, "measure": measure, "own": found.own, "random_mean": found.random_mean},
            **{"random_sd": found.random_sd, "excess": found.excess, "low": low, "high": high},
            **{"df": found.df, "p": found.p, "accuracy_change": own.accuracy_masked - own.accuracy_base},
        }


def cross_effects(
    model: LensModel,
    masked: Neurons,
    read: Neurons,
    corpus: Corpus,
    *,
    family: Family = "exploratory",
    progress: bool = True,
    **options: Any,
) -> CrossEffects:
    """Mask one group's neurons and read another group's concepts; `plan_cross_effects` says the cost first.

    Args:
        model: The model of both, in evaluation mode.
        masked: One set a concept: whose neurons are masked.
        read: The other group's neurons, which random sets keep clear of.
        corpus: Test texts of the other group.
        family: `"primary"` for the one direction that is fixed in advance.
        progress: Whether to show progress bars.
        **options: Of `plan_cross_effects`.

    Returns:
        All cells, with the errors of `plan_cross_effects` and `EffectPlan.run`.
    """
    plan = plan_cross_effects(model, masked, read, corpus, progress=progress, **options)
    return finish_cross_effects(plan, model, family=family, progress=progress)


def finish_cross_effects(
    plan: EffectPlan, model: LensModel, *, family: Family = "exploratory", progress: bool = True
) -> CrossEffects:
    """Make the readings of a plan that are missing; see `cross_effects`."""
    effects = plan.run(model, progress=progress)
    asked = {target for answers in effects.base for target in answers.targets}
    reads = tuple(label for label in effects.reads if label in asked and label != effects.options["rest"])
    return CrossEffects(effects, reads, family)
