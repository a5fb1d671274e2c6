"""Measure what masking concept neurons does, against matched random sets, the other concepts' sets and side effects.

The texts have one job each: neurons come from the screening texts, calibration from the development texts, and effects
from the test texts. An overlap is an error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.activations.stats import ActivationStats
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
    with_texts,
)
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.causal.steps import plan_steps
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.plain import prepare_all, read_plain
from emorhet_lens.readouts.questions import Contrast, Question, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus


def effects(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    masks: Sequence[str] | Mapping[str, MakeMask] = ("zero",),
    readout: Readout | None = None,
    controls: Sequence[str] = ("random", "other"),
    n_random: int = 8,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Effects:
    """Mask the neurons of every concept and measure what changes; `plan_effects` says the cost first.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        corpus: The test texts.
        masks: Any of `"zero"`, `"mean"` and `"attenuate"`, or functions from neurons to a mask by name.
        readout: How predictions are read; `ZeroShot()` by default, which needs `dev=`.
        controls: `"random"` matched sets, without which nothing is tested, and the `"other"` concepts' sets.
        n_random: Random sets a concept.
        seed: Of the random sets and the bootstrap.
        progress: Whether to show progress bars.
        **options: Further arguments of `plan_effects`, such as dev, train, stats, where and folder.

    Returns:
        Per-example outcomes and their tests, with the errors of `plan_effects` and `EffectPlan.run`.
    """
    plan = plan_effects(
        model,
        neurons,
        corpus,
        masks=masks,
        readout=readout,
        controls=controls,
        n_random=n_random,
        seed=seed,
        progress=progress,
        **options,
    )
    return plan.run(model, progress=progress)


def plan_effects(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    masks: Sequence[str] | Mapping[str, MakeMask] = ("zero",),
    readout: Readout | None = None,
    controls: Sequence[str] = ("random", "other"),
    n_random: int = 8,
    seed: int = 0,
    dev: Corpus | None = None,
    train: Corpus | None = None,
    stats: ActivationStats | None = None,
    where: Where = "all",
    neutral: Corpus | None = None,
    contrast: Contrast | None = None,
    question: Question | None = None,
    batch_size: BatchSize = "auto",
    folder: Path | None = None,
    stale: Literal["refuse", "replace"] = "refuse",
    progress: bool = True,
) -> EffectPlan:
    """Prepare the measurement, read the unmasked answers, and say what the rest will cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        corpus: The test texts.
        masks: See `effects`.
        readout: See `effects`.
        controls: See `effects`.
        n_random: See `effects`.
        seed: See `effects`.
        dev: Texts to calibrate on.
        train: Texts to learn from, for readouts that do.
        stats: Of the screening: for the masks that need means or maxima, and to refuse texts that were screened on.
        where: At which positions masks act, see `Mask.fwd_hooks`.
        neutral: Texts for the side effects; by default 32 test texts of the rest, if there are any.
        contrast: What stands against what, see `questions_for`.
        question: The one question to ask, in place of those that `contrast` gives.
        batch_size: Texts a batch, or `"auto"`.
        folder: Where every reading is kept as it is made; the same call goes on from there.
        stale: Whether readings of another measurement in that folder are an error or are deleted.
        progress: Whether to show progress bars.

    Returns:
        The plan.

    Raises:
        EffectsError: No concept has both neurons and test texts, test or development texts were screened on, a mask or
            a control is unknown, there are fewer than two random sets, or at the positions no mask would act.
        MaskError: `where` is unknown.
        CorpusError: Two splits share a text, or a text is too long.
        ReadoutError: A split that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by, or a layer has too few others.
        StoreError: The neurons are of another model, or the folder holds another measurement.
    """
    neurons.model.require_same(identity := identify(model))
    require_acting(where, readout)
    made = make_masks(masks, stats)
    require_unseen(stats, corpus=corpus, dev=dev)
    tested, warnings = with_texts(neurons, corpus)
    chosen = tested.concepts
    if stats is None:
        warnings.append("without stats= it was not checked that the test texts were not screened on")
    # What costs no pass goes first, so that its errors cost none.
    questions = questions_for(corpus, contrast) if question is None else (question,)
    steps = plan_steps(questions, chosen, masks=tuple(made), controls=controls, n_random=n_random)
    matched = tested.matched_random(seed=seed, n=n_random) if "random" in controls else None
    make_all(made, matched)
    splits: dict[str, Any] = {"dev": dev, "train": train, "batch_size": batch_size, "progress": progress}
    readings = prepare_all(model, corpus, questions, readout, **splits)
    neutral, unpriced = with_costs(neutral_texts(corpus, seed) if neutral is None else neutral, where)
    warnings += unpriced
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "concepts": list(chosen),
        "masks": {name: [mask_digest(make(tested[c])) for c in chosen] for name, make in made.items()},
        "readings": [reading.options for reading in readings],
        "rest": corpus.group.rest,
        "controls": list(controls),
        "n_random": n_random if matched is not None else 0,
        "seed": seed,
        "where": where,
        "random": None if matched is None else sets_digest(matched),
        "neutral": None if neutral is None else neutral.digest,
        "primary": "change of the own margin under the own mask minus matched random sets; Holm over the concepts",
    }
    files = None if folder is None else EffectFiles.open(folder, options, stale=stale)
    base, seconds = read_plain(model, readings, progress=progress)
    plain = None if neutral is None else read_neutral(model, encode_neutral(model, neutral))
    return EffectPlan(
        tested, matched, made, readings, base, steps, plain, where, seconds, options, tuple(warnings), files
    )
