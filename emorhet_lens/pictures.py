"""Small still pictures for a report: SVG that needs no script, no network, and follows light and dark.

matplotlib draws them. They show counts and intervals that stand in words or tables beside them.
"""

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.errors import EmorhetError
from emorhet_lens.screening.stability import Stability

# Drawn in this colour, and replaced by the colour of the reader's text.
INK = "#010203"
FILL = "#4c8fd6"
WARM = "#d98032"
_STYLE = "<style>svg{color:#1f2733}@media(prefers-color-scheme:dark){svg{color:#e6e9ee}}</style>"


@dataclass(frozen=True)
class Picture:
    """A picture inside a page.

    Args:
        source: Data URI of an SVG.
        description: What it shows, for readers who do not see it.
        width: In CSS pixels.
    """

    source: str
    description: str
    width: int


def layer_picture(histogram: pd.DataFrame) -> Picture:
    """Number of neurons by layer and concept.

    Args:
        histogram: From `Neurons.layer_histogram`: layers as rows, concepts as columns.

    Returns:
        One row of cells a concept, darker where there are more neurons.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    counts = histogram.to_numpy()
    n_layers, n_concepts = counts.shape
    largest = max(1, int(counts.max(initial=0)))
    width = max(4.0, 1.6 + 0.3 * n_layers)

    def draw(axes: Any) -> None:
        from matplotlib.patches import Rectangle

        for layer in range(n_layers):
            for row in range(n_concepts):
                count = int(counts[layer, row])
                if count:
                    # Never quite opaque, so that the number stays legible on light and on dark.
                    axes.add_patch(
                        Rectangle((layer - 0.5, row - 0.5), 1, 1, color=FILL, alpha=0.15 + 0.5 * count / largest, lw=0)
                    )
                    axes.text(layer, row, str(count), ha="center", va="center", fontsize=8, color=INK)
        axes.set(xlim=(-0.5, n_layers - 0.5), ylim=(n_concepts - 0.5, -0.5), xlabel="layer")
        axes.set_xticks(range(0, n_layers, 1 if n_layers <= 12 else 2))
        axes.set_yticks(range(n_concepts), list(histogram.columns))
        axes.tick_params(length=0)

    parts = []
    for concept in histogram.columns:
        where = histogram[concept]
        if where.sum():
            parts.append(f"{concept} {int(where.sum())}, most of them ({int(where.max())}) in layer {where.idxmax()}")
    description = "Number of selected neurons by layer. " + ("; ".join(parts) or "None was selected") + "."
    return Picture(draw_svg(draw, width, 0.8 + 0.3 * n_concepts), description, round(width * 96))


def stability_picture(stability: Stability) -> Picture:
    """Agreement of the two halves, beside that of shuffled labels with its interval.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    low, high = stability.jaccard - stability.high, stability.jaccard - stability.low

    def draw(axes: Any) -> None:
        axes.plot([low, high], [1, 1], color=INK, lw=2)
        axes.plot([stability.null_mean], [1], "o", color=INK)
        axes.plot([stability.jaccard], [0], "D", color=FILL, ms=8)
        axes.axvline(0, color=INK, lw=0.8)
        span = max(stability.jaccard, high, 0.05)
        axes.set(
            xlim=(min(low, 0) - 0.03 * span, 1.1 * span), ylim=(1.6, -0.6), xlabel="agreement of the halves (Jaccard)"
        )
        axes.set_yticks([0, 1], ["true labels", "shuffled labels"])
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)

    description = (
        f"Agreement of the two halves: {stability.jaccard:.3f} with the true labels; {stability.null_mean:.3f} with "
        f"shuffled labels, 95 % interval {low:.3f} to {high:.3f}."
    )
    # Fits a phone.
    return Picture(draw_svg(draw, 3.5, 1.35), description, 336)


def grid_picture(
    values: pd.DataFrame, description: str, *, across: str, down: str, marked: pd.DataFrame | None = None
) -> Picture:
    """A number a cell, darker where it is larger: blue above zero, orange below; cells without one stay empty.

    Args:
        values: The numbers.
        description: What they are, for readers who do not see them.
        across: What the columns are.
        down: What the rows are.
        marked: In the same shape, which cells get a star.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    numbers = values.to_numpy(dtype=float)
    n_rows, n_columns = numbers.shape
    known = [abs(value) for value in numbers.ravel().tolist() if not math.isnan(value)]
    largest = max(known, default=0.0) or 1.0

    def draw(axes: Any) -> None:
        from matplotlib.patches import Rectangle

        for row in range(n_rows):
            for column in range(n_columns):
                value = float(numbers[row, column])
                if math.isnan(value):
                    continue
                alpha = 0.08 + 0.52 * abs(value) / largest
                color = FILL if value >= 0 else WARM
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=color, alpha=alpha, lw=0))
                star = "*" if marked is not None and bool(marked.iloc[row, column]) else ""
                text = f"{value:+.2f}{star}"
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=INK)
        axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), xlabel=across, ylabel=down)
        axes.set_xticks(range(n_columns), list(values.columns), rotation=30, ha="right")
        axes.set_yticks(range(n_rows), list(values.index))
        axes.tick_params(length=0)

    width = 1.8 + 0.75 * n_columns
    return Picture(draw_svg(draw, width, 1.3 + 0.34 * n_rows), description, round(width * 96))


def draw_svg(draw: Callable[[Any], None], width: float, height: float) -> str:
    """Draw on axes of a figure of so many inches; returns a data URI."""
    return draw_panels(lambda panels: draw(panels[0]), width, height)


def draw_panels(
    draw: Callable[[list[Any]], None], width: float, height: float, *, rows: int = 1, columns: int = 1
) -> str:
    """Draw on several axes, which come row by row and share their scales; returns a data URI."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the pictures of a report need matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    settings: Any = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "emorhet",
        "font.family": "sans-serif",
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel())
        draw(panels)
        for axes in panels:
            axes.spines[["top", "right", "left"]].set_visible(False)
        written = io.StringIO()
        # Without a date the same picture is the same bytes.
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    head, _, body = svg.partition(">")
    return "data:image/svg+xml;base64," + base64.b64encode(f"{head}>{_STYLE}{body}".encode()).decode()
