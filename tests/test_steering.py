"""Steering on models whose answers are known to come from planted neurons."""

import inspect
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from answering import ANSWERS, sets_of
from asking import TEMPLATE, WORDS_OF, hooks_on, splits
from tiny import PAIR_GROUP, planted_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.steps import OWN
from emorhet_lens.errors import EffectsError, ModelError, ScreenError, StoreError
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.steering.controls import written_lengths
from emorhet_lens.steering.induction import induce
from emorhet_lens.steering.inputs import require_pushes
from emorhet_lens.steering.moved import ALL
from emorhet_lens.steering.pictures import write_picture
from emorhet_lens.steering.steer import plan_steer, steer
from emorhet_lens.steering.steps import Push
from emorhet_lens.steering.store import write_steering
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


@pytest.fixture(scope="module")
def measure(measured_by):
    return measured_by(steer, strengths=(1.0,))


@pytest.fixture(scope="module")
def neutral(parts):
    whole = parts["screen"].where(lambda example: example.label == "neutral")
    return Corpus("neutral", whole.group, whole.examples[:3])


@pytest.fixture(scope="module")
def found(measure, neutral):
    return measure(strengths=(-1, 1), n_random=3, neutral=neutral)


def rows_of(steering, **wanted):
    table = steering.to_dataframe().query("read == 'all'")
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table


def test_planted_neurons_move_predictions_and_others_do_not(found):
    primary = found.primary().set_index("concept")
    assert (primary["base_rate"] == 0).all()
    assert primary.loc["anger", "own"] >= 0.9 and primary.loc["fear", "own"] >= 0.4
    assert (primary["random_mean"] < 0.1).all() and (primary["excess"] > 0.4).all()
    assert (primary["log_odds_excess"] > 2).all() and (primary["log_odds_p"] < 0.05).all()
    for control in ("random", "scaled", "noise"):
        strongest = rows_of(found, control=control, strength=1.0).groupby("concept")["log_odds"].max()
        own = rows_of(found, control="own", strength=1.0).set_index("concept")["log_odds"]
        assert (own > strongest + 0.5).all()


def test_the_dose_has_a_direction(found):
    own = rows_of(found, control="own").pivot(index="concept", columns="strength", values="log_odds")
    assert (own[-1.0] < -1).all() and (own[1.0] > 1).all()
    assert (rows_of(found, control="own", strength=-1.0)["rate"] == 0).all()


def test_readings_are_those_of_masks_by_hand(answering, parts, stats, neurons, found):
    reading = ANSWERS.prepare(answering.model, parts["test"], dev=parts["dev"], progress=False)
    drawn = neurons.matched_random(seed=0, n=3).sets
    checked = 0
    for (push, number), answers in found.steered.items():
        assert number == 0 and push.concept not in answers.targets
        if push.control in ("own", "random"):
            chosen = neurons if push.draw == OWN else drawn[push.draw]
            mask = induce(chosen, stats, push.strength, concept=push.concept)
            expected = reading.read(
                answering.model,
                lambda _, mask=mask: mask.fwd_hooks(answering.model),
                only="fear" if push.concept == "anger" else "anger",
                progress=False,
            )
            assert answers.keys == expected.keys
            assert torch.equal(answers.log_probs, expected.log_probs)
            checked += 1
    assert checked == 2 * 2 * 4


def test_every_control_pushes_as_it_says(answering, neurons, measure):
    plan = measure(plan_steer, strengths=(1, 2, -1))
    for push, mask in plan.pushes.items():
        own = written_lengths(answering.model, plan.pushes[Push(push.form, push.strength, push.concept)])
        mine = written_lengths(answering.model, mask)
        if push.control in ("scaled", "noise"):
            torch.testing.assert_close(mine, own)
        elif push.control == "random":
            # Neurons that were not selected differ less between the concept and the rest.
            assert float(mine.norm()) < float(own.norm())
    drawn = [plan.pushes[Push("contrast", 1.0, "fear", "noise", draw)] for draw in range(2)]
    assert len({tuple(map(tuple, mask.columns.tolist())) for mask in drawn}) == 2
    twice = plan.pushes[Push("contrast", 2.0, "fear", "noise", 0)]
    assert torch.equal(twice.columns, drawn[0].columns)
    torch.testing.assert_close(twice.shift, 2 * drawn[0].shift)
    # Primary readings come first, so that an interrupted run has them.
    order = [push.primary for push in plan.pushes]
    assert sum(order) == 2 * 5 and all(order[:10])


def test_without_the_primary_push_there_is_no_primary_family(measure):
    for changes in ({"strengths": (2,)}, {"forms": ("zheng2026",)}, {"controls": ()}):
        steering = measure(**changes, concepts=("fear",))
        assert any("no primary family" in warning for warning in steering.warnings)
        assert steering.primary().empty
        assert (steering.to_dataframe()["family"] == "exploratory").all()


def test_order_does_not_matter(measure, neutral, found):
    # The noise of a concept does not depend on which other concepts and strengths there are.
    again = measure(strengths=(1, -1), concepts=("fear",), controls=("noise",), n_random=3, neutral=neutral)
    mine, theirs = (
        steering.to_dataframe().query("concept == 'fear' and control in ('own', 'noise')").reset_index(drop=True)
        for steering in (again, found)
    )
    tested = ["excess", "p", "p_holm", "family"]
    pd.testing.assert_frame_equal(mine.drop(columns=tested), theirs.drop(columns=tested), check_exact=True)
    own = again.options["pushes"]
    assert len(own) == 2 and own == {name: found.options["pushes"][name] for name in own}


DEVICES = ConceptGroup("rhetoric", ("simile", "irony"), "literal")


def device_parts(parts):
    """The planted texts as two sources: anger is simile in one, fear irony in the other; the rest is literal."""
    names = {"anger": ("simile", "poems"), "fear": ("irony", "letters")}
    made = {}
    for part, corpus in parts.items():
        examples = []
        for number, example in enumerate(corpus):
            label, source = names.get(example.label, ("literal", ("poems", "letters")[number % 2]))
            # The dev texts calibrate the questions about the test texts' sources.
            examples.append(Example(f"{part}-{example.id}", example.text, label, source))
        made[part] = Corpus(part, DEVICES, tuple(examples))
    return made


def test_devices_are_induced_in_the_literal_texts_of_their_own_source(answering, neurons):
    whole = {
        part: planted_corpus(answering, per_label=6, sources=(part,), seed=50 + k)
        for k, part in enumerate(("screen", "dev", "test"))
    }
    made = device_parts(whole)
    stats = collect_stats(answering.model, made["screen"], progress=False)
    sets = {"simile": neurons.sets["anger"], "irony": neurons.sets["fear"]}
    asked = ZeroShot("{text} mood:", words={"simile": "anger", "irony": "fear", "literal": "neutral"})
    steering = steer(
        answering.model,
        sets_of(stats, sets),
        made["test"],
        stats=stats,
        dev=made["dev"],
        readout=asked,
        strengths=(1.0,),
        controls=("random",),
        n_random=2,
        progress=False,
    )
    assert len(steering.questions) == 2
    for (push, number), found in steering.steered.items():
        assert set(found.targets) == {"literal"}
        assert set(found.sources) == {"poems" if push.concept == "simile" else "letters"}
        assert push.concept in steering.questions[number].labels
    primary = steering.primary().set_index("concept")
    assert (primary["log_odds_excess"] > 1).all()
    assert set(steering.to_dataframe()["read"]) == {ALL, "literal"}


def test_every_host(any_host):
    texts = splits(12)
    stats = collect_stats(any_host, texts["train"], progress=False)
    neurons = sets_of(stats, {"glad": {(0, 2), (1, 3)}, "sad": {(0, 5), (1, 7)}})
    found = steer(
        any_host,
        neurons,
        texts["test"],
        readout=ZeroShot(TEMPLATE, WORDS_OF),
        dev=texts["dev"],
        stats=stats,
        strengths=(1,),
        forms=("contrast", "quantile"),
        controls=("noise",),
        n_random=2,
        progress=False,
    )
    own = found.to_dataframe().query("read == 'all' and control == 'own'")
    assert len(own) == 2 * 2
    assert (own["log_odds"] != 0).all() and (own["kl"] > 0).all()
    assert set(found.to_dataframe()["read"]) == {ALL, *PAIR_GROUP.labels}
    assert hooks_on(any_host) == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"strengths": (1, math.nan)}, "finite numbers other than 0"),
            ({"strengths": (math.inf,)}, "finite numbers other than 0"),
            ({"strengths": (0,)}, "at 0 nothing is pushed"),
            ({"strengths": (1, 1.0)}, "each once"),
            ({"strengths": ()}, "each once"),
            ({"forms": ()}, "forms are of contrast"),
            ({"controls": ("other",)}, "controls are of random, scaled, noise"),
            ({"n_random": 1}, "n_random=1"),
            ({"concepts": ("joy",)}, r"unknown concepts \['joy'\]; there are anger, fear"),
        ],
    )
    def test_options_before_any_pass(self, measure, changes, message):
        def explode(*_, **__):
            raise AssertionError("a pass was made before the options were looked at")

        untouched = type("Untouched", (), {"prepare": explode})()
        with pytest.raises(EffectsError, match=message):
            measure(plan_steer, readout=untouched, **changes)

    def test_an_unknown_form(self):
        # Past the annotations, as a user without a type checker calls it.
        with pytest.raises(EffectsError, match=r"forms are of contrast, zheng2026.*got \['push'\]"):
            inspect.unwrap(require_pushes)(("push",), (1,), (), 2)

    def test_empty_sets(self, measure, neurons):
        lone = replace(neurons, sets={**neurons.sets, "fear": ()}, scores={**neurons.scores, "fear": ()})
        with pytest.raises(EffectsError, match="there are no neurons of fear to push"):
            measure(neurons=lone, concepts=("fear",))
        found = measure(plan_steer, neurons=lone)
        assert found.neurons.concepts == ("anger",)
        assert "fear: no neurons, so nothing was pushed" in found.warnings
        empty = replace(neurons, sets={"anger": (), "fear": ()}, scores={"anger": (), "fear": ()})
        with pytest.raises(EffectsError, match="no neurons of anger, fear"):
            measure(neurons=empty)

    def test_texts_that_were_screened_on(self, measure, parts):
        again = replace(parts["screen"], name="again").where(lambda example: example.label != "neutral")
        with pytest.raises(EffectsError, match="20 corpus texts were screened on"):
            measure(corpus=again)

    def test_neurons_that_cannot_be_matched(self, measure, neurons):
        by_hand = replace(neurons, background=None)
        with pytest.raises(ScreenError, match="carry no statistics"):
            measure(neurons=by_hand)
        assert measure(plan_steer, neurons=by_hand, controls=("noise",)).matched is None

    def test_another_model(self, measure):
        with pytest.raises(StoreError):
            measure(model=tiny_llama())

    def test_a_push_that_is_too_strong_says_which(self, answering, measure):
        with pytest.raises(ModelError, match=r"contrast at strength 1e\+39 towards \w+ \(\w+\): .*NaN.*; push less"):
            measure(strengths=(1e39,))
        assert hooks_on(answering.model) == []


class TestFolder:
    def test_it_goes_on_where_it_stopped(self, measure, neutral, tmp_path):
        options = {"neutral": neutral, "folder": tmp_path, "concepts": ("fear",)}
        plan = measure(plan_steer, **options)
        masks = 1 + 3 * 2
        assert len(plan.remaining) == len(plan.steps) == masks
        assert plan.texts == masks * (10 + len(neutral))
        assert plan.minutes > 0
        whole = measure(**options).to_dataframe()
        answers, sides = (sorted((tmp_path / part).iterdir()) for part in ("answers", "side"))
        assert len(answers) == masks and len(sides) == 4
        for path in (*answers[::2], sides[1]):
            path.unlink()
        kept = {path: path.stat().st_mtime_ns for path in answers[1::2]}
        assert len(measure(plan_steer, **options).remaining) == masks - len(kept)
        pd.testing.assert_frame_equal(measure(**options).to_dataframe(), whole, check_exact=True)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        done = measure(plan_steer, **options)
        assert (done.remaining, done.texts, done.minutes) == ((), 0, 0)

    def test_another_measurement_is_refused(self, measure, neurons, tmp_path):
        measure(folder=tmp_path)
        for changes, name in (
            ({"seed": 1}, "random"),
            ({"forms": ("contrast", "amplify")}, "forms"),
            ({"neurons": neurons.head(5)}, "pushes"),
        ):
            with pytest.raises(StoreError, match=name):
                measure(plan_steer, folder=tmp_path, **changes)
        measure(plan_steer, folder=tmp_path, seed=1, stale="replace")

    def test_tables_and_picture(self, found, tmp_path):
        write_steering(tmp_path, found, minutes=1.5)
        table = pd.read_csv(tmp_path / "steering.csv")
        pd.testing.assert_frame_equal(table, found.to_dataframe(), check_dtype=False)
        assert len(pd.read_csv(tmp_path / "primary.csv")) == 2
        report = json.loads((tmp_path / "steering.json").read_text())
        assert report["kind"] == "steering" and report["minutes"] == 1.5 and report["questions"][0]["n"] == 20
        pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
        assert write_picture(tmp_path, table).read_bytes()[:4] == b"\x89PNG"


def test_the_picture_shows_the_rates(found):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
    from emorhet_lens.steering.pictures import steering_figure

    table = found.to_dataframe()
    axes = steering_figure(table).axes
    assert [place.get_title(loc="left") for place in axes[:2]] == ["anger", "fear"]
    own = rows_of(found, control="own", concept="anger").sort_values("strength")
    line = axes[0].lines[-1]
    assert line.get_xdata().tolist() == [-1, 0, 1]
    assert line.get_ydata().tolist() == [own["rate"].iloc[0], own["base_rate"].iloc[0], own["rate"].iloc[1]]
    assert len(axes[0].lines) == 4
    # The band is an interval of the change, drawn around the share, which stays a share.
    wide = table.assign(low=table["low"].where(table["low"].isna(), -2.0))
    band = steering_figure(wide).axes[0].collections[-1].get_paths()[0].vertices[:, 1]
    assert band.min() == 0 and band.max() <= 1


def test_a_question_without_other_texts_is_not_read(measure, parts):
    alone = parts["test"].where(lambda example: example.label == "fear")
    plan = measure(plan_steer, corpus=alone, question=Question(("anger", "fear")), concepts=("fear",))
    assert plan.steps == () and len(plan.pushes) > 0
