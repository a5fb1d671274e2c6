"""Agreement of labellers and of corpora, against numbers worked out by hand."""

import math

import pytest

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import corpus_agreement, label_agreement
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


def corpus(name: str, **labelled: str) -> Corpus:
    return Corpus(name, EMOTIONS, tuple(Example(text, text, label, name) for text, label in labelled.items()))


def test_three_labellers_by_hand():
    labels = {"a": ["x", "x", "y", "y"], "b": ["x", "x", "y", "x"], "c": ["x", "y", "y", "y"]}
    found = label_agreement(labels)
    # Pairs that agree: 3, 1, 3, 1 of 3 a text; shares of x and y are equal, so chance is 1/2.
    assert found.observed == pytest.approx(8 / 12)
    assert found.kappa == pytest.approx((8 / 12 - 1 / 2) / (1 - 1 / 2))
    assert (found.texts, found.labellers, found.coefficient) == (4, 3, "Fleiss' kappa")
    assert label_agreement({name: labels[name] for name in ("c", "a", "b")}) == found


def test_labellers_who_agree_always_or_on_one_label_only():
    assert label_agreement({"a": ["x", "y"], "b": ["x", "y"]}).kappa == 1
    single = label_agreement({"a": ["x", "x"], "b": ["x", "x"]})
    assert single.observed == 1
    assert math.isnan(single.kappa)


@pytest.mark.parametrize("labels", [{"a": ["x"]}, {"a": [], "b": []}, {"a": ["x", "y"], "b": ["x"]}])
def test_labels_that_cannot_be_compared_are_refused(labels):
    with pytest.raises(CorpusError, match="equally many labels"):
        label_agreement(labels)


def test_two_corpora_on_the_texts_that_both_hold():
    first = corpus("first", a="fear", b="fear", c="anger", d="anger", only="fear")
    second = corpus("second", a="fear", b="anger", c="anger", d="anger", other="fear")
    found, table = corpus_agreement(first, second)
    # Of 4 texts 3 agree; fear has 2/4 and 1/4, anger 2/4 and 3/4: chance is 1/8 + 3/8.
    assert (found.texts, found.observed) == (4, 0.75)
    assert found.kappa == pytest.approx((0.75 - 0.5) / 0.5)
    assert table.loc["fear", "anger"] == 1
    assert table.to_numpy().sum() == 4


def test_a_text_with_two_labels_in_one_corpus_is_left_out():
    twice = (Example("1", "Oh no", "fear", "s"), Example("2", "oh, no!", "anger", "s"), Example("3", "x", "fear", "s"))
    first, second = Corpus("first", EMOTIONS, twice), corpus("second", x="fear", **{"oh no": "fear"})
    assert corpus_agreement(first, second)[0].texts == 1
    with pytest.raises(CorpusError, match="share no text"):
        corpus_agreement(Corpus("first", EMOTIONS, twice[:2]), second)
