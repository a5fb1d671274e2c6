"""A probe finds what was planted, finds nothing where labels are shuffled, and reads the residual that it says."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from asking import hooks_on, silence, splits, token_ids
from scipy import stats
from tiny import null_corpus, planted_corpus, tiny_llama

from emorhet_lens.errors import ModelError, ReadoutError
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.questions import Question

PARTS = splits(24)
TEST, TRAIN = PARTS["test"], PARTS["train"]


def prepared(probe, model, test=TEST, train=TRAIN, **options):
    return probe.prepare(model, test, train=train, progress=False, **options)


def features(model, corpus, at, prompt="{text}", hooks=()):
    """The final residual of every text, alone, read from a full pass."""
    rows = []
    name = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    before = len(token_ids(model, prompt.split("{text}")[0]))
    for example in corpus:
        ids = torch.tensor([[1, *token_ids(model, prompt.replace("{text}", example.text))]])
        with torch.no_grad(), model.hooks(fwd_hooks=list(hooks)):
            _, cache = model.run_with_cache(ids)
        residual = cache[name][0].double().numpy()
        own = slice(1 + before, 1 + before + len(example.text.split()))
        rows.append(residual[own].mean(0) if at == "text" else residual[-1])
    return np.stack(rows)


@pytest.mark.parametrize(("at", "side"), [("text", "right"), ("last", "left"), ("last", "right")])
def test_log_probs_are_those_of_a_regression_on_single_texts(any_host, at, side):
    from sklearn.linear_model import LogisticRegression

    prompt = "review: {text} mood:"
    found = prepared(Probe(at, 0.5, prompt), any_host, batch_size=5, padding_side=side).read(any_host, progress=False)
    train, test = (features(any_host, corpus, at, prompt) for corpus in (TRAIN, TEST))
    mean, deviation = train.mean(0), train.std(0)
    regression = LogisticRegression(C=0.5, class_weight="balanced", max_iter=5000, tol=1e-8)
    labels = list(found.labels)
    regression.fit((train - mean) / deviation, [labels.index(example.label) for example in TRAIN])
    expected = regression.predict_log_proba((test - mean) / deviation)
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=5e-3)
    assert hooks_on(any_host) == []


@pytest.mark.parametrize("labels", [("glad", "sad"), ("glad", "sad", "plain")])
def test_log_probs_are_those_of_scikit_learn(labels):
    model = tiny_llama()
    reading = prepared(Probe(), model, question=Question(labels))
    found = reading.read(model, progress=False)
    corpus = TEST.where(lambda e: e.label in labels)
    expected = reading.measure.classifier.predict_log_proba(features(model, corpus, "text"))
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(found.log_probs.exp().sum(1).numpy(), 1)


def test_batches_do_not_matter():
    model = tiny_llama()
    expected = prepared(Probe(), model, batch_size=1).read(model, progress=False).log_probs
    for size, side in ((4, "left"), (4, "right"), (32, "left"), (32, "right")):
        found = prepared(Probe(), model, batch_size=size, padding_side=side).read(model, progress=False).log_probs
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_the_order_of_train_does_not_matter():
    model = tiny_llama()
    backwards = replace(TRAIN, examples=TRAIN.examples[::-1])
    found = [
        prepared(Probe(), model, train=train).read(model, progress=False).log_probs for train in (TRAIN, backwards)
    ]
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)


def test_fitted_without_hooks_and_read_under_them():
    model = tiny_llama()
    reading = prepared(Probe(), model)
    hooks = [silence(0), silence(2)]
    found = reading.read(model, lambda _: hooks, progress=False).log_probs.numpy()
    expected = reading.measure.classifier.predict_log_proba(features(model, TEST, "text", hooks=hooks))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - reading.read(model, progress=False).log_probs.numpy()).max() > 0.01


def test_planted_concepts_are_found_and_shuffled_labels_are_not(planted):
    parts = planted_corpus(planted, per_label=60).split({"train": 0.5, "test": 0.5})
    test, train = parts["test"], parts["train"]
    found = prepared(Probe(C=1.0), planted.model, test, train).read(planted.model, progress=False)
    assert found.accuracy() > 0.9
    assert found.margin().mean() > 0
    n, correct = 0, 0
    for seed in range(3):
        shuffled = prepared(Probe(), planted.model, test, null_corpus(train, seed)).read(planted.model, progress=False)
        n, correct = n + len(test), correct + int(shuffled.correct().sum())
    assert stats.binomtest(correct, n, 0.25).pvalue > 0.001, (correct, n)


def test_sure_answers_keep_finite_log_probs():
    model = tiny_llama()
    reading = prepared(Probe(), model, question=Question(("glad", "sad")))
    final = reading.measure.classifier[-1]
    final.coef_ = final.coef_ * 1e6
    found = reading.read(model, progress=False)
    assert found.log_probs.isfinite().all()
    assert found.margin().abs().max() > 1e3


def test_rare_labels_weigh_as_much():
    model = tiny_llama()
    # Labels at random: only the prior of the labels is left to learn.
    few = TRAIN.where(lambda e: e.label != "sad" or e.id < "056")
    assert few.counts()["sad"] < few.counts()["glad"] / 2
    found = prepared(Probe(C=1e-6), model, train=few).read(model, progress=False)
    np.testing.assert_allclose(found.log_probs.exp().numpy(), 1 / 3, atol=0.01)


def test_nan_at_padding_does_no_harm_and_elsewhere_is_refused():
    model = tiny_llama()
    reading = prepared(Probe(), model)
    last = "blocks.2.hook_resid_post"

    def spoil(where):
        def hook(x, hook):
            return x.masked_fill(where[:, :, None], torch.nan)

        return [(last, hook)]

    plain = reading.read(model, progress=False)
    found = reading.read(model, lambda batch: spoil(~batch.keep), progress=False)
    assert torch.equal(found.log_probs, plain.log_probs)
    with pytest.raises(ModelError, match="NaN"):
        reading.read(model, lambda batch: spoil(batch.keep), progress=False)


@pytest.mark.parametrize("c", [0.0, -1.0, float("nan")])
def test_the_penalty_has_to_be_positive(c):
    with pytest.raises(ReadoutError, match="positive"):
        Probe(C=c)


def test_unknown_place():
    probe = Probe()
    object.__setattr__(probe, "at", "first")
    with pytest.raises(ReadoutError, match='"text" or "last"'):
        inspect.unwrap(Probe.__post_init__)(probe)


def test_train_is_needed_with_all_labels():
    with pytest.raises(ReadoutError, match="Probe needs a train split"):
        Probe().prepare(tiny_llama(), TEST, progress=False)
    with pytest.raises(ReadoutError, match="no text of sad"):
        prepared(Probe(), tiny_llama(), train=TRAIN.where(lambda e: e.label != "sad"))
