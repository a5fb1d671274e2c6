"""Texts that several corpora, or splits of one, share word for word or almost.

No overlap does not make corpora independent: they can share authors, topics, and the way they were collected.
"""

from collections.abc import Mapping
from itertools import permutations

import pandas as pd

from emorhet_lens.quality.near import THRESHOLD, near_pairs
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

COLUMNS = ("part", "other", "texts", "exact", "near", "share")


def overlaps(parts: Mapping[str, Corpus], *, threshold: float = THRESHOLD) -> pd.DataFrame:
    """How many texts of every part stand in every other part.

    Args:
        parts: Corpora, or splits of one, by name.
        threshold: Lowest similarity of near duplicates, from 0.3 to 1: Jaccard index of character 5-grams.

    Returns:
        One row for each part and other part. Columns: part, other, texts (of the part), exact (those of them that the
        other holds but for case and punctuation, context counted), near (further ones that it almost holds), share
        (of both together in the part's texts).

    Raises:
        CorpusError: The threshold is out of range.
    """
    holders: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    texts: dict[tuple[str, tuple[str, ...]], Example] = {}
    for part, corpus in parts.items():
        for example in corpus:
            texts.setdefault(example.normalized, example)
            holders.setdefault(example.normalized, set()).add(part)
    distinct = list(texts)
    alike: dict[tuple[str, tuple[str, ...]], set[str]] = {text: set() for text in distinct}
    for i, j, _ in near_pairs(list(texts.values()), threshold=threshold):
        alike[distinct[i]] |= holders[distinct[j]]
        alike[distinct[j]] |= holders[distinct[i]]
    rows = []
    for part, other in permutations(parts, 2):
        own = [example.normalized for example in parts[part]]
        exact = sum(other in holders[text] for text in own)
        near = sum(other in alike[text] - holders[text] for text in own)
        rows.append((part, other, len(own), exact, near, (exact + near) / len(own)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
