"""Sweep the neurons of a screening over unseen texts and write the results: the steps of `emorhet sweep`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from emorhet_lens.causal.unseen import Unseen, choose_unseen, timed
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.errors import EmorhetError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.screening.screen import Screen
from emorhet_lens.sweeps.layer_ranges import NAMES
from emorhet_lens.sweeps.outcomes import write_sweep
from emorhet_lens.sweeps.pictures import write_pictures
from emorhet_lens.sweeps.runs import SweepPlan
from emorhet_lens.sweeps.sweep import plan_sweep


@dataclass(frozen=True, eq=False)
class SweepJob:
    """A planned sweep of a screening.

    Args:
        unseen: What is measured on.
        plan: The masked readings.
        folder: Gets the results.
    """

    unseen: Unseen
    plan: SweepPlan
    folder: Path

    def run(self, model: LensModel, *, progress: bool = True) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Make the readings that are missing, write tables and pictures.

        Args:
            model: The model that the plan was made with.
            progress: Whether to show a progress bar.

        Returns:
            The table of `sweep.csv`, and what a reader has to know. Errors are those of `SweepPlan.run`.
        """
        found, minutes = timed(
            self.plan.minutes, partial(self.plan.run, model, progress=progress), self.folder / "sweep.json", "sweep"
        )
        table = write_sweep(self.folder, found, minutes=minutes, **self.unseen.facts)
        notes = [*self.unseen.texts.left_out, *found.warnings]
        try:
            write_pictures(self.folder, table)
        except EmorhetError as error:
            # The numbers are written, and pictures can be drawn from them later.
            notes.append(str(error))
        return table, tuple(notes)


def plan_sweep_job(
    model: LensModel,
    screen: Screen,
    corpora: Sequence[str],
    folder: Path,
    *,
    ratios: Sequence[int | float],
    layers: Sequence[str] = NAMES,
    doses: Sequence[int | float] = (1.0,),
    equal: bool = False,
    mask: str = "zero",
    concepts: Sequence[str] | None = None,
    readout: str = "zero-shot",
    n_random: int = 4,
    limit: int | None = 100,
    min_texts: int = MIN_TEXTS,
    where: Where = "all",
    batch_size: BatchSize = "auto",
    data_dir: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> SweepJob:
    """Choose texts that a screening has not seen and plan the cells.

    Args:
        model: The model of the screening.
        screen: Gives the ranking.
        corpora: Names or files; see `choose_unseen`, for this, readout, limit, min_texts and data_dir.
        folder: For the results; a sweep that was interrupted goes on from it.
        ratios: See `emorhet_lens.plan_sweep`, for this and layers, doses, equal, mask, concepts, n_random, where.
        layers: See ratios.
        doses: See ratios.
        equal: See ratios.
        mask: See ratios.
        concepts: See ratios.
        readout: See corpora.
        n_random: See ratios.
        limit: See corpora.
        min_texts: See corpora.
        where: See ratios.
        batch_size: Texts a batch, or `"auto"`.
        data_dir: See corpora.
        seed: Of all draws.
        progress: Whether to show progress bars.

    Returns:
        The job, with the errors of `plan_sweep` and `choose_unseen`.
    """
    unseen = choose_unseen(
        screen, corpora, readout=readout, limit=limit, min_texts=min_texts, data_dir=data_dir, seed=seed
    )
    plan = plan_sweep(
        model,
        screen,
        unseen.texts.test,
        ratios=ratios,
        layers=layers,
        doses=doses,
        equal=equal,
        mask=mask,
        concepts=concepts,
        **unseen.asked,
        n_random=n_random,
        seed=seed,
        where=where,
        batch_size=batch_size,
        folder=folder,
        progress=progress,
    )
    return SweepJob(unseen, plan, folder)
