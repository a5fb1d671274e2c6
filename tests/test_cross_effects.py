"""Mask one group, read another: planted neurons of the other group are found, in both directions, random ones not."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from answering import ANSWERS, answering_model, answering_splits, sets_of
from tiny import Planted

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.association.cross_effects import CrossEffects, cross_effects, finish_cross_effects
from emorhet_lens.association.cross_plan import plan_cross_effects
from emorhet_lens.causal.steps import OWN
from emorhet_lens.errors import EffectsError, StoreError
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

FEELINGS = ConceptGroup("feelings", ("anger", "fear"), "neutral")
FIGURES = ConceptGroup("figures", ("metaphor", "simile"), "neutral")
N_RANDOM = 5


@pytest.fixture(scope="module")
def answering() -> Planted:
    return answering_model(("anger", "fear", "metaphor", "simile"), seed=3)


@pytest.fixture(scope="module")
def parts(answering: Planted) -> dict[str, Corpus]:
    return answering_splits(answering, per_label=10, seed=3)


@pytest.fixture(scope="module")
def stats(answering: Planted, parts: dict[str, Corpus]) -> ActivationStats:
    return collect_stats(answering.model, parts["screen"], progress=False)


@pytest.fixture(scope="module")
def groups(answering: Planted, stats: ActivationStats) -> tuple[Neurons, Neurons]:
    """Fear's set holds those that write "metaphor", metaphor's those that write "anger"; the others are random."""
    truth = sets_of(stats, answering.neurons)
    taken = [place for places in answering.neurons.values() for place in places]
    drawn = truth.matched_random(seed=11, n=1).sets[0].sets
    feelings = {"anger": drawn["anger"], "fear": truth.sets["metaphor"]}
    figures = {"metaphor": truth.sets["anger"], "simile": drawn["simile"]}
    return sets_of(stats, feelings, also_taken=taken), sets_of(stats, figures, also_taken=taken)


def of(corpus: Corpus, group: ConceptGroup) -> Corpus:
    return Corpus(corpus.name, group, tuple(e for e in corpus if e.label in group.concepts))


def ask(parts: dict[str, Corpus], group: ConceptGroup, **more: Any) -> dict[str, Any]:
    options = {"readout": ANSWERS, "dev": of(parts["dev"], group), "n_random": N_RANDOM, "seed": 5}
    return {**options, "progress": False, **more}


@pytest.fixture(scope="module")
def primary(answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus]) -> CrossEffects:
    feelings, figures = groups
    test = of(parts["test"], FEELINGS)
    return cross_effects(answering.model, figures, feelings, test, family="primary", **ask(parts, FEELINGS))


def test_a_device_that_needs_an_emotions_neurons_is_found(primary: CrossEffects) -> None:
    table = primary.to_dataframe()
    cells = table.set_index(["masked", "read"])
    assert list(cells.index) == [(d, e) for d in ("metaphor", "simile") for e in ("anger", "fear")]
    hit = cells.loc[("metaphor", "anger")]
    assert hit["excess"] < -1 and hit["p_holm"] < 0.05 and hit["high"] < 0
    assert hit["df"] == N_RANDOM - 1 and hit["n"] == 10 and hit["neurons"] == 6
    assert hit["p_holm"] == pytest.approx(min(1, 4 * hit["p"]))
    assert (cells.drop(index=[("metaphor", "anger")])["excess"] > -0.5).all()
    assert (cells.loc["simile", "p_holm"] > 0.05).all()
    assert set(table["family"]) == {"primary"} and set(table["measure"]) == {"margin"}
    assert primary.reads == ("anger", "fear")
    # No concept that is masked is read, so the readings have no primary family of their own.
    assert primary.effects.primary().empty


def test_and_back(answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus]) -> None:
    feelings, figures = groups
    back = cross_effects(answering.model, feelings, figures, of(parts["test"], FIGURES), **ask(parts, FIGURES))
    cells = back.to_dataframe().set_index(["masked", "read"])
    assert cells.loc[("fear", "metaphor"), "excess"] < -1 and cells.loc[("fear", "metaphor"), "p_holm"] < 0.05
    assert (cells.loc["anger", "p_holm"] > 0.05).all()
    assert set(cells["family"]) == {"exploratory"}


def test_own_change_is_the_change_of_the_margins(primary: CrossEffects) -> None:
    change = primary.effects.change("zero", "metaphor", "anger")
    draws = [primary.effects.change("zero", "metaphor", "anger", k) for k in range(N_RANDOM)]
    cell = primary.to_dataframe().set_index(["masked", "read"]).loc[("metaphor", "anger")]
    assert change is not None
    assert cell["own"] == float(change.margin.mean())
    assert cell["random_mean"] == pytest.approx(sum(float(d.margin.mean()) for d in draws if d is not None) / N_RANDOM)
    assert cell["accuracy_change"] == change.accuracy_masked - change.accuracy_base


def blind(answers: Answers) -> Answers:
    """Answers of a readout that gives no log-probabilities."""
    return replace(answers, log_probs=torch.full_like(answers.log_probs, math.nan))


def test_answers_without_margins_are_measured_by_recall_and_say_so(primary: CrossEffects) -> None:
    base = tuple(blind(answers) for answers in primary.effects.base)
    masked = {step: blind(answers) for step, answers in primary.effects.masked.items()}
    table = replace(primary, effects=replace(primary.effects, base=base, masked=masked)).to_dataframe()
    assert set(table["measure"]) == {"accuracy"}
    assert table["own"].tolist() == pytest.approx(table["accuracy_change"].tolist())


def test_order_of_the_concepts_changes_the_order_of_the_rows_only(
    answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus], primary: CrossEffects
) -> None:
    feelings, figures = groups
    turned = replace(
        figures,
        sets={c: figures.sets[c] for c in reversed(figures.concepts)},
        scores={c: figures.scores[c] for c in reversed(figures.concepts)},
    )
    found = cross_effects(answering.model, turned, feelings, of(parts["test"], FEELINGS), **ask(parts, FEELINGS))
    there, back = (one.to_dataframe().set_index(["masked", "read"])["own"] for one in (primary, found))
    assert list(back.index) == [*list(there.index)[2:], *list(there.index)[:2]]
    assert all(back[cell] == there[cell] for cell in there.index)


def test_one_against_the_rest_reads_the_concept_alone_under_random_sets(
    answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus], stats: ActivationStats
) -> None:
    feelings, figures = groups
    held = answering_splits(answering, per_label=10, seed=9)["screen"]
    texts = Corpus("held", FIGURES, tuple(e for e in held if e.label in FIGURES.labels))
    halves = texts.split({"dev": 0.5, "test": 0.5})
    options = ask(parts, FIGURES, contrast="rest", dev=halves["dev"])
    plan = plan_cross_effects(answering.model, feelings, figures, halves["test"], **options)
    assert {step.only for step in plan.steps if step.draw != OWN} == {"metaphor", "simile"}
    assert {step.only for step in plan.steps if step.draw == OWN} == {None}
    assert len(plan.steps) == 2 * (1 + N_RANDOM) * 2
    found = finish_cross_effects(plan, answering.model, progress=False)
    assert found.reads == ("metaphor", "simile")
    assert found.to_dataframe().set_index(["masked", "read"]).loc[("fear", "metaphor"), "excess"] < -0.5
    assert not math.isnan(found.effects.side["zero", "fear", 0].kl)


def test_an_interrupted_measurement_goes_on_with_the_same_numbers(
    answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus], primary: CrossEffects, tmp_path: Path
) -> None:
    feelings, figures = groups
    arguments = (answering.model, figures, feelings, of(parts["test"], FEELINGS))
    plan = plan_cross_effects(*arguments, folder=tmp_path, **ask(parts, FEELINGS))
    assert len(plan.remaining) == len(plan.steps) == 2 * (1 + N_RANDOM)
    assert plan.texts == len(plan.steps) * 20 and plan.minutes > 0
    whole = finish_cross_effects(plan, answering.model, progress=False).to_dataframe()
    lost = sorted((tmp_path / "answers").iterdir())[:3]
    for path in lost:
        path.unlink()
    again = plan_cross_effects(*arguments, folder=tmp_path, **ask(parts, FEELINGS))
    assert len(again.remaining) == 3
    assert finish_cross_effects(again, answering.model, progress=False).to_dataframe().equals(whole)
    assert whole["own"].tolist() == primary.to_dataframe()["own"].tolist()
    with pytest.raises(StoreError, match="other"):
        plan_cross_effects(*arguments, folder=tmp_path, **ask(parts, FEELINGS, seed=6))


def test_bad_input(
    answering: Planted, groups: tuple[Neurons, Neurons], parts: dict[str, Corpus], stats: ActivationStats
) -> None:
    feelings, figures = groups
    test = of(parts["test"], FEELINGS)
    with pytest.raises(EffectsError, match="anger, fear would be masked and read"):
        plan_cross_effects(answering.model, feelings, figures, test, **ask(parts, FEELINGS))
    with pytest.raises(EffectsError, match="n_random=1"):
        plan_cross_effects(answering.model, figures, feelings, test, **ask(parts, FEELINGS, n_random=1))
    with pytest.raises(EffectsError, match="none of metaphor, simile has neurons"):
        plan_cross_effects(answering.model, figures.head(0), feelings, test, **ask(parts, FEELINGS))
    with pytest.raises(EffectsError, match="were screened on"):
        plan_cross_effects(
            answering.model, figures, feelings, of(parts["screen"], FEELINGS), **ask(parts, FEELINGS, stats=(stats,))
        )
    with pytest.raises(EffectsError, match="mean need stats"):
        plan_cross_effects(answering.model, figures, feelings, test, **ask(parts, FEELINGS, masks=("mean",)))
