"""The whole measurement on models whose answers are known to come from planted neurons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from answering import ANSWERS, sets_of
from asking import TEMPLATE, WORDS_OF, hooks_on, splits
from tiny import planted_corpus, tiny_llama
from tiny_masks import neurons_at

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.inputs import require_acting
from emorhet_lens.causal.plan import effects, plan_effects
from emorhet_lens.causal.steps import OWN
from emorhet_lens.errors import CorpusError, EffectsError, MaskError, ReadoutError, ScreenError, StoreError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.texts.corpus import Corpus, join


@pytest.fixture(scope="module")
def measure(measured_by):
    return measured_by(effects)


@pytest.fixture(scope="module")
def found(measure):
    return measure(n_random=4)


def table_of(effects):
    return effects.to_dataframe()


def test_the_model_answers_and_masks_hit_their_own_concept_only(found):
    assert found.base[0].accuracy() > 0.8
    matrix = found.matrix("zero")
    for concept in found.concepts:
        others = matrix.loc[concept].drop(concept)
        assert matrix.loc[concept, concept] < -1
        assert (others.abs() < 0.5 * abs(matrix.loc[concept, concept])).all()
    primary = found.primary()
    assert (primary["p_holm"] < 0.05).all() and (primary["excess"] < -1).all()
    own = table_of(found).query("control == 'own'")
    assert (own["specificity"] < -0.8).all()


def test_readings_are_those_of_masks_by_hand(answering, parts, found, neurons):
    reading = ANSWERS.prepare(answering.model, parts["test"], dev=parts["dev"], progress=False)
    drawn = neurons.matched_random(seed=0, n=4).sets
    for step, answers in found.masked.items():
        chosen = neurons[step.masked] if step.draw == OWN else drawn[step.draw][step.masked]
        mask = mask_kinds.zero(chosen)
        expected = reading.read(
            answering.model, lambda _, mask=mask: mask.fwd_hooks(answering.model), only=step.only, progress=False
        )
        assert answers.keys == expected.keys
        assert torch.equal(answers.log_probs, expected.log_probs)
    assert found.sizes == {"anger": 6, "fear": 6}
    assert set(found.balance["concept"]) == {"anger", "fear"}
    assert found.options["n_random"] == found.n_random == 4


def test_the_same_seed_gives_the_same_bytes_and_batches_change_rounding_only(measure, found):
    again = measure(n_random=4)
    pd.testing.assert_frame_equal(table_of(again), table_of(found), check_exact=True)
    small = measure(n_random=4, batch_size=3)
    for step, answers in found.masked.items():
        torch.testing.assert_close(small.masked[step].log_probs, answers.log_probs, atol=1e-4, rtol=0)
    other = measure(n_random=4, seed=5)
    own = [step for step in found.masked if step.draw == OWN]
    assert all(torch.equal(other.masked[step].log_probs, found.masked[step].log_probs) for step in own)
    assert other.primary()["random_mean"].tolist() != found.primary()["random_mean"].tolist()


def test_the_caller_s_random_numbers_and_model_are_left_alone(answering, measure):
    torch.manual_seed(3)
    np.random.seed(3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    weights = answering.model.blocks[0].mlp.W_out.clone()
    measure()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(answering.model.blocks[0].mlp.W_out, weights)
    assert hooks_on(answering.model) == []


def test_side_effects_of_own_and_random_sets(answering, parts, measure):
    neutral = parts["screen"].where(lambda example: example.label == "neutral")
    found = measure(neutral=neutral)
    assert set(found.side) == {("zero", concept, draw) for concept in ("anger", "fear") for draw in (OWN, 0, 1)}
    assert table_of(found)[["ppl_ratio", "kl"]].notna().all(axis=None)
    # Nothing in neutral text reads what planted neurons write; random sets change every prediction a little.
    assert all(side.kl > 0 for (_, _, draw), side in found.side.items() if draw != OWN)
    assert measure().side == {}


def test_texts_of_the_rest_are_the_neutral_ones_by_default(answering, stats, measure):
    whole = {part: Corpus(part, answering.group, examples) for part, examples in _with_rest(answering).items()}
    found = measure(corpus=whole["test"], dev=whole["dev"])
    assert found.base[0].labels == ("anger", "fear", "neutral")
    table = table_of(found)
    assert (table["control"] == "rest").sum() == 2
    assert table["kl"].notna().all()


def _with_rest(answering):
    return {
        part: planted_corpus(answering, per_label=6, sources=(part,), seed=90 + k).examples
        for k, part in enumerate(("test", "dev"))
    }


def test_masks_by_name_and_as_functions(measure):
    found = measure(masks=("zero", "mean", "attenuate"))
    assert found.masks == ("zero", "mean", "attenuate")
    half = measure(masks={"half": lambda neurons: mask_kinds.amplify(neurons, 0.5), "nothing": nothing})
    assert half.masks == ("half", "nothing")
    changes = [one.matrix(mask).loc["anger", "anger"] for one, mask in ((found, "zero"), (half, "half"))]
    assert changes[0] < changes[1] < -0.2
    idle = half.primary().query("mask == 'nothing'")
    # Random sets are read in other batches than the unmasked answers, which differ by rounding.
    assert (idle["own"] == 0).all() and (idle["random_mean"].abs() < 1e-5).all() and idle["p"].isna().all()


def nothing(neurons) -> Mask:
    return mask_kinds.zero(neurons) * 0


def test_a_probe_can_be_asked(parts, measure):
    found = measure(readout=Probe(at="text"), dev=None, train=parts["dev"])
    assert found.base[0].accuracy() > 0.8
    assert found.measure == "margin"
    assert len(found.primary()) == 2


def test_every_host(any_host):
    texts = splits(12)
    stats = collect_stats(any_host, texts["train"], progress=False)
    neurons = sets_of(stats, {"glad": {(0, 2), (1, 3)}, "sad": {(0, 5), (1, 7)}})
    found = effects(
        any_host,
        neurons,
        texts["test"],
        readout=ZeroShot(TEMPLATE, WORDS_OF),
        dev=texts["dev"],
        stats=stats,
        n_random=3,
        progress=False,
    )
    assert found.n_random == 3
    assert found.primary()[["own", "p", "p_holm"]].notna().all(axis=None)
    assert (table_of(found).query("control == 'own'")["kl"] > 0).all()
    assert hooks_on(any_host) == []


class TestRefusals:
    def test_texts_that_were_screened_on(self, parts, measure):
        for name in ("corpus", "dev"):
            given = replace(parts["screen"], name="again").where(lambda example: example.label != "neutral")
            with pytest.raises(EffectsError, match=rf"20 {name} texts were screened on, for example 'screen:"):
                measure(**{name: given})

    def test_a_text_in_two_splits(self, parts, measure):
        shared = join([parts["dev"], Corpus("one", parts["test"].group, parts["test"].examples[:1])])
        with pytest.raises(CorpusError, match="same text"):
            measure(dev=shared)

    def test_a_missing_split(self, measure):
        with pytest.raises(ReadoutError, match="needs a dev split"):
            measure(dev=None)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"masks": ("zero", "shrink")}, r"unknown masks \['shrink'\]; there are zero, mean, attenuate"),
            ({"masks": ("mean",), "stats": None}, "need stats="),
            ({"masks": ()}, "no mask"),
            ({"n_random": 1}, "n_random=1"),
        ],
    )
    def test_options(self, measure, changes, message):
        def explode(*_, **__):
            raise AssertionError("a pass was made before the options were looked at")

        with pytest.raises(EffectsError, match=message):
            measure(**changes)
        untouched = type("Untouched", (), {"prepare": explode})()
        with pytest.raises(EffectsError, match=message):
            measure(readout=untouched, **changes)

    def test_nothing_to_test(self, neurons, measure):
        empty = replace(neurons, sets={"anger": (), "fear": ()}, scores={"anger": (), "fear": ()})
        with pytest.raises(EffectsError, match=r"neurons are of none, texts of anger, fear"):
            measure(neurons=empty)
        with pytest.raises(EffectsError, match=r"no concept has both"):
            measure(neurons=replace(neurons, sets={"x": neurons.sets["fear"]}, scores={"x": neurons.scores["fear"]}))

    def test_neurons_that_cannot_be_matched(self, answering, measure):
        by_hand = neurons_at(answering.model, (0, 3), (1, 5))
        by_hand = replace(by_hand, sets={"anger": by_hand.sets["one"]}, scores={"anger": (0.0, 0.0)})
        with pytest.raises(ScreenError, match="carry no statistics"):
            measure(neurons=by_hand)
        assert measure(neurons=by_hand, controls=("other",)).primary().empty

    def test_another_model(self, measure):
        with pytest.raises(StoreError):
            measure(model=tiny_llama())


def test_concepts_without_neurons_or_texts_are_named_and_left_out(parts, neurons, measure):
    lone = replace(neurons, sets={**neurons.sets, "fear": ()}, scores={**neurons.scores, "fear": ()})
    found = measure(neurons=lone)
    assert found.concepts == ("anger",)
    assert "fear: no neurons, so nothing was masked" in found.warnings
    assert set(table_of(found)["read"]) == {"anger", "fear"}
    extra = replace(neurons, sets={**neurons.sets, "x": ((0, 0),)}, scores={**neurons.scores, "x": (0.0,)})
    assert "x: no test texts" in measure(neurons=extra).warnings


def test_unchecked_texts_are_warned_about(measure):
    assert any("not checked" in warning for warning in measure(stats=None).warnings)
    assert measure().warnings == ()


class TestFolder:
    def test_it_goes_on_where_it_stopped(self, measure, tmp_path):
        plan = measure(plan_effects, folder=tmp_path)
        assert plan.remaining == plan.steps
        assert plan.texts == 2 * 20 + 2 * 2 * 10
        assert plan.minutes > 0
        whole = table_of(measure(folder=tmp_path))
        files = sorted((tmp_path / "answers").iterdir())
        assert len(files) == len(plan.steps) == 6
        for path in files[::2]:
            path.unlink()
        kept = {path: path.stat().st_mtime_ns for path in files[1::2]}
        again = measure(plan_effects, folder=tmp_path)
        assert len(again.remaining) == 3
        pd.testing.assert_frame_equal(table_of(measure(folder=tmp_path)), whole, check_exact=True)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        done = measure(plan_effects, folder=tmp_path)
        assert (done.remaining, done.texts, done.minutes) == ((), 0, 0)

    def test_side_effects_are_kept_too(self, parts, measure, tmp_path):
        neutral = parts["screen"].where(lambda example: example.label == "neutral")
        first = measure(folder=tmp_path, neutral=neutral)
        paths = sorted((tmp_path / "side").iterdir())
        assert len(paths) == 2
        paths[0].unlink()
        plan = measure(plan_effects, folder=tmp_path, neutral=neutral)
        assert plan.texts == 3 * len(neutral)
        assert measure(folder=tmp_path, neutral=neutral).side == first.side

    def test_another_measurement_is_refused(self, measure, parts, neurons, tmp_path):
        measure(folder=tmp_path)
        fewer = neurons.head(5)
        neutral = parts["screen"].where(lambda example: example.label == "neutral")
        moved = replace(neurons, background=neurons.background.taking([(0, k) for k in range(20)]))
        for changes, name in (
            ({"seed": 1}, "seed"),
            ({"masks": ("mean",)}, "masks"),
            ({"neurons": fewer}, "masks"),
            ({"neurons": moved}, "random"),
            ({"where": "last"}, "where"),
            ({"neutral": neutral}, "neutral"),
            ({"readout": ZeroShot("{text} mood:", calibration="none")}, "readings"),
        ):
            with pytest.raises(StoreError, match=name):
                measure(plan_effects, folder=tmp_path, **changes)
        assert measure(plan_effects, folder=tmp_path).remaining == ()

    def test_a_truncated_file_is_named(self, measure, tmp_path):
        measure(folder=tmp_path)
        path = sorted((tmp_path / "answers").iterdir())[2]
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(StoreError, match=path.name.replace(".", r"\.")):
            measure(folder=tmp_path)

    def test_an_interrupt_keeps_what_was_read_and_leaves_no_hook(self, answering, measure, tmp_path, monkeypatch):
        made, genuine = [], Mask.fwd_hooks

        def interrupt(x, hook):
            raise KeyboardInterrupt

        def fwd_hooks(mask, model, **options):
            made.append(mask)
            late = [("blocks.2.mlp.hook_post", interrupt)] if len(made) == 4 else []
            return [*genuine(mask, model, **options), *late]

        with monkeypatch.context() as patch:
            patch.setattr(Mask, "fwd_hooks", fwd_hooks)
            with pytest.raises(KeyboardInterrupt):
                measure(folder=tmp_path)
        assert hooks_on(answering.model) == []
        assert len(list((tmp_path / "answers").iterdir())) == 3
        plan = measure(plan_effects, folder=tmp_path)
        assert len(plan.remaining) == 3
        pd.testing.assert_frame_equal(
            table_of(plan.run(answering.model, progress=False)), table_of(measure()), check_exact=True
        )


class TestPositions:
    def test_where_no_mask_would_act_is_refused_before_anything_is_read(self, measure, monkeypatch):
        monkeypatch.setattr("emorhet_lens.causal.plan.prepare_all", None)
        with pytest.raises(EffectsError, match="ZeroShot reads prompts and nothing is written"):
            measure(where="generated")
        with pytest.raises(EffectsError, match="Probe reads prompts"):
            measure(where="generated", readout=Probe())
        with pytest.raises(MaskError, match="where='lats' is unknown"):
            require_acting("lats", None)

    def test_costs_that_could_not_show_are_not_measured(self, measure, parts):
        found = measure(where="last", neutral=parts["screen"].where(lambda example: example.label == "neutral"))
        assert any("side effects were not measured: where='last'" in warning for warning in found.warnings)
        table = table_of(found)
        assert table["ppl_ratio"].isna().all() and table["kl"].isna().all()
        assert (table.query("control == 'own'")["margin_delta"] != 0).all()


def test_a_mask_that_cannot_be_made_for_a_random_set_costs_no_pass(measure, neurons, monkeypatch):
    def for_own_sets(one):
        if any(not set(places) <= set(neurons.sets[concept]) for concept, places in one.sets.items()):
            raise EffectsError("this set was not tuned")
        return mask_kinds.zero(one)

    monkeypatch.setattr("emorhet_lens.causal.plan.prepare_all", None)
    with pytest.raises(EffectsError, match="was not tuned"):
        measure(masks={"own": for_own_sets})


def test_a_mask_is_made_once(measure, neurons):
    made = []

    def zero(one):
        made.append(tuple(one.sets.items()))
        return mask_kinds.zero(one)

    measure(masks={"zero": zero})
    assert len(made) == len(set(made)) == 3 * len(neurons.concepts)
