"""`emorhet compare`: what holds in two models?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.cli.options import console, explaining
from emorhet_lens.comparison.compare import Comparison, compare
from emorhet_lens.comparison.pictures import write_picture
from emorhet_lens.store import write_json, write_text


def compare_command(
    first: Annotated[Path, typer.Argument(help="Folder of a screening, with effects/primary.csv if measured.")],
    second: Annotated[Path, typer.Argument(help="The same of another model.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables and the picture; prints only without.")
    ] = None,
) -> None:
    """Compare two models, screened for one group in one way: depth, counts, stability, and effects in both."""
    with explaining():
        found = compare(first, second)
        summarize(found)
        if out is not None:
            write_text(out / "comparison.csv", found.concepts.to_csv(index=False))
            write_text(out / "findings.csv", found.effects.to_csv(index=False))
            write_text(out / "screens.csv", found.screens.to_csv(index=False))
            facts = {"names": list(found.names), **found.facts, "warnings": list(found.warnings)}
            write_json(out / "comparison.json", facts, kind="comparison")
            write_picture(out / "comparison.png", found)
        for note in found.warnings:
            console.print(f"note: {note}", markup=False, highlight=False)
        if out is not None:
            console.print(f"wrote {out / 'comparison.csv'}", markup=False, highlight=False, soft_wrap=True)


def summarize(found: Comparison) -> None:
    """Print both models side by side."""
    table = Table(
        *("concept", f"neurons of {found.names[0]}", "depth", f"neurons of {found.names[1]}", "depth", "distance"),
        title="selected neurons, and their relative depth (median and quartiles)",
    )
    for row in found.concepts.to_dict("records"):
        cells = []
        for number in (1, 2):
            depth = f"{row[f'depth_{number}']:.2f} ({row[f'depth_low_{number}']:.2f}-{row[f'depth_high_{number}']:.2f})"
            cells += [str(row[f"neurons_{number}"]), depth]
        table.add_row(str(row["concept"]), *cells, f"{row['depth_distance']:.2f}")
    console.print(table)
    for row in found.screens.to_dict("records"):
        console.print(
            f"{row['name']} ({row['model']}): stability beyond shuffled labels {row['stability_excess']:.3f} "
            f"(95 % interval {row['low']:.3f} to {row['high']:.3f})",
            markup=False,
            highlight=False,
        )
    if len(found.effects):
        effects = Table(*("mask", "concept", "excess", "p (Holm)", "excess", "p (Holm)", "finding"), title="effects")
        for row in found.effects.to_dict("records"):
            numbers = [text for n in (1, 2) for text in (f"{row[f'excess_{n}']:+.3f}", f"{row[f'p_holm_{n}']:.3f}")]
            effects.add_row(str(row["mask"]), str(row["concept"]), *numbers, str(row["finding"]))
        console.print(effects)
