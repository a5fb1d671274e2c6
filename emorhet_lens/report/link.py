"""What a report says of two groups together: shared neurons, masks of one group on the other, and injected signals.

Three families were fixed in advance: overlaps of all pairs, devices masked while emotions are read, and devices
injected while emotions are read. Everything else is exploratory and gets no verdict that a claim could rest on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import LEVEL, grid
from emorhet_lens.association.tables import AssociationTables
from emorhet_lens.causal.changes import Measure
from emorhet_lens.cross_signal.tables import CrossSignalTables
from emorhet_lens.pictures import grid_picture
from emorhet_lens.report.gains import judge_gain
from emorhet_lens.report.verdicts import MATTERS, UNITS, Word, judge

WORDS: tuple[Word, ...] = ("established", "opposite", "only relative", "not established", "cannot be told")
MEASURED: Mapping[Measure, str] = MappingProxyType({"margin": "own margin in nats", "accuracy": "recall"})


@dataclass(frozen=True, eq=False)
class LinkReport:
    """What is reported of two groups together.

    Args:
        association: What they share, and effects of masks.
        signals: Injections, the primary direction first.
    """

    association: AssociationTables
    signals: tuple[CrossSignalTables, ...] = ()

    @property
    def changed(self) -> frozenset[str]:
        """Concepts whose neurons were masked or injected for any of it."""
        effects = self.association.effects
        masked = [] if effects is None else effects["masked"].tolist()
        return frozenset(masked).union(*(one.table["injected"].tolist() for one in self.signals))


def link_section(link: LinkReport) -> dict[str, Any]:
    """Both groups as the report's template takes them.

    Args:
        link: The measurements.

    Returns:
        Overlaps with their picture, one entry a direction and mask, one an injected direction, and notes.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    tables = link.association
    rows = tables.table.to_dict("records")
    excess = tables.matrix("excess")
    first, second = tables.options["groups"]
    notes = [*tables.warnings, *(note for one in link.signals for note in one.warnings)]
    return {
        "first": first,
        "second": second,
        "draws": tables.options["draws"],
        "rows": rows,
        "kept": [row for row in rows if row["p_holm"] < LEVEL and row["excess"] > 0],
        "picture": grid_picture(
            excess,
            "Shared neurons beyond those of matched draws. " + _cells(tables.table, "first", "second"),
            across=second,
            down=first,
            marked=tables.matrix("p_holm") < LEVEL,
        ),
        "effects": _effects(tables),
        "signals": [_signal(one) for one in link.signals],
        "matters": MATTERS["margin"],
        "warnings": list(dict.fromkeys(notes)),
    }


def _effects(tables: AssociationTables) -> list[dict[str, Any]]:
    """One entry a direction and kind of mask."""
    if tables.effects is None:
        return []
    found = []
    for (way, mask), part in tables.effects.groupby(["direction", "mask"], sort=False):
        measure: Measure = part["measure"].iloc[0]
        judged = []
        for row in part.to_dict("records"):
            chance = tables.chance(str(way), row["read"])
            word, _ = judge(row, row["base"], int(row["n"]), chance, measure)
            judged.append({**{str(name): value for name, value in row.items()}, "word": word})
        found.append(
            {
                "way": way,
                "mask": mask,
                "measured": MEASURED[measure],
                "matters": f"{MATTERS[measure]:.2f} {UNITS[measure]}",
                "primary": bool((part["family"] == "primary").all()),
                "cells": len(judged),
                "words": _counted(judged),
                "kept": [row for row in judged if row["p_holm"] < LEVEL],
                "picture": _change_picture(part, "masked", measure),
            }
        )
    return found


def _signal(tables: CrossSignalTables) -> dict[str, Any]:
    """One injected direction."""
    judged = []
    for row in tables.table.to_dict("records"):
        cell = {str(name): value for name, value in row.items()}
        word, reason = judge_gain(cell, matters=MATTERS["margin"], unit="nats")
        # A margin rises for texts of any label where the model says the concept more often.
        judged.append({**cell, "word": word, "reason": reason, "told_apart": cell["own"] > cell["bias"]})
    return {
        "primary": tables.is_primary,
        "rows": judged,
        "words": _counted(judged),
        "kept": [row for row in judged if row["p_holm"] < LEVEL],
        "omegas": tables.options["omegas"],
        "n_random": tables.options["n_random"],
        "picture": _change_picture(tables.table, "injected", "margin"),
        "minutes": tables.minutes,
    }


def _change_picture(table: pd.DataFrame, rows: str, measure: Measure) -> Any:
    """Excess of the change of the read concept's measure: what is masked or injected by what is read."""
    renamed = table.rename(columns={rows: "first", "read": "second"})
    change = f"Change of the read concept's {MEASURED[measure]} beyond random sets."
    marked = grid(renamed, "p_holm") < LEVEL
    described = f"{change} {_cells(table, rows, 'read')}"
    return grid_picture(grid(renamed, "excess"), described, across="read", down=rows, marked=marked)


def _cells(table: pd.DataFrame, first: str, second: str) -> str:
    said = "; ".join(
        f"{row[first]}, {row[second]} {row['excess']:+.2f}" + ("*" if row["p_holm"] < LEVEL else "")
        for row in table.to_dict("records")
    )
    return f"{said}."


def _counted(judged: list[dict[str, Any]]) -> list[tuple[str, int]]:
    counts = Counter(str(row["word"]) for row in judged)
    return [(word, counts[word]) for word in WORDS if counts[word]]
