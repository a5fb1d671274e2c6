"""`emorhet replicate`: does what one corpus shows hold on another?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.cli.options import (
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
    SeedOption,
    TestLimitOption,
    console,
    explaining,
    model_of,
    parts_of,
)
from emorhet_lens.cli.validate import say_cost, summarize_effects
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.errors import ScreenError
from emorhet_lens.models import embedded
from emorhet_lens.readouts.named import require_readout
from emorhet_lens.replication.job import Crossing, plan_crossings, write_replication
from emorhet_lens.replication.replicate import Replication, replicate
from emorhet_lens.screening.screen import Screen


def replicate_command(
    screen: Annotated[list[Path], typer.Option(help="Folder that emorhet screen wrote; give exactly two.")],
    out: ResumableOption,
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="For effects: the corpus of each screening, in the same order; several with commas."),
    ] = None,
    model: ModelOption = embedded.NAME,
    draws: Annotated[int, typer.Option(help="Matched random draws each way.")] = 1000,
    readout: ReadoutOption = "zero-shot",
    n_random: RandomSetsOption = 8,
    limit: TestLimitOption = 100,
    min_texts: MinTextsOption = MIN_TEXTS,
    data_dir: DataDirOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Compare two screenings; with --corpus twice also mask the neurons of each while the other's texts are read."""
    with explaining():
        if len(screen) != 2:
            raise ScreenError(f"replication compares two screenings, got {len(screen)}; give --screen twice")
        if corpus is not None and len(corpus) != 2:
            raise ScreenError(f"effects need the corpus of each screening, got {len(corpus)}; give --corpus twice")
        require_readout(readout)
        loaded = model_of(model, host, device, dtype)
        first, second = (Screen.load(folder, loaded) for folder in screen)
        found = replicate(first, second, names=_names(screen), draws=draws, seed=seed)
        # Kept whatever the effects may refuse.
        write_replication(out, found, (), None)
        summarize_replication(found)
        if corpus is not None:
            corpora = (parts_of(corpus[0]), parts_of(corpus[1]))
            crossed = []
            for crossing in plan_crossings(
                loaded,
                (first, second),
                found.names,
                corpora,
                out,
                readout=readout,
                n_random=n_random,
                limit=limit,
                min_texts=min_texts,
                data_dir=data_dir,
                seed=seed,
                progress=progress,
            ):
                say_crossing(crossing)
                effects = crossing.validation.run(loaded, progress=progress)
                summarize_effects(effects)
                crossed.append((crossing, effects))
            write_replication(out, found, crossed, corpora)
        for note in found.warnings:
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"wrote {out / 'replication.csv'}", markup=False, highlight=False, soft_wrap=True)


def say_crossing(crossing: Crossing) -> None:
    """Print whose neurons are masked on which texts, and what that costs."""
    console.print(f"neurons of {crossing.screened_on} on {crossing.tested_on}", markup=False, highlight=False)
    say_cost(crossing.validation)


def _names(folders: list[Path]) -> tuple[str, str]:
    first, second = (folder.resolve().name for folder in folders)
    return (first, second) if first != second else (f"{first} 1", f"{second} 2")


def summarize_replication(found: Replication) -> None:
    """Print what the two selections share."""
    table = Table(
        *("concept", "neurons", "shared", "of draws like them", "Jaccard", "p (Holm)"),
        title=f"selected on both: {found.names[0]} and {found.names[1]}, {found.draws} matched draws each way",
    )
    for row in found.to_dataframe().query("family == 'primary'").itertuples():
        table.add_row(
            *(str(row.first), f"{row.n_first}, {row.n_second}", str(row.shared)),
            *(f"{row.expected:.1f} ± {row.sd:.1f}", f"{row.jaccard:.3f}", f"{row.p_holm:.3f}"),
        )
    console.print(table)
