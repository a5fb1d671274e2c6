"""Heat maps of an association: a panel a quantity, the concepts of one group by those of the other.

Colour and number are single values without their uncertainty; a star marks those that survive Holm's correction over
their panel. Panels that are called exploratory establish nothing, starred or not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import LEVEL, grid
from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import FILL, WARM

_DARK, _GRAY, _LINE = "#10151c", "#5b6472", "#c9ced6"


@dataclass(frozen=True, eq=False)
class HeatMap:
    """One panel.

    Args:
        title: What the numbers are.
        values: Concepts of one group by those of the other.
        stars: Where a star goes, in the same shape; nowhere by default.
        note: Under the title.
    """

    title: str
    values: pd.DataFrame
    stars: pd.DataFrame | None = None
    note: str = ""


def heat_maps(
    association: pd.DataFrame,
    coactivation: Mapping[str, pd.DataFrame] | None = None,
    causal: Sequence[pd.DataFrame] = (),
) -> list[HeatMap]:
    """The panels that there are numbers for.

    Args:
        association: From `Association.to_dataframe`, or read from `association.csv`.
        coactivation: Tables of `Coactivation` by name of the texts.
        causal: From `CrossEffects.to_dataframe`, one a direction; the first kind of mask is shown.
    """
    maps = [
        HeatMap(
            "shared neurons beyond matched draws",
            grid(association, "excess"),
            grid(association, "p_holm") < LEVEL,
            "primary",
        ),
        HeatMap("correlation of profiles", grid(association, "rho"), note="exploratory"),
    ]
    for texts, table in (coactivation or {}).items():
        title = "co-activation beyond random sets, Fisher's z"
        maps.append(HeatMap(title, grid(table, "excess"), note=f"exploratory; {texts} texts"))
    for table in causal:
        part = table[table["mask"] == table["mask"].iloc[0]].rename(columns={"masked": "first", "read": "second"})
        title = f"{part['mask'].iloc[0]} masks: {part['measure'].iloc[0]} beyond random sets"
        maps.append(
            HeatMap(
                title,
                grid(part, "excess"),
                grid(part, "p_holm") < LEVEL,
                f"{part['family'].iloc[0]}; rows are masked, columns read",
            )
        )
    return maps


def maps_figure(maps: Sequence[HeatMap]) -> Any:
    """All panels, three a row.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    columns = min(3, len(maps))
    rows = math.ceil(len(maps) / columns)
    width = 1.3 + 0.62 * max(one.values.shape[1] for one in maps)
    height = 1.3 + 0.36 * max(one.values.shape[0] for one in maps)
    figure = blank_figure(columns * max(width, 3.4), rows * height)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, one in zip(axes, maps, strict=False):
        _draw_map(place, one)
    for place in axes[len(maps) :]:
        place.set_axis_off()
    figure.supxlabel(f"*: p < {LEVEL} after Holm's correction over the panel", fontsize=9, color=_GRAY)
    return figure


def _draw_map(place: Any, one: HeatMap) -> None:
    values = one.values.to_numpy(dtype=float)
    known = [abs(value) for value in values.ravel().tolist() if math.isfinite(value)]
    largest = max(known, default=0.0) or 1.0
    place.imshow(values, cmap=_colors(), vmin=-largest, vmax=largest, aspect="auto")
    for row, name in enumerate(one.values.index):
        for column, other in enumerate(one.values.columns):
            value = values[row, column]
            starred = one.stars is not None and bool(one.stars.loc[name, other])
            text = (f"{value:+.2f}" + ("*" if starred else "")) if math.isfinite(value) else "-"
            weight = "bold" if starred else "normal"
            place.text(column, row, text, ha="center", va="center", fontsize=8, color=_DARK, fontweight=weight)
    place.set_title(one.title + (f"\n{one.note}" if one.note else ""), fontsize=9)
    place.set_xticks(range(values.shape[1]), list(one.values.columns), rotation=30, ha="right")
    place.set_yticks(range(values.shape[0]), list(one.values.index))
    place.tick_params(length=0, labelsize=8)
    place.spines[:].set(color=_LINE, lw=0.6)


def blank_figure(width: float, height: float) -> Any:
    """A figure of so many inches.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise EmorhetError(
            'the pictures of an association need matplotlib, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    return Figure(figsize=(width, height), layout="constrained")


def _colors() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("excess", [WARM, "#ffffff", FILL]).with_extremes(bad="#e3e6ea")
