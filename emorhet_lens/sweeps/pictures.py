"""Pictures of a sweep as PNG: a surface of what masking does beyond random sets, and curves over the ratio.

Both are exploratory. The surface shows differences without their uncertainty, but for the bold numbers, whose own
95 % interval leaves 0 out: among twenty cells without any effect one is bold by chance. Bands are bootstrap intervals
over texts, with the set of neurons taken as given.
"""

import math
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import FILL, WARM
from emorhet_lens.store import replacing

SURFACE_FILE, CURVES_FILE = "surface.png", "curves.png"
_COLORS = (FILL, WARM, "#3a9d6e", "#1f2733", "#9a5fb5", "#c24d5c", "#7b7b7b", "#a89000")
_GRAY = "#5b6472"


def write_pictures(folder: Path, table: pd.DataFrame) -> tuple[Path, Path]:
    """Draw `surface.png` and `curves.png`.

    Args:
        folder: Gets the files.
        table: From `Sweep.to_dataframe`, or read from `sweep.csv`.

    Returns:
        The files.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    files = folder / SURFACE_FILE, folder / CURVES_FILE
    for path, figure in zip(files, (surface_figure(table), curves_figure(table)), strict=True):
        with replacing(path) as scratch:
            figure.savefig(scratch, format="png", dpi=144, facecolor="white")
    return files


def surface_figure(table: pd.DataFrame) -> Any:
    """A heat map of ratio and layers, one panel a concept (and dose).

    Args:
        table: From `Sweep.to_dataframe`.

    Returns:
        A matplotlib figure. Colour and number are the change of the concept's own texts minus the mean of the random
        sets; numbers whose interval leaves 0 out are bold, gray cells were not measured.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    panels, ranges, ratios = _panels(table), list(table["layers"].unique()), sorted(table["ratio"].unique())
    largest = float(table["excess"].abs().max())
    largest = largest if largest > 0 else 1.0
    doses = table["dose"].nunique()
    # With several doses a row is a concept.
    columns = min(doses if doses > 1 else len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    width, height = 1.1 + 0.72 * len(ratios), 0.9 + 0.42 * len(ranges)
    # A single narrow panel has to hold the title, too.
    figure = _figure(max(columns * width + 0.8, 5.6), rows * height + 0.9)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    image = None
    for place, (title, part) in zip(axes, panels.items(), strict=False):
        found = part.set_index(["layers", "ratio"])
        values = found["excess"].unstack().loc[ranges, ratios]
        image = place.imshow(values.to_numpy(), cmap=_colors(), vmin=-largest, vmax=largest, aspect="auto")
        for row, name in enumerate(ranges):
            for column, ratio in enumerate(ratios):
                cell = found.loc[(name, ratio)]
                known = not math.isnan(cell["excess"])
                place.text(
                    column,
                    row,
                    f"{cell['excess']:+.2f}" if known else "-",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="#10151c" if known else _GRAY,
                    fontweight="bold" if cell["excess_low"] > 0 or cell["excess_high"] < 0 else "normal",
                )
        place.set_title(title, fontsize=9)
        place.set_xticks(range(len(ratios)), [_percent(ratio) for ratio in ratios])
        place.set_yticks(range(len(ranges)), ranges)
        # Between cells, so that those near 0 are seen as cells.
        place.set_xticks([column - 0.5 for column in range(1, len(ratios))], minor=True)
        place.set_yticks([row - 0.5 for row in range(1, len(ranges))], minor=True)
        place.grid(which="minor", color="#c9ced6", lw=0.6)
        place.tick_params(which="both", length=0, labelsize=8)
        place.spines[:].set(color="#c9ced6", lw=0.6)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    measure, unit = _measure(table)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(f"change of the own {measure}\nminus random sets, {unit}")
    bar.ax.yaxis.label.set_size(9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    figure.suptitle("Exploratory. Bold: the 95 % interval leaves 0 out; gray: not measured", fontsize=9, color=_GRAY)
    figure.supxlabel("neurons masked, share of the range of layers", fontsize=9)
    return figure


def curves_figure(table: pd.DataFrame) -> Any:
    """The change over the ratio, a line a range of layers, beside the cost; one row a concept (and dose).

    Args:
        table: From `Sweep.to_dataframe`.

    Returns:
        A matplotlib figure. Lines are the concept's own neurons with their interval, dashed lines the mean of the
        random sets; the cost is the perplexity of neutral texts over that without a mask.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    panels, ranges = _panels(table), list(table["layers"].unique())
    ratios = sorted(table["ratio"].unique())
    measure, unit = _measure(table)
    change = "recall" if measure == "accuracy" else "margin"
    figure = _figure(8.4, 2.2 * len(panels) + 0.9)
    axes = figure.subplots(len(panels), 2, squeeze=False, sharex=True).ravel()
    for row, (title, part) in enumerate(panels.items()):
        left, right = axes[2 * row], axes[2 * row + 1]
        left.axhline(0, color=_GRAY, lw=0.8)
        right.axhline(1, color=_GRAY, lw=0.8)
        for color, name in zip(islice(cycle(_COLORS), len(ranges)), ranges, strict=True):
            own = part[part["layers"] == name].sort_values("ratio")
            style: dict[str, Any] = {"color": color, "marker": "o", "ms": 3.5}
            left.fill_between(own["ratio"], own[f"{change}_low"], own[f"{change}_high"], color=color, alpha=0.15, lw=0)
            left.plot(own["ratio"], own[f"{change}_change"], **style, label=name)
            left.plot(own["ratio"], own["random_mean"], **style | {"marker": "x"}, ls="--", lw=1, alpha=0.8)
            right.plot(own["ratio"], own["ppl_ratio"], **style)
            right.plot(own["ratio"], own["random_ppl_ratio"], **style | {"marker": "x"}, ls="--", lw=1, alpha=0.8)
        left.set_title(title, fontsize=9, loc="left", fontweight="bold")
        left.set_ylabel(f"own {measure}, {unit}", fontsize=9)
        right.set_ylabel("perplexity ratio", fontsize=9)
        if part["ppl_ratio"].isna().all():
            right.text(0.5, 0.5, "not measured", transform=right.transAxes, ha="center", va="center", color=_GRAY)
            right.set_yticks([])
        for place in (left, right):
            place.set_xscale("log")
            place.set_xticks(ratios, [_percent(ratio) for ratio in ratios])
            place.minorticks_off()
            place.tick_params(labelsize=8)
            place.spines[["top", "right"]].set_visible(False)
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(
        lines,
        names,
        loc="outside upper center",
        ncols=min(len(names), 6),
        frameon=False,
        title_fontsize=9,
        title="Exploratory. Solid: neurons of these layers with 95 % interval; dashed: matched random sets",
    )
    figure.supxlabel("neurons masked, share of the range of layers", fontsize=9)
    return figure


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the pictures of a sweep need matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    return Figure(figsize=(width, height), layout="constrained")


def _colors() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("excess", [WARM, "#ffffff", FILL]).with_extremes(bad="#e3e6ea")


def _panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by title: the concept, with the dose where there are several."""
    doses = table["dose"].unique()
    return {
        f"{concept}, dose {dose:g}" if len(doses) > 1 else str(concept): part[part["dose"] == dose]
        for concept, part in table.groupby("concept", sort=False)
        for dose in doses
    }


def _measure(table: pd.DataFrame) -> tuple[str, str]:
    measure = "accuracy" if "accuracy" in set(table["measure"]) else "margin"
    return measure, "nats" if measure == "margin" else "share of texts"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:g} %"
