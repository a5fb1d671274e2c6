"""Deal examples to the parts of a split, so that what belongs together stays together."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from emorhet_lens.texts.examples import Example

TIES = ("pair", "topic")
"""Properties of an example that can hold several examples together in a split."""


def assign_parts(
    examples: Sequence[Example], shares: Mapping[str, float], *, seed: int, ties: Sequence[str]
) -> tuple[dict[str, list[int]], int]:
    """Deal examples to parts, stratified by source and label, with tied texts and duplicates in one part.

    Args:
        examples: What to deal.
        shares: Part name to share of the whole.
        seed: Of the assignment.
        ties: Properties that hold examples together.

    Returns:
        Indices by part, and the number of groups that had to stay together.
    """
    blocks = tied_blocks(examples, ties)
    order = random_stream(seed, "split").permutation(len(blocks))
    seen: Counter[tuple[str, ...]] = Counter()
    assigned: dict[str, list[int]] = {part: [] for part in shares}
    filled: dict[str, Counter[tuple[str, ...]]] = {part: Counter() for part in shares}
    # Large blocks first, so that the small ones can even out what they leave.
    for block in sorted((blocks[i] for i in order), key=len, reverse=True):
        cells: Counter[tuple[str, ...]] = Counter((examples[i].source, examples[i].label) for i in block)
        # The whole corpus is a cell too: without it texts in tiny cells would all go to the same part.
        cells[()] = len(block)
        seen.update(cells)

        def shortage(part: str, cells: Counter[tuple[str, ...]] = cells) -> float:
            return sum(count * (shares[part] * seen[cell] - filled[part][cell]) for cell, count in cells.items())

        best = max(shares, key=shortage)
        assigned[best] += block
        filled[best].update(cells)
    return assigned, len(blocks)


def tied_blocks(examples: Iterable[Example], ties: Sequence[str]) -> list[list[int]]:
    """Which examples may not be separated: they are connected through a shared tie or the same text.

    Args:
        examples: In any order.
        ties: Properties that hold examples of one source together; see `TIES`.

    Returns:
        One list of indices a block, in order of first appearance.
    """
    parent: list[int] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[object, int] = {}
    for index, example in enumerate(examples):
        parent.append(index)
        links: list[object] = [("text", example.normalized)]
        links += [(tie, example.source, value) for tie in ties if (value := getattr(example, tie)) is not None]
        for link in links:
            parent[root(index)] = root(seen.setdefault(link, index))
    blocks: dict[int, list[int]] = {}
    for index in range(len(parent)):
        blocks.setdefault(root(index), []).append(index)
    return list(blocks.values())


def random_stream(seed: int, *words: str) -> np.random.Generator:
    """Random numbers of their own for every seed and purpose, whatever else is drawn.

    Args:
        seed: The user's seed.
        *words: What the numbers are for.

    Returns:
        A generator that no other purpose shares; the global generators are not touched.
    """
    digest = hashlib.sha256("\x1f".join((str(seed), *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
