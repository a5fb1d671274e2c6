"""`emorhet replicate`: does what one corpus shows hold on another?"""

from pathlib import Path
from typing import Annotated

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
from emorhet_lens.cli_validate import say_cost, summarize_effects
from emorhet_lens.errors import ScreenError
from emorhet_lens.held_out import MIN_TEXTS
from emorhet_lens.replication import Replication, replicate
from emorhet_lens.screening import Screen
from emorhet_lens.store import write_json, write_text
from emorhet_lens.validation import READOUTS, plan_validation


def replicate_command(
    screen: Annotated[list[Path], typer.Option(help="Folder that emorhet screen wrote; give exactly two.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; an interrupted run goes on from it.")],
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="For effects: the corpus of each screening, in the same order; several with commas."),
    ] = None,
    model: ModelOption = embedded.NAME,
    draws: Annotated[int, typer.Option(help="Matched random draws each way.")] = 1000,
    readout: Annotated[str, typer.Option(help=", ".join(READOUTS))] = "zero-shot",
    n_random: Annotated[int, typer.Option(help="Matched random sets a concept, for effects.")] = 8,
    limit: Annotated[int, typer.Option(help="Most test texts a class and source, for effects.")] = 100,
    min_texts: Annotated[
        int, typer.Option(help="A concept with fewer test texts in a source is left out.")
    ] = MIN_TEXTS,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")] = None,
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
        loaded = model_of(model, host, device, dtype)
        first, second = (Screen.load(folder, loaded) for folder in screen)
        found = replicate(first, second, names=_names(screen), draws=draws, seed=seed)
        write_text(out / "replication.csv", found.to_dataframe().to_csv(index=False))
        _summarize(found)
        if corpus is not None:
            crossed = ((first, found.names[0], corpus[1]), (second, found.names[1], corpus[0]))
            tables = []
            for mine, name, tested in crossed:
                slug = "+".join(Path(part).stem for part in parts_of(tested))
                console.print(f"neurons of {name} on {slug}", markup=False, highlight=False)
                validation = plan_validation(
                    loaded,
                    mine,
                    parts_of(tested),
                    out / f"{name}-on-{slug}",
                    controls=("random",),
                    readout=readout,
                    n_random=n_random,
                    limit=limit,
                    min_texts=min_texts,
                    data_dir=data_dir,
                    seed=seed,
                    progress=progress,
                )
                say_cost(validation)
                effects = validation.run(loaded, progress=progress)
                summarize_effects(effects)
                table = effects.primary()
                table.insert(0, "tested_on", slug)
                table.insert(0, "screened_on", name)
                tables.append(table)
            write_text(out / "effects.csv", pd.concat(tables).to_csv(index=False))
        facts = {"names": list(found.names), "draws": draws, "seed": seed, "warnings": list(found.warnings)}
        write_json(out / "replication.json", {**facts, "corpora": corpus}, kind="replication")
        for note in found.warnings:
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"wrote {out / 'replication.csv'}", markup=False, highlight=False, soft_wrap=True)


def _names(folders: list[Path]) -> tuple[str, str]:
    first, second = (folder.resolve().name for folder in folders)
    return (first, second) if first != second else (f"{first} 1", f"{second} 2")


def _summarize(found: Replication) -> None:
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
