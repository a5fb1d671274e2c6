"""`emorhet sweep`: which share of which layers' neurons has to be masked before a concept is affected?"""

from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from emorhet_lens.causal.inputs import NEEDS_STATS
from emorhet_lens.cli.options import (
    BatchSizeOption,
    DataDirOption,
    DeviceOption,
    DtypeOption,
    HostOption,
    MinTextsOption,
    ModelOption,
    ProgressOption,
    RandomSetsOption,
    ReadoutOption,
    ResumableOption,
    ScreenOption,
    SeedOption,
    TestLimitOption,
    UnseenOption,
    WhereOption,
    console,
    explaining,
    model_of,
    numbers_of,
    parts_of,
    say_notes,
)
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.models import embedded
from emorhet_lens.readouts.named import require_readout
from emorhet_lens.screening.screen import Screen
from emorhet_lens.sweeps.job import SweepJob, plan_sweep_job
from emorhet_lens.sweeps.layer_ranges import NAMES


def sweep_command(
    screen: ScreenOption,
    corpus: UnseenOption,
    out: ResumableOption,
    ratios: Annotated[
        str, typer.Option(help="Shares of a range's neurons, with commas.")
    ] = "0.001,0.002,0.005,0.01,0.02",
    layers: Annotated[str, typer.Option(help="Of bottom, middle, top, all, and ranges as 0-9.")] = ",".join(NAMES),
    doses: Annotated[str, typer.Option(help="How far the mask is put on, with commas.")] = "1",
    equal: Annotated[bool, typer.Option("--equal", help="As many neurons in every range as in the smallest.")] = False,
    concepts: Annotated[str | None, typer.Option(help="Whose neurons, with commas; all by default.")] = None,
    model: ModelOption = embedded.NAME,
    mask: Annotated[str, typer.Option(help=f"zero, {', '.join(NEEDS_STATS)}")] = "zero",
    readout: ReadoutOption = "zero-shot",
    n_random: RandomSetsOption = 4,
    limit: TestLimitOption = 100,
    min_texts: MinTextsOption = MIN_TEXTS,
    where: WhereOption = "all",
    batch_size: BatchSizeOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Mask growing shares of neurons in ranges of layers; writes sweep.csv, sweep.json, surface.png and curves.png."""
    with explaining():
        require_readout(readout)
        shares, amounts = numbers_of(ratios, "ratios"), numbers_of(doses, "doses")
        loaded = model_of(model, host, device, dtype)
        job = plan_sweep_job(
            loaded,
            Screen.load(screen, loaded),
            corpus,
            out,
            ratios=shares,
            layers=parts_of(layers),
            doses=amounts,
            equal=equal,
            mask=mask,
            concepts=None if concepts is None else parts_of(concepts),
            readout=readout,
            n_random=n_random,
            limit=limit,
            min_texts=min_texts,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            data_dir=data_dir,
            seed=seed,
            progress=progress,
        )
        say_cells(job)
        table, notes = job.run(loaded, progress=progress)
        summarize_sweep(table)
        say_notes(notes, out / "sweep.csv")


def say_cells(job: SweepJob) -> None:
    """Print what is to do, before it is done."""
    left, planned = job.plan.readings
    console.print(
        f"{left} of {planned} masked readings to do: {job.plan.texts} texts through the model, "
        f"about {job.plan.minutes:.1f} minutes",
        highlight=False,
    )


def summarize_sweep(table: pd.DataFrame) -> None:
    """Print the excess of every cell."""
    ranges = list(table["layers"].unique())
    shown = Table("concept", "dose", "ratio", *ranges, title="exploratory: own change minus matched random sets")
    for (concept, dose, ratio), part in table.groupby(["concept", "dose", "ratio"], sort=False):
        excess = part.set_index("layers")["excess"]
        cells = ["not measured" if excess[name] != excess[name] else f"{excess[name]:+.3f}" for name in ranges]
        shown.add_row(str(concept), f"{dose:g}", f"{ratio:g}", *cells)
    console.print(shown)
