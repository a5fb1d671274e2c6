"""What the tests of effects find where there is nothing and where there is, a short version of `make null`.

Bounds are such that tests of nominal size fail with a probability below 1 in 1000. Seeds are 0, 1, 2, ...
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from answering import Family, null_family, planted_family
from scipy.stats import binom, kstest

from emorhet_lens.causal.changes import Change
from emorhet_lens.causal.inference import paired_p

N_NULL, N_PLANTED, LEVEL = 10, 3, 0.05


@dataclass(frozen=True)
class Null:
    """What all null families gave: a row a test, and the changes under random sets."""

    tests: pd.DataFrame
    random: list[list[Change]]


@pytest.fixture(scope="module")
def null() -> Null:
    # Half as wide as in the slow version, with half as many neurons a set.
    found = [null_family(seed, d_mlp=1024, size=46).effects for seed in range(N_NULL)]
    tests = [effects.primary().assign(seed=seed) for seed, effects in enumerate(found)]
    random = [[effects.change("zero", c, c, k) for k in range(8)] for effects in found for c in effects.concepts]
    return Null(pd.concat(tests, ignore_index=True), random)


@pytest.fixture(scope="module")
def planted() -> list[Family]:
    return [planted_family(seed) for seed in range(N_PLANTED)]


def test_matched_random_sets_are_seldom_found_to_matter(null):
    rejected = int((null.tests.groupby("seed")["p_holm"].min() < LEVEL).sum())
    assert rejected <= binom.ppf(0.999, N_NULL, LEVEL)


def test_their_p_values_are_uniform(null):
    assert len(null.tests) == 3 * N_NULL
    assert kstest(null.tests["p"], "uniform").pvalue > 1e-3


def test_their_place_among_random_sets_is_any(null):
    # Needs exchangeability alone: a set is the lowest or the highest of nine with probability 2/9.
    outer = 0
    for own, changes in zip(null.tests["own"], null.random, strict=True):
        random = [float(change.margin.mean()) for change in changes]
        outer += own < min(random) or own > max(random)
    low, high = binom.interval(0.999, 3 * N_NULL, 2 / 9)
    assert low <= outer <= high


def test_a_paired_test_finds_most_random_sets_to_matter(null):
    p = np.array([paired_p(change.margin) for changes in null.random for change in changes])
    assert len(p) == 3 * 8 * N_NULL
    assert (p < LEVEL).mean() > 0.5


def test_planted_neurons_are_found(planted):
    found = [
        row.p_holm < LEVEL and row.excess < 0
        for family in planted
        for row in family.effects.primary().itertuples()
        if row.concept in family.planted
    ]
    assert len(found) == 2 * N_PLANTED
    assert np.mean(found) >= 0.8


def test_random_sets_claimed_beside_planted_ones_are_not(planted):
    p = [
        row.p_holm
        for family in planted
        for row in family.effects.primary().itertuples()
        if row.concept not in family.planted
    ]
    assert sum(value < LEVEL for value in p) <= binom.ppf(0.999, len(p), LEVEL)


def test_planted_neurons_matter_for_their_own_concept_only(planted):
    for family in planted:
        matrix = family.effects.matrix("zero")
        for concept in family.planted:
            others = matrix.loc[concept].drop(concept)
            assert matrix.loc[concept, concept] < others.min() - 0.5
