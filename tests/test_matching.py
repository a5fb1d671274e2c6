"""Matched random sets: same layers, free of selected neurons, alike in what they are matched by."""

import numpy as np
import pytest
import torch
from oracles import stats_by_hand

from emorhet_lens.errors import ScreenError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.screening.matching import QUANTITIES, Background, match_sets
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import screen

LAYERS, WIDTH = 2, 1500


def background(seed=0, layers=LAYERS, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    level = torch.randn(layers, width, generator=generator, dtype=torch.float64)
    size = 0.5 * level + torch.randn(layers, width, generator=generator, dtype=torch.float64)
    return Background(level.sigmoid(), size.exp(), torch.zeros(layers, width, dtype=torch.bool))


def neurons(sets, known):
    model = ModelIdentity("by hand", "Hand", "0", False, "float64", *known.firing_rate.shape, (1.0,) * 8)
    taken = known.taking([place for own in sets.values() for place in own])
    return Neurons(sets, {c: (0.0,) * len(own) for c, own in sets.items()}, model, background=taken)


@pytest.fixture(scope="module")
def selected():
    # Neurons that fire more than most, as selected ones do.
    known = background()
    often = [tuple(place) for place in (known.firing_rate > 0.7).nonzero().tolist()]
    order = np.random.default_rng(0).permutation(len(often))
    return neurons({"a": tuple(often[k] for k in order[:20]), "b": tuple(often[k] for k in order[20:50])}, known)


def test_sets_keep_layers_and_hold_no_selected_or_repeated_neuron(selected):
    drawn = selected.matched_random(n=6)
    everything = {place for own in selected.sets.values() for place in own}
    assert len(drawn.sets) == 6
    for one in drawn.sets:
        assert one.concepts == selected.concepts
        for concept, own in one.sets.items():
            assert [layer for layer, _ in own] == [layer for layer, _ in selected.sets[concept]]
            assert len(set(own)) == len(own)
            assert not set(own) & everything
            assert np.isnan(one.scores[concept]).all()
    # The sets of a concept share no neuron, unless they may.
    for concept in selected.concepts:
        assert len({place for one in drawn.sets for place in one.sets[concept]}) == 6 * len(selected.sets[concept])
    shared = selected["a"].matched_random(n=60, disjoint=False)
    assert len({place for one in shared.sets for place in one.sets["a"]}) < 60 * 20
    # One concept's random sets hold no neuron of the other concept either.
    assert not {p for one in selected["a"].matched_random().sets for p in one.sets["a"]} & everything


def test_draws_are_seeded_and_differ(selected):
    first, again, other = (selected.matched_random(seed, n=2) for seed in (1, 1, 2))
    assert [one.sets for one in first.sets] == [one.sets for one in again.sets]
    assert [one.sets for one in first.sets] != [one.sets for one in other.sets]
    assert first.sets[0].sets != first.sets[1].sets


def test_selected_and_random_neurons_are_alike(selected):
    table = selected.matched_random(n=8).balance
    assert table["concept"].tolist() == ["a", "a", "b", "b"]
    assert table["quantity"].tolist() == list(QUANTITIES) * 2
    # They are far from the average neuron, and their partners are as far.
    assert (table.loc[table["quantity"] == QUANTITIES[0], "selected"] > 0.7).all()
    assert (table["difference"].abs() < 0.1).all()
    assert table["difference"].tolist() == pytest.approx((table["selected"] - table["random"]).tolist())
    assert (table["outside_caliper"] <= 0.35).all()


def test_partners_lie_within_the_caliper_unless_counted(selected):
    places = selected.background.standardized()
    for one in selected.matched_random(n=3, caliper=0.4).sets:
        far = 0
        for concept, own in one.sets.items():
            for (layer, mine), (_, theirs) in zip(selected.sets[concept], own, strict=True):
                far += float((places[:, layer, mine] - places[:, layer, theirs]).norm()) > 0.4
        assert far <= 2


def test_partners_outside_the_caliper_are_the_nearest_and_counted(selected):
    drawn = selected["a"].matched_random(n=2, caliper=0.0)
    assert (drawn.balance["outside_caliper"] == 1).all()
    rate = torch.tensor([[0.5, 0.51, 0.9, 0.1, 0.49]], dtype=torch.float64)
    known = Background(rate, torch.ones(1, 5, dtype=torch.float64), torch.zeros(1, 5, dtype=torch.bool))
    chosen = {"a": ((0, 0),), "b": ((0, 2),)}
    shared = match_sets(chosen, known.taking([(0, 0), (0, 2)]), seed=0, n=4, caliper=0.01, disjoint=False)
    assert shared.sets == ({"a": ((0, 1),), "b": ((0, 1),)},) * 4
    # Without sharing, the two nearest are dealt to the two sets; for a both are near enough, for b neither is.
    nearest = match_sets(chosen, known.taking([(0, 0), (0, 2)]), seed=0, n=2, caliper=0.1)
    assert {one["a"] for one in nearest.sets} == {one["b"] for one in nearest.sets} == {((0, 1),), ((0, 4),)}
    shares = {row["concept"]: row["outside_caliper"] for row in nearest.balance}
    assert shares == {"a": 0, "b": 1}


def test_an_exhausted_layer_is_an_error():
    known = background(width=5)
    half = neurons({"a": ((0, 0), (0, 1), (0, 2))}, known)
    with pytest.raises(ScreenError, match="layer 0 has too few neurons left to match 3 of its neurons with 1 set"):
        half.matched_random(n=1)
    with pytest.raises(ScreenError, match=r"with 3 set\(s\) that share none; .* disjoint=False"):
        half.head(1).matched_random(n=3)
    assert len(half.head(2)["a"].matched_random(n=1).sets[0]) == 2


def test_sets_without_background_or_neurons_or_draws_are_refused(selected):
    by_hand = Neurons({"a": ((0, 0),)}, {"a": (1.0,)}, selected.model)
    with pytest.raises(ScreenError, match="carry no statistics to match by"):
        by_hand.matched_random()
    with pytest.raises(ScreenError, match="empty"):
        selected.head(0).matched_random()
    with pytest.raises(ScreenError, match="n=0 random sets"):
        selected.matched_random(n=0)


def test_random_sets_of_a_union_avoid_both_sides():
    known = background(width=8)
    left, right = neurons({"a": ((0, 0), (0, 1))}, known), neurons({"b": ((0, 2), (0, 3), (0, 4))}, known)
    for one in (left | right)["a"].matched_random(n=10, disjoint=False).sets:
        assert {neuron for _, neuron in one.sets["a"]} <= {5, 6, 7}


def test_concepts_without_neurons_have_no_balance(selected):
    known = background()
    drawn = neurons({"a": ((0, 0),), "b": ()}, known).matched_random(n=2)
    assert [one.sets["b"] for one in drawn.sets] == [(), ()]
    assert set(drawn.balance["concept"]) == {"a"}


def test_background_by_hand():
    stats = stats_by_hand([[[1.0, -2.0], [3.0, -2.0]], [[-2.0, -2.0], [2.0, 2.0]]], ["glad", "plain"])
    known = Background.of(stats)
    assert known.firing_rate.tolist() == [[0.75, 0.25]]
    assert known.contribution.tolist() == [[2, 2]]
    # Logits of 3/4 and 1/4 lie apart by sqrt(2) standard deviations; equal contributions have no spread.
    torch.testing.assert_close(known.standardized(), torch.tensor([[[1, -1]], [[0, 0]]], dtype=torch.float64) / 2**0.5)
    assert known.taking([(0, 1)]).taken.tolist() == [[False, True]]
    assert not known.taken.any()


def test_silent_and_constant_neurons_have_a_finite_place():
    known = background()
    rate, size = known.firing_rate.clone(), known.contribution.clone()
    rate[0, 0], rate[0, 1], size[0, 2] = 0, 1, 0
    assert Background(rate, size, known.taken).standardized().isfinite().all()
    alike = Background(torch.full_like(rate, 0.5), torch.ones_like(size), known.taken)
    assert not alike.standardized().any()


def test_neurons_of_a_screen_are_matched():
    generator = np.random.default_rng(0)
    shift = {"glad": np.r_[np.ones(5) * 2, np.zeros(95)], "plain": np.zeros(100)}
    labels = ["glad", "plain"] * 20
    texts = [shift[label] + generator.normal(size=(6, 100)) for label in labels]
    found = screen(stats_by_hand(texts, labels), top=0.05, shuffles=0).neurons
    assert set(found.sets["glad"]) == {(0, k) for k in range(5)}
    drawn = found.matched_random(n=3)
    assert all(neuron >= 5 for one in drawn.sets for _, neuron in one.sets["glad"])
