"""Profiles and layers of two sets of neurons, by hand, by simulation, and on a model with known neurons."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest, spearmanr, wasserstein_distance
from tiny import Planted, planted_corpus, planted_model
from two_groups import screened, two_groups

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.sums import Cell
from emorhet_lens.association.label_shuffles import shuffled_labels
from emorhet_lens.association.layer_distance import layer_distance
from emorhet_lens.association.profiles import correlate_profiles, profile, spearman
from emorhet_lens.errors import ScreenError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus


def test_profiles_of_the_same_words_go_together_beyond_shuffled_labels() -> None:
    words = ("anger", "fear", "happiness", "sadness", "surprise")
    dense = planted_model(words, d_mlp=60, per_layer=10, seed=2)
    first, second = (planted_corpus(dense, seed=k, sources=(f"s{k}",)) for k in (0, 1))
    names = dict(zip((*words, "neutral"), "abcdef", strict=True))
    other = tuple(replace(e, label=names[e.label]) for e in second)
    letters = Corpus("letters", ConceptGroup("letters", tuple("abcde"), "f"), other)
    mine = screened(dense, first)
    found = correlate_profiles(mine, screened(dense, letters), shuffles=16)
    halves = [profile(mine.stats.half(part), mine.options) for part in (0, 1)]
    for word in words:
        alike = found[word, names[word]]
        rivals = [one.rho for pair, one in found.items() if (pair[0] == word) != (pair[1] == names[word])]
        assert len(rivals) == 8 and alike.rho > 0.5 > max(rivals)
        assert alike.first is not None and alike.second is not None
        assert alike.first.own == np.arctanh(alike.rho) and alike.first.excess > 0.5
        assert alike.p == max(alike.first.p, alike.second.p) < 0.1
        row = words.index(word)
        expected = spearmanr(halves[0][row].flatten().numpy(), halves[1][row].flatten().numpy()).statistic
        assert alike.reliability[0] == pytest.approx(expected)


def test_spearman_is_that_of_scipy_and_nan_stays_nan() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 3, 7, generator=generator, dtype=torch.float64).round(decimals=1) for _ in "ab")
    first[1, 0, 0] = torch.nan
    rho = spearman(first, second)
    for column in range(2):
        expected = spearmanr(first[0].flatten().numpy(), second[column].flatten().numpy()).statistic
        assert float(rho[0, column]) == pytest.approx(expected)
    assert bool(rho[1].isnan().all())


def test_shuffles_need_enough_null_cells(planted: Planted) -> None:
    stats = collect_stats(planted.model, two_groups(planted)[0], progress=False)
    assert len(list(shuffled_labels(stats, 3))) == 3
    few = replace(stats, null_cells=(*stats.null_cells[:-1], Cell("elsewhere", None, 0)))
    with pytest.raises(ScreenError, match="cannot be shuffled"):
        list(shuffled_labels(few, 1))


def test_layer_distance_by_hand() -> None:
    first, second = [(0, 1), (0, 2), (1, 3)], [(2, 1), (3, 2)]
    found = layer_distance(first, second, draws=500)
    assert found.distance == wasserstein_distance([0, 0, 1], [2, 3]) == pytest.approx(2.5 - 1 / 3)
    # Of the ten ways to deal five layers only this one and none other is as far apart.
    assert found.p == pytest.approx(1 / 10, abs=0.05)
    assert found.expected < found.distance
    assert np.isnan(layer_distance([], second).p)
    assert found == layer_distance(first, second, draws=500)


def test_layers_dealt_alike_give_uniform_p() -> None:
    generator = np.random.default_rng(0)
    p = []
    for seed in range(150):
        layers = [[(int(layer), 0) for layer in generator.binomial(29, 0.8, size=40)] for _ in "ab"]
        p.append(layer_distance(layers[0], layers[1], draws=200, seed=seed).p)
    assert kstest(p, "uniform").pvalue > 1e-3
