"""Reading some of the texts, on the right model, for one question or all of them."""

from dataclasses import replace

import pytest
import torch
from asking import TEMPLATE, WORDS_OF, hooks_on, silence, splits
from tiny import PAIR_GROUP, tiny_llama

from emorhet_lens.errors import ModelError, ReadoutError, StoreError
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import prepare_all
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

PARTS = splits(12)
TEST, DEV, TRAIN = (PARTS[name] for name in ("test", "dev", "train"))
READOUT = ZeroShot(TEMPLATE, WORDS_OF)


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


@pytest.fixture(scope="module")
def reading(model):
    return READOUT.prepare(model, TEST, dev=DEV, batch_size=4, progress=False)


@pytest.mark.parametrize("only", ["sad", {"made:001", "made:007"}, ("made:003",)])
def test_some_of_the_texts(model, reading, only):
    shapes = []

    def hooks(batch):
        shapes.append(len(batch.tokens))
        return []

    found = reading.read(model, hooks, only=only, progress=False)
    wanted = [e.key for e in TEST if e.label == only] if only == "sad" else sorted(only)
    assert list(found.keys) == wanted
    assert sum(shapes) == len(wanted)
    whole = reading.read(model, progress=False).where(wanted)
    torch.testing.assert_close(found.log_probs, whole.log_probs, atol=1e-5, rtol=0)
    assert found.targets == whole.targets


@pytest.mark.parametrize("only", ["angry", {"made:001", "made:999"}, ()])
def test_texts_that_are_not_asked_about(model, reading, only):
    with pytest.raises(ReadoutError, match="not among the texts"):
        reading.read(model, only=only, progress=False)


def test_the_same_reading_twice_gives_the_same_bytes(model, reading):
    first = reading.read(model, progress=False)
    masked = reading.read(model, lambda _: [silence(0)], progress=False)
    again = reading.read(model, progress=False)
    assert torch.equal(first.log_probs, again.log_probs)
    assert not torch.equal(first.log_probs, masked.log_probs)


def test_another_model_is_refused(reading):
    with pytest.raises(StoreError, match="fingerprints differ"):
        reading.read(tiny_llama(seed=1), progress=False)


def test_training_mode_with_dropout_is_refused(reading):
    model = tiny_llama(attention_dropout=0.5)
    model.train()
    with pytest.raises(ModelError, match="dropout"):
        reading.read(model, progress=False)


def test_all_questions_of_a_corpus(model):
    rhetoric = ConceptGroup("rhetoric", PAIR_GROUP.concepts, "plain")
    test, dev = (Corpus(part, rhetoric, PARTS[part].examples) for part in ("test", "dev"))
    readings = prepare_all(READOUT, model, test, dev=dev, progress=False)
    assert [r.question for r in readings] == [Question(("glad", "plain"), "made"), Question(("sad", "plain"), "made")]
    for one in readings:
        found = one.read(model, progress=False)
        assert found.labels == one.question.labels
        assert set(found.targets) == set(one.question.labels)
        alone = READOUT.prepare(model, test, dev=dev, question=one.question, progress=False).read(model, progress=False)
        assert torch.equal(found.log_probs, alone.log_probs)
    assert len(prepare_all(READOUT, model, test, contrast="all", dev=dev, progress=False)) == 1


@pytest.mark.parametrize("readout", [READOUT, FewShot(1, 0, TEMPLATE, WORDS_OF), Probe()], ids=["zero", "few", "probe"])
def test_an_interrupt_leaves_no_hook(model, readout):
    reading = readout.prepare(model, TEST, dev=DEV, train=TRAIN, progress=False)

    def interrupt(x, hook):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reading.read(model, lambda _: [("blocks.1.mlp.hook_post", interrupt)], progress=False)
    assert hooks_on(model) == []


def test_answers_say_how_they_were_had(model, reading, tmp_path):
    found = reading.read(model, progress=False)
    expected = {"readout": "ZeroShot", "calibration": "prior", "prompt": TEMPLATE, "batch_size": 4}
    assert {name: found.options[name] for name in expected} == expected
    assert found.options["words"] == {"glad": "glad", "sad": "sad", "plain": "calm"}
    assert found.options["splits"].keys() == {"test", "dev"}
    assert found.model.host == type(model).__name__
    found.save(tmp_path / "answers.safetensors")
    assert Answers.load(tmp_path / "answers.safetensors").options == found.options


def test_progress_can_be_shown(model, reading, capfd):
    reading.read(model)
    assert "label words" in capfd.readouterr().err
    replace(reading).read(model, progress=False)
    assert capfd.readouterr().err == ""
