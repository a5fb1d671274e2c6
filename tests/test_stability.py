"""Agreement of halves: above shuffled labels where there is something, and how labels are dealt."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import stats_by_hand
from scipy.stats import t as student
from tiny import PAIR_GROUP

from emorhet_lens.screening.presets import preset
from emorhet_lens.screening.selection import ScreenOptions, select
from emorhet_lens.screening.stability import deal_labels, measure_stability

OPTIONS = ScreenOptions(top=0.05)


def texts_with_signal(seed, counts, *, neurons=100, signal=2.0, first=10):
    """The first ten neurons are higher on glad texts, the next ten on sad ones."""
    generator = np.random.default_rng(seed)
    labels = [label for label, count in counts.items() for _ in range(count)]
    shift = {label: np.zeros(neurons) for label in PAIR_GROUP.labels}
    shift["glad"][:first] = signal
    shift["sad"][first : 2 * first] = signal
    texts = [shift[label] + generator.normal(size=neurons) + generator.normal(size=(5, neurons)) for label in labels]
    return texts, labels


def made(seed=0, counts=None, **options):
    texts, labels = texts_with_signal(seed, counts or dict.fromkeys(PAIR_GROUP.labels, 30))
    return stats_by_hand(texts, labels, **options)


@pytest.fixture(scope="module")
def stats():
    return made()


def test_true_signal_is_more_stable_than_shuffled_labels(stats):
    found = measure_stability(stats, OPTIONS)
    # Five places a concept for ten equally good neurons.
    assert found.jaccard > 0.2
    assert found.null_mean < 0.1
    assert 0 < found.low < found.excess < found.high
    assert found.shuffles == 20


def test_interval_is_the_prediction_interval_of_one_more_shuffle(stats):
    found = measure_stability(stats, OPTIONS, shuffles=7)
    reach = student.ppf(0.975, 6) * found.null_sd * np.sqrt(1 + 1 / 7)
    assert found.excess == found.jaccard - found.null_mean
    assert found.high - found.excess == pytest.approx(reach)
    assert found.excess - found.low == pytest.approx(reach)
    assert found.to_dict() == vars(found)


def test_jaccard_is_that_of_the_halves(stats):
    first, second = (select(stats.half(part), OPTIONS).keys() for part in (0, 1))
    assert {concept for concept, _, _ in first} == {0, 1}
    expected = len(first & second) / len(first | second)
    assert measure_stability(stats, OPTIONS, shuffles=2).jaccard == expected


def test_halves_share_no_text(stats):
    parts = [stats.half(part) for part in (0, 1)]
    assert [part.summed("texts").tolist() for part in parts] == [[15, 15, 15]] * 2
    assert (parts[0].summed("firings") + parts[1].summed("firings")).equal(stats.summed("firings"))


def test_seeds_reproduce_and_differ(stats):
    same = [measure_stability(stats, OPTIONS, shuffles=5, seed=3) for _ in range(2)]
    assert same[0] == same[1]
    assert measure_stability(stats, OPTIONS, shuffles=5, seed=4).null_mean != same[0].null_mean


def test_nothing_selected_is_no_agreement():
    silent = stats_by_hand([[[-1.0, -2.0]]] * 12, ["glad", "sad", "plain"] * 4)
    found = measure_stability(silent, OPTIONS, shuffles=3)
    assert (found.jaccard, found.excess, found.low, found.high) == (0, 0, 0, 0)


def test_published_presets_have_a_stability_too(stats):
    assert measure_stability(stats, preset("lape"), shuffles=3).shuffles == 3


@pytest.mark.parametrize(("few", "known"), [(1, False), (3, False), (4, True)])
def test_too_few_texts_have_no_stability(few, known):
    found = measure_stability(made(counts={"glad": few, "sad": 20, "plain": 20}), OPTIONS, shuffles=2)
    assert (found is not None) is known


def test_a_label_without_texts_is_no_hindrance():
    assert measure_stability(made(counts={"glad": 20, "plain": 20}), OPTIONS, shuffles=2) is not None


def dealt_sizes(stats, seed):
    """Texts by source, label and half under dealt labels."""
    sizes = Counter()
    labels = deal_labels(stats, np.random.default_rng(seed))
    for cell, slot, texts in zip(stats.null_cells, labels, stats.null_sums.texts.tolist(), strict=True):
        sizes[cell.source, *slot] += texts
    return sizes


def true_sizes(stats):
    return Counter(
        {(c.source, c.label, c.part): n for c, n in zip(stats.cells, stats.sums.texts.tolist(), strict=True)}
    )


def silent_texts(counts, source="made", **options):
    labels = [label for label, count in counts.items() for _ in range(count)]
    return stats_by_hand([[[1.0]]] * len(labels), labels, sources=[source] * len(labels), **options)


def require_near(stats, seed):
    dealt, true = dealt_sizes(stats, seed), true_sizes(stats)
    assert set(dealt) == set(true)
    largest = Counter()
    for cell, texts in zip(stats.null_cells, stats.null_sums.texts.tolist(), strict=True):
        largest[cell.source] = max(largest[cell.source], texts)
    for slot, count in true.items():
        assert abs(dealt[slot] - count) <= 1.5 * largest[slot[0]], (slot, dealt, true)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(6, 60), min_size=3, max_size=3), st.integers(0, 5))
def test_labels_are_dealt_in_about_their_shares(counts, seed):
    stats = silent_texts(dict(zip(PAIR_GROUP.labels, counts, strict=True)))
    require_near(stats, seed)
    assert sum(dealt_sizes(stats, seed).values()) == sum(counts)


def test_equal_labels_are_dealt_equally():
    assert set(dealt_sizes(silent_texts(dict.fromkeys(PAIR_GROUP.labels, 20)), 0).values()) == {10}


def test_large_labels_get_more():
    dealt = dealt_sizes(silent_texts({"glad": 10, "sad": 20, "plain": 40}), 0)
    by_label = Counter()
    for (_, label, _), texts in dealt.items():
        by_label[label] += texts
    assert by_label == {"glad": 10, "sad": 20, "plain": 40}


@pytest.mark.parametrize("source", ["made", "other"])
def test_labels_are_dealt_within_sources_after_adding(source):
    first = silent_texts({"glad": 30, "sad": 10, "plain": 20})
    added = first + silent_texts({"glad": 8, "sad": 24, "plain": 16}, source=source, first_id=60)
    for seed in range(5):
        require_near(added, seed)
    dealt = dealt_sizes(added, 0)
    per_source = defaultdict(int)
    for (name, _, _), texts in dealt.items():
        per_source[name] += texts
    assert per_source == ({"made": 108} if source == "made" else {"made": 60, "other": 48})


def test_added_statistics_have_a_stability():
    texts, labels = texts_with_signal(1, dict.fromkeys(PAIR_GROUP.labels, 16))
    added = made() + stats_by_hand(texts, labels, first_id=90)
    assert measure_stability(added, OPTIONS, shuffles=10).low > 0


def test_too_few_null_cells_for_the_labels_have_no_stability():
    # One source, but either part knows two labels only: four null cells for six labelled halves.
    added = made(counts={"glad": 20, "plain": 20}) + made(1, {"sad": 20, "plain": 20}, first_id=40)
    assert len(added.null_cells) == 4
    assert measure_stability(added, OPTIONS, shuffles=2) is None


def test_dealt_labels_take_the_place_of_the_true_ones(stats):
    labels = deal_labels(stats, np.random.default_rng(0))
    shuffled = stats.relabelled(labels)
    assert shuffled.summed("texts").tolist() == [30, 30, 30]
    assert shuffled.summed("firings").sum(0).equal(stats.summed("firings").sum(0))
    # What tells labels apart is gone: the first ten neurons fire alike.
    share = shuffled.summed("firings")[:, 0, :10].double().mean(1) / shuffled.summed("tokens")
    true = stats.summed("firings")[:, 0, :10].double().mean(1) / stats.summed("tokens")
    assert true[0] - true[2] > 0.3
    assert abs(share[0] - share[2]) < 0.1
