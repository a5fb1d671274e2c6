"""Still pictures of effects: the masked x read matrix, and each concept's own change beside its random sets.

The matrix shows single changes without their uncertainty; what is established stands in the primary tests.
"""

from typing import Any

import pandas as pd

from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.pictures import FILL, INK, Picture, draw_svg, grid_picture


def matrix_picture(matrix: pd.DataFrame, unit: str = "nats") -> Picture:
    """Mean change of every label's texts (columns) when each concept (rows) is masked.

    Args:
        matrix: From `Effects.matrix`.
        unit: Of the changes, for the description.

    Returns:
        Blue cells rose, orange ones fell; each holds its number.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    parts = [
        f"{masked} masked: " + ", ".join(f"{read} {value:+.2f}" for read, value in row.items() if value == value)
        for masked, row in matrix.iterrows()
    ]
    return grid_picture(matrix, f"Mean change in {unit}. {'; '.join(parts)}.", across="read", down="masked")


def excess_picture(tables: EffectTables, mask: str) -> Picture:
    """Every concept's own change (diamond) beside those of its matched random sets (dots).

    Args:
        tables: The effects.
        mask: The kind of mask.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    measure = tables.measure
    own, random = tables.changes(mask)

    def draw(axes: Any) -> None:
        axes.axvline(0, color=INK, lw=0.8)
        for row, concept in enumerate(own):
            axes.plot(random[concept], [row] * len(random[concept]), "o", color=INK, ms=4, alpha=0.45)
            axes.plot([own[concept]], [row], "D", color=FILL, ms=8)
        axes.set(
            ylim=(len(own) - 0.5, -0.5),
            xlabel=f"change of the own {measure}" + (", nats" if measure == "margin" else ""),
        )
        axes.set_yticks(range(len(own)), list(own))
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)

    parts = [
        f"{concept} {own[concept]:+.2f}, random sets {min(random[concept]):+.2f} to {max(random[concept]):+.2f}"
        if random[concept]
        else f"{concept} {own[concept]:+.2f}"
        for concept in own
    ]
    return Picture(draw_svg(draw, 4.6, 0.9 + 0.32 * len(own)), f"Change of the own {measure}: {'; '.join(parts)}.", 442)
