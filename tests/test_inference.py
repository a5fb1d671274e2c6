"""Tests and intervals against numbers worked out by hand, and against scipy and statsmodels on their own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emorhet_lens.causal.inference import bootstrap_interval, excess_over_random, holm, paired_p
from emorhet_lens.errors import EffectsError

CHANGES = torch.tensor([0.5, -1.0, 0.25, 2.0, -0.75, 1.5, 0.0, 0.125], dtype=torch.float64)
NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3))


def test_excess_by_hand():
    # Mean 2, squares of deviations 1 + 0 + 1, sd 1, so SE = sqrt(1 + 1/3) = 2 / sqrt(3).
    found = excess_over_random(-2.0, [1.0, 2.0, 3.0])
    assert (found.own, found.random_mean, found.random_sd, found.excess, found.df) == (-2.0, 2.0, 1.0, -4.0, 2)
    assert found.se == pytest.approx(2 / math.sqrt(3))
    # With two degrees of freedom P(|T| > t) = 1 - t / sqrt(2 + t^2), and t^2 = 12.
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14))
    # P(|T| > t) = 0.05 at t = 0.95 * sqrt(2 / (1 - 0.95^2)).
    reach = 0.95 * math.sqrt(2 / (1 - 0.95**2)) * 2 / math.sqrt(3)
    assert found.interval() == pytest.approx((-4 - reach, -4 + reach))


def test_the_test_is_student_s_with_one_set_in_the_second_sample():
    random = [0.3, -0.2, 0.05, 0.4, -0.1, 0.0, 0.22, -0.35]
    pooled = stats.ttest_ind([1.1], random)
    found = excess_over_random(1.1, random)
    assert found.p == pytest.approx(pooled.pvalue, rel=1e-12)
    assert found.df == pooled.df


@settings(deadline=None)
@given(
    own=NUMBERS, random=st.lists(NUMBERS, min_size=2, max_size=12), shift=NUMBERS, scale=st.sampled_from([-2, 0.5, 4])
)
def test_excess_laws(own, random, shift, scale):
    found = excess_over_random(own, random)
    if len(set(random)) == 1:
        assert math.isnan(found.p) and found.se == 0
        return
    moved = excess_over_random(scale * own + shift, [scale * x + shift for x in random])
    assert moved.excess == pytest.approx(scale * found.excess, rel=1e-6, abs=1e-6)
    if found.random_sd > 1e-2:
        assert moved.p == pytest.approx(found.p, rel=1e-4, abs=1e-9)
    low, high = found.interval()
    assert (low > 0 or high < 0) == (found.p < 0.05)


@pytest.mark.parametrize("random", [[0.1] * 7, [-1 / 30] * 6, [0.0, 0.0], [0.7] * 3])
def test_random_sets_that_do_not_vary_test_nothing(random):
    found = excess_over_random(5.0, random)
    assert math.isnan(found.p)
    assert (found.random_sd, found.se) == (0, 0)
    assert found.excess == pytest.approx(5.0 - random[0])
    assert all(math.isnan(end) for end in found.interval())


def test_numbers_that_are_missing_make_no_p():
    assert math.isnan(excess_over_random(math.nan, [1.0, 2.0]).p)
    assert math.isnan(excess_over_random(1.0, [1.0, math.nan, 2.0]).p)


@pytest.mark.parametrize("random", [[], [1.0]])
def test_fewer_than_two_random_sets_are_refused(random):
    with pytest.raises(EffectsError, match="draw at least 2"):
        excess_over_random(1.0, random)


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 by 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and then never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_a_test_that_could_not_be_made_counts_in_the_family():
    found = holm([0.01, math.nan, 0.02])
    assert found[0] == pytest.approx(0.03)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.04)
    assert all(math.isnan(p) for p in holm([math.nan, math.nan]))


@settings(max_examples=30, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=8), order=st.randoms())
def test_holm_laws(p, order):
    found = holm(p)
    assert all(raw <= corrected <= 1 for raw, corrected in zip(p, found, strict=True))
    assert min(found) == pytest.approx(min(1, len(p) * min(p)))
    places = list(range(len(p)))
    order.shuffle(places)
    assert holm([p[i] for i in places]) == [found[i] for i in places]


def test_paired_p():
    mean, sd = float(CHANGES.mean()), float(CHANGES.std())
    t = mean / (sd / math.sqrt(len(CHANGES)))
    assert paired_p(CHANGES) == pytest.approx(2 * stats.t.sf(abs(t), 7))
    assert paired_p(CHANGES) == pytest.approx(stats.ttest_rel(CHANGES.numpy() + 3, np.full(8, 3.0)).pvalue)
    assert math.isnan(paired_p(CHANGES[:1]))
    assert math.isnan(paired_p(torch.zeros(5)))
    assert math.isnan(paired_p(torch.tensor([1.0, torch.nan, 2.0])))


def test_bootstrap_is_the_percentile_interval_of_resampled_means():
    low, high = bootstrap_interval(CHANGES, seed=3)
    # Percentiles of the exact distribution of the mean of eight draws, from many more draws.
    draws = np.random.default_rng(0).choice(CHANGES.numpy(), size=(200_000, 8)).mean(1)
    assert (low, high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.06)
    assert low < float(CHANGES.mean()) < high
    narrow = bootstrap_interval(CHANGES, seed=3, level=0.5)
    assert narrow == pytest.approx(np.percentile(draws, [25, 75]), abs=0.04)


def test_bootstrap_depends_on_the_seed_alone():
    state = np.random.get_state()[1].copy()
    assert bootstrap_interval(CHANGES, seed=1) == bootstrap_interval(CHANGES, seed=1)
    assert bootstrap_interval(CHANGES, seed=1) != bootstrap_interval(CHANGES, seed=2)
    assert (np.random.get_state()[1] == state).all()


def test_bootstrap_of_too_little():
    assert all(math.isnan(end) for end in bootstrap_interval(CHANGES[:1], seed=0))
    assert all(math.isnan(end) for end in bootstrap_interval(torch.full((4,), torch.nan), seed=0))
    assert bootstrap_interval(torch.full((4,), -0.5), seed=0) == (-0.5, -0.5)


def test_bootstrap_covers():
    generator = np.random.default_rng(7)
    samples = torch.from_numpy(generator.normal(1.0, 2.0, size=(200, 40)))
    covered = sum(low <= 1.0 <= high for low, high in (bootstrap_interval(s, seed=i) for i, s in enumerate(samples)))
    # Nominally 190 of 200; percentile intervals of 40 texts are a little narrow.
    assert 176 <= covered <= 198
