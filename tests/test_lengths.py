"""Lengths by label, and outliers, against numbers worked out by hand."""

import pytest

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import Lengths, length_outliers, lengths_by_label
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


def corpus(*lengths: int, labels: str = "f", sources: str = "s") -> Corpus:
    names = {"f": "fear", "a": "anger"}
    return Corpus(
        "c",
        EMOTIONS,
        tuple(
            Example(f"{i:02}", " ".join(["w"] * n), names[labels[i % len(labels)]], sources[i % len(sources)])
            for i, n in enumerate(lengths)
        ),
    )


def test_lengths_by_source_and_label():
    anger, fear = lengths_by_label(corpus(1, 9, 2, 9, 3, 9, labels="fa"))
    assert anger == Lengths("s", "anger", 3, 9.0, 9.0, 9.0)
    assert (fear.label, fear.low, fear.median, fear.high) == ("fear", pytest.approx(1.1), 2, pytest.approx(2.9))
    assert [(one.source, one.texts) for one in lengths_by_label(corpus(1, 2, 3, sources="ts"))] == [("t", 2), ("s", 1)]


def test_an_outlier_by_hand():
    # Logarithms to the base 2: 1 2 3 4 5 and 12, so the median is 3.5 and the deviations 2.5 1.5 .5 .5 1.5 8.5.
    made = corpus(2, 4, 8, 16, 32, 2**12)
    [outlier] = length_outliers(made)
    assert (outlier.key, outlier.words) == ("s:05", 2**12)
    assert outlier.z == pytest.approx((12 - 3.5) / 1.5 * 0.6745)
    assert length_outliers(made, threshold=4.0) == ()


def test_where_most_texts_are_of_one_length_the_mean_deviation_is_taken():
    made = corpus(*[4] * 19, 9)
    # Deviations are 0 but for log 9/4 once in 20 texts.
    [outlier] = length_outliers(made)
    assert outlier.z == pytest.approx(20 / 1.2533)
    assert length_outliers(corpus(4, 4, 4)) == length_outliers(corpus(*[4] * 19, 7)) == ()


def test_each_source_is_its_own_measure():
    made = corpus(*[4, 40, 5, 41, 6, 42] * 3, 5, 4, sources="st")
    # Four words are usual in one source and few in the other.
    assert [outlier.key for outlier in length_outliers(made)] == ["t:19"]


def test_a_threshold_has_to_be_positive():
    with pytest.raises(CorpusError, match="positive"):
        length_outliers(corpus(1, 2), threshold=0.0)
