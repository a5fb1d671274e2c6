"""The picture of a comparison of gates: what each mask does to its concept, and what it costs on neutral text.

Exploratory. Bars are bootstrap intervals over texts with the set of neurons taken as given; that two of them overlap
does not say that the paired difference, which stands in the table, is uncertain.
"""

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import FILL, WARM
from emorhet_lens.store import replacing

PICTURE_FILE = "gate.png"
_COLORS = (FILL, WARM, "#3a9d6e", "#1f2733", "#9a5fb5", "#c24d5c", "#7b7b7b", "#a89000")
_GRAY = "#5b6472"


def write_picture(folder: Path, table: pd.DataFrame) -> Path:
    """Draw `gate.png`.

    Args:
        folder: Gets the file.
        table: From `GateComparison.to_dataframe`, or read from `gate.csv`.

    Returns:
        The file.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    path = folder / PICTURE_FILE
    with replacing(path) as scratch:
        gate_figure(table).savefig(scratch, format="png", dpi=144, facecolor="white")
    return path


def gate_figure(table: pd.DataFrame) -> Any:
    """Drop of the own margin against divergence on neutral text: plain and gated, connected, a colour a concept.

    Args:
        table: From `GateComparison.to_dataframe`; concepts that were not measured are named beneath.

    Returns:
        A matplotlib figure. Circles are plain masks, diamonds gated ones, bars 95 % intervals; a filled diamond says
        that the interval of the difference in cost leaves 0 out.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except ImportError as cause:
        raise EmorhetError(
            'the picture of a comparison needs matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    known = table[table["kl_difference"].notna()]
    missing = [str(concept) for concept in table["concept"] if concept not in set(known["concept"])]
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color=_GRAY, lw=0.8)
    axes.axvline(0, color=_GRAY, lw=0.8)
    handles = []
    for color, (_, row) in zip(islice(cycle(_COLORS), len(known)), known.iterrows(), strict=True):
        style: dict[str, Any] = {"color": color, "ms": 7, "capsize": 0, "elinewidth": 0.9, "ls": "none"}
        axes.plot([row["drop_plain"], row["drop_gated"]], [row["kl_plain"], row["kl_gated"]], color=color, lw=1.2)
        clear = row["kl_difference_high"] < 0 or row["kl_difference_low"] > 0
        for name, marker, face in (("plain", "o", "white"), ("gated", "D", color if clear else "white")):
            axes.errorbar(
                [row[f"drop_{name}"]],
                [row[f"kl_{name}"]],
                xerr=_reach(row, f"drop_{name}"),
                yerr=_reach(row, f"kl_{name}"),
                marker=marker,
                mfc=face,
                **style,
            )
        handles.append(Line2D([], [], color=color, lw=2, label=f"{row['concept']}: {row['verdict']}"))
    shapes = [
        Line2D([], [], color=_GRAY, marker="o", mfc="white", ls="none", label="plain"),
        Line2D(
            [],
            [],
            color=_GRAY,
            marker="D",
            mfc=_GRAY,
            ls="none",
            label="gated; filled where the interval of the difference in cost leaves 0 out",
        ),
    ]
    # Beneath, where no bar is hidden by it.
    figure.legend(handles=[*shapes, *handles], loc="outside lower center", ncols=1, frameon=False, fontsize=8)
    if not handles:
        axes.text(0.5, 0.5, "nothing was compared", transform=axes.transAxes, ha="center", va="center", color=_GRAY)
    note = f"\nNot compared: {', '.join(missing)}" if missing else ""
    axes.set_title(f"Exploratory. Bars: 95 % intervals over texts{note}", fontsize=9, color=_GRAY)
    axes.set_xlabel("drop of the own margin on test texts, nats", fontsize=9)
    axes.set_ylabel("divergence on neutral texts, nats a token", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _reach(row: Any, name: str) -> list[list[float]]:
    """How far the bar goes down and up."""
    return [[max(0.0, row[name] - row[f"{name}_low"])], [max(0.0, row[f"{name}_high"] - row[name])]]
