import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import Corpus, join, require_disjoint
from emorhet_lens.texts.examples import Example

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def example(number: int, label: str = "fear", source: str = "s", text: str | None = None, **more) -> Example:
    return Example(id=str(number), text=text or f"text {number}", label=label, source=source, **more)


def corpus(*examples: Example) -> Corpus:
    return Corpus("c", EMOTIONS, examples)


def cells(part: Corpus) -> Counter[tuple[str, str]]:
    return Counter((e.source, e.label) for e in part)


FACTS = st.fixed_dictionaries(
    {
        "label": st.sampled_from(["fear", "anger", "neutral"]),
        "source": st.sampled_from("st"),
        # Few texts, some of which differ in case and punctuation only.
        "text": st.sampled_from(["one", "One!", "two", "?", "!", *(f"text {i}" for i in range(30))]),
        "pair": st.none() | st.sampled_from(["p", "q", "r"]),
        "topic": st.none() | st.sampled_from(["tea", "rain", "work"]),
    }
)
TEXTS = st.lists(FACTS, min_size=1, max_size=40)
law = settings(deadline=None, max_examples=50)


def numbered(facts: list[dict]) -> Corpus:
    return corpus(*(example(number, **given) for number, given in enumerate(facts)))


def test_a_corpus_counts_its_labels_and_sources_in_order():
    both = corpus(example(1, "fear", "b"), example(2, "neutral", "a"), example(3, "fear", "a"))
    assert both.sources == ("b", "a")
    assert both.counts() == {
        "anger": 0, "disgust": 0, "fear": 2, "happiness": 0, "sadness": 0, "surprise": 0, "neutral": 1
    }  # fmt: skip
    assert len(both) == 3 and [e.key for e in both] == ["b:1", "a:2", "a:3"]
    assert repr(both) == "Corpus('c', 3 texts of 2 source(s): fear 2, neutral 1)"


@pytest.mark.parametrize(
    ("examples", "complaint"),
    [
        ([], "is empty"),
        ([example(1), example(1, text="other")], "1 ids twice, for example 's:1'"),
        ([example(1, "calm")], "s:1 has the unknown label 'calm'"),
        ([example(1, text=" \n")], "s:1 has a blank text"),
    ],
)
def test_an_unusable_corpus_is_refused(examples, complaint):
    with pytest.raises(CorpusError, match=complaint):
        corpus(*examples)


def test_an_id_may_occur_in_two_sources():
    assert len(corpus(example(1, source="a"), example(1, source="b"))) == 2


def test_duplicates_are_the_same_but_for_case_and_punctuation():
    assert example(1, text="Oh, NO!").normalized == example(2, text="oh no").normalized
    assert example(1, text="oh no").normalized != example(2, text="oh no", context=("Hi.",)).normalized
    assert example(1, text=":)").normalized != example(2, text=":(").normalized


def test_the_digest_follows_what_is_measured():
    base = corpus(example(1), example(2))
    assert base.digest == corpus(example(1), example(2, topic="tea")).digest
    others = [
        corpus(example(2), example(1)),
        corpus(example(1), example(2, "anger")),
        corpus(example(1), example(2, text="text 2!")),
        corpus(example(1), example(2, context=("Hi.",))),
        corpus(example(1), example(2, source="t")),
        corpus(example(1)),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_where_keeps_the_order_and_refuses_to_keep_nothing():
    whole = corpus(example(3), example(1, "anger"), example(2))
    assert [e.id for e in whole.where(lambda e: e.label == "fear")] == ["3", "2"]
    with pytest.raises(CorpusError, match="is empty"):
        whole.where(lambda e: e.label == "disgust")


def test_to_dataframe_has_a_row_an_example():
    frame = corpus(example(1, topic="tea"), example(2, context=("Hi.",))).to_dataframe()
    assert frame.columns.tolist() == [
        "id", "text", "label", "source", "source_label", "topic", "pair", "context"
    ]  # fmt: skip
    assert frame["id"].tolist() == ["1", "2"] and frame["context"].tolist() == [(), ("Hi.",)]
    assert frame["topic"].isna().tolist() == [False, True]


# --- balanced


def test_balanced_takes_the_smallest_label_of_each_source():
    numbers = {("a", "fear"): 5, ("a", "anger"): 3, ("b", "fear"): 2, ("b", "neutral"): 4}
    whole = corpus(*(example(i, label, source) for (source, label), n in numbers.items() for i in _ids(label, n)))
    assert cells(whole.balanced()) == {("a", "fear"): 3, ("a", "anger"): 3, ("b", "fear"): 2, ("b", "neutral"): 2}
    assert cells(whole.balanced(4)) == {("a", "fear"): 4, ("a", "anger"): 3, ("b", "fear"): 2, ("b", "neutral"): 4}


def _ids(label: str, n: int) -> range:
    return range(100 * EMOTIONS.labels.index(label), 100 * EMOTIONS.labels.index(label) + n)


@law
@given(TEXTS, st.integers(1, 5) | st.none(), st.integers(0, 3))
def test_balanced_draws_the_same_for_the_same_seed_and_keeps_the_order(facts, n, seed):
    whole = numbered(facts)
    drawn = whole.balanced(n, seed=seed)
    assert drawn.examples == whole.balanced(n, seed=seed).examples
    assert drawn.examples == tuple(e for e in whole if e in set(drawn))
    smallest = {source: min(c for (s, _), c in cells(whole).items() if s == source) for source in whole.sources}
    assert cells(drawn) == {cell: min(count, n or smallest[cell[0]]) for cell, count in cells(whole).items()}


def test_balanced_is_random_and_a_cell_does_not_depend_on_the_others():
    fears = [example(i) for i in range(50)]
    draws = {corpus(*fears).balanced(10, seed=seed).digest for seed in range(5)}
    assert len(draws) == 5
    beside = corpus(*fears, *(example(100 + i, "anger") for i in range(50))).balanced(10)
    assert beside.where(lambda e: e.label == "fear").examples == corpus(*fears).balanced(10).examples
    drawn = [{int(e.id) % 100 for e in beside if e.label == label} for label in ("fear", "anger")]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("n", [0, -1])
def test_balanced_refuses_to_draw_nothing(n):
    with pytest.raises(CorpusError, match=f"n={n} "):
        corpus(example(1)).balanced(n)


# --- split


@law
@given(TEXTS, st.integers(0, 3), st.sampled_from([(), ("pair",), ("topic",), ("pair", "topic")]))
def test_parts_are_a_partition_that_no_tie_crosses(facts, seed, ties):
    whole = numbered(facts)
    try:
        parts = whole.split({"one": 0.6, "two": 0.4}, seed=seed, keep_together=ties)
    except CorpusError as cause:
        assert "nothing is left for" in str(cause)
        assume(False)
    assert list(parts) == ["one", "two"]
    assert sorted(e.key for part in parts.values() for e in part) == sorted(e.key for e in whole)
    for part in parts.values():
        assert part.examples == tuple(e for e in whole if e in set(part))
    require_disjoint(**parts)
    for tie in ties:
        owners = defaultdict(set)
        for name, part in parts.items():
            for e in part:
                owners[e.source, getattr(e, tie)].add(name)
        assert all(len(names) == 1 for (_, value), names in owners.items() if value is not None)
    again = whole.split({"one": 0.6, "two": 0.4}, seed=seed, keep_together=ties)
    assert {name: part.digest for name, part in again.items()} == {name: part.digest for name, part in parts.items()}


@settings(law, max_examples=25)
@given(st.integers(20, 60), st.integers(0, 5), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_one_label_is_split_to_within_one_text_a_part(size, seed, weights):
    shares = {str(i): weight / sum(weights) for i, weight in enumerate(weights)}
    parts = corpus(*(example(i) for i in range(size))).split(shares, seed=seed)
    # A text goes to the part with the largest shortage; the shortages of k parts sum to 1 then, so none is ever
    # more than 1 - 1/k over its quota, and none more than (k - 1) times that below it.
    k = len(shares)
    for name, part in parts.items():
        assert -(k - 1) * (1 - 1 / k) - 1e-9 <= len(part) - shares[name] * size <= 1 - 1 / k + 1e-9


def test_strata_are_split_in_proportion():
    labels = EMOTIONS.labels
    whole = corpus(*(example(_ids(label, 50)[i], label, s) for s in "ab" for label in labels for i in range(50)))
    for seed in range(3):
        parts = whole.split(SHARES, seed=seed)
        for name, part in parts.items():
            assert abs(len(part) - SHARES[name] * len(whole)) <= 2
            assert all(abs(cells(part)[s, label] - 50 * SHARES[name]) <= 2 for s in "ab" for label in labels)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_many_tiny_strata_are_split_in_proportion_all_the_same(size):
    whole = corpus(*(example(i, source=f"book {b}", text=f"text {b} {i}") for b in range(100) for i in range(size)))
    parts = whole.split(SHARES)
    assert {name: len(part) for name, part in parts.items()} == pytest.approx(
        {name: share * 100 * size for name, share in SHARES.items()}, abs=2
    )


def test_matched_topics_are_split_whole():
    whole = corpus(
        *(example(100 * t + i, label, topic=f"topic {t}") for t in range(40) for i, label in enumerate(EMOTIONS.labels))
    )
    parts = whole.split(SHARES, keep_together=("topic",))
    assert {name: len(part) for name, part in parts.items()} == {"train": 7 * 32, "dev": 7 * 4, "test": 7 * 4}
    assert all(len(set(part.counts().values())) == 1 for part in parts.values())


def test_ties_reach_through_other_examples_but_not_across_sources():
    chained = corpus(
        example(1, pair="p", topic="tea"), example(2, topic="tea"), example(3, text="text 1"), example(4, pair="p")
    )
    with pytest.raises(CorpusError, match=r"nothing is left for 'b': .* 4 texts in 1 groups"):
        chained.split({"a": 0.5, "b": 0.5}, keep_together=("pair", "topic"))
    apart = corpus(example(1, source="s", pair="p"), example(2, source="t", pair="p"))
    assert [len(part) for part in apart.split({"a": 0.5, "b": 0.5}).values()] == [1, 1]


def test_another_seed_splits_otherwise():
    whole = corpus(*(example(i) for i in range(40)))
    assert len({whole.split(SHARES, seed=seed)["dev"].digest for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ({}, "positive and sum to 1"),
        ({"a": 0.5, "b": 0.4}, "positive and sum to 1"),
        ({"a": 1.5, "b": -0.5}, "positive and sum to 1"),
        ({"a": math.nan, "b": 0.5}, "positive and sum to 1"),
        ({"a": 0.9, "b": 0.1}, "nothing is left for 'b'"),
    ],
)
def test_impossible_shares_are_refused(shares, complaint):
    with pytest.raises(CorpusError, match=complaint):
        corpus(example(1), example(2, text="text 1")).split(shares)


def test_an_unknown_tie_is_refused():
    with pytest.raises(CorpusError, match=r"pair, topic, got \['author'\]"):
        corpus(example(1), example(2)).split(SHARES, keep_together=("author",))


# --- several corpora


def test_join_keeps_sources_and_order():
    joined = join([Corpus("x", EMOTIONS, (example(1, source="x"),)), Corpus("y", EMOTIONS, (example(1, source="y"),))])
    assert joined.name == "x+y" and joined.sources == ("x", "y") and joined.group == EMOTIONS


def test_join_refuses_other_groups_repeated_ids_and_nothing():
    emotional = corpus(example(1))
    with pytest.raises(CorpusError, match="different concept groups"):
        join([emotional, Corpus("r", RHETORIC, (example(2, "literal"),))])
    with pytest.raises(CorpusError, match="'s:1'"):
        join([emotional, emotional])
    with pytest.raises(CorpusError, match="no corpus to join"):
        join([])


def test_require_disjoint_names_the_first_text_that_two_parts_share():
    train, test = corpus(example(1), example(2, text="Oh, no.")), corpus(example(3), example(4, text="oh NO"))
    with pytest.raises(CorpusError, match=r"s:2 in 'train' and s:4 in 'test' are the same text"):
        require_disjoint(train=train, test=test)
    require_disjoint(train=train, test=test.where(lambda e: e.id == "3"))
    # Within one part a text may recur.
    require_disjoint(train=corpus(example(1), example(2, text="text 1")))


def test_no_draw_touches_the_global_generators():
    before = np.random.get_state(), torch.get_rng_state()
    whole = corpus(*(example(i, label) for label in EMOTIONS.labels for i in _ids(label, 20)))
    whole.balanced(5)
    whole.split(SHARES)
    assert np.array_equal(np.random.get_state()[1], before[0][1]) and np.random.get_state()[2] == before[0][2]
    assert torch.equal(torch.get_rng_state(), before[1])
