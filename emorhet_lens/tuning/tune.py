"""Tune the adaptive mask of Zheng et al. (2026) on development texts: dynamic filtering, attenuation, feedback.

`tune` finds the dose at which a concept's recall falls. A dose that is looked for until recall falls is found for
random sets as well; `emorhet_lens.tune_all` runs the same loop on them, and `effects` on unseen texts tests the excess.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import EffectsError, MaskError
from emorhet_lens.masks.mask_kinds import Reference
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.scorers import Against
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.dev_readings import prepare_readings
from emorhet_lens.tuning.dose_search import Budget, DoseSearch, Search
from emorhet_lens.tuning.doses import Dose, dosed_mask
from emorhet_lens.tuning.feedback import FeedbackLoop, Tuning, require_delta
from emorhet_lens.tuning.store import TuningFiles, require_names

__all__ = ["Tuning", "prepare_loop", "tune"]

log = logging.getLogger(__name__)


def tune(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    *,
    stats: ActivationStats,
    concept: str | None = None,
    folder: Path | None = None,
    **options: Any,
) -> Tuning:
    """Raise the dose of one set until the concept's recall on development texts has fallen by delta.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set, such as `screen.neurons["anger"]`.
        dev: Development texts; the test texts must not be among them.
        stats: Of the screening: D, largest activations, and which texts were screened on.
        concept: Whose texts are read; by default the concept of the set.
        folder: Where every step is kept as it is made; the same call goes on from there.
        **options: Further arguments of `prepare_loop`: readout, delta, search, steps, budget, neutral, calibrate,
            train, questions, reference, difference, against, where, batch_size, seed, progress.

    Returns:
        Outcome, dose, trace and mask.

    Raises:
        EffectsError: `neurons` holds several sets, an option cannot be used, the concept has no development texts, or
            development texts were screened on.
        MaskError: The set is empty, or the statistics lack what D needs.
        CorpusError: Two parts share a text, or a text is too long.
        ReadoutError: A part that the readout needs is missing.
        StoreError: It is another model, or the folder holds another tuning.
    """
    filled = [name for name, places in neurons.sets.items() if places]
    if len(filled) > 1:
        raise EffectsError(
            f"these are sets of {', '.join(filled)}; tune one, such as neurons[{filled[0]!r}], or all of them with "
            "tune_all"
        )
    chosen = concept if concept is not None else next(iter(filled or neurons.concepts), "")
    sets = {"own": neurons}
    return prepare_loop(model, dev, [chosen], sets, stats=stats, folder=folder, **options).run(model, neurons, chosen)


def prepare_loop(
    model: LensModel,
    dev: Corpus,
    concepts: Sequence[str],
    sets: Mapping[str, Neurons],
    *,
    stats: ActivationStats,
    readout: Readout | None = None,
    delta: int | float = 0.05,
    search: Search = "ladder",
    steps: int = 6,
    budget: Budget | None = None,
    neutral: Corpus | None = None,
    calibrate: Corpus | None = None,
    train: Corpus | None = None,
    questions: Sequence[Question] | None = None,
    reference: Reference = "token",
    difference: str = "difference",
    against: Against = "others",
    where: Where = "all",
    batch_size: BatchSize = "auto",
    seed: int = 0,
    folder: Path | None = None,
    progress: bool = True,
) -> FeedbackLoop:
    """Check what is given, prepare the readout, and read the unmasked recalls.

    Args:
        model: The model, in evaluation mode.
        dev: See `emorhet_lens.tuning.dev_readings.prepare_readings`, for this and calibrate, train, neutral, questions,
            where, batch_size and progress.
        concepts: Whose texts are read.
        sets: What will be tuned, by name; they are part of what makes two tunings the same.
        stats: Of the screening.
        readout: How predictions are read; `ZeroShot()` by default.
        delta: How far recall has to fall.
        search: `"ladder"`, or `"bisection"`, which assumes that a higher dose does more.
        steps: Of the ladder, and most doses that are tried.
        budget: What a dose may cost on neutral text; `Budget()` by default. Without neutral texts it is not checked.
        neutral: See dev.
        calibrate: See dev.
        train: See dev.
        questions: See dev.
        reference: See `emorhet_lens.masks.mask_kinds.attenuate`.
        difference: See `emorhet_lens.tuning.doses.dosed_mask`.
        against: See `emorhet_lens.tuning.doses.dosed_mask`.
        where: See dev.
        batch_size: See dev.
        seed: Of the halves and draws of texts.
        folder: Where every step is kept.
        progress: See dev.

    Returns:
        The loop; its errors are those of `tune`.
    """
    identity = identify(model)
    # What costs no pass goes first, so that its errors cost none.
    require_delta(delta)
    allowed = Budget() if budget is None else budget
    DoseSearch(0.0, allowed, search, steps)
    require_names(dict.fromkeys(concepts))
    for name, neurons in sets.items():
        neurons.model.require_same(identity)
        if len(neurons) == 0:
            raise MaskError(f"the set {name!r} is empty; there is nothing to attenuate")
    how: dict[str, Any] = {"reference": reference, "difference": difference, "against": against}
    for concept in concepts:
        dosed_mask(next(iter(sets.values())), stats, Dose(1, 1), concept=concept, **how)
    readings = prepare_readings(
        model,
        dev,
        concepts,
        readout=ZeroShot() if readout is None else readout,
        stats=stats,
        questions=questions,
        calibrate=calibrate,
        train=train,
        neutral=neutral,
        where=where,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )
    for concept, score in readings.base.items():
        if score.recall < delta:
            log.warning(
                "%s: recall without a mask is %.2f on the development texts, so nothing can lower it by delta=%g; its "
                "loops end without a dose that does, whatever the neurons",
                *(concept, score.recall, delta),
            )
    digests = {name: hashlib.sha256(repr(sorted(one.sets.items())).encode()).hexdigest() for name, one in sets.items()}
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "concepts": list(concepts),
        "delta": delta,
        "search": search,
        "steps": steps,
        "budget": asdict(allowed),
        **how,
        "seed": seed,
        "sets": digests,
        "stats": hashlib.sha256(json.dumps(stats.options, sort_keys=True).encode()).hexdigest(),
        **readings.options,
    }
    files = None if folder is None else TuningFiles.open(folder, options)
    return FeedbackLoop(readings, stats, delta, search, steps, allowed, options=options, files=files, **how)
