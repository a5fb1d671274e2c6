"""Ranges of layers by name: the thirds of a model, all of it, or the first and last layer that are meant.

Thirds are cut at n/3 and 2n/3, both rounded to the nearest layer. Where n is not divisible by 3 the middle third is one
layer larger or smaller than the others, so that bottom and top are always equal: 10 layers are 3 + 4 + 3, 32 are
11 + 10 + 11. A model of fewer than three layers has no thirds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emorhet_lens.errors import EffectsError

THIRDS = ("bottom", "middle", "top")
NAMES = (*THIRDS, "all")


@dataclass(frozen=True)
class LayerRange:
    """Layers next to each other.

    Args:
        name: What to call it in tables.
        first: The first layer.
        last: The last one, which is included.
    """

    name: str
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, layer: int) -> bool:
        return self.first <= layer <= self.last


def layer_ranges(names: Sequence[str], n_layers: int) -> tuple[LayerRange, ...]:
    """Several ranges of one model, each name once.

    Args:
        names: See `layer_range`.
        n_layers: Layers of the model.

    Raises:
        EffectsError: There is no name, one occurs twice, or `layer_range` refuses one.
    """
    found = tuple(layer_range(name, n_layers) for name in ((names,) if isinstance(names, str) else names))
    called = [one.name for one in found]
    if not called or len(set(called)) != len(called):
        raise EffectsError(f"layers have to be named, each range once, got {called}; there are {', '.join(NAMES)}")
    return found


def layer_range(name: str, n_layers: int) -> LayerRange:
    """The layers that a name means.

    Args:
        name: `bottom`, `middle` or `top` third, `all`, one layer as `7`, or a range as `0-9`, the last one included.
        n_layers: Layers of the model.

    Returns:
        The range; one given by numbers is called by them.

    Raises:
        EffectsError: The name is unknown, the range is reversed or not in the model, or there are no thirds.

    >>> [len(layer_range(name, 10)) for name in ("bottom", "middle", "top", "all", "2-4")]
    [3, 4, 3, 10, 3]
    """
    plain = name.strip().lower()
    if plain == "all":
        return LayerRange("all", 0, n_layers - 1)
    if plain in THIRDS:
        if n_layers < 3:
            raise EffectsError(f"{n_layers} layers have no thirds, so {plain!r} is none of them; use all, or 0-0")
        part = THIRDS.index(plain)
        return LayerRange(plain, round(part * n_layers / 3), round((part + 1) * n_layers / 3) - 1)
    numbers = re.fullmatch(r"([0-9]+)(?:\s*-\s*([0-9]+))?", plain)
    if numbers is None:
        raise EffectsError(
            f"unknown layers {name!r}; there are {', '.join(NAMES)}, and ranges such as 0-{n_layers - 1}"
        )
    first = int(numbers[1])
    last = first if numbers[2] is None else int(numbers[2])
    if not first <= last < n_layers:
        raise EffectsError(
            f"layers {name!r} are reversed or not in the model, whose layers are 0 to {n_layers - 1}; the last layer "
            "of a range is included"
        )
    return LayerRange(f"{first}-{last}", first, last)
