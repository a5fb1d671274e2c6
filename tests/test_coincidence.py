"""What two sets share, against draws that are like them: by hand, by simulation, and with a planted agreement."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, hypergeom

from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.coincidence import NEAREST, coincide, draw_alike
from emorhet_lens.screening.matching import Background

LAYERS, WIDTH = 3, 400


def background(layers: int = LAYERS, width: int = WIDTH, seed: int = 0) -> Background:
    generator = torch.Generator().manual_seed(seed)
    rate = torch.randn(layers, width, generator=generator, dtype=torch.float64).sigmoid()
    size = torch.randn(layers, width, generator=generator, dtype=torch.float64).exp()
    return Background(rate, size, torch.zeros(layers, width, dtype=torch.bool))


KNOWN = background()


def favoured(generator: np.random.Generator, n: int = 40) -> list[tuple[int, int]]:
    """A set that favours often-firing neurons of the last layer, as selections do, and nothing else."""
    weight = KNOWN.firing_rate.numpy() ** 4 * np.array([[1.0], [2.0], [8.0]])
    flat = generator.choice(weight.size, size=n, replace=False, p=(weight / weight.sum()).ravel())
    return [(int(place) // WIDTH, int(place) % WIDTH) for place in flat]


def test_counts_by_hand() -> None:
    first, second = [(0, 1), (0, 2), (1, 3)], [(0, 2), (1, 3), (2, 4), (2, 5)]
    found = coincide(first, second, (KNOWN, KNOWN), draws=50)
    assert (found.n_first, found.n_second, found.shared) == (3, 4, 2)
    assert found.jaccard == 2 / 5


def test_expectation_is_the_share_of_candidates_in_the_other_set() -> None:
    # One layer of 20 equal neurons: every neuron is a candidate for every other.
    same = Background(torch.full((1, 20), 0.5), torch.ones(1, 20), torch.zeros(1, 20, dtype=torch.bool))
    drawn = draw_alike([(0, 3)], same, draws=4000, seed=1)
    assert torch.bincount(drawn.flatten(), minlength=20).min() > 130
    found = coincide([(0, 3)], [(0, n) for n in range(5)], (same, same), draws=4000)
    # One neuron hits the five with 5/20; five draws hit the one, counted once, with 1 - (19/20)^5.
    assert found.expected == pytest.approx(5 / 20, abs=0.03)
    assert found.p == pytest.approx(1 / 4, abs=0.03)
    assert 1 - (19 / 20) ** 5 < 5 / 20


def test_draws_keep_layers_and_stay_within_the_caliper() -> None:
    own = [(0, 5), (2, 17), (2, 18)]
    drawn = draw_alike(own, KNOWN, draws=200, seed=0, caliper=0.4)
    places = KNOWN.standardized()
    for column, (layer, neuron) in enumerate(own):
        apart = (places[:, layer] - places[:, layer, neuron, None]).norm(dim=0)
        allowed = (apart <= 0.4).nonzero().flatten() if (apart <= 0.4).sum() >= NEAREST else apart.argsort()[:NEAREST]
        assert set(drawn[:, column].tolist()) <= set(allowed.tolist())


def test_sets_that_favour_the_same_layers_and_rates_are_no_coincidence_but_a_hypergeometric_test_says_so() -> None:
    families, matched, naive = 80, 0, 0
    for seed in range(families):
        generator = np.random.default_rng([seed, 99])
        first, second = favoured(generator), favoured(generator)
        found = coincide(first, second, (KNOWN, KNOWN), draws=100, seed=seed)
        matched += found.p <= 0.05
        naive += hypergeom.sf(found.shared - 1, LAYERS * WIDTH, len(first), len(second)) <= 0.05
    assert matched <= binom.ppf(0.99, families, 0.05)
    assert naive > 0.3 * families


def test_an_agreement_beyond_likeness_is_found() -> None:
    generator = np.random.default_rng(4)
    common, first, second = favoured(generator, 20), favoured(generator, 20), favoured(generator, 20)
    found = coincide([*common, *first], [*common, *second], (KNOWN, KNOWN), draws=1000)
    assert found.p == 1 / 1001
    assert found.shared > found.expected + 4 * found.sd


def test_the_two_sets_are_treated_alike() -> None:
    generator = np.random.default_rng(5)
    first, second = favoured(generator), favoured(generator)
    one, other = (coincide(*pair, (KNOWN, KNOWN), draws=3000) for pair in ((first, second), (second, first)))
    assert (one.n_first, one.n_second, one.shared) == (other.n_second, other.n_first, other.shared)
    assert one.p == pytest.approx(other.p, abs=0.05)


def test_draws_are_seeded_and_leave_the_global_generators_alone() -> None:
    before = torch.get_rng_state()
    first = draw_alike([(0, 1), (1, 2)], KNOWN, draws=30, seed=2)
    assert torch.equal(first, draw_alike([(0, 1), (1, 2)], KNOWN, draws=30, seed=2))
    assert not torch.equal(first, draw_alike([(0, 1), (1, 2)], KNOWN, draws=30, seed=3))
    assert torch.equal(before, torch.get_rng_state())


def test_empty_sets_and_bad_input() -> None:
    found = coincide([], [(0, 1)], (KNOWN, KNOWN), draws=5)
    assert (found.shared, found.p) == (0, 1.0)
    assert np.isnan(coincide([], [], (KNOWN, KNOWN), draws=5).jaccard)
    with pytest.raises(ScreenError, match="draws=0"):
        coincide([(0, 1)], [(0, 1)], (KNOWN, KNOWN), draws=0)
    with pytest.raises(ScreenError, match="use one model"):
        coincide([(0, 1)], [(0, 1)], (KNOWN, background(2)), draws=5)
