"""Plan a causal table across groups: every set of one group is read on all concepts of another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.association.inputs import keeping_clear
from emorhet_lens.causal.inputs import (
    MakeMask,
    make_all,
    make_masks,
    mask_digest,
    neutral_texts,
    require_acting,
    require_unseen,
    sets_digest,
    with_costs,
)
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.plain import prepare_all, read_plain
from emorhet_lens.readouts.questions import Contrast, Question, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus


def plan_cross_effects(
    model: LensModel,
    masked: Neurons,
    read: Neurons,
    corpus: Corpus,
    *,
    masks: Sequence[str] | Mapping[str, MakeMask] = ("zero",),
    readout: Readout | None = None,
    n_random: int = 8,
    seed: int = 0,
    dev: Corpus | None = None,
    train: Corpus | None = None,
    stats: Sequence[ActivationStats] = (),
    where: Where = "all",
    neutral: Corpus | None = None,
    contrast: Contrast | None = None,
    batch_size: BatchSize = "auto",
    folder: Path | None = None,
    stale: Literal["refuse", "replace"] = "refuse",
    progress: bool = True,
) -> EffectPlan:
    """Prepare the measurement, read the unmasked answers, and say what the rest will cost.

    Args:
        model: The model of both, in evaluation mode.
        masked: Whose neurons are masked; concepts without neurons are left out.
        read: The other group's neurons, which random sets keep clear of.
        corpus: Test texts of the other group.
        masks: As for `emorhet_lens.effects`; those that need statistics take the first of `stats`.
        readout: How predictions are read; `ZeroShot()` by default, which needs `dev`.
        n_random: Matched random sets a concept; every one is read on all texts.
        seed: Of the random sets.
        dev: Texts to calibrate on.
        train: Texts to learn from, for readouts that do.
        stats: Of the screening of `masked` and then of that of `read`: texts of either are refused.
        where: At which positions masks act.
        neutral: Texts for the side effects; by default 32 texts of the rest, if there are any.
        contrast: What stands against what, see `questions_for`.
        batch_size: Texts a batch, or `"auto"`.
        folder: Where every reading is kept as it is made; the same call goes on from there.
        stale: Whether readings of another measurement in that folder are an error or are deleted.
        progress: Whether to show progress bars.

    Returns:
        The plan, for `finish_cross_effects`.

    Raises:
        EffectsError: No concept has neurons, a masked concept is read as well, texts were screened on, a mask is
            unknown, there are fewer than two random sets, or at the positions no mask would act.
        MaskError: `where` is unknown.
        CorpusError: Two splits share a text, or a text is too long.
        ReadoutError: A split that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by, or a layer has too few others.
        StoreError: The neurons are of another model, or the folder holds another measurement.
    """
    masked.model.require_same(identity := identify(model))
    chosen = tuple(concept for concept, found in masked.sets.items() if found)
    if not chosen:
        raise EffectsError(f"none of {', '.join(masked.concepts)} has neurons; there is nothing to mask")
    both = [label for label, count in corpus.counts().items() if count and label in chosen]
    if both:
        raise EffectsError(f"{', '.join(both)} would be masked and read; give texts of the other group, or use effects")
    if n_random < 2:
        raise EffectsError(f"n_random={n_random} sets cannot show how sets vary; draw at least 2 (8 by default)")
    require_acting(where, readout)
    for one in stats:
        require_unseen(one, corpus=corpus, dev=dev, train=train)
    made = make_masks(masks, stats[0] if stats else None)
    kept = {name: {c: getattr(masked, name)[c] for c in chosen} for name in ("sets", "scores")}
    tested = keeping_clear(replace(masked, sets=kept["sets"], scores=kept["scores"]), read)
    matched = tested.matched_random(seed=seed, n=n_random)
    make_all(made, matched)
    splits: dict[str, Any] = {"dev": dev, "train": train, "batch_size": batch_size, "progress": progress}
    questions = questions_for(corpus, contrast)
    readings = prepare_all(model, corpus, questions, readout, **splits)
    steps = cross_steps(questions, corpus.group.rest, chosen, masks=tuple(made), n_random=n_random)
    neutral, unpriced = with_costs(neutral_texts(corpus, seed) if neutral is None else neutral, where)
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "concepts": list(chosen),
        "masks": {name: [mask_digest(make(tested[c])) for c in chosen] for name, make in made.items()},
        "readings": [reading.options for reading in readings],
        "rest": corpus.group.rest,
        "n_random": n_random,
        "seed": seed,
        "where": where,
        "random": sets_digest(matched),
        "neutral": None if neutral is None else neutral.digest,
        "cells": "change of the read concept's margin under the other group's mask minus matched random sets",
    }
    files = None if folder is None else EffectFiles.open(folder, options, stale=stale)
    base, seconds = read_plain(model, readings, progress=progress)
    plain = None if neutral is None else read_neutral(model, encode_neutral(model, neutral))
    warnings = unpriced + [f"{c}: no neurons, so nothing was masked" for c in masked.concepts if not masked.sets[c]]
    if not stats:
        warnings.append("without stats= it was not checked that the test texts were not screened on")
    return EffectPlan(
        tested, matched, made, readings, base, steps, plain, where, seconds, options, tuple(warnings), files
    )


def cross_steps(
    questions: Sequence[Question], rest: str, masked: Sequence[str], *, masks: Sequence[str], n_random: int
) -> tuple[Step, ...]:
    """All masked readings: every set on every question.

    Args:
        questions: What is asked.
        rest: The label of texts without a concept, which need not be read under random sets where a question asks for
            one concept only.
        masked: Whose neurons are masked.
        masks: Names of the kinds of mask.
        n_random: Random sets a concept.
    """
    return tuple(
        Step(mask, concept, draw, number, only=None if draw == OWN else _alone(question, rest))
        for mask in masks
        for concept in masked
        for draw in (OWN, *range(n_random))
        for number, question in enumerate(questions)
    )


def _alone(question: Question, rest: str) -> str | None:
    """The concept of a question that asks for one."""
    concepts = [label for label in question.labels if label != rest]
    return concepts[0] if len(concepts) == 1 else None
