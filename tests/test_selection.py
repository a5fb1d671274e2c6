"""Selection from given scores: number, order, ties, scopes, assignment, floor, support and several scorers."""

from functools import partial

import numpy as np
import pytest
import torch
from oracles import stats_by_hand

from emorhet_lens.errors import ScreenError
from emorhet_lens.scorers import SCORERS, Scorer
from emorhet_lens.screening.selection import ScreenOptions, _quantile, select


def always_firing(layers=2, neurons=5):
    labels = ["glad", "glad", "sad", "sad", "plain", "plain"]
    return stats_by_hand([np.ones((2, layers, neurons))] * 6, labels)


def firing(counts, *, tokens=10):
    """One layer; for every label, how many of a text's tokens every neuron fires on; two texts a label."""
    texts, labels = [], []
    for label, fired in counts.items():
        text = np.where(np.arange(tokens)[:, None] < np.array(fired), 1.0, -1.0)
        texts += [text, text]
        labels += [label, label]
    return stats_by_hand(texts, labels)


def answer(scores, stats, against):
    return scores


@pytest.fixture
def given_scores(monkeypatch):
    """Registers scorers that answer with given numbers, and selects with them."""

    def choose(*tables, stats=None, best="highest", whole_neuron=False, **options):
        names = []
        for number, table in enumerate(tables):
            scores = torch.tensor(table, dtype=torch.float64)
            scores = scores if scores.ndim == 3 else scores[:, None]
            name = f"given{number}"
            monkeypatch.setitem(SCORERS, name, Scorer(name, partial(answer, scores), best, whole_neuron))
            names.append(name)
        stats = always_firing(*scores.shape[1:]) if stats is None else stats
        return select(stats, ScreenOptions(scorers=tuple(names), **{"scope": "global", **options}))

    return choose


def picks(selection):
    return list(zip(selection.concept.tolist(), selection.layer.tolist(), selection.neuron.tolist(), strict=True))


@pytest.mark.parametrize(("top", "k"), [(0.05, 1), (0.1, 1), (0.101, 2), (0.3, 3), (0.7, 7), (1.0, 10)])
def test_number_of_neurons_is_rounded_up(given_scores, top, k):
    scores = np.arange(20.0).reshape(2, 2, 5)
    assert len(given_scores(scores, top=top).concept) == k


def test_order_is_score_then_layer_then_neuron(given_scores):
    found = given_scores([[[1, 7, 3], [7, 1, 7]], [[9, 0, 0], [0, 3, 0]]], top=1.0)
    assert picks(found) == [(1, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 2), (0, 0, 2), (1, 1, 1)]
    assert found.score.tolist() == [9, 7, 7, 7, 3, 3]
    assert found.candidates == 6
    assert found.keys() == set(picks(found))


def test_lowest_scores_come_first_where_they_are_best(given_scores):
    found = given_scores([[3, 1, 2, 5], [4, 4, 0, 4]], top=0.5, best="lowest")
    assert picks(found) == [(1, 0, 2), (0, 0, 1)]
    assert found.score.tolist() == [0, 1]


def test_ties_at_the_cut_are_counted(given_scores):
    scores = [[5, 2, 2, 2, 1], [0, 0, 0, 0, 0]]
    assert given_scores(scores, top=0.4).ties == {"global": (3, 1)}
    assert given_scores(scores, top=0.6).ties == {"global": (3, 2)}
    assert picks(given_scores(scores, top=0.6)) == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    # All of the equal ones have a place, or the cut is elsewhere.
    assert given_scores(scores, top=0.8).ties == {}
    assert given_scores(scores, top=0.2).ties == {}


def test_scopes_share_the_places_out(given_scores):
    scores = [[[9, 8, 7, 6], [5, 4, 0, 0]], [[0, 0, 0, 0], [0, 0, 3, 2]]]
    options = {"top": 0.25}
    assert picks(given_scores(scores, **options)) == [(0, 0, 0), (0, 0, 1)]
    assert picks(given_scores(scores, scope="layer", **options)) == [(0, 0, 0), (0, 1, 0)]
    assert picks(given_scores(scores, scope="concept", **options)) == [(0, 0, 0), (0, 0, 1), (1, 1, 2), (1, 1, 3)]


def test_ties_are_named_by_their_scope(given_scores):
    scores = [[[2, 2, 1, 1], [5, 4, 4, 0]], [[0, 0, 0, 0], [0, 0, 0, 4]]]
    assert given_scores(scores, scope="layer", top=0.25).ties == {"layer 0": (2, 1)}
    assert given_scores(scores, scope="concept", top=0.25).ties == {"concept 0": (2, 1)}


def test_ranks_of_a_concept_go_over_all_layers(given_scores):
    found = given_scores([[[1, 2], [9, 3]], [[0, 0], [0, 0]]], scope="layer", top=1.0)
    assert picks(found) == [(0, 1, 0), (0, 1, 1), (0, 0, 1), (0, 0, 0)]


def test_argmax_gives_a_neuron_to_the_best_score(given_scores):
    found = given_scores([[1, 5, 2, 2], [3, 4, 2, 1]], top=1.0)
    # Equal scores go to the first concept.
    assert found.keys() == {(1, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)}


def test_argmax_of_a_whole_neuron_is_by_firing(given_scores):
    stats = firing({"glad": [1, 9, 5], "sad": [8, 2, 5], "plain": [0, 0, 0]})
    table = [[3, 2, 1], [3, 2, 1]]
    assert picks(given_scores(table, stats=stats, whole_neuron=True, top=1.0)) == [(1, 0, 0), (0, 0, 1), (0, 0, 2)]


def test_threshold_gives_a_neuron_to_every_concept_above_the_bar(given_scores):
    stats = firing({"glad": [9, 1, 8, 3], "sad": [7, 2, 1, 4], "plain": [0, 0, 0, 0]})
    table = [[4, 3, 2, 1], [4, 3, 2, 1]]
    # Of the rates .1 .1 .2 .3 .4 .7 .8 .9 the bar is the fourth.
    found = given_scores(table, stats=stats, assign="threshold", bar=0.5, top=1.0)
    assert picks(found) == [(0, 0, 0), (1, 0, 0), (0, 0, 2), (1, 0, 3)]
    assert found.candidates == 3


def test_quantile_is_the_value_of_that_rank():
    # As the published code of LAPE: kthvalue(round(share * n)).
    values = torch.tensor([5.0, 1, 4, 2, 3, 9, 8, 6, 7, 10], dtype=torch.float64).reshape(2, 1, 5)
    assert [float(_quantile(values, share)) for share in (0.0, 0.1, 0.5, 0.74, 0.95)] == [1, 1, 5, 7, 10]
    assert float(_quantile(torch.cat([values, torch.full_like(values, torch.nan)]), 0.5)) == 5
    twenty = torch.arange(1.0, 21, dtype=torch.float64).reshape(1, 1, 20)
    assert float(_quantile(twenty, 0.95)) == 19


def test_floor_leaves_out_what_fires_rarely(given_scores):
    stats = firing({"glad": [1, 9, 2, 3], "sad": [1, 1, 8, 3], "plain": [0, 0, 0, 0]})
    table = [[9, 4, 3, 8], [0, 0, 0, 0]]
    # Rates .1 .1 .1 .2 .3 .3 .8 .9: only more than .3 passes, for whatever concept.
    found = given_scores(table, stats=stats, floor=0.75, top=1.0)
    assert picks(found) == [(0, 0, 1), (0, 0, 2)]
    assert found.candidates == 2


@pytest.mark.parametrize(("support", "expected"), [(0, [0, 1, 2]), (1, [1, 2]), (2, [2]), (3, [])])
def test_support_counts_texts_of_the_concept(given_scores, support, expected):
    # The second neuron fires in one glad text and often elsewhere, the first in no glad text.
    texts = [[[-1, 1, 1]], [[-1, -1, 1]], [[1, 1, -1]], [[1, 1, -1]], [[1, 1, 1]], [[1, 1, 1]]]
    stats = stats_by_hand(texts, ["glad", "glad", "sad", "sad", "plain", "plain"])
    found = given_scores([[3, 2, 1], [0, 0, 0]], stats=stats, support=support, top=1.0)
    assert found.neuron.tolist() == expected
    assert found.ties == {}


def test_conjunction_takes_the_worse_rank(given_scores):
    # Ranks 1 2 3 4 and 3 2 1 4: the worse are 3 2 3 4.
    found = given_scores([[9, 8, 7, 6], [0] * 4], [[1, 2, 3, 0], [9] * 4], top=1.0)
    assert found.neuron.tolist() == [1, 0, 2, 3]
    # The score is that of the first one.
    assert found.score.tolist() == [8, 9, 7, 6]


def test_fusion_adds_up_reciprocal_ranks(given_scores):
    # 1/61 + 1/63 is more than 2/62.
    found = given_scores([[9, 8, 7, 6], [0] * 4], [[1, 2, 3, 0], [9] * 4], combine="fusion", top=1.0)
    assert found.neuron.tolist() == [0, 2, 1, 3]


def test_equal_scores_share_their_ranks(given_scores):
    # Ranks 1 2 3 and, shared, 2 2 2: the worse are 2 2 3.
    found = given_scores([[9, 8, 7], [0] * 3], [[1, 1, 1], [0] * 3], top=0.3)
    assert found.neuron.tolist() == [0]
    assert found.ties == {"global": (2, 1)}


def test_ranks_are_among_candidates_only(given_scores):
    # The first neuron never fires. Among the others: ranks 1 2 3 and 3 1 2.
    stats = firing({"glad": [0, 5, 5, 5], "sad": [0, 1, 1, 1], "plain": [0] * 4})
    found = given_scores([[9, 8, 7, 6], [0] * 4], [[9, 1, 3, 2], [0] * 4], stats=stats, top=1.0)
    assert found.neuron.tolist() == [2, 1, 3]


def test_a_score_that_is_missing_from_one_scorer_disqualifies(given_scores):
    found = given_scores([[3, 2, 1], [0] * 3], [[1, float("nan"), 1], [0] * 3], top=1.0)
    assert found.neuron.tolist() == [0, 2]


def test_fewer_candidates_than_places(given_scores):
    stats = firing({"glad": [5, 0, 0, 5], "sad": [0, 0, 0, 0], "plain": [0] * 4})
    found = given_scores([[1, 2, 3, 4], [0] * 4], stats=stats, top=1.0)
    assert picks(found) == [(0, 0, 3), (0, 0, 0)]
    assert found.ties == {}


def test_no_candidate_at_all(given_scores):
    stats = firing({"glad": [0, 0], "sad": [0, 0], "plain": [0, 0]})
    found = given_scores([[1, 2], [3, 4]], stats=stats, top=1.0)
    assert picks(found) == [] and found.score.tolist() == [] and found.candidates == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"scorers": ("entropie",)}, r"unknown scorers \['entropie'\]; there are .*frequency, probability"),
        ({"scorers": ()}, "there are .*frequency"),
        ({"scope": "all"}, "scope='all' is unknown; it is one of global, layer, concept"),
        ({"assign": "max"}, "it is one of argmax, threshold"),
        ({"combine": "sum"}, "it is one of conjunction, fusion"),
        ({"against": "all"}, "it is one of rest, others"),
        ({"top": 0.0}, "top=0.0 has to be a share above 0 and at most 1"),
        ({"top": 1.5}, "top=1.5 has to be"),
        ({"top": float("nan")}, "top=nan has to be"),
        ({"bar": 1.0}, "bar=1.0 has to be a quantile from 0 to below 1"),
        ({"floor": -0.1}, "floor=-0.1 has to be a quantile"),
        ({"support": -1}, "support=-1 texts cannot be negative"),
    ],
)
def test_option_errors_name_what_is_allowed(option, message):
    options = ScreenOptions()
    # A type checker that is switched on for the tests would refuse a wrong word before the package does.
    for name, value in option.items():
        object.__setattr__(options, name, value)
    with pytest.raises(ScreenError, match=message):
        options.__post_init__()


def test_options_are_checked_when_they_are_made():
    with pytest.raises(ScreenError, match=r"top=3\.0 has to be"):
        ScreenOptions(top=3.0)


def test_sources_are_kept_apart_unless_allowed():
    # The only neuron's glad texts are in a source that fires more; within each source the labels are alike.
    texts = [[[1.0]]] * 4 + [[[-1.0]]] * 4
    labels, sources = ["glad", "glad", "plain", "plain", "sad", "sad", "plain", "plain"], ["one"] * 4 + ["two"] * 4
    stats = stats_by_hand(texts, labels, sources=sources)
    options = {"scorers": ("mean_z",), "against": "rest", "top": 1.0, "support": 0}
    assert select(stats, ScreenOptions(**options)).score.tolist() == [0]
    # Glad texts are at 1, the four plain ones at 0 with a variance of 4 / 3.
    pooled = select(stats, ScreenOptions(**options, allow_missing_rest=True)).score.tolist()
    assert pooled == pytest.approx([3**0.5])
