"""Exact and near duplicates within a corpus and between corpora."""

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import NearPair, find_duplicates, near_pairs, overlaps
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


def corpus(*texts: str, labels: str | list[str] = "fear", contexts=None, pairs=None, name: str = "c") -> Corpus:
    labels = [labels] * len(texts) if isinstance(labels, str) else labels
    return Corpus(
        name,
        EMOTIONS,
        tuple(
            Example(
                f"{i:05}",
                text,
                labels[i],
                "s",
                context=() if contexts is None else contexts[i],
                pair=None if pairs is None else pairs[i],
            )
            for i, text in enumerate(texts)
        ),
    )


def shingles(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[i : i + 5] for i in range(max(1, len(padded) - 4))}


def jaccard(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def test_similarity_is_what_can_be_counted_by_hand():
    # " abcdefgh " and " abcdefgx ": 6 shingles each, of which the first 4 are the same.
    texts = corpus("abcdefgh", "ABCDEFGX!")
    assert near_pairs(texts.examples, threshold=0.5) == [(0, 1, 4 / 8)]
    assert near_pairs(texts.examples, threshold=0.51) == []


def test_exact_duplicates_differ_in_case_and_punctuation_only():
    found = find_duplicates(
        corpus("Oh no!", "oh, no", "Something else", "OH NO", labels=["fear", "fear", "fear", "anger"])
    )
    assert found.exact == (("s:00000", "s:00001", "s:00003"),)
    assert found.conflicting == found.exact
    assert found.repeated == 2
    assert found.near == ()
    table = found.to_dataframe()
    assert table["kind"].tolist() == ["exact", "exact"]
    assert table["second"].tolist() == ["s:00001", "s:00003"]


def test_near_duplicates_say_what_has_to_be_known_of_them():
    long = "the driver shut the doors in my face and i kicked the shelter"
    found = find_duplicates(
        corpus(long, long + " twice", "nothing like it", labels=["fear", "anger", "fear"], pairs=["p", "p", None])
    )
    similarity = jaccard(long, long + " twice")
    assert 0.8 < similarity < 1
    assert found.near == (NearPair("s:00000", "s:00001", similarity, same_label=False, tied=True),)


def test_a_text_said_in_another_place_is_another_text():
    before = ("Where have you been all this time, we were worried?", "At the office, as I told you this morning.")
    other = ("Is there any milk left in the fridge?", "I finished it, sorry about that, I will go and buy some.")
    apart = corpus("Yes, of course.", "Yes of course", contexts=[before, other])
    assert find_duplicates(apart).exact == find_duplicates(apart).near == ()
    assert len(find_duplicates(corpus("Yes, of course.", "Yes of course", contexts=[before, before])).exact) == 1
    almost = (before[0], before[1] + " Yes.")
    [pair] = find_duplicates(corpus("Yes, of course.", "Yes of course", contexts=[before, almost])).near
    assert 0.8 <= pair.similarity < 1


LETTERS = st.text("abc ", min_size=1, max_size=30).filter(str.strip)


@given(st.lists(LETTERS, min_size=2, max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.randoms())
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_of_all_pairs_whatever_the_order(texts, threshold, shuffler):
    made = corpus(*texts)
    found = find_duplicates(made, threshold=threshold)
    firsts = {example.normalized[0]: example.key for example in reversed(made.examples)}
    wanted = {
        (min(firsts[a], firsts[b]), max(firsts[a], firsts[b]))
        for a in firsts
        for b in firsts
        if a < b and jaccard(a, b) >= threshold
    }
    assert {(pair.first, pair.second) for pair in found.near} == wanted
    mixed = list(made.examples)
    shuffler.shuffle(mixed)
    assert find_duplicates(replace(made, examples=tuple(mixed)), threshold=threshold) == found


def test_hardly_any_planted_copy_is_missed_among_thousands():
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 8))) for _ in range(3000)]
    texts = [" ".join(draw.choices(words, k=12)) for _ in range(3000)]
    copies = [text + " too" for text in texts[:300]]
    similar = [jaccard(a, b) >= 0.8 for a, b in zip(texts, copies, strict=False)]
    started = time.process_time()
    found = find_duplicates(corpus(*texts, *copies))
    assert time.process_time() - started < 20
    assert sum(similar) > 250
    assert len(found.near) == sum(similar)


@pytest.mark.parametrize("threshold", [0.1, 1.01])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(CorpusError, match=r"from 0\.3 to 1"):
        find_duplicates(corpus("a", "b"), threshold=threshold)


def test_a_corpus_overlaps_itself_fully():
    made = corpus("One text.", "Another one here.", "A third.")
    table = overlaps({"a": made, "b": made})
    assert table["part"].tolist() == ["a", "b"]
    assert table["exact"].tolist() == [3, 3]
    assert table["near"].tolist() == [0, 0]
    assert table["share"].tolist() == [1.0, 1.0]


def test_overlap_is_counted_from_both_sides():
    long = "the driver shut the doors in my face and i kicked the shelter"
    first = corpus("One text.", "ONE TEXT", long, "A thing that is here only")
    second = corpus("one text!", long + " twice", "Twelve other words that nobody wrote before")
    third = corpus("Quite something else")
    table = overlaps({"first": first, "second": second, "third": third}).set_index(["part", "other"])
    assert table.loc[("first", "second")].tolist() == [4, 2, 1, 0.75]
    assert table.loc[("second", "first")].tolist() == [3, 1, 1, pytest.approx(2 / 3)]
    assert table.loc[("third", "first"), "share"] == table.loc[("first", "third"), "share"] == 0
    assert len(table) == 6


def test_one_corpus_has_nothing_to_overlap_with():
    table = overlaps({"only": corpus("One text.")})
    assert table.empty
    assert list(table.columns) == ["part", "other", "texts", "exact", "near", "share"]
