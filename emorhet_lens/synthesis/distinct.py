"""Leave out texts that are there twice, word for word or almost.

Near duplicates with different labels stay: a figure and its literal twin can differ in one word.
"""

from collections import Counter
from collections.abc import Sequence

from emorhet_lens.quality import near_pairs
from emorhet_lens.synthesis.counts import Stage
from emorhet_lens.texts.examples import Example


def distinct(examples: Sequence[Example]) -> tuple[list[int], Stage]:
    """Which examples to keep.

    Args:
        examples: Labelled texts, in an order in which the first of two counts.

    Returns:
        Indices in order, and how many are left out: `same text`; `same text, other label`, of which none is kept; and
        `nearly the same` as an earlier text of the same label, which is kept itself.
    """
    same: dict[object, list[int]] = {}
    for index, example in enumerate(examples):
        same.setdefault(example.normalized, []).append(index)
    left_out: Counter[str] = Counter()
    firsts: list[int] = []
    for members in same.values():
        if len({examples[index].label for index in members}) > 1:
            left_out["same text, other label"] += len(members)
            continue
        firsts.append(members[0])
        left_out["same text"] += len(members) - 1
    gone: set[int] = set()
    # In order of the earlier text, whose own fate is decided by then.
    for first, second, _ in near_pairs([examples[index] for index in firsts]):
        one, other = firsts[first], firsts[second]
        if one not in gone and examples[one].label == examples[other].label:
            gone.add(other)
    left_out["nearly the same"] = len(gone)
    kept = [index for index in firsts if index not in gone]
    return kept, Stage("duplicates", len(examples), +left_out, len(kept))
