"""`emorhet corpora`: which corpora there are, and what is known and measured about one of them.

The figures show some confounds that are common; none of them proves a corpus free of others.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from emorhet_lens.cli.options import SeedOption, console, explaining
from emorhet_lens.cli.synthesize import synthesize_command
from emorhet_lens.corpora import Facts, facts, known, load_corpus, names, split_names
from emorhet_lens.corpora.sources import WHOLE
from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import Quality, describe_quality
from emorhet_lens.texts.concepts import GROUPS, ConceptGroup
from emorhet_lens.texts.corpus import Corpus

corpora_app = typer.Typer(no_args_is_help=True, help="Corpora by name: which there are, and what is in them.")
corpora_app.command("synthesize")(synthesize_command)

DataDirOption = Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")]
HubOption = Annotated[bool, typer.Option("--hub", help="Download a publisher's data set that is not here.")]


@corpora_app.command("list")
def list_command(data_dir: DataDirOption = None) -> None:
    """Which corpora are known, which of them are here, and under which licence."""
    with explaining():
        here = names(data_dir)
        table = Table("name", "group", "rows", "here", "licence")
        for name in (*known(), *(name for name in here if name not in known())):
            about = facts(name) if name in known() else None
            found = ", ".join(split_names(name, data_dir)) or WHOLE
            table.add_row(
                name,
                about.group if about else "not known",
                f"{sum(about.rows.values()):,}" if about else "",
                found if name in here else "no",
                about.licence if about else "not known",
            )
        table.columns[0].no_wrap = True
        console.print(table)
        console.print("emorhet corpora describe NAME says what is known about one, and how to get it", highlight=False)


@corpora_app.command("describe")
def describe_command(
    name: Annotated[str, typer.Argument(help="Name or file.")],
    split: Annotated[str | None, typer.Option(help="Split that is measured; train by default.")] = None,
    data_dir: DataDirOption = None,
    group: Annotated[str | None, typer.Option(help="emotion or rhetoric, where it is not known.")] = None,
    extra_concept: Annotated[
        list[str] | None, typer.Option(help="A further concept of the group, for example personification.")
    ] = None,
    hub: HubOption = False,
    seed: SeedOption = 0,
) -> None:
    """Source, licence, labels and known confounds of a corpus; counts, lengths, duplicates, leakage, overlap."""
    with explaining():
        about = facts(name) if name in known() else None
        if about is not None:
            # Before the texts are looked for: it also says how to get them.
            _show_facts(about)
        concepts = _concepts(about, group, extra_concept or [])
        parts = _load(name, concepts, split, data_dir, hub)
        measured = parts[split or ("train" if "train" in parts else next(iter(parts)))]
        _show_counts(parts)
        _show_quality(describe_quality(measured, splits=parts if len(parts) > 1 else None, seed=seed))


def _concepts(about: Facts | None, group: str | None, extra: list[str]) -> ConceptGroup | None:
    if group is None:
        return about.concepts if about else None
    if group not in GROUPS:
        raise CorpusError(f"unknown group {group!r}; there are {', '.join(GROUPS)}")
    return GROUPS[group].extended(*extra)


def _load(
    name: str, concepts: ConceptGroup | None, split: str | None, data_dir: Path | None, hub: bool
) -> dict[str, Corpus]:
    splits = split_names(name, data_dir, hub=hub)
    if split not in (None, *splits):
        # Files know no split but "all"; for any other one this is the error.
        return {str(split): load_corpus(name, split=split, group=concepts, data_dir=data_dir, hub=hub)}
    return {
        part or WHOLE: load_corpus(name, split=part, group=concepts, data_dir=data_dir, hub=hub)
        for part in splits or (None,)
    }


def _show_facts(about: Facts) -> None:
    lines = {
        "what": about.what,
        "citation": about.citation,
        "licence": about.licence,
        "published": about.published,
        "splits": f"{about.splits}; rows: {', '.join(f'{split} {rows:,}' for split, rows in about.rows.items())}",
        "layout": about.layout,
        "how to get": about.get,
        "on the hub": about.hub.id if about.hub else None,
        "left out": ", ".join(about.left_out),
    }
    table = Table.grid("fact", "value", padding=(0, 2))
    for fact, value in lines.items():
        if value:
            table.add_row(fact, Text(value))
    for label, sources in about.mapping.items():
        table.add_row(f"{label} =", Text(", ".join(sources)))
    for number, confound in enumerate(about.confounds):
        table.add_row("" if number else "to mind", Text(confound))
    table.columns[0].no_wrap = True
    console.print(f"{about.name} ({about.group})", style="bold", highlight=False)
    console.print(table)


def _show_counts(parts: dict[str, Corpus]) -> None:
    labels = next(iter(parts.values())).group.labels
    table = Table("texts", *parts, title="texts by label")
    counts = {part: corpus.counts() for part, corpus in parts.items()}
    for label in labels:
        table.add_row(label, *(str(counts[part][label]) for part in parts))
    table.add_row("all", *(str(len(corpus)) for corpus in parts.values()))
    console.print(table)


def _show_quality(quality: Quality) -> None:
    table = Table("measure", "part", "value", "note", title=f"measured on {quality.corpus}")
    for row in quality.to_dataframe().to_dict("records"):
        # Counts have a table of their own.
        if row["measure"] != "texts":
            value = f"{row['value']:.0f}" if float(row["value"]).is_integer() else f"{row['value']:.2f}"
            table.add_row(row["measure"], Text(row["part"]), value, Text(row["note"]))
    console.print(table)
    for note in (*quality.notes, *quality.warnings):
        console.print(f"note: {note}", markup=False, highlight=False)
