"""Texts that a corpus holds twice, word for word or almost.

Paraphrases are not found. Texts that were written as pairs can be near duplicates on purpose; they are marked.
"""

from dataclasses import dataclass

import pandas as pd

from emorhet_lens.quality.near import THRESHOLD, near_pairs
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True, order=True)
class NearPair:
    """Two texts that are almost the same.

    Args:
        first: Key of a text.
        second: Key of the other; the later one in alphabetical order.
        similarity: From the threshold to 1.
        same_label: Whether they have the same label.
        tied: Whether they were written as a pair, so that a split keeps them together.
    """

    first: str
    second: str
    similarity: float
    same_label: bool
    tied: bool


@dataclass(frozen=True)
class Duplicates:
    """The repetitions in a corpus; equal for equal texts, in whatever order.

    Args:
        threshold: Lowest similarity of near duplicates.
        exact: Keys of texts that are the same but for case and punctuation, context counted; one tuple a text.
        conflicting: Those of `exact` whose labels differ.
        near: Pairs of other texts that are almost the same. Of exact duplicates only the first by key takes part.
    """

    threshold: float
    exact: tuple[tuple[str, ...], ...]
    conflicting: tuple[tuple[str, ...], ...]
    near: tuple[NearPair, ...]

    @property
    def repeated(self) -> int:
        """How many texts could go without any text being lost."""
        return sum(len(keys) - 1 for keys in self.exact)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a pair.

        Columns: kind ("exact" or "near"), first, second, similarity, same_label, tied. Exact duplicates are listed
        against the first of their texts.
        """
        conflicting = {keys[0] for keys in self.conflicting}
        rows = [
            ("exact", keys[0], key, 1.0, keys[0] not in conflicting, None) for keys in self.exact for key in keys[1:]
        ]
        near = [("near", pair.first, pair.second, pair.similarity, pair.same_label, pair.tied) for pair in self.near]
        return pd.DataFrame([*rows, *near], columns=["kind", "first", "second", "similarity", "same_label", "tied"])


def find_duplicates(corpus: Corpus, *, threshold: float = THRESHOLD) -> Duplicates:
    """Find texts that a corpus holds twice, exactly or almost.

    Args:
        corpus: Any corpus; 12,000 sentences take seconds.
        threshold: Lowest similarity of near duplicates, from 0.3 to 1: Jaccard index of character 5-grams.

    Returns:
        The duplicates.

    Raises:
        CorpusError: The threshold is out of range.
    """
    same: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    examples = sorted(corpus, key=lambda example: example.key)
    for index, example in enumerate(examples):
        same.setdefault(example.normalized, []).append(index)
    repeated = [members for members in same.values() if len(members) > 1]
    exact = [tuple(examples[i].key for i in members) for members in repeated]
    conflicting = [
        keys for keys, members in zip(exact, repeated, strict=True) if len({examples[i].label for i in members}) > 1
    ]
    firsts = [examples[members[0]] for members in same.values()]
    near = [
        NearPair(
            a.key,
            b.key,
            similarity,
            same_label=a.label == b.label,
            tied=a.pair is not None and (a.source, a.pair) == (b.source, b.pair),
        )
        for a, b, similarity in ((firsts[i], firsts[j], same) for i, j, same in near_pairs(firsts, threshold=threshold))
    ]
    return Duplicates(threshold, tuple(exact), tuple(conflicting), tuple(sorted(near)))
