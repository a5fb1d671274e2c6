"""Doses: the ladder, the core of a set, and what is refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import planted_corpus
from tiny_masks import neurons_at, require_same_mask

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError
from emorhet_lens.scorers import difference
from emorhet_lens.tuning.doses import Dose, by_difference, dose_at, dosed_mask, ladder

PLACES = ((1, 3), (0, 5), (0, 2), (1, 0), (0, 30))


@pytest.fixture(scope="module")
def stats(planted):
    return collect_stats(planted.model, planted_corpus(planted), progress=False)


def test_the_ladder_by_hand():
    assert ladder(2) == (Dose(0.5, 0.1), Dose(1.0, 1.0))
    assert [dose.alpha for dose in ladder(4)] == [0.25, 0.5, 0.75, 1.0]
    assert [dose.tau for dose in ladder(4)] == pytest.approx([0.1, 0.4, 0.7, 1.0])
    assert ladder(1) == (Dose(1.0, 1.0),)
    assert len(ladder()) == 6


@given(st.integers(1, 12), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_share_is_a_higher_dose(steps, a, b):
    low, high = dose_at(min(a, b), steps), dose_at(max(a, b), steps)
    assert low.alpha <= high.alpha and low.tau <= high.tau
    assert [dose_at((k + 1) / steps, steps) for k in range(steps)] == list(ladder(steps))


def test_the_core_is_the_top_of_d(planted, stats):
    neurons = neurons_at(planted.model, *PLACES)
    d = difference(stats, "others")[planted.group.concepts.index("fear")]
    order = sorted(PLACES, key=lambda place: -float(d[place]))
    ranked = by_difference(neurons, stats, concept="fear")
    assert ranked.sets == {"fear": tuple(order)}
    for tau, kept in ((0.01, 1), (0.2, 1), (0.21, 2), (0.6, 3), (0.9, 5), (1, 5)):
        mask = dosed_mask(neurons, stats, Dose(0.5, tau), concept="fear")
        require_same_mask(mask, mask_kinds.attenuate(neurons_at(planted.model, *order[:kept]), stats, 0.5))
    by_mean = dosed_mask(neurons, stats, Dose(0.5, 1), concept="fear", reference="mean")
    require_same_mask(by_mean, mask_kinds.attenuate(neurons, stats, 0.5, "mean"))


def test_whole_numbers_of_neurons_are_not_rounded_up(planted, stats):
    # 0.28 * 25 is 7.000000000000001.
    neurons = neurons_at(planted.model, *((0, k) for k in range(25)))
    assert len(dosed_mask(neurons, stats, Dose(1, 0.28), concept="fear")) == 7


def test_the_order_of_the_set_does_not_matter(planted, stats):
    # No text has fired neurons of equal D apart: by layer and neuron then.
    flat = replace(stats, sums=replace(stats.sums, positive_total=torch.ones_like(stats.sums.positive_total)))
    for known in (stats, flat):
        a = by_difference(neurons_at(planted.model, *PLACES), known, concept="anger")
        b = by_difference(neurons_at(planted.model, *PLACES[::-1]), known, concept="anger")
        assert a.sets == b.sets


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dose": Dose(0, 1)}, "does nothing"),
        ({"dose": Dose(1, 0)}, "does nothing"),
        ({"places": ()}, "empty"),
        ({"difference": "oracle"}, "difference='oracle'"),
        ({"difference": "entropy"}, "difference='entropy'"),
        ({"concept": "joy"}, "no concept 'joy'"),
    ],
)
def test_refusals(planted, stats, changes, message):
    neurons = neurons_at(planted.model, *changes.pop("places", PLACES))
    dose = changes.pop("dose", Dose(1, 1))
    with pytest.raises(MaskError, match=message):
        dosed_mask(neurons, stats, dose, **{"concept": "fear", **changes})


def test_doses_out_of_range():
    for alpha, tau in ((-0.1, 1), (1, 1.1), (float("nan"), 1)):
        with pytest.raises(MaskError, match="between 0 and 1"):
            Dose(alpha, tau)
    with pytest.raises(MaskError, match="at least 1"):
        ladder(0)
