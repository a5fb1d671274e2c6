"""A picture of steering: how many texts follow a push, over its strength, and what it costs beneath.

Bands are the range of the draws of a control, not an interval; the band of the concept's own line is a bootstrap
interval over texts with the set of neurons taken as given. All but the primary strength is exploratory.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import FILL, WARM
from emorhet_lens.steering.moved import ALL
from emorhet_lens.store import replacing

STEERING_FILE = "steering.png"
_GRAY = "#5b6472"
_CONTROLS = {"random": (WARM, "matched random sets"), "scaled": ("#9a5fb5", "random sets of equal length")}
_OWN = "the concept's own neurons"
_CONTROLS |= {"noise": ("#3a9d6e", "noise of equal length")}


def write_picture(folder: Path, table: pd.DataFrame) -> Path:
    """Draw `steering.png`.

    Args:
        folder: Gets the file.
        table: From `Steering.to_dataframe`, or read from `steering.csv`.

    Returns:
        The file.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    path = folder / STEERING_FILE
    with replacing(path) as scratch:
        steering_figure(table).savefig(scratch, format="png", dpi=144, facecolor="white")
    return path


def steering_figure(table: pd.DataFrame) -> Any:
    """The share of texts given the concept, over the strength, and the perplexity of neutral texts beneath it.

    Args:
        table: From `Steering.to_dataframe`.

    Returns:
        A matplotlib figure, a column a concept and two rows a form. The blue line is the concept's own neurons with
        its 95 % interval, other lines the mean of a control's draws with their range.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    whole = table[table["read"] == ALL]
    forms, concepts = list(whole["form"].unique()), list(whole["concept"].unique())
    figure = _figure(0.9 + 2.3 * len(concepts), 0.9 + 3.9 * len(forms))
    axes = figure.subplots(2 * len(forms), len(concepts), squeeze=False, sharex=True)
    labelled: dict[str, Any] = {}
    for number, form in enumerate(forms):
        for column, concept in enumerate(concepts):
            part = whole[(whole["form"] == form) & (whole["concept"] == concept)]
            rate, cost = axes[2 * number][column], axes[2 * number + 1][column]
            rate.set_title(f"{concept}, {form}" if len(forms) > 1 else concept, fontsize=9, loc="left")
            for control, (color, name) in _CONTROLS.items():
                draws = part[part["control"] == control]
                if len(draws):
                    labelled[name] = _panel(rate, cost, draws, color, {"ls": "--", "lw": 1, "marker": "x"})
            own = part[part["control"] == "own"]
            labelled[_OWN] = _panel(rate, cost, own, FILL, {"marker": "o"})
            rate.set_ylim(-0.03, 1.03)
            if part["ppl_ratio"].isna().all():
                cost.text(0.5, 0.5, "not measured", transform=cost.transAxes, ha="center", va="center", color=_GRAY)
                cost.set_yticks([])
            else:
                cost.axhline(1, color=_GRAY, lw=0.8, ls=":")
                _scale(cost, float(part["ppl_ratio"].max()))
            for place in (rate, cost):
                place.tick_params(which="both", labelsize=8)
                place.spines[["top", "right"]].set_visible(False)
        axes[2 * number][0].set_ylabel("share given the concept", fontsize=9)
        axes[2 * number + 1][0].set_ylabel("perplexity ratio", fontsize=9)
    figure.legend(
        labelled.values(), labelled, loc="outside upper center", ncols=2 if len(concepts) < 4 else 4, frameon=False
    )
    figure.supxlabel("strength of the push; at 0 there is none", fontsize=9)
    return figure


def _panel(rate: Any, cost: Any, rows: pd.DataFrame, color: str, style: dict[str, Any]) -> Any:
    """The mean of one control's draws by strength, through no push at 0, with range or interval; gives the line."""
    for axes, column, nothing in ((rate, "rate", float(rows["base_rate"].iloc[0])), (cost, "ppl_ratio", 1.0)):
        groups = rows.groupby("strength")[column]
        table = pd.DataFrame({"mean": groups.mean(), "low": groups.min(), "high": groups.max()})
        if column == "rate" and rows["low"].notna().all():
            ends = rows.set_index("strength")
            for end in ("low", "high"):
                # An interval of the change goes beyond what a share can be where few texts follow.
                table[end] = (ends["base_rate"] + ends[end]).clip(0, 1)
        table.loc[0.0] = nothing
        table = table.sort_index()
        axes.fill_between(table.index, table["low"], table["high"], color=color, alpha=0.13, lw=0)
        axes.plot(table.index, table["mean"], color=color, ms=3.5, **style)
    return rate.lines[-1]


def _scale(cost: Any, highest: float) -> None:
    """Logarithmic where ratios go far, with plain numbers; small ratios are easier to read as they are."""
    if highest > 2:
        from matplotlib.ticker import LogFormatter

        cost.set_yscale("log")
        for axis_formatter in (cost.yaxis.set_major_formatter, cost.yaxis.set_minor_formatter):
            axis_formatter(LogFormatter())
    else:
        cost.ticklabel_format(axis="y", useOffset=False)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the picture of steering needs matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    return Figure(figsize=(max(width, 4.6), height), layout="constrained")
