"""Sets of neurons: their algebra, what they refuse, and what they read from a cache."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_llama

from emorhet_lens.errors import ScreenError, StoreError
from emorhet_lens.models.hosts import ModelIdentity, identify
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import Neurons, neurons_from

MODEL = ModelIdentity("by hand", "Hand", "0", False, "float64", 2, 4, (1.0,) * 8)
CONCEPTS = ("a", "b")


def made(sets, *, model=MODEL, shift=0.0, **options):
    scores = {concept: tuple(shift - rank for rank in range(len(own))) for concept, own in sets.items()}
    return Neurons({concept: tuple(own) for concept, own in sets.items()}, scores, model, **options)


coordinates = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), unique=True, max_size=5)
families = st.fixed_dictionaries({concept: coordinates for concept in CONCEPTS})


def members(neurons):
    return {(concept, *place) for concept, own in neurons.sets.items() for place in own}


@settings(max_examples=40, deadline=None)
@given(families, families, families)
def test_set_algebra(x, y, z):
    x, y, z = (made({concept: own[concept] for concept in CONCEPTS}) for own in (x, y, z))
    assert members(x | y) == members(x) | members(y)
    assert members(x & y) == members(x) & members(y)
    assert members(x - y) == members(x) - members(y)
    assert ((x | y) | z).sets == (x | (y | z)).sets
    assert ((x & y) & z).sets == (x & (y & z)).sets
    assert (x | x).sets == x.sets and (x & x).sets == x.sets
    assert len(x - x) == 0 and (x - x).concepts == CONCEPTS
    assert members((x - y) | (x & y)) == members(x)
    assert members(x & (y | z)) == members((x & y) | (x & z))
    for item in members(x):
        assert item in x
        assert (item in y) == (item in (x & y))


@settings(max_examples=25, deadline=None)
@given(families, families)
def test_combined_sets_keep_order_and_scores_of_the_left(x, y):
    x, y = made(x), made(y, shift=100.0)
    union = x | y
    for concept in CONCEPTS:
        n = len(x.sets[concept])
        assert union.sets[concept][:n] == x.sets[concept]
        assert union.scores[concept][:n] == x.scores[concept]
        assert all(score > 50 for score in union.scores[concept][n:])
        kept = [place for place in x.sets[concept] if place in y.sets[concept]]
        assert list((x & y).sets[concept]) == kept
        assert all(score <= 0 for score in (x & y).scores[concept])


def test_sets_of_other_concepts_are_joined():
    x, y = made({"a": [(0, 0)]}), made({"b": [(1, 1)]}, shift=5.0)
    assert (x | y).sets == {"a": ((0, 0),), "b": ((1, 1),)}
    assert (x | y).scores == {"a": (0,), "b": (5,)}
    assert (x & y).sets == {"a": (), "b": ()}
    assert (x - y).sets == {"a": ((0, 0),), "b": ()}


def test_selection_of_a_concept():
    x = made({"a": [(0, 0), (1, 2)], "b": [(1, 3)]})
    assert x["b"].sets == {"b": ((1, 3),)} and x["b"].scores == {"b": (0,)}
    with pytest.raises(ScreenError, match="there is no concept 'c'; there are a, b"):
        x["c"]


def test_head_coordinates_labels_and_histogram():
    x = made({"a": [(1, 2), (0, 0), (0, 3)], "b": [(0, 3), (1, 1)]})
    assert x.head(1).sets == {"a": ((1, 2),), "b": ((0, 3),)}
    assert x.head(1).scores == {"a": (0,), "b": (0,)}
    assert x.head(0).sets == {"a": (), "b": ()}
    assert x.head(9).sets == x.sets
    # The neuron of both concepts once.
    assert x.coordinates().tolist() == [[1, 2], [0, 0], [0, 3], [1, 1]]
    assert x.labels() == ["L1N2", "L0N0", "L0N3", "L1N1"]
    histogram = x.layer_histogram()
    assert histogram.to_numpy().tolist() == [[2, 1], [1, 1]]
    assert histogram.sum().to_dict() == {"a": 3, "b": 2}
    assert histogram.to_numpy().sum() == len(x) == 5
    assert repr(x) == "Neurons(5 of 'by hand' at site 'post': a 3, b 2)"


def test_empty_sets_have_empty_tables():
    x = made({"a": []})
    assert x.coordinates().shape == (0, 2) and x.labels() == []
    assert x.layer_histogram()["a"].tolist() == [0, 0]
    assert list(x.to_dataframe().columns) == ["concept", "layer", "neuron", "rank", "score"]


def test_table_has_ranks_from_one():
    x = neurons_from([("b", 1, 0, 3.0), ("a", 0, 1, 2.0), ("b", 0, 0, 1.0)], CONCEPTS, model=MODEL)
    assert x.concepts == CONCEPTS
    rows = x.to_dataframe().to_numpy().tolist()
    assert rows == [["a", 0, 1, 1, 2.0], ["b", 1, 0, 1, 3.0], ["b", 0, 0, 2, 1.0]]


@pytest.mark.parametrize("place", [(2, 0), (0, 4), (-1, 0), (0, -1)])
def test_coordinates_outside_the_model_are_refused(place):
    with pytest.raises(ScreenError, match=r"is not in 'by hand', which has 2 layers of 4 neurons"):
        made({"a": [place]})


def test_repeated_neurons_and_missing_scores_are_refused():
    with pytest.raises(ScreenError, match="occurs twice for 'a'"):
        made({"a": [(0, 0), (0, 0)]})
    with pytest.raises(ScreenError, match="'a' has 1 neurons and 2 scores"):
        Neurons({"a": ((0, 0),)}, {"a": (1.0, 2.0)}, MODEL)
    with pytest.raises(ScreenError, match="'a' has 1 neurons and 0 scores"):
        Neurons({"a": ((0, 0),)}, {}, MODEL)


@pytest.mark.parametrize("combine", [Neurons.__or__, Neurons.__and__, Neurons.__sub__])
def test_sets_of_other_models_or_sites_are_refused(combine):
    x = made({"a": [(0, 0)]})
    for other in (replace(MODEL, d_mlp=5), replace(MODEL, fingerprint=(1.1,) * 8)):
        with pytest.raises(StoreError, match=r"d_mlp|fingerprints differ"):
            combine(x, made({"a": [(0, 0)]}, model=other))
    with pytest.raises(ScreenError, match="site 'post' and 'gate' cannot be combined"):
        combine(x, made({"a": [(0, 0)]}, site="gate"))


def test_random_sets_of_another_site_than_the_statistics_are_refused():
    known = torch.ones(2, 4)
    background = Background(known / 2, known, torch.zeros(2, 4, dtype=torch.bool), "gate")
    x = replace(made({"a": [(0, 0)]}, site="gate"), background=background)
    assert len(x.matched_random(n=2).sets) == 2
    with pytest.raises(ScreenError, match="of site 'post', and what is known of all neurons is of site 'gate'"):
        replace(x, site="post").matched_random(n=2)


@pytest.fixture(scope="module")
def llama():
    return tiny_llama()


@pytest.mark.parametrize(("site", "hook"), [("post", "hook_post"), ("gate", "hook_pre")])
def test_activations_are_the_columns_of_the_cache(llama, site, hook):
    x = made({"a": [(2, 5), (0, 7)], "b": [(0, 7), (1, 0)]}, model=identify(llama), site=site)
    tokens = llama.to_tokens(["the dog was calm", "rain on the river"])
    _, cache = llama.run_with_cache(tokens)
    for batch in (0, 1):
        values = x.activations(cache, batch=batch)
        assert values.shape == (tokens.shape[1], 1, 3)
        for column, (layer, neuron) in enumerate([(2, 5), (0, 7), (1, 0)]):
            assert torch.equal(values[:, 0, column], cache[f"blocks.{layer}.mlp.{hook}"][batch, :, neuron])
    assert torch.equal(x.activations(cache), x.activations(cache, batch=0))


def test_activations_of_nothing_or_of_a_lacking_layer_are_refused(llama):
    x = made({"a": [(1, 0)]}, model=identify(llama))
    _, cache = llama.run_with_cache(llama.to_tokens("rain"), names_filter="blocks.0.mlp.hook_post")
    with pytest.raises(ScreenError, match=r"does not hold 'blocks\.1\.mlp\.hook_post'"):
        x.activations(cache)
    with pytest.raises(ScreenError, match="empty"):
        x.head(0).activations(cache)
