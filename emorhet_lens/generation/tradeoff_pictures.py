"""The trade-off curve, as PNG and for a report: target rate over perplexity, a line a method, in order of strength.

Hollow points mark texts that no longer count as fluent, because they are surprising or repeat themselves. Bars are
95 % intervals over prompts. Exploratory.
"""

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emorhet_lens.errors import EmorhetError
from emorhet_lens.generation.tradeoff_outcomes import MAX_RATIO
from emorhet_lens.pictures import FILL, INK, WARM, Picture, draw_panels
from emorhet_lens.store import replacing

CURVES_FILE = "tradeoff.png"
_COLORS = (FILL, "#7b7b7b", WARM, "#3a9d6e", "#9a5fb5", "#b5485d")
_GRAY = "#7a828e"


def write_tradeoff_picture(folder: Path, table: pd.DataFrame) -> Path:
    """Draw `tradeoff.png`.

    Args:
        folder: Gets the file.
        table: From `Tradeoff.to_dataframe`, or read from `tradeoff.csv`.

    Returns:
        The file.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    path = folder / CURVES_FILE
    with replacing(path) as scratch:
        tradeoff_figure(table).savefig(scratch, format="png", dpi=144, facecolor="white")
    return path


def tradeoff_figure(table: pd.DataFrame) -> Any:
    """One column a concept; above steering towards it, beneath away from it.

    Args:
        table: From `Tradeoff.to_dataframe`.

    Returns:
        A matplotlib figure. Every line begins at the texts without steering (perplexity ratio 1).

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the trade-off picture needs matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    concepts, colors = list(table["concept"].unique()), _colors(table)
    figure = Figure(figsize=(1.2 + 3.1 * len(concepts), 6.4), layout="constrained")
    axes = figure.subplots(2, len(concepts), squeeze=False, sharey="row", sharex=True)
    for column, concept in enumerate(concepts):
        own = table[table["concept"] == concept]
        for row, (side, direction) in enumerate(((1, "towards"), (-1, "away from"))):
            place = axes[row, column]
            _draw(place, own, side, colors, hollow="white")
            place.set_title(f"{direction} {concept}", fontsize=9, loc="left", fontweight="bold")
            place.tick_params(which="both", labelsize=8)
            place.spines[["top", "right"]].set_visible(False)
        axes[0, column].set_ylim(-0.03, 1.03)
    for row in range(2):
        axes[row, 0].set_ylabel("share of texts judged as the target", fontsize=9)
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        lines,
        names,
        loc="outside upper center",
        ncols=max(1, len(names)),
        frameon=False,
        title_fontsize=9,
        title="Exploratory. Hollow: texts are no longer fluent, or repeat themselves; labels: strengths",
    )
    figure.supxlabel("perplexity of the texts for the unsteered model, over that of its own texts", fontsize=9)
    return figure


def tradeoff_picture(table: pd.DataFrame) -> Picture:
    """The same for a report.

    Args:
        table: From `Tradeoff.to_dataframe`.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    concepts, colors = list(table["concept"].unique()), _colors(table)

    def draw(panels: list[Any]) -> None:
        for number, place in enumerate(panels):
            row, column = divmod(number, len(concepts))
            _draw(place, table[table["concept"] == concepts[column]], 1 - 2 * row, colors, hollow="none")
            place.set_title(f"{('towards', 'away from')[row]} {concepts[column]}", fontsize=9, loc="left")
            place.set_ylim(-0.03, 1.03)
        figure = panels[0].figure
        legend = {"loc": "outside upper left", "ncols": 1 + len(concepts), "frameon": False}
        figure.legend(*panels[0].get_legend_handles_labels(), **legend)
        figure.supxlabel("perplexity over that without steering", fontsize=9, color=INK)
        figure.supylabel("share of texts judged as the concept", fontsize=9, color=INK)

    said = "; ".join(
        f"{row['concept']}, {row['method']} {row['strength']:g}: rate {row['target_rate']:.2f}, perplexity "
        f"{row['ppl_ratio']:.2f}{'' if row['fluent'] else ', not fluent'}"
        for row in table.to_dict("records")
    )
    width = max(4.6, 1.0 + 2.4 * len(concepts))
    source = draw_panels(draw, width, 5.4, rows=2, columns=len(concepts))
    return Picture(source, f"Target rate against fluency, by strength. {said}.", round(width * 96))


def _colors(table: pd.DataFrame) -> dict[str, str]:
    methods = [str(method) for method in table["method"].unique() if method != "none"]
    return dict(zip(methods, islice(cycle(_COLORS), len(methods)), strict=True))


def _draw(place: Any, own: pd.DataFrame, side: int, colors: dict[str, str], *, hollow: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    base = own[own["method"] == "none"].iloc[0]
    place.axhline(base["target_rate"], color=_GRAY, lw=0.8, ls=":")
    # Far from all points the bound would only press them together.
    if own["ppl_ratio"].max() > MAX_RATIO / 2:
        place.axvline(MAX_RATIO, color=_GRAY, lw=0.6, ls=":")
    for method, color in colors.items():
        part = own[(own["method"] == method) & (np.sign(own["strength"]) == side)]
        part = part.iloc[part["strength"].abs().argsort()].dropna(subset=["target_rate", "ppl_ratio"])
        x, y = [1.0, *part["ppl_ratio"]], [base["target_rate"], *part["target_rate"]]
        place.plot(x, y, color=color, lw=1.3, label=method)
        # At a rate of 0 or 1 rounding puts the rate a trace outside its interval.
        gaps = [
            (part["target_rate"] - part["target_low"]).clip(lower=0),
            (part["target_high"] - part["target_rate"]).clip(lower=0),
        ]
        place.errorbar(part["ppl_ratio"], part["target_rate"], yerr=gaps, fmt="none", ecolor=color, alpha=0.3, lw=1)
        for point in part.itertuples():
            face = color if point.fluent else hollow
            place.plot(point.ppl_ratio, point.target_rate, marker="o", ms=5, mfc=face, mec=color, ls="none")
            place.annotate(
                f"{point.strength:g}",
                (point.ppl_ratio, point.target_rate),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=6.5,
                color=color,
            )
    place.plot(1.0, base["target_rate"], marker="*", ms=9, color=INK, ls="none")
    place.set_xscale("log")
    place.xaxis.set_major_locator(LogLocator(subs=(1, 1.2, 1.5, 2, 3, 5)))
    place.xaxis.set_minor_locator(NullLocator())
    place.xaxis.set_major_formatter("{x:g}")
