"""Sweep the neurons of a screening over unseen texts and write the results: the steps of `emorhet sweep`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.corpora.held_out import MIN_TEXTS, HeldOut, load_held_out
from emorhet_lens.errors import EffectsError, EmorhetError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.screening.screen import Screen
from emorhet_lens.sweeps.layer_ranges import NAMES
from emorhet_lens.sweeps.outcomes import write_sweep
from emorhet_lens.sweeps.pictures import write_pictures
from emorhet_lens.sweeps.runs import SweepPlan
from emorhet_lens.sweeps.sweep import plan_sweep
from emorhet_lens.validation.validate import READOUTS, lessons_of


@dataclass(frozen=True, eq=False)
class SweepJob:
    """A planned sweep of a screening.

    Args:
        screen: Whose ranking is swept.
        texts: What is measured on.
        plan: The masked readings.
        folder: Gets the results.
    """

    screen: Screen
    texts: HeldOut
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
        predicted, started = self.plan.minutes, time.monotonic()
        found = self.plan.run(model, progress=progress)
        taken = (time.monotonic() - started) / 60
        table = write_sweep(
            self.folder,
            found,
            screen={"preset": self.screen.preset, "corpora": self.screen.stats.options["corpora"]},
            test=self.texts.test.counts(),
            left_out=list(self.texts.left_out),
            minutes={"predicted": round(predicted, 2), "taken": round(taken, 2)},
        )
        notes = [*self.texts.left_out, *found.warnings]
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
        corpora: Names or files; see `held_out.load_held_out`, for this, limit, min_texts and data_dir.
        folder: For the results; a sweep that was interrupted goes on from it.
        ratios: See `emorhet_lens.plan_sweep`, for this and layers, doses, equal, mask, concepts, n_random, where.
        layers: See ratios.
        doses: See ratios.
        equal: See ratios.
        mask: See ratios.
        concepts: See ratios.
        readout: A name of `emorhet_lens.validation.validate.READOUTS`.
        n_random: See ratios.
        limit: Most test texts a label and source.
        min_texts: A concept with fewer in a source is left out there.
        where: See ratios.
        batch_size: Texts a batch, or `"auto"`.
        data_dir: Folder of named corpora.
        seed: Of all draws.
        progress: Whether to show progress bars.

    Returns:
        The job, with the errors of `plan_sweep` and `load_held_out`.
    """
    if readout not in READOUTS:
        raise EffectsError(f"unknown readout {readout!r}; there are {', '.join(READOUTS)}")
    seen = frozenset(screen.stats.options["ids"])
    texts = load_held_out(
        list(corpora), screen.stats.group, seen=seen, limit=limit, min_texts=min_texts, data_dir=data_dir, seed=seed
    )
    dev, train = lessons_of(readout, texts.dev, seed)
    ways: dict[str, Any] = dict(READOUTS)
    plan = plan_sweep(
        model,
        screen,
        texts.test,
        ratios=ratios,
        layers=layers,
        doses=doses,
        equal=equal,
        mask=mask,
        concepts=concepts,
        readout=ways[readout](),
        dev=dev,
        train=train,
        n_random=n_random,
        seed=seed,
        where=where,
        batch_size=batch_size,
        folder=folder,
        progress=progress,
    )
    return SweepJob(screen, texts, plan, folder)
