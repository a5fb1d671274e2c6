"""Pairs of texts that are almost the same: candidates by MinHash, then the exact similarity.

Similarity is the Jaccard index of character 5-grams of the texts without case and punctuation, or that of their
contexts if it is lower: "Yes." said in two places is not the same text. It sees copies with a few changes, not
paraphrases. A pair at the threshold is missed with a probability below 1e-4, always the same ones.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.examples import Example

THRESHOLD = 0.8
"""From this similarity on, texts count as near duplicates."""

LOWEST = 0.3
"""Below it nearly all pairs of texts would be candidates."""

_SIZE, _PERMUTATIONS, _MISSED = 5, 128, 1e-4


def near_pairs(examples: Sequence[Example], *, threshold: float = THRESHOLD) -> list[tuple[int, int, float]]:
    """Find the pairs of texts that are at least as similar as the threshold.

    Args:
        examples: Texts; the pairs do not depend on their order.
        threshold: Lowest similarity, from 0.3 to 1.

    Returns:
        Index, higher index and similarity, in order of the indices.

    Raises:
        CorpusError: The threshold is out of range.
    """
    if not LOWEST <= threshold <= 1:
        raise CorpusError(f"threshold={threshold}; near duplicates need a similarity from {LOWEST} to 1")
    shingles = _Shingles()
    texts = [shingles.of(example) for example in examples]
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_bands(threshold))
    found: list[tuple[int, int, float]] = []
    for i, text in enumerate(texts):
        signature = shingles.signature(text)
        # Asked before it is entered, so that every pair comes once.
        for j in index.query(signature):
            if (same := _similarity(texts[j], text)) >= threshold:
                found.append((j, i, same))
        index.insert(i, signature, check_duplication=False)
    return sorted(found)


class _Shingles:
    """Numbers for shingles: equal in one run for equal shingles, and hashed alike in every run."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._hashes: list[int] = []
        self._empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=self._hashes.__getitem__)

    def of(self, example: Example) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the shingles of the text and of its context."""
        text, context = example.normalized
        return self._numbered("t", (text,)), self._numbered("c", context)

    def signature(self, text: tuple[np.ndarray, np.ndarray]) -> MinHash:
        # The union's similarity is between those of the parts, so no pair is lost by looking at it first.
        signature = self._empty.copy()
        signature.update_batch(np.concatenate(text).tolist())
        return signature

    def _numbered(self, kind: str, texts: Sequence[str]) -> np.ndarray:
        found: set[int] = set()
        for text in texts:
            padded = f" {text} "
            for start in range(max(1, len(padded) - _SIZE + 1)):
                shingle = kind + padded[start : start + _SIZE]
                number = self._numbers.setdefault(shingle, len(self._numbers))
                if number == len(self._hashes):
                    self._hashes.append(zlib.crc32(shingle.encode()))
                found.add(number)
        return np.array(sorted(found), dtype=np.int64)


def _similarity(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    return min(_jaccard(a, b) for a, b in zip(one, other, strict=True))


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Of two sets of numbers; 1 if both are empty."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - shared
    return shared / union if union else 1.0


def _bands(threshold: float) -> tuple[int, int]:
    """Bands and rows a band: the fewest candidates with which hardly any pair at the threshold is missed."""
    for rows in range(_PERMUTATIONS // 2, 1, -1):
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= _MISSED:
            return bands, rows
    return _PERMUTATIONS, 1
