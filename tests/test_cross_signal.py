"""Injections on a model whose answers come from planted neurons, and what is made of them by hand."""

import inspect
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from answering import ANSWERS, sets_of
from tiny import planted_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.cross_signal.enhance import enhance, plan_enhance
from emorhet_lens.cross_signal.injections import require_injections
from emorhet_lens.cross_signal.outcomes import TEST, CrossSignal
from emorhet_lens.cross_signal.runs import balanced_score
from emorhet_lens.cross_signal.store import cross_signal_figure, write_cross_signal, write_picture
from emorhet_lens.errors import EffectsError, ModelError, StoreError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question
from emorhet_lens.steering.controls import written_lengths
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

DEVICES = ConceptGroup("devices", ("simile", "irony"), "literal")
NAMES = {"anger": "simile", "fear": "irony", "neutral": "literal"}
"""In the screening of devices a text of anger is one of simile, and so on: the devices' signal is the emotions'."""


@pytest.fixture(scope="module")
def stats(answering):
    corpus = planted_corpus(answering, per_label=8, sources=("screen",), seed=70)
    renamed = tuple(replace(e, label=NAMES[e.label]) for e in corpus)
    return collect_stats(answering.model, Corpus("devices", DEVICES, renamed), progress=False)


@pytest.fixture(scope="module")
def neurons(answering, stats):
    return sets_of(stats, {NAMES[concept]: places for concept, places in answering.neurons.items()})


@pytest.fixture(scope="module")
def texts(answering):
    made = {
        part: planted_corpus(answering, per_label=8, sources=(part,), seed=71 + k)
        for k, part in enumerate(("dev", "test"))
    }
    return {part: corpus.where(lambda example: example.label != "neutral") for part, corpus in made.items()}


@pytest.fixture(scope="module")
def measure(answering, stats, neurons, texts):
    """`enhance` with defaults for these models; whatever is given replaces them."""

    def run(function=enhance, **changes):
        given = {"model": answering.model, "neurons": neurons, "corpus": texts["test"], **changes}
        first = [given.pop(name) for name in ("model", "neurons", "corpus")]
        defaults = {"stats": stats, "dev": texts["dev"], "readout": ANSWERS, "n_random": 3, "omegas": (0.5, 1.0)}
        return function(*first, **{**defaults, "progress": False, **given})

    return run


@pytest.fixture(scope="module")
def found(measure):
    return measure()


def test_a_shared_signal_helps_its_own_emotion_only(found):
    cells = found.primary().set_index(["injected", "read"])
    for injected, helped, hurt in (("simile", "anger", "fear"), ("irony", "fear", "anger")):
        good, bad = cells.loc[(injected, helped)], cells.loc[(injected, hurt)]
        assert good["own"] > 0.5 and good["excess"] > 0.5 and bad["own"] < -0.5 and bad["excess"] < -0.5
        # It is said more often to every text.
        assert good["bias"] > 0.5 > 0 > bad["bias"]
    assert (cells["family"] == "primary").all() and len(cells) == 4
    assert found.matrix("own").loc["simile", "anger"] == cells.loc[("simile", "anger"), "own"]


def test_injections_are_those_that_are_said(answering, neurons, stats, measure):
    plan = measure(plan_enhance)
    layers, _ = torch.tensor(neurons.sets["irony"]).unbind(1)
    for concept in ("simile", "irony"):
        own = plan.units[concept, OWN]
        lengths = written_lengths(answering.model, own)
        for draw, drawn in enumerate(neurons.matched_random(seed=0, n=3).sets):
            random = plan.units[concept, draw]
            torch.testing.assert_close(written_lengths(answering.model, random), lengths)
            assert {tuple(place) for place in random.columns.tolist()} == set(drawn.sets[concept])
            # Every partner gets the amount of the neuron that it was drawn for, scaled within the layer.
            mine = dict(zip(map(tuple, own.columns.tolist()), own.shift.tolist(), strict=True))
            theirs = dict(zip(map(tuple, random.columns.tolist()), random.shift.tolist(), strict=True))
            ratios = [
                theirs[partner] / mine[place]
                for place, partner in zip(neurons.sets[concept], drawn.sets[concept], strict=True)
            ]
            for layer in set(layers.tolist()):
                inside = [
                    r for r, (own_layer, _) in zip(ratios, neurons.sets[concept], strict=True) if own_layer == layer
                ]
                assert max(inside) == pytest.approx(min(inside))


def test_doses_are_chosen_on_development_texts_by_every_set_for_itself(answering, texts, found, measure):
    assert len(found.ladder) == 2 * 4 * 2
    for (injected, draw), rows in found.ladder.groupby(["injected", "draw"]):
        assert found.omegas[injected, draw] == rows.loc[rows["margin"].idxmax(), "omega"]
    halves = texts["dev"].split({"loop": 0.5, "calibrate": 0.5}, seed=0)
    reading = ANSWERS.prepare(answering.model, halves["loop"], dev=halves["calibrate"], progress=False)
    mask = measure(plan_enhance).units["irony", 1] * 0.5
    by_hand = reading.read(answering.model, lambda _: mask.fwd_hooks(answering.model), progress=False)
    row = found.ladder.query("injected == 'irony' and draw == 1 and omega == 0.5").iloc[0]
    assert row["margin"] == balanced_score(by_hand, "margin")
    test = ANSWERS.prepare(answering.model, texts["test"], dev=halves["calibrate"], progress=False)
    chosen = measure(plan_enhance).units["irony", 1] * found.omegas["irony", 1]
    by_hand = test.read(answering.model, lambda _: chosen.fwd_hooks(answering.model), progress=False)
    assert torch.equal(found.effects.masked[Step(TEST, "irony", 1, 0)].log_probs, by_hand.log_probs)


def test_the_mean_is_an_option_and_the_reverse_is_exploratory(measure, found):
    paper = measure(form="zheng2026", primary_family=False, choice="accuracy", omegas=(1,), n_random=2)
    assert (paper.primary()["family"] == "exploratory").all()
    assert "none" in paper.effects.options["primary"] and "accuracy" in paper.ladder
    assert paper.effects.options["injected"] != found.effects.options["injected"]


LABELS = ("glad", "sad")
MODEL = ModelIdentity("by hand", "Hand", "0", False, "float64", 1, 8, (1.0,) * 4)


def answers(**glad: float) -> Answers:
    """Texts by name, whose first letter is that of the label, and the log odds of glad."""
    log_probs = torch.stack([torch.tensor([v, 0.0]).double().log_softmax(0) for v in glad.values()])
    targets = tuple({"g": "glad", "s": "sad"}[key[0]] for key in glad)
    return Answers(LABELS, tuple(glad), targets, ("made",) * len(glad), log_probs, log_probs.argmax(1), MODEL)


def by_hand() -> CrossSignal:
    base = answers(g0=1, g1=-1, s0=-2)
    masked = {
        Step(TEST, "irony", OWN, 0): answers(g0=2, g1=1, s0=-1.5),
        Step(TEST, "irony", 0, 0): answers(g0=1, g1=-1, s0=-2),
        Step(TEST, "irony", 1, 0): answers(g0=1.5, g1=-0.5, s0=-2),
    }
    effects = Effects(
        ("irony",), (TEST,), (Question(LABELS),), (base,), masked, {}, {"irony": 3}, pd.DataFrame(), {"seed": 0}
    )
    omegas = {("irony", OWN): 2.0, ("irony", 0): 1.0, ("irony", 1): 0.5}
    return CrossSignal(effects, omegas, pd.DataFrame(), LABELS, True)


def test_cells_by_hand():
    cells = by_hand().primary().set_index("read")
    glad, sad = cells.loc["glad"], cells.loc["sad"]
    # Own margins of glad rise by 1 and 2, under random sets by 0 and 0.5; texts of sad move by 0.5 towards glad.
    assert (glad["own"], glad["random_mean"], glad["excess"], glad["omega"]) == pytest.approx((1.5, 0.25, 1.25, 2))
    assert (glad["accuracy_base"], glad["accuracy"], glad["accuracy_excess"]) == (0.5, 1, 0.5)
    assert math.isnan(glad["accuracy_p"])
    assert glad["bias"] == pytest.approx(0.5)
    assert (sad["own"], sad["random_mean"], sad["bias"]) == pytest.approx((-0.5, 0, -1.5))
    t = 1.25 / (0.5 / math.sqrt(2) * math.sqrt(1.5))
    assert glad["p"] == pytest.approx(1 - 2 * math.atan(t) / math.pi)
    # The other cell cannot be tested and counts as one test.
    assert math.isnan(sad["p"]) and glad["p_holm"] == pytest.approx(2 * glad["p"])
    draws = by_hand().to_dataframe().set_index(["draw", "read"])
    assert draws.loc[(1, "glad"), "margin"] == pytest.approx(0.5) and draws.loc[(1, "glad"), "omega"] == 0.5


def test_no_label_outweighs_another():
    # Margins of glad 1 and -1, of sad 2.
    assert balanced_score(answers(g0=1, g1=-1, s0=-2), "margin") == pytest.approx((0 + 2) / 2)
    assert balanced_score(answers(g0=1, g1=-1, s0=-2), "accuracy") == pytest.approx((0.5 + 1) / 2)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"omegas": (0.5, math.nan)}, "finite numbers other than 0"),
            ({"omegas": (math.inf,)}, "finite numbers other than 0"),
            ({"omegas": (0,)}, "finite numbers other than 0"),
            ({"omegas": (1, 1.0)}, "each once"),
            ({"omegas": ()}, "each once"),
            ({"form": "amplify"}, "does not add to activations; it is one of contrast, zheng2026"),
            ({"n_random": 1}, "n_random=1"),
        ],
    )
    def test_options_before_any_pass(self, measure, changes, message):
        def explode(*_, **__):
            raise AssertionError("a pass was made before the options were looked at")

        untouched = type("Untouched", (), {"prepare": explode})()
        with pytest.raises(EffectsError, match=message):
            measure(plan_enhance, readout=untouched, **changes)

    def test_an_unknown_choice(self):
        with pytest.raises(EffectsError, match="choice='recall' is unknown; it is one of margin, accuracy"):
            # Past the annotations, as a user without a type checker calls it.
            inspect.unwrap(require_injections)((1,), "recall", "contrast", 2)

    def test_empty_sets(self, measure, neurons):
        lone = replace(neurons, sets={**neurons.sets, "irony": ()}, scores={**neurons.scores, "irony": ()})
        plan = measure(plan_enhance, neurons=lone)
        assert plan.warnings == ("irony: no neurons, so nothing was injected",) and plan.neurons.concepts == ("simile",)
        none = replace(neurons, sets={"irony": ()}, scores={"irony": ()})
        with pytest.raises(EffectsError, match="no neurons of irony to inject"):
            measure(neurons=none)

    def test_texts_that_were_screened_on(self, measure, texts, stats):
        seen = {**stats.options, "texts": [*stats.options["texts"], texts["test"].examples[0].digest]}
        with pytest.raises(EffectsError, match="1 corpus texts were screened on"):
            measure(stats=replace(stats, options=seen))

    def test_another_model(self, measure):
        with pytest.raises(StoreError):
            measure(model=tiny_llama())

    def test_a_dose_that_is_too_large_says_which(self, measure):
        with pytest.raises(ModelError, match=r"induce simile, contrast \* 1 \* 1e\+39: .*NaN.*; give smaller doses"):
            measure(omegas=(1e39,))


class TestFolder:
    def test_it_goes_on_where_it_stopped(self, measure, found, tmp_path):
        plan = measure(plan_enhance, folder=tmp_path)
        readings = 2 * 4
        assert plan.texts == readings * (2 * 8 + 16) and plan.minutes > 0
        pd.testing.assert_frame_equal(measure(folder=tmp_path).primary(), found.primary(), check_exact=True)
        files = sorted((tmp_path / "answers").iterdir())
        assert len(files) == readings * 3
        for path in files[::2]:
            path.unlink()
        kept = {path: path.stat().st_mtime_ns for path in files[1::2]}
        pd.testing.assert_frame_equal(measure(folder=tmp_path).primary(), found.primary(), check_exact=True)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        assert measure(plan_enhance, folder=tmp_path).texts == 0
        for changes, name in (({"omegas": (1,)}, "omegas"), ({"seed": 1}, "random"), ({"form": "zheng2026"}, "form")):
            with pytest.raises(StoreError, match=name):
                measure(plan_enhance, folder=tmp_path, **changes)

    def test_tables_and_picture(self, found, tmp_path):
        write_cross_signal(tmp_path, found, minutes=2)
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "cross_signal.csv"), found.primary(), check_dtype=False, check_exact=False
        )
        report = json.loads((tmp_path / "cross_signal.json").read_text())
        assert report["kind"] == "cross-signal" and report["minutes"] == 2 and report["questions"][0]["n"] == 16
        pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
        assert write_picture(tmp_path, found).read_bytes()[:4] == b"\x89PNG"
        axes = cross_signal_figure(by_hand()).axes[0]
        assert [text.get_text() for text in axes.texts] == ["+1.25", "-0.50"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["irony"]
