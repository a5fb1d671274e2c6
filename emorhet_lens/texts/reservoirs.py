"""A sample of every source and label, drawn while texts stream by, in memory that does not grow with their number."""

from collections.abc import Iterator

from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import random_stream


def sample(examples: Iterator[tuple[int, Example]], limit: int, seed: int) -> list[tuple[int, Example]]:
    """Draw texts of every source and label, each of a cell's with the same chance.

    A cell has a stream of random numbers of its own, so that one label's texts do not move another's.

    Args:
        examples: Numbered texts.
        limit: Most texts a source and label.
        seed: Of the draw.

    Returns:
        The drawn ones, in the order of their numbers.
    """
    reservoirs: dict[tuple[str, str], _Reservoir] = {}
    for row, example in examples:
        cell = (example.source, example.label)
        if cell not in reservoirs:
            reservoirs[cell] = _Reservoir(limit, seed, *cell)
        reservoirs[cell].offer((row, example))
    drawn = [item for reservoir in reservoirs.values() for item in reservoir.items]
    return sorted(drawn, key=lambda item: item[0])


class _Reservoir:
    """Keeps `limit` of the offered items, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, limit: int, seed: int, *cell: str) -> None:
        self.items: list[tuple[int, Example]] = []
        self._limit = limit
        self._offered = 0
        self._generator = random_stream(seed, "reservoir", *cell)

    def offer(self, item: tuple[int, Example]) -> None:
        """Take the item in, in place of another one where there is no room, or let it pass."""
        self._offered += 1
        if len(self.items) < self._limit:
            self.items.append(item)
            return
        place = int(self._generator.integers(self._offered))
        if place < self._limit:
            self.items[place] = item
