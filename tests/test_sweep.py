"""Sweeps on a model whose planted neurons do something in one layer only."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from answering import ANSWERS, answering_model, answering_splits
from tiny_masks import neurons_at

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.steps import OWN
from emorhet_lens.errors import EffectsError, ScreenError, StoreError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.readouts.questions import Question
from emorhet_lens.screening.screen import screen
from emorhet_lens.sweeps.cells import rank
from emorhet_lens.sweeps.outcomes import write_sweep
from emorhet_lens.sweeps.sweep import plan_sweep, sweep

D_MLP, PER_LAYER = 160, 6
RATIO = PER_LAYER / D_MLP


@pytest.fixture(scope="module")
def located():
    """Planted neurons in the first two layers are alike, but those of the second write what nothing reads."""
    made = answering_model(("anger", "fear"), d_mlp=D_MLP, per_layer=PER_LAYER, strength=0.25, seed=2)
    planted = sorted(neuron for found in made.neurons.values() for layer, neuron in found if layer == 1)
    others = [neuron for neuron in range(D_MLP) if neuron not in planted][: len(planted)]
    with torch.no_grad():
        weights = made.model.blocks[1].mlp.W_out
        weights[planted] = weights[others]
    return made


@pytest.fixture(scope="module")
def parts(located):
    return answering_splits(located, per_label=10, seed=1)


@pytest.fixture(scope="module")
def screened(located, parts):
    return screen(collect_stats(located.model, parts["screen"], progress=False), shuffles=0)


@pytest.fixture(scope="module")
def measure(located, parts, screened):
    """`sweep` with defaults for this model; whatever is given replaces them."""

    def run(function=sweep, **changes):
        given = {"model": located.model, "source": screened, "corpus": parts["test"], **changes}
        first = [given.pop(name) for name in ("model", "source", "corpus")]
        defaults = {"ratios": (RATIO,), "readout": ANSWERS, "dev": parts["dev"], "n_random": 3, "progress": False}
        return function(*first, **{**defaults, **given})

    return run


@pytest.fixture(scope="module")
def found(measure, parts):
    return measure(neutral=parts["screen"].where(lambda example: example.label == "neutral").balanced(4, seed=0))


def test_the_range_that_holds_the_neurons_shows_the_drop(located, found):
    table = found.to_dataframe().set_index(["layers", "concept"])
    for concept in ("anger", "fear"):
        bottom, middle = (next(c for c in found.cells if c.layers.name == name) for name in ("bottom", "middle"))
        # Selective neurons are found in both layers; they matter in the first.
        for layer, cell in enumerate((bottom, middle)):
            own = {place for place in located.neurons[concept] if place[0] == layer}
            assert set(cell.neurons.sets[concept]) == own
        drop = table.at[("bottom", concept), "excess"]
        assert drop < -1
        assert table.at[("bottom", concept), "excess_high"] < 0
        assert table.at[("all", concept), "excess"] < 0.7 * drop
        for name in ("middle", "top"):
            assert abs(table.at[(name, concept), "excess"]) < 0.2 * abs(drop)
        assert abs(table.at[("bottom", concept), "other_change"]) < 0.5 * abs(drop)
        assert (table.xs(concept, level="concept")["random_mean"].abs() < 0.2 * abs(drop)).all()
    assert (table["margin_low"] <= table["margin_change"]).all()
    assert (table["margin_change"] <= table["margin_high"]).all()
    assert (table["recall_change"].xs("bottom") < 0).all()
    assert table["excess"].to_numpy() == pytest.approx((table["margin_change"] - table["random_mean"]).to_numpy())
    assert set(table["family"]) == {"exploratory"}


def test_numbers_of_neurons_and_costs(found):
    table = found.to_dataframe()
    # Of each of three layers of 160, and of all of them.
    assert dict(zip(table["layers"], table["neurons"], strict=True)) == {"bottom": 6, "middle": 6, "top": 6, "all": 18}
    assert table[["ppl_ratio", "kl", "random_ppl_ratio", "random_kl"]].notna().all(axis=None)
    assert (table["random_kl"] > 0).all()
    assert set(table["n"]) == {10}
    assert any("exploratory: 8 results" in warning for warning in found.warnings)
    assert any("unequal numbers" in warning for warning in found.warnings)


def test_equal_gives_every_range_the_number_of_the_smallest(measure):
    alike = measure(equal=True, layers=("0-0", "all"), concepts=("anger",))
    assert alike.to_dataframe()["neurons"].tolist() == [6, 6]
    assert not any("unequal numbers" in warning for warning in alike.warnings)


def test_readings_are_those_of_masks_by_hand(located, parts, measure):
    one = measure(layers=("bottom",), doses=(0.5, 1), concepts=("fear",))
    reading = ANSWERS.prepare(located.model, parts["test"], dev=parts["dev"], progress=False)
    cell, effects = one.cells[0], one.effects[RATIO, "bottom"]
    assert len(effects.masked) == 2 * (1 + 3)
    for step, answers in effects.masked.items():
        chosen = cell.neurons if step.draw == OWN else cell.matched.sets[step.draw]
        mask = mask_kinds.amplify(chosen["fear"], 1 - one.doses[step.mask])
        expected = reading.read(
            located.model, lambda _, mask=mask: mask.fwd_hooks(located.model), only=step.only, progress=False
        )
        assert torch.equal(answers.log_probs, expected.log_probs)
    table = one.to_dataframe()
    assert table["dose"].tolist() == [0.5, 1]
    whole, half = table["margin_change"][1], table["margin_change"][0]
    assert whole < half < 0


def test_cells_with_too_few_candidates_are_rows_with_a_reason(measure):
    sparse = measure(ratios=(RATIO, 1), layers=("top", "all"), concepts=("anger",))
    table = sparse.to_dataframe()
    assert table["ratio"].tolist() == [RATIO, RATIO, 1, 1]
    assert table["neurons"].tolist() == [6, 18, 0, 0]
    assert table["needed"].tolist() == [6, 18, 160, 480]
    assert table["reason"][:2].tolist() == ["", ""]
    assert table["reason"][2].startswith(f"{table['candidates'][2]} candidates in layers 2-2, 160 needed")
    assert table["excess"].isna().tolist() == [False, False, True, True]
    assert "2 of 4 rows were not measured; the column reason says why" in sparse.warnings


def test_sets_in_place_of_a_screening(measure, screened):
    held = rank(screened).head(3)
    table = measure(source=held, layers=("all",), ratios=(2 / 480, 4 / 480), concepts=("anger",)).to_dataframe()
    assert table["neurons"].tolist() == [2, 0]
    assert table["reason"][1].startswith("3 candidates in layers 0-2, 4 needed")
    loose = replace(neurons_at(held.model, (0, 1)), sets={"anger": ((0, 1),)}, scores={"anger": (0.0,)})
    with pytest.raises(ScreenError, match="carry no statistics"):
        measure(source=loose)


class TestFolder:
    def test_interrupted_is_uninterrupted(self, located, measure, found, parts, tmp_path, monkeypatch):
        neutral = parts["screen"].where(lambda example: example.label == "neutral").balanced(4, seed=0)
        plan = measure(plan_sweep, folder=tmp_path, neutral=neutral)
        # Four ranges; two concepts, each with its own set on all 20 texts, three random sets on its 10 texts, and all
        # four on 4 neutral texts.
        assert plan.texts == 4 * 2 * (20 + 3 * 10 + 4 * 4)
        assert plan.readings == (32, 32)
        assert plan.minutes > 0
        made, genuine = [], Mask.fwd_hooks

        def interrupt(mask, model, **options):
            made.append(mask)
            if len(made) == 7:
                raise KeyboardInterrupt
            return genuine(mask, model, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Mask, "fwd_hooks", interrupt)
            with pytest.raises(KeyboardInterrupt):
                plan.run(located.model, progress=False)
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
        assert len(kept) == 6
        again = measure(plan_sweep, folder=tmp_path, neutral=neutral)
        assert again.readings == (26, 32)
        table = again.run(located.model, progress=False).to_dataframe()
        pd.testing.assert_frame_equal(table, found.to_dataframe(), check_exact=True)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        done = measure(plan_sweep, folder=tmp_path, neutral=neutral)
        assert (done.readings, done.texts, done.minutes) == ((0, 32), 0, 0)
        # A further ratio goes on from what is there, other random sets do not.
        more = measure(plan_sweep, folder=tmp_path, neutral=neutral, ratios=(RATIO, 2 * RATIO))
        assert more.readings == (32, 64)
        with pytest.raises(StoreError, match="seed"):
            measure(plan_sweep, folder=tmp_path, neutral=neutral, seed=1)

    def test_files(self, measure, tmp_path):
        one = measure(layers=("bottom",), concepts=("anger",))
        table = write_sweep(tmp_path, one, minutes={"taken": 0.5})
        read = pd.read_csv(tmp_path / "sweep.csv", keep_default_na=True)
        assert list(read.columns) == list(table.columns)
        np.testing.assert_allclose(read["excess"], table["excess"])
        assert '"family": "exploratory"' in (tmp_path / "sweep.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doses": (0,)}, "at 0 nothing is masked"),
        ({"doses": (-1.0,)}, "doses are finite numbers above 0"),
        ({"doses": ()}, "doses are finite numbers above 0"),
        ({"layers": ("upper",)}, "unknown layers 'upper'"),
        ({"ratios": (1.5,)}, "ratios are shares"),
        ({"ratios": (0,)}, "ratios are shares"),
        ({"mask": "shrink"}, r"unknown masks \['shrink'\]"),
        ({"concepts": ("joy",)}, r"unknown concepts \['joy'\]; there are anger, fear"),
        ({"n_random": 1}, "n_random=1"),
    ],
)
def test_refused_before_any_pass(measure, changes, message):
    def explode(*_, **__):
        raise AssertionError("a pass was made before the options were looked at")

    with pytest.raises(EffectsError, match=message):
        measure(plan_sweep, readout=type("Untouched", (), {"prepare": explode})(), **changes)


def test_texts_that_were_screened_on_are_refused(measure, parts):
    with pytest.raises(EffectsError, match="screened on"):
        measure(plan_sweep, corpus=parts["screen"])


def test_concepts_without_texts_are_left_out_or_refused(measure, parts):
    only = parts["test"].where(lambda example: example.label == "fear")
    asked = {"corpus": only, "question": Question(("anger", "fear"))}
    with pytest.raises(EffectsError, match="no test texts of anger; questions are about texts of fear"):
        measure(plan_sweep, concepts=("anger",), **asked)
    plan = measure(plan_sweep, layers=("bottom",), **asked)
    assert plan.concepts == ("fear",)
    assert "anger: no test texts" in plan.warnings
