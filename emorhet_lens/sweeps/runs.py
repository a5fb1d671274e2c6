"""Make the masked readings of a sweep cell by cell; every reading is kept as it is made where a folder is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.sweeps.cells import Cell
from emorhet_lens.sweeps.outcomes import Sweep


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """What will be measured, with the unmasked answers that were needed to say what it costs.

    Args:
        cells: Which neurons every cell holds.
        plans: The masked readings by ratio and name of the range, of cells in which anything can be measured.
        doses: Dose by the name of its mask.
        concepts: Whose neurons are masked.
        options: How it is measured.
        warnings: What a reader has to know.
    """

    cells: tuple[Cell, ...]
    plans: Mapping[tuple[int | float, str], EffectPlan]
    doses: Mapping[str, int | float]
    concepts: tuple[str, ...]
    options: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def readings(self) -> tuple[int, int]:
        """Masked readings that are still to do, and all of them."""
        plans = self.plans.values()
        return sum(len(plan.remaining) for plan in plans), sum(len(plan.steps) for plan in plans)

    @property
    def texts(self) -> int:
        """How many texts still have to go through the model under a mask, those of the side effects included."""
        return sum(plan.texts for plan in self.plans.values())

    @property
    def minutes(self) -> float:
        """Predicted duration, from the time that the unmasked answers took; the price of the masks comes on top."""
        return sum(plan.minutes for plan in self.plans.values())

    def run(self, model: LensModel, *, progress: bool = True) -> Sweep:
        """Make the readings that are missing.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show a progress bar.

        Returns:
            The sweep.

        Raises:
            StoreError: It is another model, or a kept reading is damaged.
            ModelError: The model answers with NaN.
        """
        found = {}
        for key, plan in tqdm(self.plans.items(), desc="cells of the sweep", disable=not progress):
            found[key] = plan.run(model, progress=False)
        return Sweep(self.cells, found, self.doses, self.concepts, self.options, self.warnings)
