"""The folder of a measurement: what is saved comes back, and another measurement is refused."""

import math

import pytest
import torch
from tiny import tiny_llama

from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.causal.store import PLAN_FILE, EffectFiles
from emorhet_lens.errors import StoreError
from emorhet_lens.models.hosts import identify
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.tuning.store import TuningFiles

OPTIONS = {"seed": 0, "masks": {"zero": ["ab"]}, "n_random": 2, "where": "all"}
STEP = Step("zero", "glad", OWN, 0)


@pytest.fixture(scope="module")
def answers():
    log_probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64).log()
    model = identify(tiny_llama())
    return Answers(("glad", "sad"), ("a", "b"), ("glad", "sad"), ("x", "x"), log_probs, torch.tensor([1, 0]), model)


def test_answers_come_back(tmp_path, answers):
    files = EffectFiles.open(tmp_path / "run", OPTIONS)
    assert not files.has(STEP)
    files.save(STEP, answers)
    assert files.has(STEP)
    assert not files.has(Step("zero", "glad", 0, 0, only="glad"))
    found = EffectFiles.open(tmp_path / "run", OPTIONS).load(STEP)
    assert found.keys == answers.keys
    assert torch.equal(found.log_probs, answers.log_probs)


@pytest.mark.parametrize(
    "values", [(1.25, 0.1 + 0.2, 7), (math.inf, math.inf, 3), (math.nan, math.nan, 0)], ids=["finite", "inf", "nan"]
)
def test_side_effects_come_back_whatever_they_are(tmp_path, values):
    files = EffectFiles.open(tmp_path, OPTIONS)
    assert files.load_side("zero", "glad") is None
    files.save_side("zero", "glad", [SideEffect(1.0, 0.0, 7), SideEffect(*values)])
    first, second = files.load_side("zero", "glad")
    assert first == SideEffect(1.0, 0.0, 7)
    assert (second.ppl_ratio, second.kl, second.tokens) == pytest.approx(values, rel=0, abs=0, nan_ok=True)


def test_side_effects_of_two_sets_have_two_files(tmp_path):
    files = EffectFiles.open(tmp_path, OPTIONS)
    files.save_side("zero", "joy-fear", [SideEffect(2.0, 1.0, 5)])
    assert files.load_side("zero-joy", "fear") is None


def test_another_measurement_is_refused_and_leaves_the_folder(tmp_path, answers):
    files = EffectFiles.open(tmp_path, OPTIONS)
    files.save(STEP, answers)
    with pytest.raises(StoreError, match=r"other seed, where; name another folder, or delete it"):
        EffectFiles.open(tmp_path, {**OPTIONS, "seed": 1, "where": "last"})
    assert EffectFiles.open(tmp_path, OPTIONS).has(STEP)


def test_another_measurement_can_replace(tmp_path, answers):
    files = EffectFiles.open(tmp_path, OPTIONS)
    files.save(STEP, answers)
    files.save_side("zero", "glad", [SideEffect(1.0, 0.0, 7)])
    assert EffectFiles.open(tmp_path, OPTIONS, stale="replace").has(STEP)
    other = EffectFiles.open(tmp_path, {**OPTIONS, "seed": 1}, stale="replace")
    assert not other.has(STEP)
    assert other.load_side("zero", "glad") is None
    other.save(STEP, answers)
    with pytest.raises(StoreError, match="other seed"):
        EffectFiles.open(tmp_path, OPTIONS)


def test_damaged_files_are_named(tmp_path, answers):
    files = EffectFiles.open(tmp_path, OPTIONS)
    files.save(STEP, answers)
    files.save_side("zero", "glad", [SideEffect(1.0, 0.0, 7)])
    for path, load in (
        (tmp_path / "answers" / f"{STEP.name}.safetensors", lambda: files.load(STEP)),
        (tmp_path / "side" / "zero.glad.json", lambda: files.load_side("zero", "glad")),
        (tmp_path / PLAN_FILE, lambda: EffectFiles.open(tmp_path, OPTIONS)),
    ):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(StoreError, match=path.name.replace(".", r"\.")):
            load()


def test_options_are_compared_as_they_are_stored(tmp_path):
    EffectFiles.open(tmp_path, {"controls": ("random", "other"), "seed": 0})
    EffectFiles.open(tmp_path, {"controls": ["random", "other"], "seed": 0})


def test_rounding_of_what_was_calibrated_is_no_other_measurement(tmp_path, answers):
    fitted = {**OPTIONS, "readings": [{"prior": {"anger": -1.2}, "tokens": [3]}]}
    EffectFiles.open(tmp_path, fitted).save(STEP, answers)
    rounded = {**OPTIONS, "readings": [{"prior": {"anger": -1.2004}, "tokens": [3]}]}
    assert EffectFiles.open(tmp_path, rounded).has(STEP)
    for prior, tokens in (({"anger": -1.4}, [3]), ({"fear": -1.2}, [3])):
        with pytest.raises(StoreError, match="other readings"):
            EffectFiles.open(tmp_path, {**OPTIONS, "readings": [{"prior": prior, "tokens": tokens}]})
    with pytest.raises(StoreError, match="other readings"):
        EffectFiles.open(tmp_path, {**OPTIONS, "readings": [{**fitted["readings"][0], "tokens": [4]}]})


def test_what_was_chosen_is_compared_exactly(tmp_path):
    chosen = {**OPTIONS, "readings": [{"C": 0.01, "prior": [-1.2]}], "doses": [0.2], "model": {"fingerprint": [4.5]}}
    EffectFiles.open(tmp_path, chosen).save_side("zero", "glad", [SideEffect(1.0, 0.0, 7)])
    EffectFiles.open(tmp_path, {**chosen, "model": {"fingerprint": [4.501]}})
    for name, other in (
        ("readings", [{"C": 0.001, "prior": [-1.2]}]),
        ("doses", [0.205]),
        ("model", {"fingerprint": [4.55]}),
    ):
        with pytest.raises(StoreError, match=f"other {name}"):
            EffectFiles.open(tmp_path, {**chosen, name: other})


def test_a_tuning_goes_on_where_calibration_rounds_differently(tmp_path):
    options = {"delta": 0.05, "readings": [{"prior": [-1.2], "tokens": [3]}]}
    TuningFiles.open(tmp_path, options)
    TuningFiles.open(tmp_path, {**options, "readings": [{"prior": [-1.2001], "tokens": [3]}]})
    for name, other in (("delta", 0.051), ("readings", [{"prior": [-1.3], "tokens": [3]}])):
        with pytest.raises(StoreError, match=f"tuning with other {name}"):
            TuningFiles.open(tmp_path, {**options, name: other})


def test_a_plan_without_results_binds_nobody(tmp_path, answers):
    EffectFiles.open(tmp_path, OPTIONS)
    files = EffectFiles.open(str(tmp_path), {**OPTIONS, "seed": 1})
    files.save(STEP, answers)
    with pytest.raises(StoreError, match="other seed"):
        EffectFiles.open(tmp_path, OPTIONS)
