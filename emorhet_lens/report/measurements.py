"""What a report says of the dose search, of a sweep, and of a replication, each from its tables."""

import base64
import io
from typing import Any

from emorhet_lens.pictures import Picture
from emorhet_lens.replication.tables import ReplicationTables
from emorhet_lens.sweeps.pictures import curves_figure, surface_figure
from emorhet_lens.sweeps.tables import SweepTables
from emorhet_lens.validation.tuning_pictures import traces_picture
from emorhet_lens.validation.tuning_record import TuningRecord


def tuning_section(record: TuningRecord) -> dict[str, Any]:
    """The loops as the report's template takes them.

    Args:
        record: The loops.

    Returns:
        Traces as a picture, what the loop alone concludes of own, random and other sets, and how often it is wrong.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    rows = record.conclusions.to_dict("records")
    reached, sets = (sum(row[f"random_{name}"] for row in rows) for name in ("reached", "sets"))
    return {
        "rows": rows,
        "traces": traces_picture(record),
        "delta": record.options["delta"],
        "budget": record.options["budget"],
        "own_reached": [row["concept"] for row in rows if row["outcome"] == "reached"],
        "random_reached": reached,
        "random_sets": sets,
        "random_share": reached / sets if sets else None,
    }


def sweep_section(tables: SweepTables) -> dict[str, Any]:
    """A sweep as the report's template takes it.

    Args:
        tables: The sweep.

    Returns:
        Surface and curves as pictures, in which third masking lowers most, notes and costs.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    measured = tables.table.dropna(subset=["excess"])
    lowest = measured.loc[measured.groupby("concept", sort=False)["excess"].idxmin()]
    said = "; ".join(
        f"{row['concept']}: lowest excess {row['excess']:+.2f}, layers {row['layers']} at {100 * row['ratio']:g} %"
        for row in lowest.to_dict("records")
    )
    surface = f"Exploratory. Excess of the own change over random sets by ratio and layers. {said}."
    curves = "Exploratory. Change of the own measure and perplexity ratio over the ratio, a line a range of layers."
    drawn = {"surface": (surface_figure, surface), "curves": (curves_figure, curves)} if len(measured) else {}
    return {
        "mask": tables.options["mask"],
        "pictures": [_png(figure(tables.table), words) for figure, words in drawn.values()],
        "thirds": tables.lowest_thirds().to_dict("records"),
        "measured": len(measured),
        "cells": len(tables.table),
        "warnings": tables.warnings,
        "minutes": tables.minutes,
    }


def replication_section(tables: ReplicationTables) -> dict[str, Any]:
    """A replication as the report's template takes it.

    Args:
        tables: The replication.

    Returns:
        Names, one row a concept of what both selections share, and one a way and concept of effects.
    """
    own = tables.shared[tables.shared["family"] == "primary"]
    return {
        "names": tables.names,
        "draws": tables.draws,
        "shared": own.to_dict("records"),
        "effects": [] if tables.effects is None else tables.effects.to_dict("records"),
        "warnings": tables.warnings,
    }


def _png(figure: Any, description: str) -> Picture:
    """A figure with its own white ground, as it is in the folder of results."""
    written = io.BytesIO()
    # Without the version of the program the same figure is the same bytes.
    figure.savefig(written, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    source = "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
    return Picture(source, description, round(96 * figure.get_size_inches()[0]))
