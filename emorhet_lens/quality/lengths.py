"""How long the texts are, by label, and which are far from the others.

A word is a run of letters and digits. Equal medians do not mean equal distributions; `Corpus.matched` matches those.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

OUTLYING = 3.5
"""Robust z beyond which a text is an outlier (Iglewicz and Hoaglin 1993)."""

FACTOR = 2.0
"""An outlier is also at least so many times as long, or as short, as the median: where lengths hardly vary, a word more
or less is nothing."""


@dataclass(frozen=True)
class Lengths:
    """Words of the texts of one label in one source.

    Args:
        source: The source.
        label: The label.
        texts: Number of texts.
        low: 5 % of the texts have fewer words.
        median: Half of them have fewer.
        high: 5 % have more.
    """

    source: str
    label: str
    texts: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class LengthOutlier:
    """A text that is much longer or shorter than the others of its source.

    Args:
        key: Of the text.
        words: Its length.
        z: Robust z of the logarithm of its length; negative for short texts.
    """

    key: str
    words: int
    z: float


def lengths_by_label(corpus: Corpus) -> tuple[Lengths, ...]:
    """Lengths of the texts of each source and label, sources as they first appear, labels in the group's order."""
    found: list[Lengths] = []
    for source, members in _by_source(corpus).items():
        for label in corpus.group.labels:
            words = [example.n_words for example in members if example.label == label]
            if words:
                low, median, high = np.quantile(words, [0.05, 0.5, 0.95]).tolist()
                found.append(Lengths(source, label, len(words), low, median, high))
    return tuple(found)


def length_outliers(corpus: Corpus, *, threshold: float = OUTLYING) -> tuple[LengthOutlier, ...]:
    """Texts whose length is far from the median of their source.

    z = 0.6745 (log n - median) / MAD. Where more than half of the texts are of one length, the MAD is 0 and the mean
    absolute deviation takes its place: z = (log n - median) / (1.2533 mean deviation). A text that is less than twice
    as long as the median, and more than half as long, is no outlier whatever its z.

    Args:
        corpus: Any corpus.
        threshold: Of |z|.

    Returns:
        The outliers, farthest first.

    Raises:
        CorpusError: The threshold is not positive.
    """
    if not threshold > 0:
        raise CorpusError(f"threshold={threshold}; outliers need a positive one, {OUTLYING} is usual")
    found: list[LengthOutlier] = []
    for members in _by_source(corpus).values():
        logs = np.log([example.n_words for example in members])
        away = logs - np.median(logs)
        # 0.6745 and 1.2533 make both deviations equal to the standard deviation of a normal distribution.
        scale = float(np.median(np.abs(away))) / 0.6745 or 1.2533 * float(np.mean(np.abs(away)))
        if scale:
            found += [
                LengthOutlier(example.key, example.n_words, far / scale)
                for example, far in zip(members, away.tolist(), strict=True)
                if abs(far) > threshold * scale and abs(far) >= np.log(FACTOR)
            ]
    return tuple(sorted(found, key=lambda outlier: (-abs(outlier.z), outlier.key)))


def _by_source(corpus: Corpus) -> dict[str, Sequence[Example]]:
    return {source: [example for example in corpus if example.source == source] for source in corpus.sources}
