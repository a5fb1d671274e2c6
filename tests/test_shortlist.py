"""The second pass: by hand, against the statistics of the first pass, and its errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import PAIR_GROUP, micro_model, planted_corpus, texts_corpus, tiny_corpus, tiny_gpt2

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import CorpusError, ScreenError, StoreError
from emorhet_lens.models.hosts import ModelIdentity, identify
from emorhet_lens.scorers import SCORERS
from emorhet_lens.screening.neurons import Neurons, neurons_from
from emorhet_lens.screening.screen import screen
from emorhet_lens.screening.shortlist import TextActivations, read_shortlist, read_texts
from emorhet_lens.screening.text_ranking import driving_texts, exact_auroc

NO_MODEL = ModelIdentity("made", "none", "0", False, "float32", n_layers=2, d_mlp=3, fingerprint=())


def by_hand(model, site="post", **sets) -> Neurons:
    pairs = [(concept, layer, neuron, 0.0) for concept, found in sets.items() for layer, neuron in found]
    identity = model if isinstance(model, ModelIdentity) else identify(model)
    return neurons_from(pairs, list(sets), model=identity, site=site)


def made(labels, means, sources=None, maxima=None) -> TextActivations:
    values = torch.tensor(means, dtype=torch.float64).reshape(len(labels), -1)
    return TextActivations(
        group=PAIR_GROUP,
        keys=tuple(f"made:{index:03}" for index in range(len(labels))),
        labels=tuple(labels),
        sources=tuple(sources or ["made"] * len(labels)),
        coordinates=torch.tensor([[0, column] for column in range(values.shape[1])]),
        mean=values,
        maximum=values if maxima is None else torch.tensor(maxima, dtype=torch.float64).reshape(len(labels), -1),
    )


@pytest.fixture(scope="module")
def micro():
    return micro_model()


def test_means_and_maxima_by_hand(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "b c"), ("plain", "a"), ("glad", "c c a"))
    neurons = by_hand(micro, glad=[(1, 0), (0, 2)], sad=[(1, 2)])
    texts = read_texts(micro, corpus, neurons, prepend_bos=True, progress=False)
    assert texts.coordinates.tolist() == [[1, 0], [0, 2], [1, 2]]
    assert torch.allclose(
        texts.mean, torch.tensor([[2, 1.5, -0.5], [0, 0, -0.5], [4, 3, 0], [4 / 3, 1, 0]], dtype=torch.float64)
    )
    assert texts.maximum.tolist() == [[4, 3, 0], [0, 0, 0], [4, 3, 0], [4, 3, 0]]
    assert texts.labels == ("glad", "sad", "plain", "glad")
    assert texts.keys == ("made:000", "made:001", "made:002", "made:003")


def test_gate_is_read_where_the_neurons_are_of_the_gate(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "b c"))
    texts = read_texts(micro, corpus, by_hand(micro, site="gate", glad=[(0, 2), (1, 0)]), progress=False)
    assert texts.mean.tolist() == [[0, 1], [-1, 0]]


def test_the_pass_ends_at_the_last_layer_that_is_needed(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "b c"))
    seen = []
    handle = micro.blocks[1].register_forward_pre_hook(lambda *_: seen.append(1))
    try:
        read_texts(micro, corpus, by_hand(micro, glad=[(0, 2)]), progress=False)
        assert not seen
        read_texts(micro, corpus, by_hand(micro, glad=[(1, 2)]), progress=False)
        assert seen
    finally:
        handle.remove()


def test_every_host_agrees_with_its_first_pass(any_host):
    corpus = tiny_corpus(12)
    stats = collect_stats(any_host, corpus, batch_size=5, progress=False)
    neurons = by_hand(any_host, glad=[(0, 3), (1, 23)], sad=[(1, 0)])
    texts = read_texts(any_host, corpus, neurons, batch_size=4, progress=False)
    layer, neuron = neurons.coordinates().unbind(1)
    assert torch.allclose(texts.mean.sum(0), stats.summed("mean_total").sum(0)[layer, neuron], atol=1e-4)
    assert torch.allclose(texts.maximum.amax(0), stats.extremes.maximum.amax(0)[layer, neuron], atol=1e-4)


@pytest.fixture(scope="module")
def planted_screen(planted):
    corpus = planted_corpus(planted, per_label=12, sources=("one", "two"))
    prompt = [{"role": "user", "content": "anger0 {text}"}]
    stats = collect_stats(planted.model, corpus, tokens="all", prompt=prompt, prepend_bos=False, progress=False)
    return corpus, screen(stats, shuffles=0, top=0.05)


def test_the_options_of_a_screen_are_used(planted, planted_screen):
    corpus, found = planted_screen
    texts = read_shortlist(planted.model, corpus, found, top=2, progress=False)
    assert texts.coordinates.tolist() == found.neurons.head(2).coordinates().tolist()
    labels, layer, neuron = np.array(texts.labels), texts.coordinates[:, 0], texts.coordinates[:, 1]
    for row, label in enumerate(planted.group.labels):
        expected = found.stats.summed("mean_total")[row, layer, neuron]
        assert torch.allclose(texts.mean[labels == label].sum(0), expected, atol=1e-5)
    other = read_texts(planted.model, corpus, found.neurons.head(2), progress=False)
    assert not torch.allclose(other.mean, texts.mean, atol=1e-2)


def test_texts_that_the_screening_left_out_are_left_out_again(planted, planted_screen):
    corpus, found = planted_screen
    options = {**found.stats.options, "skipped": [corpus.examples[3].key]}
    found = replace(found, stats=replace(found.stats, options=options))
    texts = read_shortlist(planted.model, corpus, found, top=1, progress=False)
    assert len(texts.keys) == len(corpus) - 1
    assert corpus.examples[3].key not in texts.keys


def test_auroc_by_hand():
    labels = ["glad", "glad", "sad", "plain"]
    # Against the others: of the four pairs (3, 2), (3, 1), (1, 2), (1, 1) two and a half are in order.
    texts = made(labels, [3.0, 1.0, 2.0, 1.0])
    neurons = by_hand(NO_MODEL, glad=[(0, 0)])
    assert exact_auroc(texts, neurons).to_dict("records") == [
        {"concept": "glad", "layer": 0, "neuron": 0, "auroc": 2.5 / 4}
    ]
    # Against the rest: (3, 1) and (1, 1).
    assert exact_auroc(texts, neurons, against="rest")["auroc"].tolist() == [1.5 / 2]


def test_auroc_keeps_sources_apart():
    # Within each source the concept is higher; across them it is not. Source c has nothing to compare.
    labels = ["glad", "plain", "glad", "plain", "glad"]
    texts = made(labels, [1.0, 0.0, 9.0, 8.0, -5.0], sources=["a", "a", "b", "b", "c"])
    neurons = by_hand(NO_MODEL, glad=[(0, 0)], sad=[(0, 0)])
    assert exact_auroc(texts, neurons)["auroc"].tolist()[0] == 1.0
    assert exact_auroc(texts, neurons, by_source=False)["auroc"].tolist()[0] == pytest.approx(3 / 6)
    # There are no sad texts.
    assert np.isnan(exact_auroc(texts, neurons)["auroc"].tolist()[1])


@given(
    values=st.lists(st.integers(-6, 6), min_size=4, max_size=12),
    cut=st.integers(1, 3),
)
def test_auroc_counts_pairs_and_knows_order_only(values, cut):
    labels = ["glad"] * cut + ["plain"] * (len(values) - cut)
    mine, others = values[:cut], values[cut:]
    pairs = [(a > b) + 0.5 * (a == b) for a in mine for b in others]
    neurons = by_hand(NO_MODEL, glad=[(0, 0), (0, 1), (0, 2)])
    columns = np.stack([values, np.exp(values), np.negative(values)], axis=1).tolist()
    raw, monotone, turned = exact_auroc(made(labels, columns), neurons)["auroc"]
    assert raw == pytest.approx(np.mean(pairs))
    assert monotone == pytest.approx(raw)
    assert turned == pytest.approx(1 - raw)


def test_auroc_is_the_exact_counterpart_of_the_scorer(planted):
    corpus = planted_corpus(planted, per_label=25, sources=("one", "two"))
    stats = collect_stats(planted.model, corpus, progress=False)
    every = [(layer, neuron) for layer in range(2) for neuron in range(40)]
    neurons = by_hand(planted.model, **dict.fromkeys(planted.group.concepts, every))
    exact = exact_auroc(read_texts(planted.model, corpus, neurons, progress=False), neurons, against="rest")
    binormal = SCORERS["auroc"].compute(stats, "rest").flatten().numpy()
    apart = np.abs(exact["auroc"].to_numpy() - binormal)
    assert np.median(apart) < 0.03
    assert apart.max() < 0.15


def test_driving_texts_by_hand():
    texts = made(["glad", "sad", "plain", "sad"], [0.0] * 4, maxima=[1.0, 7.0, 9.0, 7.0])
    texts = replace(texts, keys=("made:d", "made:c", "made:b", "made:a"))
    found = driving_texts(texts, by_hand(NO_MODEL, glad=[(0, 0)]), n=3)
    assert found["key"].tolist() == ["made:b", "made:a", "made:c"]
    assert found["label"].tolist() == ["plain", "sad", "sad"]
    assert found["maximum"].tolist() == [9, 7, 7]
    assert found["place"].tolist() == [1, 2, 3]
    assert set(found["concept"]) == {"glad"}
    assert set(found["source"]) == {"made"}


def test_what_cannot_be_read_is_refused(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "b c"))
    with pytest.raises(ScreenError, match="empty"):
        read_texts(micro, corpus, by_hand(micro, glad=[]), progress=False)
    with pytest.raises(StoreError, match="d_mlp"):
        read_texts(tiny_gpt2(), corpus, by_hand(micro, glad=[(0, 0)]), progress=False)
    long = texts_corpus(("glad", "a"), ("sad", "b " * 60))
    with pytest.raises(CorpusError, match="made:001 is 61 tokens long"):
        read_texts(micro, long, by_hand(micro, glad=[(0, 0)]), prepend_bos=True, progress=False)


def test_neurons_that_were_not_read_and_foreign_concepts_are_refused():
    texts = made(["glad", "sad"], [0.0, 1.0])
    with pytest.raises(ScreenError, match="neuron 2 of layer 1 was not read"):
        exact_auroc(texts, by_hand(NO_MODEL, glad=[(1, 2)]))
    with pytest.raises(ScreenError, match="'angry'"):
        driving_texts(texts, by_hand(NO_MODEL, angry=[(0, 0)]))
