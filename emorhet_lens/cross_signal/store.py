"""The tables and the picture of a cross-signal measurement, as files that people read.

The heat map shows differences without their uncertainty, but for the bold numbers, which are significant after Holm's
correction over all cells.
"""

import math
from pathlib import Path
from typing import Any

from emorhet_lens.cross_signal.outcomes import CrossSignal
from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import FILL, WARM
from emorhet_lens.store import replacing, write_json, write_text
from emorhet_lens.sweeps.inputs import describe_base

PICTURE_FILE = "cross_signal.png"


def write_cross_signal(folder: Path, found: CrossSignal, **facts: Any) -> None:
    """Write what came out.

    Args:
        folder: Gets `cross_signal.csv` (one row a cell), `draws.csv`, `ladder.csv`, `balance.csv` and
            `cross_signal.json`.
        found: What came out.
        **facts: Anything that JSON can hold, for `cross_signal.json`.
    """
    tables = {"cross_signal": found.primary(), "draws": found.to_dataframe(), "ladder": found.ladder}
    for name, table in (tables | {"balance": found.effects.balance}).items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    effects = found.effects
    lean = {name: value for name, value in effects.options.items() if name != "readings"}
    asked = [describe_base(one, answers) for one, answers in zip(effects.questions, effects.base, strict=True)]
    report = {"options": lean, "questions": asked, "warnings": list(found.warnings), **facts}
    write_json(folder / "cross_signal.json", report, kind="cross-signal")


def write_picture(folder: Path, found: CrossSignal) -> Path:
    """Draw `cross_signal.png`.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    path = folder / PICTURE_FILE
    with replacing(path) as scratch:
        cross_signal_figure(found).savefig(scratch, format="png", dpi=144, facecolor="white")
    return path


def cross_signal_figure(found: CrossSignal) -> Any:
    """A heat map of injected (rows) by read concepts (columns): the change beyond random sets.

    Args:
        found: What came out.

    Returns:
        A matplotlib figure. Blue cells gained, orange ones lost against random sets; bold numbers have p < 0.05 after
        Holm's correction over all cells; gray cells were not measured.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    try:
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the picture of cross-signal enhancement needs matplotlib, which is not installed: pip install "'
            'emorhet-lens[show]"'
        ) from cause
    table = found.matrix("excess")
    values, p = table.to_numpy(dtype=float), found.matrix("p_holm").to_numpy(dtype=float)
    largest = max((abs(value) for value in values.ravel().tolist() if not math.isnan(value)), default=0.0) or 1.0
    colors = LinearSegmentedColormap.from_list("excess", [WARM, "#ffffff", FILL]).with_extremes(bad="#e3e6ea")
    rows, columns = values.shape
    figure = Figure(figsize=(max(2.6 + 0.9 * columns, 4.6), max(1.7 + 0.5 * rows, 3.2)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap=colors, vmin=-largest, vmax=largest, aspect="auto")
    for row in range(rows):
        for column in range(columns):
            value = float(values[row, column])
            if not math.isnan(value):
                weight = "bold" if p[row, column] < 0.05 else "normal"
                axes.text(column, row, f"{value:+.2f}", ha="center", va="center", fontsize=9, fontweight=weight)
    axes.set_xticks(range(columns), list(table.columns), rotation=30, ha="right")
    axes.set_yticks(range(rows), list(table.index))
    axes.set(xlabel="read", ylabel="injected")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    unit = "nats" if found.effects.measure == "margin" else "share of texts"
    bar = figure.colorbar(image, ax=axes, label=f"beyond random sets, {unit}")
    bar.outline.set_visible(False)
    kind = "Primary family" if found.primary_family else "Exploratory"
    title = f"{kind}: change of the own {found.effects.measure}.\nBold: p < 0.05 after Holm's correction"
    figure.suptitle(title, fontsize=9)
    return figure
