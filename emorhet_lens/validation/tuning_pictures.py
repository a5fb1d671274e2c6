"""Dose traces of adaptive masks: recall against dose, the concept's own set beside its random sets.

A trace that falls shows that the dose was raised; what counts is whether the random sets' traces stay up, and that is
tested on texts that no loop has read.
"""

import math
from typing import Any

from emorhet_lens.pictures import FILL, INK, WARM, Picture, draw_panels
from emorhet_lens.validation.tuning_record import TuningRecord

COLUMNS = 3


def traces_picture(record: TuningRecord) -> Picture:
    """One panel a concept: its own set thick, random sets thin and gray, the target dashed.

    Args:
        record: The loops.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    concluded = record.conclusions.to_dict("records")
    columns = min(COLUMNS, len(concluded))
    rows = math.ceil(len(concluded) / columns)

    def draw(panels: list[Any]) -> None:
        for axes, row in zip(panels, concluded, strict=False):
            mine = record.traces[record.traces["concept"] == row["concept"]]
            for name, trace in mine.groupby("set", sort=False):
                if str(name).startswith("random"):
                    axes.plot(*_line(trace, row), color=INK, lw=0.8, alpha=0.35)
            alpha, recall = _line(mine[mine["set"] == "own"], row)
            axes.plot(alpha, recall, "o-", color=FILL, lw=2.4, ms=3.5)
            axes.axhline(row["target"], color=WARM, lw=1.2, ls="--")
            axes.set_title(str(row["concept"]), fontsize=9)
            axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
            axes.set_xticks([0, 0.5, 1])
            axes.set_yticks([0, 0.5, 1])
        for axes in panels[len(concluded) :]:
            axes.set_axis_off()
        for number, axes in enumerate(panels[: len(concluded)]):
            axes.tick_params(labelbottom=number + columns >= len(concluded))
            if number + columns >= len(concluded):
                axes.set_xlabel("dose (alpha)")
            if number % columns == 0:
                axes.set_ylabel("recall")

    parts = [
        f"{row['concept']}: recall {row['base_recall']:.2f} without a mask, target {row['target']:.2f}, "
        f"{row['recall']:.2f} at alpha {row['alpha']:.2f} ({row['outcome']}); {row['random_reached']} of "
        f"{row['random_sets']} random sets reach the target"
        for row in concluded
    ]
    width, height = 0.5 + 2.0 * columns, 0.4 + 1.55 * rows
    source = draw_panels(draw, width, height, rows=rows, columns=columns)
    return Picture(source, f"Recall on development texts against the dose. {'. '.join(parts)}.", round(96 * width))


def _line(trace: Any, row: Any) -> tuple[list[float], list[float]]:
    """Doses and recalls in order of the dose, from the unmasked recall on."""
    ordered = trace.sort_values("alpha")
    return [0.0, *ordered["alpha"].tolist()], [row["base_recall"], *ordered["recall"].tolist()]
