"""Zero-shot and few-shot readouts against full passes over one text at a time, and the laws they keep."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from asking import (
    LONG_WORDS,
    TEMPLATE,
    WORDS_OF,
    hooks_on,
    in_order,
    next_log_probs,
    normalized,
    silence,
    splits,
    spoil,
    token_ids,
    word_scores,
)
from tiny import HAS_HOOKED, PAIR_GROUP, hooked_llama, tiny_gpt2, tiny_llama

from emorhet_lens.errors import CorpusError, ModelError, PromptError, ReadoutError
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot, balanced_mean, draw_shots
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

PARTS = splits(12)
TEST, DEV, TRAIN = (PARTS[name] for name in ("test", "dev", "train"))
PLAIN = ZeroShot(TEMPLATE, WORDS_OF, "none")
PRIOR = replace(PLAIN, calibration="prior")


def read(readout, model, test=TEST, hooks=None, **options):
    return readout.prepare(model, test, progress=False, **options).read(model, hooks, progress=False)


@pytest.mark.parametrize("words", [WORDS_OF, LONG_WORDS], ids=["one token", "several tokens"])
def test_log_probs_are_those_of_full_passes(any_host, words):
    expected = normalized(word_scores(any_host, TEST, in_order(words), TEMPLATE))
    for size, side in product((1, 4, 32), ("left", "right")):
        found = read(ZeroShot(TEMPLATE, words, "none"), any_host, batch_size=size, padding_side=side)
        np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4, err_msg=f"{size} {side}")
        assert found.predicted.tolist() == expected.argmax(1).tolist()
        assert found.keys == tuple(example.key for example in TEST)
        assert found.targets == tuple(example.label for example in TEST)
    assert hooks_on(any_host) == []


@pytest.mark.parametrize("side", ["right", "left"])
def test_hooks_change_the_answers_as_in_a_full_pass(any_host, side):
    def hooks(batch):
        return [silence(0, keep=batch.keep)]

    found = read(PLAIN, any_host, hooks=hooks, batch_size=5, padding_side=side).log_probs.numpy()
    scores = np.zeros((len(TEST), 3))
    for row, example in enumerate(TEST):
        ids = [1, *token_ids(any_host, TEMPLATE.replace("{text}", example.text))]
        keep = torch.tensor([[False, False, False, *[True] * len(example.text.split()), False, False]])
        log_probs = next_log_probs(any_host, ids, [silence(0, keep=keep)])
        scores[row] = [log_probs[token_ids(any_host, word)[0]] for word in in_order(WORDS_OF)]
    np.testing.assert_allclose(found, normalized(scores), atol=1e-4)
    assert np.abs(found - read(PLAIN, any_host).log_probs.numpy()).max() > 0.01
    assert hooks_on(any_host) == []


def test_all_hosts_agree(tmp_path):
    expected = read(PRIOR, tiny_llama(), dev=DEV).log_probs
    others = [tiny_llama(compatibility=True)] + ([hooked_llama(tmp_path)] if HAS_HOOKED else [])
    for other in others:
        torch.testing.assert_close(read(PRIOR, other, dev=DEV).log_probs, expected, atol=1e-4, rtol=0)


def test_a_reading_prepared_on_one_host_is_read_on_another():
    raw, processed = tiny_llama(), tiny_llama(compatibility=True)
    reading = PRIOR.prepare(raw, TEST, dev=DEV, progress=False)
    here, there = reading.read(raw, progress=False), reading.read(processed, progress=False)
    torch.testing.assert_close(here.log_probs, there.log_probs, atol=1e-4, rtol=0)


def test_prior_is_the_balanced_mean_over_dev():
    model, words = tiny_llama(), in_order(WORDS_OF)
    # Eight of one label, two of the others: an unbalanced mean would be another one.
    dev = Corpus("dev", PAIR_GROUP, tuple(replace(e, label="sad") if i > 3 else e for i, e in enumerate(DEV)))
    assert dev.counts() == {"glad": 2, "sad": 9, "plain": 1}
    found = read(PRIOR, model, dev=dev)
    scores = word_scores(model, dev, words, TEMPLATE)
    labels = np.array([example.label for example in dev])
    prior = np.mean([scores[labels == label].mean(0) for label in PAIR_GROUP.labels], 0)
    expected = normalized(word_scores(model, TEST, words, TEMPLATE), prior)
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(found.options["prior"], prior, atol=1e-4)
    assert np.abs(prior - scores.mean(0)).max() > 1e-3


def test_contextual_prior_is_that_of_the_content_free_text():
    model = tiny_llama()
    found = read(replace(PLAIN, calibration="contextual"), model)
    ids = [1, *token_ids(model, TEMPLATE.replace("{text}", "N/A"))]
    prior = np.array([next_log_probs(model, ids)[token_ids(model, w)[0]] for w in in_order(WORDS_OF)])
    expected = normalized(word_scores(model, TEST, in_order(WORDS_OF), TEMPLATE), prior)
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4)


def test_calibration_is_fixed_without_hooks():
    model = tiny_llama()
    masked = [silence(layer) for layer in range(3)]
    reading = PRIOR.prepare(model, TEST, dev=DEV, progress=False)
    found = reading.read(model, lambda _: masked, progress=False).log_probs.numpy()
    scores = word_scores(model, TEST, in_order(WORDS_OF), TEMPLATE, masked)
    np.testing.assert_allclose(found, normalized(scores, np.array(reading.options["prior"])), atol=1e-4)


def test_a_uniform_prior_changes_nothing():
    model = tiny_llama()
    for word in ("sad", "calm"):
        # All answers are equally likely everywhere, so the prior is uniform, and answers tie.
        rows = model.original_model.lm_head.weight.data
        glad, other = (token_ids(model, w)[0] for w in ("glad", word))
        rows[other] = rows[glad]
    found = [read(readout, model, dev=DEV) for readout in (PLAIN, PRIOR)]
    for one in found:
        np.testing.assert_allclose(one.log_probs.numpy(), -np.log(3), atol=1e-5)


def test_ties_go_to_the_first_label():
    reading = PLAIN.prepare(tiny_llama(), TEST, progress=False)
    tied = replace(reading.measure, prior=torch.zeros(3, dtype=torch.float64))

    class Equal:
        def scores(self, *_, **__):
            return torch.tensor([[0.0, 1.0, 1.0], [2.0, 2.0, 2.0]], dtype=torch.float64)

    object.__setattr__(tied, "tokens", Equal())
    assert tied(tiny_llama(), reading.encoded, reading.passes, None).predicted.tolist() == [1, 0]


def test_permuted_labels_permute_the_columns():
    model = tiny_llama()
    order = ("plain", "glad", "sad")
    found = [
        read(PRIOR, model, dev=DEV, question=Question(labels)).log_probs.numpy()
        for labels in (PAIR_GROUP.labels, order)
    ]
    np.testing.assert_allclose(found[1], found[0][:, [PAIR_GROUP.labels.index(label) for label in order]], atol=1e-12)


def test_the_order_of_the_texts_does_not_matter():
    model = tiny_llama()
    backwards = Corpus("test", PAIR_GROUP, TEST.examples[::-1])
    found = [read(PRIOR, model, corpus, dev=DEV, batch_size=5).log_probs for corpus in (TEST, backwards)]
    torch.testing.assert_close(found[1].flip(0), found[0], atol=1e-5, rtol=0)


def test_a_question_has_its_own_labels_texts_and_prior():
    model, question = tiny_llama(), Question(("sad", "plain"), "made")
    elsewhere = tuple(replace(e, source="elsewhere", id=f"x{e.id}", text=f"{e.text} cold") for e in DEV)
    dev = Corpus("dev", PAIR_GROUP, (*DEV.examples, *elsewhere))
    found, alone = (read(PRIOR, model, dev=part, question=question) for part in (dev, DEV))
    assert found.labels == ("sad", "plain")
    assert set(found.targets) == {"sad", "plain"}
    torch.testing.assert_close(found.log_probs, alone.log_probs)
    assert found.options["splits"]["dev"] == [e.key for e in DEV if e.label != "glad"]


def test_a_full_pass_is_taken_where_the_shortcut_fails(monkeypatch):
    model = tiny_gpt2()
    expected = read(PLAIN, model)
    assert expected.options["shortcut"]
    monkeypatch.setattr("emorhet_lens.readouts.zero_shot.shortcut_holds", lambda *_: False)
    reading = PLAIN.prepare(model, TEST, progress=False)
    seen = []

    def watch(x, hook):
        seen.append(x.shape[1])

    found = reading.read(model, lambda _: [("ln_final.hook_normalized", watch)], progress=False)
    assert not reading.options["shortcut"]
    assert min(seen) > 1
    torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-5, rtol=0)


FEW = FewShot(1, 0, TEMPLATE, WORDS_OF, "none")


@pytest.mark.parametrize("size", [1, 32])
def test_few_shot_reads_the_examples_first(any_host, size):
    found = read(FEW, any_host, train=TRAIN, batch_size=size)
    shots = draw_shots(TRAIN, PAIR_GROUP.labels, 1, 0)
    blocks = [TEMPLATE.replace("{text}", e.text) + " " + WORDS_OF.get(e.label, e.label) for e in shots]
    whole = "\n\n".join([*blocks, TEMPLATE])
    expected = normalized(word_scores(any_host, TEST, in_order(WORDS_OF), whole))
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4)
    assert found.options["prompt"] == whole
    assert found.options["splits"]["train"] == [shot.key for shot in shots]


def test_draws_are_seeded_and_of_train():
    draws = {seed: draw_shots(TRAIN, PAIR_GROUP.labels, 2, seed) for seed in range(8)}
    backwards = Corpus("train", PAIR_GROUP, TRAIN.examples[::-1])
    orders = set()
    for seed, shots in draws.items():
        assert sorted(shot.label for shot in shots) == ["glad", "glad", "plain", "plain", "sad", "sad"]
        assert len({shot.key for shot in shots}) == 6
        assert {shot.key for shot in shots} <= {example.key for example in TRAIN}
        assert draw_shots(backwards, PAIR_GROUP.labels, 2, seed) == shots
        orders.add(tuple(shot.label for shot in shots))
    assert len({tuple(shot.key for shot in shots) for shots in draws.values()}) == 8
    assert len(orders) > 4


def test_draws_leave_the_callers_random_numbers_alone():
    np.random.seed(5)
    torch.manual_seed(5)
    expected = np.random.rand(), torch.rand(1).item()
    np.random.seed(5)
    torch.manual_seed(5)
    read(FEW, tiny_llama(), train=TRAIN)
    assert (np.random.rand(), torch.rand(1).item()) == expected


def test_texts_that_look_like_templates_are_not_drawn():
    marked = Example("999", "so {text} so", "glad", "made")
    train = Corpus("train", PAIR_GROUP, (*(e for e in TRAIN if e.label != "glad"), marked, TRAIN.examples[0]))
    assert "made:999" not in {shot.key for seed in range(5) for shot in draw_shots(train, PAIR_GROUP.labels, 1, seed)}
    with pytest.raises(ReadoutError, match="2 examples of 'glad' were asked for, the train split has 1"):
        draw_shots(train, PAIR_GROUP.labels, 2, 0)


def test_chat_templates_end_where_the_answer_begins():
    model = tiny_llama()
    chat = [{"role": "system", "content": "mood"}, {"role": "user", "content": "{text} ?"}]
    found = read(ZeroShot(chat, WORDS_OF, "none"), model)
    whole = "<system>mood<eos><user>{text} ?<eos><assistant>"
    expected = normalized(word_scores(model, TEST, in_order(WORDS_OF), whole))
    np.testing.assert_allclose(found.log_probs.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("readout", "options", "error", "message"),
    [
        (PRIOR, {}, ReadoutError, 'calibration="prior" needs a dev split'),
        (PRIOR, {"dev": DEV.where(lambda e: e.label != "sad")}, ReadoutError, "no text of sad"),
        (PRIOR, {"dev": TEST}, CorpusError, "the same text|share"),
        (FEW, {}, ReadoutError, "FewShot needs a train split"),
        (FewShot(5, 0, TEMPLATE, WORDS_OF, "none"), {"train": TRAIN}, ReadoutError, "5 examples of 'glad'"),
        (FewShot(4, 0, TEMPLATE, WORDS_OF, "none"), {"train": TRAIN}, CorpusError, "the context holds 48"),
        (ZeroShot("no mark", WORDS_OF, "none"), {}, PromptError, "exactly once"),
        (ZeroShot(TEMPLATE, {"plain": "glad"}, "none"), {}, ReadoutError, "the same tokens"),
        (ZeroShot(TEMPLATE, None, "none"), {}, ReadoutError, "does not know the answer word 'plain'"),
        (ZeroShot(TEMPLATE, {"odd": "calm"}, "none"), {}, ReadoutError, "odd"),
    ],
)
def test_what_cannot_be_asked(readout, options, error, message):
    with pytest.raises(error, match=message):
        readout.prepare(tiny_llama(), TEST, progress=False, **options)


@pytest.mark.parametrize("k", [0, -1])
def test_few_shot_needs_a_shot(k):
    with pytest.raises(ReadoutError, match="at least 1"):
        FewShot(k)


def test_unknown_calibration():
    from inspect import unwrap

    from emorhet_lens.readouts import zero_shot

    with pytest.raises(ReadoutError, match='"none", "contextual" or "prior"'):
        unwrap(zero_shot._require_calibration)("batch")


def test_dropout_and_nan_are_refused():
    model = tiny_gpt2()
    model.train()
    with pytest.raises(ModelError, match="dropout"):
        PLAIN.prepare(model, TEST, progress=False)
    model.eval()
    reading = PLAIN.prepare(model, TEST, progress=False)
    with pytest.raises(ModelError, match="NaN"):
        reading.read(model, lambda _: [("blocks.0.mlp.hook_post", spoil)], progress=False)
    assert hooks_on(model) == []


def test_balanced_mean_by_hand():
    scores = torch.tensor([[0.0, 1.0], [2.0, 3.0], [10.0, 20.0]], dtype=torch.float64)
    assert balanced_mean(scores, [0, 0, 1]).tolist() == [5.5, 11.0]


def test_a_group_of_two():
    group = ConceptGroup("mood", ("glad",), "calm")
    corpus = Corpus("c", group, tuple(replace(e, label="glad" if e.label == "glad" else "calm") for e in TEST))
    found = read(ZeroShot(TEMPLATE, None, "none"), tiny_llama(), corpus)
    np.testing.assert_allclose(found.log_probs.exp().sum(1).numpy(), 1)
    expected = torch.where(found.target_indices == 0, 1, -1) * (found.log_probs[:, 0] - found.log_probs[:, 1])
    torch.testing.assert_close(found.margin(), expected)
