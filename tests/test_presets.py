"""Presets against the published formulas in loops, and against a model whose neurons are known."""

import numpy as np
import pytest
from oracles import firing_probabilities, lape_selection, lee_selection, stats_by_hand
from sklearn.metrics import average_precision_score
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import ScreenError
from emorhet_lens.passes.prompts import as_prompt
from emorhet_lens.scorers import SCORERS
from emorhet_lens.screening.presets import LEE2025_PROMPT, PRESETS, preset
from emorhet_lens.screening.screen import screen
from emorhet_lens.screening.selection import select
from emorhet_lens.texts.concepts import ConceptGroup

ABC = ConceptGroup("letters", ("a", "b", "c"), "rest")


def random_case(seed):
    """Neurons of all firing rates, a tenth of them silent; classes of different size."""
    generator = np.random.default_rng(seed)
    labels = ["a"] * 9 + ["b"] * 12 + ["c"] * 10 + ["rest"] * 9
    threshold = generator.normal(1.5, 1, size=(2, 150))
    threshold[:, ::10] = 9
    shift = {label: generator.normal(scale=0.5, size=(2, 150)) for label in ABC.labels}
    texts = [shift[label] - threshold + generator.normal(size=(generator.integers(3, 9), 2, 150)) for label in labels]
    return texts, labels


def picks(selection):
    return list(zip(selection.concept.tolist(), selection.layer.tolist(), selection.neuron.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_entropy_presets_are_the_published_selection(seed):
    texts, labels = random_case(seed)
    stats, rates = stats_by_hand(texts, labels, group=ABC), firing_probabilities(texts, labels, ABC)
    expected = lee_selection(rates)
    assert len(expected) == 3
    for name in ("lee2025", "zheng2026"):
        assert picks(select(stats, preset(name))) == expected
    # Ties of silent neurons fill the places of the published share; a larger one gets past them.
    assert picks(screen(stats, preset="lee2025", top=0.4, shuffles=0).selection) == lee_selection(rates, 0.4)


@pytest.mark.parametrize("seed", range(4))
def test_lape_is_the_published_selection(seed):
    texts, labels = random_case(seed)
    stats, rates = stats_by_hand(texts, labels, group=ABC), firing_probabilities(texts, labels, ABC)
    assert len(lape_selection(rates)) >= 3
    assert picks(select(stats, preset("lape"))) == lape_selection(rates)
    wide = screen(stats, preset="lape", top=0.1, bar=0.8, floor=0.8, shuffles=0)
    assert picks(wide.selection) == lape_selection(rates, 0.1, 0.8)
    # Some neurons go to several concepts, which is what the threshold is for.
    assert len(wide.neurons.coordinates()) < len(wide.neurons)


@pytest.mark.parametrize("seed", range(2))
def test_silent_neurons_win_the_published_ranking_and_warn(seed):
    texts, labels = random_case(seed)
    found = screen(stats_by_hand(texts, labels, group=ABC), preset="lee2025", shuffles=0)
    rates = firing_probabilities(texts, labels, ABC)
    silent = [place for place in picks(found.selection) if not rates[:, place[1], place[2]].any()]
    assert silent and (found.selection.score == 0).all()
    assert any(warning.startswith(f"{len(silent)} of 3 selected neurons never fire") for warning in found.warnings)


def test_unknown_preset():
    with pytest.raises(ScreenError, match="unknown preset 'lee'; there are lee2025, zheng2026, lape, default"):
        preset("lee")


def test_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS["lee2025"] = PRESETS["lape"]


def test_prompt_after_lee_names_the_six_emotions():
    prompt = as_prompt(LEE2025_PROMPT)
    assert "anger, disgust, fear, happiness, sadness, surprise" in str(prompt.to_json())


@pytest.fixture(scope="module")
def planted_stats(planted):
    return collect_stats(planted.model, planted_corpus(planted, per_label=30, topic=0.3), progress=False)


def test_first_scorer_of_the_default_ranks_planted_neurons_first(planted, planted_stats):
    scores = SCORERS[preset("default").scorers[0]].compute(planted_stats, preset("default").against)
    for row, concept in enumerate(planted.group.concepts):
        truth = [
            (layer, neuron) in planted.neurons[concept]
            for layer in range(planted_stats.shape[0])
            for neuron in range(planted_stats.shape[1])
        ]
        assert average_precision_score(truth, scores[row].flatten().numpy()) >= 0.95


def test_default_selects_planted_neurons(planted, planted_stats):
    best = screen(planted_stats, shuffles=0)
    assert all(len(best.neurons.sets[c]) == 1 for c in planted.group.concepts)
    assert all(set(best.neurons.sets[c]) <= planted.neurons[c] for c in planted.group.concepts)
    wide = screen(planted_stats, top=6 / 80, shuffles=0)
    for concept in planted.group.concepts:
        assert len(planted.neurons[concept]) == len(wide.neurons.sets[concept]) == 6
        assert len(planted.neurons[concept] & set(wide.neurons.sets[concept])) >= 5
