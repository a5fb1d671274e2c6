"""Which neurons a cell of a sweep holds, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import stats_by_hand

from emorhet_lens.errors import EffectsError, ScreenError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import screen
from emorhet_lens.sweeps.cells import fill_cell, rank, sizes
from emorhet_lens.sweeps.layer_ranges import NAMES, LayerRange, layer_ranges

WHOLE, FIRST = LayerRange("all", 0, 2), LayerRange("0-0", 0, 0)


@pytest.fixture
def ranked() -> Neurons:
    """Three layers of eight neurons; `a` has two candidates in the first layer, `b` one."""
    generator = torch.Generator().manual_seed(0)
    rate, size = (torch.rand(3, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    model = ModelIdentity("by hand", "Hand", "0", False, "float64", 3, 8, (1.0,) * 12)
    sets = {"a": ((0, 1), (2, 0), (0, 3), (1, 2)), "b": ((0, 5), (1, 1))}
    scores = {"a": (3.0, 2.0, 2.0, 1.0), "b": (1.0, 0.5)}
    nothing = torch.zeros(3, 8, dtype=torch.bool)
    return Neurons(sets, scores, model, background=Background(rate, size, nothing))


def cell_of(ranked: Neurons, layers: LayerRange, needed: int, **changes):
    given = {"concepts": ("a", "b"), "n_random": 2, "seed": 0}
    return fill_cell(ranked, 0.1, layers, needed, **{**given, **changes})


def test_numbers_of_neurons_by_hand() -> None:
    ranges = layer_ranges(NAMES, 4)
    # One, two, one and four layers of ten neurons.
    expected = {0.1: (1, 2, 1, 4), 0.25: (3, 5, 3, 10), 1: (10, 20, 10, 40)}
    found = sizes((0.1, 0.25, 1), ranges, 10, equal=False)
    assert found == {(ratio, name): n for ratio, row in expected.items() for name, n in zip(NAMES, row, strict=True)}
    alike = sizes((0.1, 0.25, 1), ranges, 10, equal=True)
    assert alike == {(ratio, name): min(row) for ratio, row in expected.items() for name in NAMES}
    # 0.07 * 100 is a little more than 7 in floating point.
    assert sizes((0.07,), ranges[:1], 100, equal=False) == {(0.07, "bottom"): 7}


@pytest.mark.parametrize("ratios", [(), (0,), (-0.1,), (1.01,), (float("nan"),), (0.1, 0.1)])
def test_other_ratios_are_refused(ratios) -> None:
    with pytest.raises(EffectsError, match="ratios are shares above 0 and at most 1, each once"):
        sizes(ratios, layer_ranges(NAMES, 4), 10, equal=False)


def test_the_best_of_a_range_in_order_of_rank(ranked: Neurons) -> None:
    cell = cell_of(ranked, FIRST, 1)
    assert cell.neurons.sets == {"a": ((0, 1),), "b": ((0, 5),)}
    assert cell.neurons.scores == {"a": (3.0,), "b": (1.0,)}
    assert cell.candidates == {"a": 2, "b": 1}
    assert (cell.reasons, cell.ties) == ({}, {"a": 0, "b": 0})
    whole = cell_of(ranked, WHOLE, 2)
    assert whole.neurons.sets == {"a": ((0, 1), (2, 0)), "b": ((0, 5), (1, 1))}
    # The second and third of a have one score.
    assert whole.ties == {"a": 1, "b": 0}
    assert set(whole.matched.balance["concept"]) == {"a", "b"}


def test_random_sets_keep_layers_and_avoid_every_concept(ranked: Neurons) -> None:
    cell = cell_of(ranked, WHOLE, 2)
    taken = {place for own in cell.neurons.sets.values() for place in own}
    assert len(cell.matched.sets) == 2
    for drawn in cell.matched.sets:
        for concept, own in drawn.sets.items():
            assert [layer for layer, _ in own] == [layer for layer, _ in cell.neurons.sets[concept]]
            assert not set(own) & taken
    both = {place for drawn in cell.matched.sets for place in drawn.sets["a"]}
    assert len(both) == 4


def test_asking_about_fewer_concepts_changes_no_random_set(ranked: Neurons) -> None:
    both, alone = cell_of(ranked, WHOLE, 2), cell_of(ranked, WHOLE, 2, concepts=("a",))
    assert alone.neurons.concepts == ("a",)
    assert [drawn.sets["a"] for drawn in alone.matched.sets] == [drawn.sets["a"] for drawn in both.matched.sets]


def test_a_concept_that_cannot_be_measured_has_a_reason(ranked: Neurons) -> None:
    cell = cell_of(ranked, FIRST, 2)
    assert cell.neurons.concepts == ("a",)
    assert list(cell.reasons) == ["b"]
    assert cell.reasons["b"].startswith("1 candidates in layers 0-0, 2 needed; lower the ratio")
    # Eight neurons, three of them candidates of this cell, are too few for four pairs.
    crowded = cell_of(ranked, FIRST, 2, n_random=4)
    assert crowded.neurons.concepts == ()
    assert crowded.reasons["a"].startswith("no matched random sets: layer 0 has too few neurons left")


def test_all_layers_at_the_share_of_the_screening_are_the_screening() -> None:
    generator = np.random.default_rng(0)
    labels = ["glad", "sad", "plain"] * 12
    texts = [generator.normal(size=(4, 3, 20)) + 0.1 * labels.index(label) for label in labels]
    found = screen(stats_by_hand(texts, labels), top=0.1, shuffles=0)
    for source, preset in ((found, "default"), (screen(found.stats, preset="lape", shuffles=0), "lape")):
        ranked = rank(source)
        assert len(ranked) > len(source.neurons) > 0, preset
        for concept, own in source.neurons.sets.items():
            # A screening with one cut for all concepts gives each of them the head of its ranking.
            assert ranked.sets[concept][: len(own)] == own, preset
            assert ranked.scores[concept][: len(own)] == source.neurons.scores[concept]
    needed = sizes((0.1,), layer_ranges(["all"], 3), 20, equal=False)[0.1, "all"]
    cell = fill_cell(rank(found), 0.1, WHOLE, needed, concepts=("glad", "sad"), n_random=2, seed=0)
    assert cell.neurons.sets == found.neurons.sets


def test_sets_are_ranked_as_they_are_but_need_statistics(ranked: Neurons) -> None:
    assert rank(ranked) is ranked
    with pytest.raises(ScreenError, match="carry no statistics"):
        rank(replace(ranked, background=None))
