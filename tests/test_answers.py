"""Margins, recall and F1 worked out by hand, and files that give back the same bytes."""

import math

import numpy as np
import pytest
import torch

from emorhet_lens.errors import ReadoutError, StoreError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.readouts.answers import Answers

IDENTITY = ModelIdentity("by hand", "Hand", "0", False, "float32", 1, 2, (1.0,) * 4)
LABELS = ("glad", "sad", "plain")
P = [[0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2], [0.1, 0.7, 0.2]]


def answers(**changes):
    values = {
        "labels": LABELS,
        "keys": ("a:1", "a:2", "b:1", "b:2"),
        "targets": ("glad", "sad", "sad", "sad"),
        "sources": ("a", "a", "b", "b"),
        "log_probs": torch.tensor(P, dtype=torch.float64).log(),
        "predicted": torch.tensor([0, 2, 0, 1]),
        "model": IDENTITY,
        "options": {"readout": "ZeroShot", "prior": [0.1]},
    }
    return Answers(**{**values, **changes})


def test_margins_by_hand():
    expected = [math.log(0.5 / 0.5), math.log(0.2 / 0.8), math.log(0.4 / 0.6), math.log(0.7 / 0.3)]
    np.testing.assert_allclose(answers().margin().numpy(), expected, atol=1e-14)
    np.testing.assert_allclose(answers().own_log_prob().exp().numpy(), [0.5, 0.2, 0.4, 0.7])


def test_margin_of_a_sure_answer_keeps_its_digits():
    # 1 - p of the own label is exp(-60), far below what 1 - exp(log p) can hold.
    sure = answers(log_probs=torch.tensor([[0.0, -60.0, -61.0]] * 4, dtype=torch.float64), targets=("glad",) * 4)
    expected = 60 - math.log(1 + math.exp(-1))
    np.testing.assert_allclose(sure.margin().numpy(), [expected] * 4, rtol=1e-14)


def test_shares_by_hand():
    a = answers()
    assert a.correct().tolist() == [True, False, False, True]
    assert a.accuracy() == 0.5
    recall = a.recall()
    assert recall["glad"] == 1
    assert recall["sad"] == pytest.approx(1 / 3)
    assert math.isnan(recall["plain"])
    # glad: precision 1/2, recall 1, F1 2/3. sad: precision 1, recall 1/3, F1 1/2. plain has no texts.
    assert a.macro_f1() == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_no_answer_is_wrong_and_has_no_margin():
    a = answers(predicted=torch.tensor([0, -1, -1, 1]), log_probs=torch.full((4, 3), torch.nan, dtype=torch.float64))
    assert a.correct().tolist() == [True, False, False, True]
    assert a.margin().isnan().all()
    # glad: precision 1, recall 1. sad: precision 1, recall 1/3, F1 1/2.
    assert a.macro_f1() == pytest.approx(0.75)
    assert a.to_dataframe()["predicted"].tolist() == ["glad", None, None, "sad"]


def test_rows_by_key_keep_their_order():
    part = answers(texts=("p", "q", "r", "s")).where({"b:2", "a:1"})
    assert part.keys == ("a:1", "b:2")
    assert part.targets == ("glad", "sad")
    assert part.sources == ("a", "b")
    assert part.texts == ("p", "s")
    assert part.predicted.tolist() == [0, 1]
    np.testing.assert_allclose(part.log_probs.exp().numpy(), [P[0], P[3]])


@pytest.mark.parametrize("keys", [{"a:1", "a:9"}, set()])
def test_unknown_keys_are_refused(keys):
    with pytest.raises(ReadoutError, match=r"a:9|empty set"):
        answers().where(keys)


def test_table():
    table = answers().to_dataframe()
    assert list(table) == ["key", "source", "target", "predicted", "margin", "log_p_glad", "log_p_sad", "log_p_plain"]
    assert table["log_p_plain"].tolist() == pytest.approx(np.log([0.25, 0.6, 0.2, 0.2]).tolist())
    assert "text" in answers(texts=("",) * 4).to_dataframe()


@pytest.mark.parametrize("texts", [None, ("so", "", "ä", "glad")])
def test_files_give_back_the_same_bytes(tmp_path, texts):
    log_probs = torch.tensor(P, dtype=torch.float64).log()
    log_probs[1, 1] = torch.nan
    before = answers(log_probs=log_probs, texts=texts)
    before.save(tmp_path / "a.safetensors")
    after = Answers.load(tmp_path / "a.safetensors")
    for name in ("labels", "keys", "targets", "sources", "model", "options", "texts"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.log_probs.dtype == torch.float64
    assert after.log_probs.numpy().tobytes() == before.log_probs.numpy().tobytes()
    assert torch.equal(after.predicted, before.predicted)


def test_other_files_are_refused(tmp_path):
    from emorhet_lens.store import write_tensors

    write_tensors(tmp_path / "x", {"log_probs": torch.zeros(1)}, {}, kind="statistics")
    with pytest.raises(StoreError, match="expected 'answers'"):
        Answers.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": ("a:1",)}, "one row a text"),
        ({"sources": ("a", "b")}, "one row a text"),
        ({"texts": ("one",)}, "one row a text"),
        ({"labels": ("glad", "sad")}, "3 columns"),
        ({"targets": ("glad", "sad", "sad", "cross")}, "cross"),
    ],
)
def test_parts_have_to_fit(changes, message):
    with pytest.raises(ReadoutError, match=message):
        answers(**changes)


def test_says_what_it_is():
    assert repr(answers()) == "Answers(4 texts, labels glad, sad, plain, accuracy 0.500)"
    assert len(answers()) == 4
