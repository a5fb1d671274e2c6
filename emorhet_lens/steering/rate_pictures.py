"""A still picture of induction rates over strengths, for a report.

Lines of controls are means over their draws; which of the differences is tested stands in the table beside it.
"""

from typing import Any

import pandas as pd

from emorhet_lens.pictures import FILL, INK, WARM, Picture, draw_panels
from emorhet_lens.steering.tables import SteeringTables

_OWN = "the concept's own neurons"
_CONTROLS = {
    "random": ("matched random sets", WARM, "x"),
    "scaled": ("random sets that write as much", "#9a5fb5", "s"),
    "noise": ("noise that writes as much", "#3a9d6e", "^"),
}


def rates_picture(tables: SteeringTables, form: str) -> Picture:
    """The induction rate over the strength, a panel a concept.

    Args:
        tables: The measurement.
        form: How neurons were pushed.

    Returns:
        Blue: the concept's own neurons with a 95 % interval over texts; others: means of the controls' draws.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    rates = tables.rates(form)
    strengths = sorted(rates["strength"].unique())
    concepts = list(dict.fromkeys(rates["concept"]))
    columns = min(3, len(concepts))
    rows = -(-len(concepts) // columns)

    def draw(panels: list[Any]) -> None:
        for axes, concept in zip(panels, concepts, strict=False):
            part = rates[rates["concept"] == concept].set_index("strength").reindex(strengths)
            _panel(axes, part, tables.controls)
            axes.set_title(concept, fontsize=9, loc="left")
            # Strengths may be far apart; what matters is their order.
            axes.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths])
        for axes in panels[len(concepts) :]:
            axes.set_visible(False)
        figure = panels[0].figure
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
        figure.supxlabel("strength of the push", fontsize=9, color=INK)
        figure.supylabel("induction rate", fontsize=9, color=INK)

    said = "; ".join(
        f"{row['concept']} at {row['strength']:g}: {row['own']:+.2f}"
        + "".join(f", {name} {row[name]:+.2f}" for name in tables.controls if row[name] == row[name])
        for row in rates.to_dict("records")
    )
    width = 1.0 + 1.9 * columns
    source = draw_panels(draw, max(width, 4.6), 0.9 + 1.45 * rows, rows=rows, columns=columns)
    return Picture(source, f"Induction rate by strength, form {form}. {said}.", round(max(width, 4.6) * 96))


def _panel(axes: Any, part: pd.DataFrame, controls: tuple[str, ...]) -> None:
    places = range(len(part))
    axes.axhline(0, color=INK, lw=0.8)
    for control in controls:
        name, color, marker = _CONTROLS[control]
        axes.plot(places, part[control], color=color, marker=marker, ms=3.5, lw=1, ls="--", label=name)
    axes.fill_between(places, part["low"], part["high"], color=FILL, alpha=0.2, lw=0)
    axes.plot(places, part["own"], color=FILL, marker="o", ms=4, label=_OWN)
