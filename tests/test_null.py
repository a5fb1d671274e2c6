"""What is found where there is nothing: shuffled labels on texts whose tokens are alike.

Activations are made here, so that it is known that no label matters: a text moves each neuron as a whole, and its
tokens differ little from each other.
"""

import numpy as np
import pytest
from oracles import stats_by_hand
from scipy.stats import binom, t

from emorhet_lens.scorers import SCORERS
from emorhet_lens.screening.presets import preset
from emorhet_lens.screening.screen import screen
from emorhet_lens.screening.selection import ScreenOptions, select
from emorhet_lens.screening.stability import measure_stability
from emorhet_lens.texts.concepts import ConceptGroup

ABC = ConceptGroup("letters", ("a", "b", "c"), "rest")
TOKENS = 10


def labels_without_meaning(seed, per_label=40):
    return np.random.default_rng([seed, 1]).permutation(np.repeat(ABC.labels, per_label)).tolist()


def correlated_texts(seed, n_texts=160, neurons=4000, *, level=0.0, spread=0.0):
    """Per neuron a level, per text and neuron a shift, per token a smaller one."""
    generator = np.random.default_rng([seed, 0])
    levels = generator.normal(level, spread, size=neurons)
    return [
        levels + generator.normal(size=neurons) + 0.7 * generator.normal(size=(TOKENS, neurons)) for _ in range(n_texts)
    ]


def token_z(stats, concept):
    """The z of two proportions, as if every token were drawn by itself."""
    fired, tokens = stats.summed("firings")[:, 0].double(), stats.summed("tokens").double()
    (f1, n1), (f0, n0) = (fired[concept], tokens[concept]), (fired[-1], tokens[-1])
    together = (f1 + f0) / (n1 + n0)
    return (f1 / n1 - f0 / n0) / (together * (1 - together) * (1 / n1 + 1 / n0)).sqrt()


@pytest.fixture(scope="module")
def dense():
    return stats_by_hand(correlated_texts(0), labels_without_meaning(0), group=ABC)


@pytest.mark.parametrize("name", ["rate_z", "mean_z"])
@pytest.mark.parametrize("concept", range(3))
def test_text_level_z_has_nominal_tails(dense, name, concept):
    z = SCORERS[name].compute(dense, "rest")[concept, 0]
    # Forty texts a class: t with 78 degrees of freedom; neurons are independent of each other.
    nominal = 2 * t.sf(1.96, 78)
    low, high = binom.interval(0.9999, z.numel(), nominal)
    assert low <= int((z.abs() > 1.96).sum()) <= high


@pytest.mark.parametrize("concept", range(3))
def test_token_level_z_does_not(dense, concept):
    share = float((token_z(dense, concept).abs() > 1.96).double().mean())
    assert share > 0.3
    assert share > 5 * float((SCORERS["rate_z"].compute(dense, "rest")[concept].abs() > 1.96).double().mean())


@pytest.fixture(scope="module")
def sparse():
    """Twenty corpora of neurons that fire from never to always."""
    return [
        stats_by_hand(
            correlated_texts(seed, n_texts=80, neurons=400, level=-2.5, spread=2),
            labels_without_meaning(seed, per_label=20),
            group=ABC,
        )
        for seed in range(20)
    ]


@pytest.mark.parametrize(("options", "least"), [(preset("lee2025"), 0.4), (ScreenOptions(top=0.05), 0.0)])
def test_excess_stability_covers_zero_where_raw_agreement_does_not(sparse, options, least):
    found = [measure_stability(stats, options, shuffles=10, seed=seed) for seed, stats in enumerate(sparse)]
    raw = np.mean([one.jaccard for one in found])
    assert raw > least
    assert raw == pytest.approx(np.mean([one.null_mean for one in found]), abs=0.06)
    covered = sum(one.low <= 0 <= one.high for one in found)
    assert covered >= 17


def test_entropy_takes_neurons_of_hardly_any_text_and_the_default_never_does(sparse):
    for stats in sparse[:5]:
        fired = stats.summed("texts_fired")[:-1]
        naive = select(stats, preset("lee2025"))
        texts = fired[:, naive.layer, naive.neuron].sum(0)
        # Two or three texts that happen to be of one class are the best that it has beside those.
        assert len(texts) == 4 and (texts <= 3).all() and (texts <= 1).any()
        for options in (preset("default"), ScreenOptions(top=1.0)):
            chosen = select(stats, options)
            assert len(chosen.concept) >= 3
            assert (fired[chosen.concept, chosen.layer, chosen.neuron] >= 2).all()


def test_a_screen_of_nothing_says_so(sparse):
    found = [screen(stats, shuffles=10, seed=seed, top=0.05) for seed, stats in enumerate(sparse[:4])]
    doubtful = ["the selection is no more stable than one from shuffled labels" in one.warnings for one in found]
    assert sum(doubtful) >= 3
