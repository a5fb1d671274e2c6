"""`emorhet sweep`: which share of which layers' neurons has to be masked before a concept is affected?"""

import time
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table

from emorhet_lens import embedded
from emorhet_lens.cli_options import (
    DeviceOption,
    DtypeOption,
    HostOption,
    ModelOption,
    ProgressOption,
    SeedOption,
    console,
    explaining,
    model_of,
    parts_of,
)
from emorhet_lens.effect_inputs import NEEDS_STATS
from emorhet_lens.errors import EffectsError, EmorhetError
from emorhet_lens.held_out import MIN_TEXTS, load_held_out
from emorhet_lens.layer_ranges import NAMES
from emorhet_lens.mask_positions import Where
from emorhet_lens.screening import Screen
from emorhet_lens.sweep import plan_sweep
from emorhet_lens.sweep_outcomes import write_sweep
from emorhet_lens.sweep_pictures import write_pictures
from emorhet_lens.validation import READOUTS, lessons_of


def sweep_command(
    screen: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote.")],
    corpus: Annotated[list[str], typer.Option(help="Name or file with unseen texts; repeat for several sources.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; an interrupted run goes on from it.")],
    ratios: Annotated[
        str, typer.Option(help="Shares of a range's neurons, with commas.")
    ] = "0.001,0.002,0.005,0.01,0.02",
    layers: Annotated[str, typer.Option(help="Of bottom, middle, top, all, and ranges as 0-9.")] = ",".join(NAMES),
    doses: Annotated[str, typer.Option(help="How far the mask is put on, with commas.")] = "1",
    equal: Annotated[bool, typer.Option("--equal", help="As many neurons in every range as in the smallest.")] = False,
    concepts: Annotated[str | None, typer.Option(help="Whose neurons, with commas; all by default.")] = None,
    model: ModelOption = embedded.NAME,
    mask: Annotated[str, typer.Option(help=f"zero, {', '.join(NEEDS_STATS)}")] = "zero",
    readout: Annotated[str, typer.Option(help=", ".join(READOUTS))] = "zero-shot",
    n_random: Annotated[int, typer.Option(help="Matched random sets a cell and concept.")] = 4,
    limit: Annotated[int, typer.Option(help="Most test texts a class and source.")] = 100,
    min_texts: Annotated[int, typer.Option(help="A concept with fewer in a source is left out there.")] = MIN_TEXTS,
    where: Annotated[Where, typer.Option(help="Positions that are masked.")] = "all",
    batch_size: Annotated[int | None, typer.Option(help="Texts a batch; by tokens if not given.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Mask growing shares of neurons in ranges of layers; writes sweep.csv, sweep.json, surface.png and curves.png."""
    with explaining():
        if readout not in READOUTS:
            raise EffectsError(f"unknown readout {readout!r}; there are {', '.join(READOUTS)}")
        shares, amounts = _numbers(ratios, "ratios"), _numbers(doses, "doses")
        loaded = model_of(model, host, device, dtype)
        screened = Screen.load(screen, loaded)
        texts = load_held_out(
            list(corpus),
            screened.stats.group,
            seen=frozenset(screened.stats.options["ids"]),
            limit=limit,
            min_texts=min_texts,
            data_dir=data_dir,
            seed=seed,
        )
        dev, train = lessons_of(readout, texts.dev, seed)
        ways: dict[str, Any] = dict(READOUTS)
        plan = plan_sweep(
            loaded,
            screened,
            texts.test,
            ratios=shares,
            layers=parts_of(layers),
            doses=amounts,
            equal=equal,
            mask=mask,
            concepts=None if concepts is None else parts_of(concepts),
            readout=ways[readout](),
            dev=dev,
            train=train,
            n_random=n_random,
            seed=seed,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            folder=out,
            progress=progress,
        )
        (left, planned), minutes = plan.readings, plan.minutes
        console.print(
            f"{left} of {planned} masked readings to do: {plan.texts} texts through the model, "
            f"about {minutes:.1f} minutes",
            highlight=False,
        )
        started = time.monotonic()
        found = plan.run(loaded, progress=progress)
        taken = (time.monotonic() - started) / 60
        table = write_sweep(
            out,
            found,
            screen={"preset": screened.preset, "corpora": screened.stats.options["corpora"]},
            test=texts.test.counts(),
            left_out=list(texts.left_out),
            minutes={"predicted": round(minutes, 2), "taken": round(taken, 2)},
        )
        _summarize(table)
        notes = [*texts.left_out, *found.warnings]
        try:
            write_pictures(out, table)
        except EmorhetError as error:
            # The numbers are written, and pictures can be drawn from them later.
            notes.append(str(error))
        for note in notes:
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"wrote {out / 'sweep.csv'}", markup=False, highlight=False, soft_wrap=True)


def _numbers(text: str, what: str) -> list[float]:
    try:
        return [float(part) for part in parts_of(text)]
    except ValueError as error:
        raise EffectsError(f"--{what} takes numbers with commas between them, got {text!r}") from error


def _summarize(table: pd.DataFrame) -> None:
    ranges = list(table["layers"].unique())
    shown = Table("concept", "dose", "ratio", *ranges, title="exploratory: own change minus matched random sets")
    for (concept, dose, ratio), part in table.groupby(["concept", "dose", "ratio"], sort=False):
        excess = part.set_index("layers")["excess"]
        cells = ["not measured" if excess[name] != excess[name] else f"{excess[name]:+.3f}" for name in ranges]
        shown.add_row(str(concept), f"{dose:g}", f"{ratio:g}", *cells)
    console.print(shown)
