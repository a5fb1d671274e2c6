"""Which cells a text is counted in: the half of its label, and a null cell that ignores the label.

Halves keep matched texts together, so that the halves are independent of each other. Null cells are dealt at random
within a source and are equal in size; there are two of them for every label, more where labels differ in size, so
that labellings at random can be put together whose classes are about as large as the true ones.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from emorhet_lens.activations.sums import Cell
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

_MAX_UNITS = 4


def assign_cells(corpus: Corpus, *, seed: int) -> list[tuple[Cell, Cell]]:
    """Choose the true and the null cell of every text; the order of the texts does not matter.

    Args:
        corpus: The texts.
        seed: Of the halves and of the null cells.

    Returns:
        One pair (true cell, null cell) an example, in the order of the corpus.
    """
    ordered = sorted(corpus, key=lambda example: example.key)
    halves = _halves(ordered, np.random.default_rng([seed, 0]))
    nulls = _null_parts(ordered, np.random.default_rng([seed, 1]))
    cells = {
        example.key: (Cell(example.source, example.label, half), Cell(example.source, None, null))
        for example, half, null in zip(ordered, halves, nulls, strict=True)
    }
    return [cells[example.key] for example in corpus]


def _halves(examples: Sequence[Example], generator: np.random.Generator) -> list[int]:
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        blocks[example.source, f"pair {example.pair}" if example.pair else f"id {example.id}"].append(index)
    members = list(blocks.values())
    # How many more texts of a label the first half holds than the second.
    lead: Counter[tuple[str, str]] = Counter()
    halves = [0] * len(examples)
    for position in generator.permutation(len(members)):
        cells = Counter((examples[i].source, examples[i].label) for i in members[position])
        surplus = sum(lead[cell] * count for cell, count in cells.items())
        half = int(surplus > 0 or (surplus == 0 and generator.random() < 0.5))
        for cell, count in cells.items():
            lead[cell] += -count if half else count
        for index in members[position]:
            halves[index] = half
    return halves


def _null_parts(examples: Sequence[Example], generator: np.random.Generator) -> list[int]:
    parts = [0] * len(examples)
    for source in sorted({example.source for example in examples}):
        members = [index for index, example in enumerate(examples) if example.source == source]
        sizes = Counter(examples[index].label for index in members).values()
        n_parts = 2 * sum(min(_MAX_UNITS, round(size / min(sizes))) for size in sizes)
        for place, position in enumerate(generator.permutation(len(members))):
            parts[members[position]] = place % n_parts
    return parts
