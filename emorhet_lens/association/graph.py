"""What survives correction, as a graph between the concepts of two groups.

There is an edge for every cell with p < 0.05 after Holm's correction in a family that was fixed in advance (overlaps,
and effects of the one direction), and for nothing else. A missing edge is no evidence that there is no link.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import LEVEL
from emorhet_lens.association.pictures import blank_figure
from emorhet_lens.pictures import FILL, WARM

NOTHING = "nothing survives"
_DARK, _GRAY = "#10151c", "#5b6472"


@dataclass(frozen=True)
class Edge:
    """Something that survives.

    Args:
        first: Concept on the left.
        second: Concept on the right.
        kind: `"overlap"` or `"effect"`.
        label: The number.
    """

    first: str
    second: str
    kind: str
    label: str


def survivors(association: pd.DataFrame, causal: Sequence[pd.DataFrame] = ()) -> list[Edge]:
    """What survives Holm's correction in a family that was fixed in advance, overlaps first.

    Args:
        association: From `Association.to_dataframe`.
        causal: From `CrossEffects.to_dataframe`, one a direction.
    """
    kept = association[(association["p_holm"] < LEVEL) & (association["excess"] > 0)]
    edges = [
        Edge(str(row.first), str(row.second), "overlap", f"{row.shared} ({row.expected:.1f} by chance)")
        for row in kept.itertuples()
    ]
    lefts = set(association["first"])
    for table in causal:
        for row in table[(table["p_holm"] < LEVEL) & (table["family"] == "primary")].itertuples():
            masked, read = str(row.masked), str(row.read)
            ends = (masked, read) if masked in lefts else (read, masked)
            edges.append(Edge(*ends, "effect", f"{masked} masked ({row.mask}): {row.excess:+.2f}"))
    return edges


def graph_figure(edges: Sequence[Edge], first: Sequence[str], second: Sequence[str]) -> Any:
    """Concepts of both groups, and a line for everything that survives.

    Args:
        edges: From `survivors`.
        first: Concepts on the left.
        second: Concepts on the right.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    figure = blank_figure(6.4, 1.0 + 0.5 * max(len(first), len(second)))
    axes = figure.subplots()
    heights = [{name: (i + 0.5) / len(side) for i, name in enumerate(side)} for side in (first, second)]
    for number, edge in enumerate(edges):
        start, end = 1 - heights[0][edge.first], 1 - heights[1][edge.second]
        color, style = (FILL, "-") if edge.kind == "overlap" else (WARM, "--")
        # Two lines between the same concepts lie beside each other.
        lift = 0.012 if edge.kind == "overlap" else -0.012
        axes.plot([0, 1], [start + lift, end + lift], color=color, ls=style, lw=1.8, solid_capstyle="round")
        # At five places in turn, so that few numbers cover each other.
        at = 0.2 + 0.6 * (2 * number % 5) / 4
        axes.text(
            at, start + lift + at * (end - start), edge.label, fontsize=7, ha="center", va="center", color=_DARK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    for x, side, align in ((0, heights[0], "right"), (1, heights[1], "left")):
        for name, y in side.items():
            axes.plot([x], [1 - y], "o", color=_DARK, ms=5)
            axes.text(x + (0.03 if x else -0.03), 1 - y, name, ha=align, va="center", fontsize=9, color=_DARK)
    if not edges:
        axes.text(0.5, 0.5, NOTHING, ha="center", va="center", fontsize=11, color=_GRAY)
    axes.set(xlim=(-0.35, 1.35), ylim=(0, 1))
    axes.set_axis_off()
    figure.suptitle(
        "What survives correction. Solid: shared neurons; dashed: effect of a mask", fontsize=9, color=_GRAY
    )
    return figure
