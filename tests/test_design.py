"""Halves and null cells: balance, matched texts, and what they do not depend on."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import PAIR_GROUP, null_corpus, texts_corpus, tiny_corpus

from emorhet_lens.activations.design import assign_cells
from emorhet_lens.texts.corpus import Corpus, join


def true_cells(corpus, seed=0):
    return [true for true, _ in assign_cells(corpus, seed=seed)]


def null_cells(corpus, seed=0):
    return [null for _, null in assign_cells(corpus, seed=seed)]


def paired(n):
    corpus = texts_corpus(*((label, f"{label} {k}") for k in range(n) for label in PAIR_GROUP.labels))
    examples = tuple(replace(e, pair=f"p{i // 3}") for i, e in enumerate(corpus))
    return Corpus("paired", PAIR_GROUP, examples)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(PAIR_GROUP.labels), min_size=2, max_size=60), st.integers(0, 5))
def test_cells_name_source_and_label_and_halves_are_balanced(labels, seed):
    corpus = texts_corpus(*((label, f"text {i}") for i, label in enumerate(labels)))
    cells = true_cells(corpus, seed)
    assert [(cell.source, cell.label) for cell in cells] == [(e.source, e.label) for e in corpus]
    sizes = Counter(cells)
    for label in set(labels):
        first, second = (sum(n for c, n in sizes.items() if (c.label, c.part) == (label, half)) for half in (0, 1))
        assert abs(first - second) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_pairs_stay_in_one_half_and_halves_are_balanced(seed):
    corpus = paired(11)
    halves = [cell.part for cell in true_cells(corpus, seed)]
    assert all(len(set(halves[i : i + 3])) == 1 for i in range(0, 33, 3))
    assert sorted(Counter(halves).values()) == [15, 18]


def test_equal_pair_names_of_two_sources_are_not_tied():
    first = paired(40)
    second = Corpus("other", PAIR_GROUP, tuple(replace(e, source="other") for e in first))
    halves = [cell.part for cell in true_cells(join([first, second]))]
    assert halves[:120] != halves[120:]


@pytest.mark.parametrize("seed", range(3))
def test_null_cells_are_equal_in_size(seed):
    # 20 glad, 20 sad, 20 plain: two null cells a label.
    sizes = Counter(null_cells(tiny_corpus(60), seed))
    assert sorted(sizes.values()) == [10] * 6
    assert {cell.label for cell in sizes} == {None}


def test_larger_labels_get_more_null_cells_up_to_four_times():
    counts = {"glad": 10, "sad": 20, "plain": 90}
    corpus = texts_corpus(*((label, f"{label} {i}") for label, n in counts.items() for i in range(n)))
    # 2 * (1 + 2 + 4) cells
    assert sorted(Counter(null_cells(corpus)).values()) == [8] * 6 + [9] * 8


def test_null_cells_stay_within_a_source():
    corpus = join([tiny_corpus(30, source="one"), tiny_corpus(12, source="two")])
    assert [cell.source for cell in null_cells(corpus)] == [e.source for e in corpus]


def test_null_cells_do_not_depend_on_labels():
    corpus = tiny_corpus(60)
    shuffled = null_corpus(corpus, seed=3)
    assert [e.label for e in corpus] != [e.label for e in shuffled]
    assert null_cells(corpus) == null_cells(shuffled)


def test_order_of_the_corpus_does_not_matter():
    corpus = paired(9)
    turned = Corpus("turned", PAIR_GROUP, corpus.examples[::-1])
    assert assign_cells(corpus, seed=1) == assign_cells(turned, seed=1)[::-1]


def test_seed_decides():
    corpus = tiny_corpus(60)
    assert assign_cells(corpus, seed=1) == assign_cells(corpus, seed=1)
    assert true_cells(corpus, 1) != true_cells(corpus, 2)
    assert null_cells(corpus, 1) != null_cells(corpus, 2)
