"""The files of an association: tables for people and programs, and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import Association
from emorhet_lens.association.coactivation import Coactivation
from emorhet_lens.association.cross_effects import CrossEffects
from emorhet_lens.association.graph import graph_figure, survivors
from emorhet_lens.association.pictures import heat_maps, maps_figure
from emorhet_lens.store import replacing, write_json, write_text

ASSOCIATION_FILE, FACTS_FILE, SHARED_FILE = "association.csv", "association.json", "shared.csv"
COACTIVATION_FILE, CROSS_FILE = "coactivation.csv", "cross_effects.csv"
MAPS_FILE, GRAPH_FILE = "association.png", "survivors.png"


def write_association(
    folder: Path,
    association: Association,
    coactivation: Mapping[str, Coactivation] | None = None,
    causal: Mapping[str, CrossEffects] | None = None,
    **facts: Any,
) -> None:
    """Write everything that there is.

    Args:
        folder: Gets `association.csv`, `shared.csv`, `association.json`, `association.png` and `survivors.png`, and
            `coactivation.csv` and `cross_effects.csv` where there are such results.
        association: From `associate`.
        coactivation: By name of the texts.
        causal: By direction, the primary one first.
        **facts: Anything else that JSON can hold, for `association.json`.

    Raises:
        EmorhetError: matplotlib is not installed; the tables have been written by then.
    """
    table = association.to_dataframe()
    write_text(folder / ASSOCIATION_FILE, table.to_csv(index=False))
    write_text(folder / SHARED_FILE, association.shared.to_csv(index=False))
    active, effects = dict(coactivation or {}), dict(causal or {})
    tables = {way: found.to_dataframe() for way, found in effects.items()}
    for name, column, parts in (
        (COACTIVATION_FILE, "texts", {texts: found.table for texts, found in active.items()}),
        (CROSS_FILE, "direction", tables),
    ):
        if parts:
            rows = [part.assign(**{column: key}) for key, part in parts.items()]
            write_text(folder / name, pd.concat(rows, ignore_index=True).to_csv(index=False))
        else:
            # Of an earlier run with texts, which these results know nothing of.
            (folder / name).unlink(missing_ok=True)
    details = {
        **association.to_dict(),
        "coactivation": {name: {"n": found.texts, **found.options} for name, found in active.items()},
        "cross_effects": {way: _lean(found) for way, found in effects.items()},
        **facts,
    }
    write_json(folder / FACTS_FILE, details, kind="association")
    sides = association.first, association.second
    maps = heat_maps(table, {name: found.table for name, found in active.items()}, list(tables.values()))
    figures = {MAPS_FILE: maps_figure(maps), GRAPH_FILE: graph_figure(survivors(table, list(tables.values())), *sides)}
    for file, figure in figures.items():
        with replacing(folder / file) as scratch:
            figure.savefig(scratch, format="png", dpi=144, facecolor="white")


def _lean(found: CrossEffects) -> dict[str, Any]:
    options = {name: value for name, value in found.effects.options.items() if name != "readings"}
    asked = [list(question.labels) for question in found.effects.questions]
    return {"family": found.family, "options": options, "questions": asked, "warnings": list(found.effects.warnings)}
