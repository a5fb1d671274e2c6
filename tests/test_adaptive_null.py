"""Random sets passed off as concept sets, with the feedback loop inside: a short version of `make null`'s.

Bounds are such that tests of nominal size fail with a probability below 1 in 1000. Seeds are 0, 1, 2, ...
"""

import pandas as pd
import pytest
from answering import adaptive_null_family
from scipy.stats import binom

N, R, LEVEL = 3, 4, 0.05


@pytest.fixture(scope="module")
def families():
    return [adaptive_null_family(seed, d_mlp=512, size=24, per_label=12, n_random=R) for seed in range(N)]


def test_the_loop_matched_test_holds_its_size(families):
    tests = pd.concat([family.effects.primary().assign(seed=seed) for seed, (family, _) in enumerate(families)])
    assert len(tests) == 2 * 3 * N and (tests["df"] == R - 1).all()
    rejected = tests.groupby(["mask", "seed"])["p_holm"].min().lt(LEVEL).groupby("mask").sum()
    assert set(rejected.index) == {"adaptive", "same_dose"}
    assert (rejected <= binom.ppf(0.999, N, LEVEL)).all()


def test_the_loop_alone_finds_a_dose_for_random_sets_as_for_claims(families):
    table = pd.concat([tunings.conclusions() for _, tunings in families])
    assert table["random_sets"].sum() == 3 * N * R
    assert table["random_reached"].sum() > 0
    # Claims are random sets, too: of R + 1 exchangeable sets each is as likely to be the one that is reached.
    reached = (table["outcome"] == "reached").sum()
    share = (table["random_reached"].sum() + reached) / (3 * N * (R + 1))
    low, high = binom.interval(0.999, 3 * N, share)
    assert low <= reached <= high
