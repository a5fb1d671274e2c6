"""Push texts towards concepts that they do not have, and see how many follow and what it costs.

Predictions that move show what the readout makes of the pushed model, on these texts. Whether the concept's neurons
carry the concept, or any push as hard does the same, is told by matched random sets, by such sets scaled to write as
much, and by noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import (
    mask_digest,
    neutral_texts,
    require_acting,
    require_unseen,
    sets_digest,
    with_costs,
)
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.plain import prepare_all, read_plain
from emorhet_lens.readouts.questions import Contrast, Question, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.induction import Form
from emorhet_lens.steering.inputs import require_pushes, sets_to_push
from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.steering.runs import SteeringPlan
from emorhet_lens.steering.steps import CONTROLS, PRIMARY_FORM, PRIMARY_STRENGTH, make_pushes
from emorhet_lens.texts.corpus import Corpus

__all__ = ["Steering", "SteeringPlan", "plan_steer", "steer"]
STRENGTHS = (0.5, 1.0, 2.0, 4.0)


def steer(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    stats: ActivationStats,
    strengths: Sequence[int | float] = STRENGTHS,
    forms: Sequence[Form] = (PRIMARY_FORM,),
    n_random: int = 8,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Steering:
    """Push texts without a concept towards it; `plan_steer` says the cost first.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        corpus: The test texts.
        stats: Of the screening.
        strengths: See `plan_steer`.
        forms: See `plan_steer`.
        n_random: See `plan_steer`.
        seed: Of the random sets, the noise and the bootstrap.
        progress: Whether to show progress bars.
        **options: Further arguments of `plan_steer`, such as dev, readout, controls, concepts and folder.

    Returns:
        What came out, with the errors of `plan_steer` and `SteeringPlan.run`.
    """
    plan = plan_steer(
        model,
        neurons,
        corpus,
        stats=stats,
        strengths=strengths,
        forms=forms,
        n_random=n_random,
        seed=seed,
        progress=progress,
        **options,
    )
    return plan.run(model, progress=progress)


def plan_steer(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    stats: ActivationStats,
    strengths: Sequence[int | float] = STRENGTHS,
    forms: Sequence[Form] = (PRIMARY_FORM,),
    controls: Sequence[str] = CONTROLS,
    n_random: int = 8,
    seed: int = 0,
    concepts: Sequence[str] | None = None,
    readout: Readout | None = None,
    dev: Corpus | None = None,
    train: Corpus | None = None,
    where: Where = "all",
    neutral: Corpus | None = None,
    contrast: Contrast | None = None,
    question: Question | None = None,
    batch_size: BatchSize = "auto",
    folder: Path | None = None,
    stale: Literal["refuse", "replace"] = "refuse",
    progress: bool = True,
) -> SteeringPlan:
    """Make the masks, read the unsteered answers, and say what the rest will cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        corpus: The test texts. Those without a concept are pushed towards it, in every question that asks for it: all
            other texts of a question with all labels, the rest's texts of its source for a rhetorical device.
        stats: Of the screening: gives the means, and texts that were screened on are refused.
        strengths: See `emorhet_lens.induce`; without strength 1 of the form `"contrast"` there is no primary family.
        forms: How neurons are pushed.
        controls: Any of `"random"` matched sets under the same form with their own means, without which nothing is
            tested; `"scaled"`, these sets writing as much as the concept's own; `"noise"`, a random shift of random
            columns that writes as much. The latter two go with forms that shift.
        n_random: Draws of every control.
        seed: See `steer`.
        concepts: Towards what; by default all that have neurons.
        readout: How predictions are read; `ZeroShot()` by default, which needs `dev=`.
        dev: Texts to calibrate on.
        train: Texts to learn from, for readouts that do.
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
        EffectsError: A strength, form, control or concept cannot be used, a concept that was asked for has no
            neurons, no concept is asked about, there are fewer than two draws, test or development texts were
            screened on, or at the positions no push would act.
        MaskError: `where` is unknown, or the statistics hold no text of a concept, or nothing to compare it with.
        CorpusError: Two splits share a text, or a text is too long.
        ReadoutError: A split that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by, or a layer has too few others.
        StoreError: The neurons are of another model, or the folder holds another measurement.
    """
    neurons.model.require_same(identity := identify(model))
    # What costs no pass goes first, so that its errors cost none.
    require_pushes(forms, strengths, controls, n_random)
    require_acting(where, readout)
    require_unseen(stats, corpus=corpus, dev=dev)
    questions = questions_for(corpus, contrast) if question is None else (question,)
    held, warnings = sets_to_push(neurons, corpus, questions, concepts)
    if PRIMARY_FORM not in forms or PRIMARY_STRENGTH not in strengths or "random" not in controls:
        warnings.append(
            f"no primary family: it needs the form {PRIMARY_FORM!r} at strength {PRIMARY_STRENGTH:g} and the control "
            "random"
        )
    drawing = "random" in controls or "scaled" in controls
    matched = held.matched_random(seed=seed, n=n_random) if drawing else None
    draws: dict[str, Any] = {"controls": controls, "n_random": n_random, "seed": seed}
    pushes = make_pushes(model, held, matched, stats, forms=forms, strengths=strengths, **draws)
    splits: dict[str, Any] = {"dev": dev, "train": train, "batch_size": batch_size, "progress": progress}
    readings = prepare_all(model, corpus, questions, readout, **splits)
    neutral, unpriced = with_costs(neutral_texts(corpus, seed) if neutral is None else neutral, where)
    warnings += unpriced
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "concepts": list(held.concepts),
        # What is scaled follows from these; its last digits may differ by the number of threads.
        "pushes": {push.step(0).name: mask_digest(mask) for push, mask in pushes.items() if push.control == "own"},
        "random": None if matched is None else sets_digest(matched),
        "readings": [reading.options for reading in readings],
        "forms": list(forms),
        "strengths": [float(strength) for strength in strengths],
        "controls": list(controls),
        "n_random": n_random if controls else 0,
        "seed": seed,
        "where": where,
        "neutral": None if neutral is None else neutral.digest,
        "primary": f"induction rate at strength {PRIMARY_STRENGTH:g} of the form {PRIMARY_FORM}, own minus matched "
        "random sets; Holm over the concepts",
    }
    files = None if folder is None else EffectFiles.open(folder, options, stale=stale)
    base, seconds = read_plain(model, readings, progress=progress)
    plain = None if neutral is None else read_neutral(model, encode_neutral(model, neutral))
    return SteeringPlan(held, matched, pushes, readings, base, plain, where, seconds, options, tuple(warnings), files)
