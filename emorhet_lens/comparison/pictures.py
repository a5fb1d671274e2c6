"""One picture of two models: how deep each concept's neurons lie, and the effects of masks side by side.

Depths are medians with quartiles of the selected neurons, not intervals of anything that was inferred. Effects are the
excess over random sets; filled points are significant after Holm's correction within their model.
"""

import math
from pathlib import Path
from typing import Any

from emorhet_lens.association.pictures import blank_figure
from emorhet_lens.comparison.compare import LEVEL, Comparison
from emorhet_lens.pictures import FILL, WARM
from emorhet_lens.store import replacing

_GRAY = "#5b6472"


def comparison_figure(found: Comparison) -> Any:
    """Depth on the left; on the right the effects of the first kind of mask, where they were measured.

    Args:
        found: From `compare`.

    Returns:
        A matplotlib figure.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    masks = list(dict.fromkeys(found.effects["mask"]))
    concepts = list(found.concepts["concept"])
    figure = blank_figure(8.6 if masks else 4.6, 1.5 + 0.42 * len(concepts))
    axes = figure.subplots(1, 2 if masks else 1, squeeze=False, sharey=True).ravel()
    for number, (color, name) in enumerate(zip((FILL, WARM), found.names, strict=True), 1):
        shift = 0.14 * (2 * number - 3)
        for row, values in enumerate(found.concepts.to_dict("records")):
            ends = [values[f"depth_{end}_{number}"] for end in ("low", "high")]
            axes[0].plot(ends, [row + shift] * 2, color=color, lw=2)
            axes[0].plot([values[f"depth_{number}"]], [row + shift], "o", color=color, ms=6)
        axes[0].plot([], [], "o-", color=color, label=name)
        if masks:
            part = found.effects[found.effects["mask"] == masks[0]]
            for values in part.to_dict("records"):
                at, p = values[f"excess_{number}"], values[f"p_holm_{number}"]
                if math.isfinite(at) and values["concept"] in concepts:
                    face = color if p < LEVEL else "white"
                    row = concepts.index(values["concept"])
                    axes[1].plot([at], [row + shift], "D", mfc=face, mec=color, ms=7)
    axes[0].set(xlim=(0, 1), ylim=(len(concepts) - 0.5, -0.5), xlabel="relative depth (median, quartiles)")
    axes[0].set_yticks(range(len(concepts)), concepts)
    if masks:
        axes[1].axvline(0, color=_GRAY, lw=0.8)
        axes[1].set_xlabel(f"{masks[0]} masks: change beyond random sets; filled: p < {LEVEL}")
    for place in axes:
        place.tick_params(axis="y", length=0)
        place.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return figure


def write_picture(path: Path, found: Comparison) -> None:
    """Draw `comparison_figure` into a PNG file.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    figure = comparison_figure(found)
    with replacing(path) as scratch:
        figure.savefig(scratch, format="png", dpi=144, facecolor="white")
