"""Texts drawn so that labels do not differ in length or topic."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


def corpus(*facts: tuple[str, int], source: str = "s", topics: list[str | None] | None = None) -> Corpus:
    """Texts by label and number of words."""
    topics = topics or [None] * len(facts)
    return Corpus(
        "c",
        EMOTIONS,
        tuple(
            Example(f"{i:03}", " ".join(["w"] * n), label, source, topic=topics[i])
            for i, (label, n) in enumerate(facts)
        ),
    )


def test_words_are_counted_without_punctuation():
    texts = {"Oh, no!": 2, "don't": 2, ":)": 1, " one  two\nthree ": 3}
    assert {text: Example("1", text, "fear", "s").n_words for text in texts} == texts


def test_by_hand():
    # Median 5 is the only edge of two bins: short are 1 and 2, long are 8 and 9.
    made = corpus(("fear", 1), ("fear", 2), ("fear", 8), ("anger", 2), ("anger", 9), ("anger", 8))
    found = made.matched(bins=2)
    assert Counter((e.label, e.n_words > 5) for e in found) == {
        ("fear", False): 1,
        ("fear", True): 1,
        ("anger", False): 1,
        ("anger", True): 1,
    }
    assert {e.id for e in found} > {"002", "003"}


def test_topics_are_matched_if_asked():
    made = corpus(
        ("fear", 3), ("fear", 3), ("anger", 3), ("anger", 3), ("anger", 3), topics=["tea", "rain", "tea", "tea", "work"]
    )
    assert len(made.matched()) == 4
    found = made.matched(topics=True)
    assert sorted((e.label, e.topic) for e in found) == [("anger", "tea"), ("fear", "tea")]


def test_a_source_with_one_label_has_nothing_to_match():
    two = corpus(("fear", 3), ("anger", 3))
    one = corpus(("fear", 3), source="t")
    assert replace(two, examples=two.examples + one.examples).matched().sources == ("s",)
    with pytest.raises(CorpusError, match="in no source do all labels share a bin of lengths"):
        one.matched()


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(CorpusError, match="share a bin of lengths"):
        corpus(("fear", 1), ("anger", 30)).matched(bins=2)
    with pytest.raises(CorpusError, match="share a topic and a bin"):
        corpus(("fear", 3), ("anger", 3), topics=["tea", "rain"]).matched(topics=True)
    with pytest.raises(CorpusError, match="no text has a topic"):
        corpus(("fear", 3), ("anger", 3)).matched(topics=True)
    with pytest.raises(CorpusError, match="at least 1 bin"):
        corpus(("fear", 3), ("anger", 3)).matched(bins=0)


FACTS = st.lists(st.tuples(st.sampled_from(["fear", "anger", "neutral"]), st.integers(1, 20)), min_size=1, max_size=60)


@given(FACTS, st.integers(1, 6), st.randoms())
@settings(max_examples=60, deadline=None)
def test_labels_have_the_same_counts_and_no_order_matters(facts, bins, shuffler):
    made = corpus(*facts)
    try:
        found = made.matched(bins=bins, seed=3)
    except CorpusError:
        return
    counts = [count for count in found.counts().values() if count]
    assert len(set(counts)) == 1
    assert len(counts) == len({label for label, _ in facts})
    mixed = list(made.examples)
    shuffler.shuffle(mixed)
    assert {e.key for e in replace(made, examples=tuple(mixed)).matched(bins=bins, seed=3)} == {e.key for e in found}


def test_the_seed_decides_which_texts():
    made = corpus(*[("fear", 5)] * 30, *[("anger", 5)] * 5)
    assert made.matched(seed=1).digest == made.matched(seed=1).digest
    assert made.matched(seed=1).digest != made.matched(seed=2).digest
