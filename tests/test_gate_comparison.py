"""Plain and gated masks at an equal drop: doses, planted truth, verdicts, files and pictures."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from answering import ANSWERS, answering_model, sets_of
from tiny import planted_corpus
from tiny_masks import require_same_mask

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.side_effects import side_effects
from emorhet_lens.causal.text_costs import text_costs
from emorhet_lens.errors import EffectsError, ReadoutError, StoreError
from emorhet_lens.gates.arms import GATED, PLAIN, Arm, ConceptGates, dose_for, masked_at
from emorhet_lens.gates.calibration import calibrate_gate
from emorhet_lens.gates.comparison import compare_gates, plan_gates
from emorhet_lens.gates.outcomes import GateComparison, write_comparison
from emorhet_lens.gates.pictures import gate_figure, write_picture
from emorhet_lens.gates.runs import GatePlan
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask_kinds import amplify, attenuate

DOSES = (0.5, 1.0)


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    """Sets of neurons that fire on their concept alone and neurons that fire on anything; a third set is noise."""
    made = answering_model(d_mlp=64)
    for module in made.model.modules():
        if hasattr(module, "act_fn"):
            module.act_fn = torch.nn.ReLU()
    parts = {
        part: planted_corpus(made, per_label=12, signal=0.6, sources=(part,), seed=number)
        for number, part in enumerate(("screen", "dev", "test"))
    }
    stats = collect_stats(made.model, parts["screen"], progress=False)
    planted = {place for places in made.neurons.values() for place in places}
    rates = stats.firing_rate()
    noisy = [p for p in ((layer, n) for layer in (0, 1) for n in range(64)) if p not in planted and rates[p] > 0.3]
    sets = {
        "anger": [*made.neurons["anger"], *noisy[0:12:2], *noisy[-12::2]],
        "fear": [*made.neurons["fear"], *noisy[1:12:2], *noisy[-11::2]],
    }
    neutral = parts["test"].where(lambda e: e.label == "neutral").balanced(4)
    return {"made": made, **parts, "stats": stats, "neurons": sets_of(stats, sets), "neutral": neutral}


def compare(case: dict[str, Any], run: Any = compare_gates, **changes: Any) -> Any:
    options = {"stats": case["stats"], "doses": DOSES, "n_random": 1, "readout": ANSWERS, "progress": False}
    options["neutral"] = case["neutral"]
    given = {"neurons": case["neurons"], "dev": case["dev"], "test": case["test"]} | changes
    positional = [given.pop(name) for name in ("neurons", "dev", "test")]
    return run(case["made"].model, *positional, **options | given)


@pytest.fixture(scope="module")
def found(case) -> GateComparison:
    return compare(case)


def test_doses_on_straight_lines():
    assert dose_for([1.0, 3.0], [0.5, 1.0], 2.0) == 0.75
    assert dose_for([1.0, 3.0], [0.5, 1.0], 0.5) == 0.25
    assert dose_for([1.0, 3.0], [0.5, 1.0], 3.0) == 1
    assert dose_for([1.0, 3.0], [0.5, 1.0], 3.1) is None
    # The first crossing, where drops do not rise.
    assert dose_for([2.0, 0.0, 4.0], [0.2, 0.5, 1.0], 1.0) == pytest.approx(0.1)
    assert dose_for([-1.0, 1.0], [0.5, 1.0], 0.5) == 0.875


def test_the_gate_is_cheaper_where_neurons_also_fire_on_neutral_text(found):
    table = found.to_dataframe().set_index("concept")
    assert list(table.index) == ["anger", "fear"]
    for concept, row in table.iterrows():
        assert row.verdict.startswith("cheaper"), concept
        assert row.kl_gated < row.kl_plain / 2 and row.kl_difference_high < 0
        assert row.kl_difference == pytest.approx(row.kl_gated - row.kl_plain)
        assert row.drop_plain_low > 0 and row.drop_gated_low > 0
        assert row.drop_gated == pytest.approx(row.target, rel=0.4)
        assert 0 < row.alpha_plain <= 1 and 0 < row.alpha_gated <= 1
        assert (row.n, row.n_neutral, row.neurons) == (12, 4, 18)
        assert row.ppl_plain == pytest.approx(math.exp(row.log_ppl_plain))
        assert row.family == "exploratory" and row.random_gates == 1
    assert repr(found).startswith("GateComparison(anger: cheaper")


def test_doses_reach_the_target_on_tuning_texts(found):
    for one in found.found:
        plain, gated = one.arm(PLAIN), one.arm(GATED)
        assert one.target == min(max(plain.ladder), max(gated.ladder))
        for arm in (plain, gated):
            assert arm.reached and dose_for(arm.ladder, DOSES, one.target) == arm.alpha
        assert {plain.alpha, gated.alpha} & {1.0, 0.5}, "one of them is at the end of its reach"


def test_numbers_are_those_of_single_passes(case, found):
    """Drops and costs of one concept, read again by hand."""
    made, one = case["made"], found.found[0]
    dev = case["dev"].split({"loop": 0.5, "calibrate": 0.5}, seed=0)
    own = case["neurons"]["anger"]
    gate = calibrate_gate(made.model, own, dev["calibrate"], case["stats"], progress=False)
    reading = ANSWERS.prepare(made.model, case["test"], dev=dev["calibrate"], progress=False)
    base = reading.read(made.model, only="anger", progress=False).margin()
    neutral = read_neutral(made.model, encode_neutral(made.model, case["neutral"]))
    for arm in (one.arm(PLAIN), one.arm(GATED)):
        plain = attenuate(own, case["stats"], arm.alpha)
        mask = plain if arm.name == PLAIN else Gated(plain, gate)

        def hooks(batch, mask=mask):
            return mask.fwd_hooks(made.model, text=batch.keep)

        masked = reading.read(made.model, hooks, only="anger", progress=False).margin()
        torch.testing.assert_close(torch.tensor(arm.drops).double(), base - masked, atol=1e-5, rtol=1e-5)
        (whole,) = side_effects(made.model, neutral, [hooks], progress=False)
        rows = text_costs(made.model, neutral, [hooks], progress=False)
        assert list(arm.kl) == pytest.approx([row[0].kl for row in rows], abs=1e-6)
        tokens = [row[0].tokens for row in rows]
        weighed = sum(kl * n for kl, n in zip(arm.kl, tokens, strict=True)) / sum(tokens)
        assert weighed == pytest.approx(whole.kl, abs=1e-5)
        log_ratio = sum(value * n for value, n in zip(arm.log_ppl, tokens, strict=True)) / sum(tokens)
        assert log_ratio == pytest.approx(math.log(whole.ppl_ratio), abs=1e-5)


def test_a_set_that_does_not_tell_its_concept_is_said_so(case):
    noise = sets_of(case["stats"], {"anger": [*case["made"].neurons["fear"]]})
    found = compare(case, neurons=noise, n_random=0)
    (row,) = found.to_dataframe().to_dict("records")
    assert row["verdict"].startswith("not measured: this set's score does not tell 'anger' from 'neutral'")
    assert math.isnan(row["kl_difference"]) and row["n"] == 0 and row["random_gates"] == 0
    assert "Not compared: anger" in gate_figure(found.to_dataframe()).axes[0].get_title()


def test_a_target_that_is_given(case):
    low = compare(case, n_random=0, concepts=["anger"], target=0.05, doses=(1.0,))
    (one,) = low.found
    assert one.target == 0.05 and all(arm.reached and 0 < arm.alpha < 0.5 for arm in one.arms)
    assert low.to_dataframe().random_gates.tolist() == [0]


def test_zero_times_the_dose(case):
    own, model = case["neurons"]["anger"], case["made"].model
    require_same_mask(masked_at(own, case["stats"], "zero", 0.25), amplify(own, 0.75))
    require_same_mask(masked_at(own, case["stats"], "attenuate", 0.25), attenuate(own, case["stats"], 0.25))
    plan = compare(case, run=plan_gates, n_random=0, concepts=["anger"], mask="zero")
    makers, _ = plan._makers(model, "anger")
    require_same_mask(makers[PLAIN](0.25), amplify(own, 0.75))
    require_same_mask(makers[GATED](0.25).inner, amplify(own, 0.75))


def test_it_goes_on_where_it_stopped(case, found, tmp_path, monkeypatch):
    plan = compare(case, run=plan_gates, folder=tmp_path)
    texts = plan.texts
    # Per concept 2 gates on 24 texts, 3 masks at 2 doses on 6 texts, and 3 masks on 12 and 4 texts, none on 12.
    assert plan.remaining == ("anger", "fear") and texts == 2 * (2 * 24 + 3 * 2 * 6 + 4 * 12 + 3 * 4)
    assert plan.minutes > 0

    original = GatePlan._compare

    def interrupt(self, model, concept):
        if concept == "fear":
            raise KeyboardInterrupt
        return original(self, model, concept)

    with monkeypatch.context() as patch:
        patch.setattr(GatePlan, "_compare", interrupt)
        with pytest.raises(KeyboardInterrupt):
            plan.run(case["made"].model, progress=False)
    again = compare(case, run=plan_gates, folder=tmp_path)
    assert again.remaining == ("fear",) and again.texts == texts / 2
    whole = again.run(case["made"].model, progress=False)
    assert again.remaining == () and again.texts == 0
    assert whole.found == found.found
    with pytest.raises(StoreError, match=r"holds a measurement with other doses"):
        compare(case, run=plan_gates, folder=tmp_path, doses=(1.0,))


def test_files_and_picture(found, tmp_path):
    table = write_comparison(tmp_path, found, minutes={"taken": 1.0})
    written = json.loads((tmp_path / "gate.json").read_text())
    assert written["schema"] == 1 and written["kind"] == "gate-comparison" and written["minutes"] == {"taken": 1.0}
    assert tuple(ConceptGates.from_json(one) for one in written["concepts"]) == found.found
    assert (tmp_path / "gate.csv").read_text().startswith("concept,neurons,n,n_neutral,target,")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
    assert write_picture(tmp_path, table).stat().st_size > 5000
    figure = gate_figure(table)
    (axes,) = figure.axes
    (anger, *_) = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"][2:]
    assert list(anger.get_xdata()) == [table.drop_plain[0], table.drop_gated[0]]
    assert list(anger.get_ydata()) == [table.kl_plain[0], table.kl_gated[0]]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[0] == "plain" and words[1].startswith("gated; filled where")
    assert words[2:] == [f"{row.concept}: {row.verdict}" for row in table.itertuples()]
    assert axes.get_legend() is None  # it would lie on the bars
    with pytest.raises(EffectsError, match="nothing was compared"):
        write_comparison(tmp_path, replace(found, found=()))


def verdict(plain: Arm, gated: Arm, target: float = 1.0) -> str:
    one = ConceptGates("anger", 3, target, (plain, gated))
    return GateComparison((one,), {"seed": 0}).to_dataframe().verdict[0]


def test_verdicts():
    drops, low, high = (1.0, 1.1, 0.9, 1.0), (0.1, 0.12, 0.08, 0.1), (0.5, 0.55, 0.6, 0.5)
    plain = Arm(PLAIN, reached=True, drops=drops, kl=high, log_ppl=high)
    gated = Arm(GATED, reached=True, drops=drops[::-1], kl=low, log_ppl=low)
    assert verdict(plain, gated) == "cheaper"
    assert verdict(plain, replace(gated, kl=(0.9, 1.0, 0.95, 0.9))) == "dearer"
    assert verdict(plain, replace(gated, kl=(0.1, 0.9, 0.1, 1.0))) == "no certain difference in cost"
    assert verdict(plain, replace(gated, drops=(0.1, 0.1, 0.2, 0.1))) == "cheaper, but its drop is smaller"
    assert verdict(plain, replace(gated, drops=(2.0, 2.1, 2.2, 2.0))) == "cheaper, but its drop is larger"
    unsure = (-1.0, 1.0, -1.1, 1.2)
    assert verdict(replace(plain, drops=unsure), gated) == "not compared: no certain drop on test texts"
    assert verdict(plain, replace(gated, reached=False)).startswith("not compared: gated did not reach the drop")
    assert verdict(plain, gated, 0.0).startswith("not compared: at no dose do both")
    assert verdict(plain, Arm(GATED, "too few texts")) == "not measured: too few texts"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doses": (1.0, 0.5)}, "rising numbers above 0 and at most 1"),
        ({"doses": (0.0, 0.5)}, "rising numbers"),
        ({"doses": (0.5, 1.5)}, "rising numbers"),
        ({"doses": ()}, "rising numbers"),
        ({"target": 0.0}, "target=0.0"),
        ({"target": math.nan}, "target=nan"),
        ({"n_random": -1}, "n_random=-1"),
        ({"concepts": ["joy"]}, "no neurons of joy; there are anger, fear"),
    ],
)
def test_options_that_cannot_be(case, changes, message):
    with pytest.raises(EffectsError, match=message):
        compare(case, run=plan_gates, **changes)


def test_texts_that_cannot_be(case):
    with pytest.raises(EffectsError, match="test texts were screened on"):
        compare(case, run=plan_gates, test=case["screen"])
    with pytest.raises(EffectsError, match="dev texts were screened on"):
        compare(case, run=plan_gates, dev=case["screen"])
    with pytest.raises(EffectsError, match="give neutral="):
        compare(case, run=plan_gates, test=case["test"].where(lambda e: e.label != "neutral"), neutral=None)
    with pytest.raises(ReadoutError, match="fear"):
        compare(case, run=plan_gates, dev=case["dev"].where(lambda e: e.label != "fear"))
