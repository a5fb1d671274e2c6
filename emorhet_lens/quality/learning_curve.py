"""Leakage by the number of texts that the classifier learns from.

A curve that still rises says that more texts would leak more: corpora are to be compared at one size.
"""

from collections.abc import Sequence

import pandas as pd

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality.leakage import leakage
from emorhet_lens.texts.corpus import Corpus

SIZES = (5, 10, 20, 40, 80, 160)
"""Training texts a label."""


def learning_curve(
    corpus: Corpus,
    sizes: Sequence[int] = SIZES,
    *,
    by: str | None = None,
    folds: int = 10,
    repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure the leakage with few training texts and with more; the texts judged are always all.

    Args:
        corpus: Texts of at least two labels.
        sizes: Training texts a label, at least 1 each; a label that has fewer in the other folds keeps all it has.
            Sizes above the largest label are left out.
        by: What is held out as a whole, see `leakage`.
        folds: Folds.
        repeats: How often folds and training texts are drawn anew.
        seed: Of folds and draws.

    Returns:
        One row a size. Columns: size, accuracy (balanced, mean over repeats), low, high (of the repeats), chance.

    Raises:
        CorpusError: No size is small enough, or `leakage` cannot be measured.
    """
    largest = max(corpus.counts().values())
    fitting = [size for size in sizes if size <= largest]
    if not fitting:
        raise CorpusError(f"sizes={tuple(sizes)}, but the largest label of {corpus.name!r} has {largest} texts")
    rows = []
    for size in fitting:
        found = leakage(corpus, by=by, folds=folds, repeats=repeats, seed=seed, size=size)
        rows.append((size, found.accuracy, min(found.repeats), max(found.repeats), found.chance))
    return pd.DataFrame(rows, columns=["size", "accuracy", "low", "high", "chance"])
