"""The feedback loop on a model with a redundant copy, and its controls."""

from dataclasses import replace

import pandas as pd
import pytest
from answering import sets_of
from redundant import ASK, redundant_model, redundant_splits
from tiny_masks import require_same_mask

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.plan import effects
from emorhet_lens.errors import CorpusError, EffectsError, MaskError, StoreError
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.tuning.dose_search import Budget
from emorhet_lens.tuning.doses import dosed_mask, ladder
from emorhet_lens.tuning.feedback import FeedbackLoop
from emorhet_lens.tuning.loop_matched import plan_tunings, tune_all
from emorhet_lens.tuning.tune import tune


@pytest.fixture(scope="module")
def redundant():
    return redundant_model()


@pytest.fixture(scope="module")
def parts(redundant):
    return redundant_splits(redundant)


@pytest.fixture(scope="module")
def stats(redundant, parts):
    return collect_stats(redundant.model, parts["screen"], progress=False)


@pytest.fixture(scope="module")
def neurons(redundant, stats):
    return sets_of(stats, redundant.neurons)


@pytest.fixture(scope="module")
def run(redundant, parts, stats, neurons):
    """`tune` or `tune_all` with defaults for this model; whatever is given replaces them."""

    def run(function=tune, **changes):
        given = {"model": redundant.model, "neurons": neurons if function is not tune else neurons["anger"], **changes}
        first = [given.pop("model"), given.pop("neurons"), given.pop("dev", parts["dev"])]
        defaults = {"stats": stats, "readout": ASK, "progress": False}
        if function is not tune:
            defaults["n_random"] = 3
        return function(*first, **{**defaults, **given})

    return run


@pytest.fixture(scope="module")
def tuned(run):
    return run(tune_all)


def margin(redundant, parts, mask, concept="anger"):
    reading = ASK.prepare(redundant.model, parts["dev"], progress=False)
    hooks = None if mask is None else lambda _: mask.fwd_hooks(redundant.model)
    return float(reading.read(redundant.model, hooks, only=concept, progress=False).margin().mean())


def test_the_copy_hides_what_zeroing_does_and_not_what_half_does(redundant, parts, neurons):
    whole, none, half = (
        margin(redundant, parts, mask)
        for mask in (None, mask_kinds.zero(neurons["anger"]), mask_kinds.amplify(neurons["anger"], 0.5))
    )
    assert none > whole - 0.5
    assert half < whole - 5


def test_the_ladder_finds_the_dose_that_works_and_random_sets_do_not(tuned, redundant, parts, stats):
    for concept, own in tuned.own.items():
        assert own.outcome == "reached"
        assert 1 < len(own.trace) < 6
        assert own.base_recall == 1 and own.target == pytest.approx(0.95)
        assert all(trial.recall > own.target for trial in own.trace[:-1]) and own.final == own.trace[-1]
        assert [trial.dose for trial in own.trace] == list(ladder(6)[: len(own.trace)])
        expected = dosed_mask(tuned.neurons[concept], stats, own.dose, concept=concept)
        require_same_mask(own.mask, expected)
        assert margin(redundant, parts, own.mask, concept) < own.base_margin - 1
        assert [one.outcome for one in tuned.random[concept]] == ["not reached"] * 3
    table = tuned.conclusions()
    assert table["concept"].tolist() == ["anger", "fear"]
    assert table["outcome"].tolist() == ["reached"] * 2
    assert table["random_reached"].tolist() == [0, 0] and table["random_sets"].tolist() == [3, 3]
    assert table["other_reached"].tolist() == [0, 0] and table["other_sets"].tolist() == [1, 1]


def test_effects_on_unseen_texts_test_the_loop_matched_excess(tuned, redundant, parts, stats, neurons):
    kinds = tuned.masks()
    found = effects(
        redundant.model, neurons, parts["test"], masks=kinds, readout=ASK, stats=stats, n_random=3, progress=False
    )
    assert found.masks == ("adaptive", "same_dose")
    primary = found.primary()
    assert len(primary) == 4 and (primary["excess"] < -1).all()
    drawn = neurons.matched_random(seed=0, n=3).sets
    for draw, one in enumerate(drawn):
        mine = tuned.random["fear"][draw]
        require_same_mask(kinds["adaptive"](one["fear"]), mine.mask)
        require_same_mask(
            kinds["same_dose"](one["fear"]), dosed_mask(one["fear"], stats, tuned.own["fear"].dose, concept="fear")
        )
    require_same_mask(kinds["same_dose"](neurons["anger"]), tuned.own["anger"].mask)


def test_only_the_concept_s_own_texts_are_read_in_the_loop(run, parts, monkeypatch):
    genuine, seen = Reading.read, []

    def read(self, model, hooks=None, *, only=None, progress=True):
        answers = genuine(self, model, hooks, only=only, progress=progress)
        seen.append((only, set(answers.targets), set(answers.keys), set(self.options["splits"].get("dev", ()))))
        return answers

    monkeypatch.setattr(Reading, "read", read)
    found = run(readout=replace(ASK, calibration="prior"))
    assert len(seen) == 1 + len(found.trace)
    for only, targets, keys, calibrated in seen:
        assert only == "anger" and targets == {"anger"}
        assert 0 < len(keys) <= 20 and len(calibrated) == 18 and not keys & calibrated


def test_at_most_twenty_texts(run, redundant):
    dev = redundant_splits(redundant, per_label=25, seed=5)["dev"]
    found = run(dev=dev, calibrate=redundant_splits(redundant, per_label=2, seed=6)["test"])
    assert found.options["texts"] == {"anger": 20}


def test_calibration_and_loop_share_no_text(run, parts):
    with pytest.raises(CorpusError, match="same text"):
        run(calibrate=parts["dev"])


class TestBudget:
    def test_a_budget_ends_the_loop_one_step_after_it_is_spent(self, run, parts):
        # On the concept's own texts every dose costs something.
        own = parts["test"].where(lambda example: example.label == "anger")
        free = run(neutral=own, delta=1.0, budget=Budget(1e9, 1e9))
        costs = [trial.kl for trial in free.trace]
        assert costs == sorted(costs) and costs[0] > 0
        tight = run(neutral=own, delta=1.0, budget=Budget(1e9, (costs[1] + costs[2]) / 2))
        assert (tight.outcome, len(tight.trace)) == ("budget", 3)
        assert tight.dose == ladder(6)[1] and tight.final.kl == costs[1]
        assert run(neutral=own, budget=Budget(1e9, 0)).dose == ladder(6)[0]

    def test_bisection_keeps_within_its_readings(self, run):
        found = run(search="bisection", steps=4)
        assert len(found.trace) <= 4 and found.trace[0].dose.alpha == 1
        assert found.outcome in ("reached", "not reached")


class TestFolder:
    def test_interrupted_is_uninterrupted(self, run, tuned, tmp_path, monkeypatch):
        plan = run(plan_tunings, folder=tmp_path)
        # Two concepts, five sets each, six steps, six own texts and twelve neutral ones.
        assert plan.texts == 2 * 5 * 6 * (6 + 12) and plan.minutes > 0
        whole = plan.texts
        genuine, steps = FeedbackLoop.mask, []

        def stop(self, *given):
            steps.append(given)
            if len(steps) == 12:
                raise KeyboardInterrupt
            return genuine(self, *given)

        with monkeypatch.context() as patch:
            patch.setattr(FeedbackLoop, "mask", stop)
            with pytest.raises(KeyboardInterrupt):
                run(tune_all, folder=tmp_path)
        kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "tuning").iterdir()}
        assert 0 < len(kept) < 12
        assert run(plan_tunings, folder=tmp_path).texts == plan.texts < whole
        again = run(tune_all, folder=tmp_path)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        pd.testing.assert_frame_equal(again.to_dataframe(), tuned.to_dataframe(), check_exact=True)
        assert again.to_json() == tuned.to_json() and again.digest == tuned.digest
        assert run(plan_tunings, folder=tmp_path).texts == 0

    def test_another_tuning_is_refused(self, run, tmp_path):
        run(folder=tmp_path)
        for changes, name in (({"delta": 0.1}, "delta"), ({"seed": 1}, "seed"), ({"steps": 5}, "steps")):
            with pytest.raises(StoreError, match=name):
                run(folder=tmp_path, **changes)


def test_permuting_concepts_permutes(run, tuned, neurons):
    order = ("fear", "anger")
    turned = replace(neurons, sets={c: neurons.sets[c] for c in order}, scores={c: neurons.scores[c] for c in order})
    found = run(tune_all, neurons=turned, n_random=0)
    assert tuple(found.own) == order and found.matched is None and tuple(found.masks()) == ("adaptive",)
    for concept in order:
        assert found.own[concept].trace == tuned.own[concept].trace
        assert {d: one.trace for d, one in found.other[concept].items()} == {
            d: one.trace for d, one in tuned.other[concept].items()
        }


class TestRefusals:
    def test_a_set_that_was_not_tuned(self, tuned, neurons):
        stranger = neurons.matched_random(seed=9, n=3).sets[0]["anger"]
        for one in (stranger, neurons, neurons["anger"].head(2)):
            with pytest.raises(EffectsError, match="was not tuned"):
                tuned.masks()["adaptive"](one)
        with pytest.raises(EffectsError, match="'double' is unknown"):
            tuned.mask_of(neurons["anger"], "double")

    def test_masks_of_other_doses_are_other_masks_for_kept_readings(self, tuned, neurons):
        first, *rest = tuned.random["fear"]
        other = replace(tuned, random={**tuned.random, "fear": (replace(first, dose=ladder(6)[0]), *rest)})
        names = {one.mask_of(neurons["anger"]).name for one in (tuned, other)}
        assert len(names) == 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"delta": 0}, "delta=0"),
            ({"steps": 0}, "steps=0"),
            ({"concept": "joy"}, "joy"),
        ],
    )
    def test_options(self, run, changes, message):
        with pytest.raises((EffectsError, MaskError), match=message):
            run(**changes)

    def test_sets(self, run, neurons, parts):
        empty = replace(neurons, sets={"anger": ()}, scores={"anger": ()})
        with pytest.raises(MaskError, match="empty"):
            run(neurons=empty)
        with pytest.raises(EffectsError, match="every set is empty"):
            run(tune_all, neurons=empty)
        with pytest.raises(EffectsError, match="tune one"):
            run(neurons=neurons)
        with pytest.raises(EffectsError, match="no development texts of anger"):
            run(dev=parts["dev"].where(lambda example: example.label != "anger"))

    def test_texts_that_were_screened_on(self, run, parts):
        with pytest.raises(EffectsError, match="screened on"):
            run(dev=parts["screen"])
