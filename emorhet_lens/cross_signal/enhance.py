"""Inject the signal of one group's neurons while another group's concepts are read.

After Zheng et al. (2026), cross-signal enhancement: a_joint = a + omega * mean_rhetoric(a) while the emotion task is
read. Here the device's own neurons get it, and by default not their mean on the device's texts, which is below zero for
most (see `emorhet_lens.steering.induction`), but its difference from the literal texts. A gain for emotions says that
this push helps this readout on these texts; that it comes from rhetoric is told by matched random sets, which get the
same amounts, scaled until every layer writes a vector of the same length, and choose their dose as well.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import mask_digest, require_acting, require_unseen, sets_digest
from emorhet_lens.causal.steps import OWN
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.cross_signal.injections import injections, require_injections
from emorhet_lens.cross_signal.outcomes import CrossSignal
from emorhet_lens.cross_signal.runs import Choice, CrossSignalPlan
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.plain import prepare_all, read_plain
from emorhet_lens.readouts.questions import Contrast, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.induction import Form
from emorhet_lens.texts.corpus import Corpus

__all__ = ["CrossSignal", "CrossSignalPlan", "enhance", "plan_enhance"]
OMEGAS = (0.25, 0.5, 1.0, 2.0)


def enhance(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    stats: ActivationStats,
    dev: Corpus,
    progress: bool = True,
    **options: Any,
) -> CrossSignal:
    """Inject the signal of neurons while the concepts of other texts are read; `plan_enhance` says the cost first.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: See `plan_enhance`.
        corpus: See `plan_enhance`.
        stats: See `plan_enhance`.
        dev: See `plan_enhance`.
        progress: Whether to show progress bars.
        **options: Further arguments of `plan_enhance`, such as omegas, readout, n_random, primary_family and folder.

    Returns:
        What came out, with the errors of `plan_enhance` and `CrossSignalPlan.run`.
    """
    plan = plan_enhance(model, neurons, corpus, stats=stats, dev=dev, progress=progress, **options)
    return plan.run(model, progress=progress)


def plan_enhance(
    model: LensModel,
    neurons: Neurons,
    corpus: Corpus,
    *,
    stats: ActivationStats,
    dev: Corpus,
    omegas: Sequence[int | float] = OMEGAS,
    choice: Choice = "margin",
    form: Form = "contrast",
    n_random: int = 8,
    seed: int = 0,
    readout: Readout | None = None,
    train: Corpus | None = None,
    where: Where = "all",
    contrast: Contrast | None = None,
    primary_family: bool = True,
    batch_size: BatchSize = "auto",
    folder: Path | None = None,
    progress: bool = True,
) -> CrossSignalPlan:
    """Make the injections, read the answers without them, and say what the rest will cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: The sets whose signal is injected, such as those of rhetorical devices; empty ones are left out.
        corpus: The test texts of the other group, such as emotions.
        stats: Of the screening of `neurons`: gives what is injected.
        dev: Development texts of the group of `corpus`, halved by seed: one half calibrates, the other chooses doses.
        omegas: The doses to choose from: one is chosen for every injected concept and random set, on all labels.
        choice: By what: the mean over labels of the own `"margin"`, or of `"accuracy"`.
        form: `"contrast"` injects the difference from the rest, `"zheng2026"` the mean on the concept's texts.
        n_random: Matched random sets a concept, at least 2.
        seed: Of the halves, the random sets and the bootstrap.
        readout: How predictions are read; `ZeroShot()` by default.
        train: Texts to learn from, for readouts that do.
        where: At which positions is injected, see `Mask.fwd_hooks`.
        contrast: What stands against what, see `questions_for`.
        primary_family: Whether this is the direction that was fixed in advance; give False for the reverse one.
        batch_size: Texts a batch, or `"auto"`.
        folder: Where every reading is kept as it is made; the same call goes on from there.
        progress: Whether to show progress bars.

    Returns:
        The plan.

    Raises:
        EffectsError: A dose, form or choice cannot be used, all sets are empty, there are fewer than two random sets,
            texts were screened on, or at the positions nothing would be injected.
        MaskError: `where` is unknown, or the statistics hold no text of a concept, or nothing to compare it with.
        CorpusError: Two splits share a text, or a text is too long.
        ReadoutError: A split that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by, or a layer has too few others.
        StoreError: The neurons are of another model, or the folder holds another measurement.
    """
    neurons.model.require_same(identity := identify(model))
    # What costs no pass goes first, so that its errors cost none.
    require_injections(omegas, choice, form, n_random)
    require_acting(where, readout)
    require_unseen(stats, corpus=corpus, dev=dev)
    names = [concept for concept in neurons.concepts if neurons.sets[concept]]
    if not names:
        raise EffectsError(f"there are no neurons of {', '.join(neurons.concepts)} to inject; select more")
    kept = {name: {c: getattr(neurons, name)[c] for c in names} for name in ("sets", "scores")}
    held = replace(neurons, sets=kept["sets"], scores=kept["scores"])
    warnings = tuple(f"{c}: no neurons, so nothing was injected" for c in neurons.concepts if c not in names)
    questions = questions_for(corpus, contrast)
    matched = held.matched_random(seed=seed, n=n_random)
    units = injections(model, held, matched, stats, form)
    halves = dev.split({"loop": 0.5, "calibrate": 0.5}, seed=seed)
    splits: dict[str, Any] = {
        "dev": halves["calibrate"],
        "train": train,
        "batch_size": batch_size,
        "progress": progress,
    }
    loop, readings = (prepare_all(model, part, questions, readout, **splits) for part in (halves["loop"], corpus))
    counts = corpus.counts()
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "injected": {concept: mask_digest(units[concept, OWN]) for concept in names},
        "random": sets_digest(matched),
        "readings": [reading.options for reading in (*loop, *readings)],
        "rest": corpus.group.rest,
        "omegas": [float(omega) for omega in omegas],
        "choice": choice,
        "form": form,
        "n_random": n_random,
        "seed": seed,
        "where": where,
        "primary": "change of the own margin, injected neurons minus matched random sets; Holm over all cells"
        if primary_family
        else "none: this direction is exploratory",
    }
    files = None if folder is None else EffectFiles.open(folder, options)
    base, seconds = read_plain(model, readings, progress=progress)
    return CrossSignalPlan(
        neurons=held,
        matched=matched,
        units=units,
        omegas=tuple(float(omega) for omega in omegas),
        choice=choice,
        loop=loop,
        readings=readings,
        base=base,
        read=tuple(concept for concept in corpus.group.concepts if counts.get(concept)),
        where=where,
        seconds_per_text=seconds,
        options=options,
        warnings=warnings,
        files=files,
        primary_family=primary_family,
    )
