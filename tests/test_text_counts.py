"""What pushes, injections and masks across groups will cost, from the texts alone, beside what the plans then read."""

from dataclasses import replace
from typing import Any

import pytest
from answering import ANSWERS, answering_model, answering_splits, sets_of
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.association.costs import count_cross_effects
from emorhet_lens.association.cross_plan import plan_cross_effects
from emorhet_lens.cross_signal.costs import count_injections
from emorhet_lens.cross_signal.enhance import plan_enhance
from emorhet_lens.generation.costs import count_layer_choice, count_writing
from emorhet_lens.readouts.questions import questions_for
from emorhet_lens.steering.costs import count_pushes
from emorhet_lens.steering.steer import plan_steer
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

UNCALIBRATED = replace(ANSWERS, calibration="none")


@pytest.fixture(scope="module")
def answering() -> Any:
    return answering_model(("anger", "fear"), d_mlp=96, seed=1)


@pytest.fixture(scope="module")
def parts(answering: Any) -> Any:
    """The splits, whose test texts have none of the rest, and test texts that have."""
    made = answering_splits(answering, per_label=4, seed=1)
    return made | {"whole": planted_corpus(answering, per_label=4, sources=("whole",), seed=9)}


@pytest.fixture(scope="module")
def stats(answering: Any, parts: Any) -> Any:
    return collect_stats(answering.model, parts["screen"], progress=False)


@pytest.mark.parametrize(
    ("forms", "strengths", "controls", "n_random"),
    [
        (("contrast",), (1, 2), ("random", "scaled", "noise"), 3),
        (("zheng2026", "amplify", "extreme"), (1,), ("random", "noise"), 2),
        (("amplify",), (0.5, 1, 2), ("scaled",), 2),
        (("contrast",), (1,), (), 8),
    ],
)
def test_pushes(
    answering: Any, parts: Any, stats: Any, forms: Any, strengths: Any, controls: Any, n_random: int
) -> None:
    neurons = sets_of(stats, answering.neurons)
    how: dict[str, Any] = {"forms": forms, "strengths": strengths, "controls": controls, "n_random": n_random}
    for part in ("test", "whole"):
        corpus = parts[part]
        plan = plan_steer(answering.model, neurons, corpus, stats=stats, readout=UNCALIBRATED, progress=False, **how)
        assert plan.texts == count_pushes(corpus, questions_for(corpus), neurons.concepts, **how) > 0


def test_pushes_by_hand(parts: Any) -> None:
    test = parts["whole"]
    # Towards one concept 8 other texts; own and two draws of two controls at one strength. Four neutral texts: once
    # with the own push, and for either control twice.
    how: dict[str, Any] = {"forms": ("contrast",), "strengths": (1,), "controls": ("random", "scaled"), "n_random": 2}
    assert count_pushes(test, questions_for(test), ["anger"], **how) == 5 * 8 + 4 * (1 + 2 * 2)


def test_writing_by_hand(parts: Any) -> None:
    # No steering; for either target two strengths of neurons and of random neurons, one of the residual stream and
    # three ways of asking. Four prompts; five passes write a text, and one reads it.
    counted = count_writing(2, 4, strengths=(-1.0, 1.0), residual_strengths=(1.0,), max_new_tokens=5)
    assert counted == (1 + 2 * (2 + 2 + 1 + 3)) * 4 * 6
    # Four texts of either concept, and four of the rest beside each.
    assert count_layer_choice(["anger", "fear"], parts["whole"]) == 2 * (4 + 4)


@pytest.mark.parametrize(("omegas", "n_random"), [((1,), 2), ((0.5, 1, 2), 3)])
def test_injections(answering: Any, parts: Any, stats: Any, omegas: Any, n_random: int) -> None:
    neurons = sets_of(stats, answering.neurons)
    plan = plan_enhance(
        answering.model,
        neurons,
        parts["test"],
        stats=stats,
        dev=parts["dev"],
        omegas=omegas,
        n_random=n_random,
        readout=ANSWERS,
        progress=False,
    )
    asked, dev = questions_for(parts["test"]), parts["dev"]
    counted = count_injections(dev, parts["test"], asked, neurons.concepts, n_omegas=len(omegas), n_random=n_random)
    assert plan.texts == counted
    # Two concepts; 4 of 8 development texts at every dose, and 8 test texts.
    assert counted == 2 * (1 + n_random) * (len(omegas) * 4 + 8)


@pytest.mark.parametrize("contrast", ["all", "rest"])
def test_masks_across_groups(contrast: Any) -> None:
    both = answering_model(("anger", "fear", "metaphor", "simile"), seed=3)
    stats = collect_stats(both.model, planted_corpus(both, per_label=4, sources=("screen",), seed=5), progress=False)
    feelings, figures = (
        sets_of(stats, {concept: both.neurons[concept] for concept in names})
        for names in (("anger", "fear"), ("metaphor", "simile"))
    )
    group = ConceptGroup("figures", ("metaphor", "simile"), "neutral")
    drawn = planted_corpus(both, per_label=5, sources=("test",), seed=6)
    test = Corpus("test", group, tuple(example for example in drawn if example.label in group.labels))
    plan = plan_cross_effects(
        both.model,
        feelings,
        figures,
        test,
        masks=("zero", "mean"),
        readout=UNCALIBRATED,
        n_random=2,
        stats=[stats],
        contrast=contrast,
        progress=False,
    )
    asked = questions_for(test, contrast)
    counted = count_cross_effects(test, asked, feelings.concepts, masks=("zero", "mean"), n_random=2)
    assert plan.texts == counted
    # Own sets read 15 texts of one question, or 10 of each of two; random sets these 15, or the 5 of each of the two
    # that have its concept; five neutral texts under all three.
    own, random = (15, 15) if contrast == "all" else (20, 10)
    assert counted == 2 * 2 * (own + 2 * random + 3 * 5)
