"""Does a gate make a mask cheaper? Plain and gated attenuation at doses that lower the concept's margin equally.

A concept's neurons are attenuated with and without a gate. On one half of the development texts gates are calibrated,
on the other the dose of each mask is looked for at which the mean margin of the concept's texts falls equally; the test
texts then say how far it falls, and neutral texts what it costs. As a control the same mask is put behind gates whose
score comes from matched random sets. Everything is exploratory, see `emorhet_lens.gates.outcomes`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import (
    neutral_texts,
    require_acting,
    require_unseen,
    sets_digest,
    with_costs,
    with_texts,
)
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.errors import EffectsError
from emorhet_lens.gates.arms import Kind
from emorhet_lens.gates.outcomes import GateComparison
from emorhet_lens.gates.runs import GatePlan
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.questions import Question, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.dev_readings import prepare_readings
from emorhet_lens.tuning.store import require_names

DOSES = (0.2, 0.4, 0.6, 0.8, 1.0)
NEUTRAL_TEXTS = 64


def compare_gates(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    test: Corpus,
    *,
    stats: ActivationStats,
    progress: bool = True,
    **options: Any,
) -> GateComparison:
    """Compare plain and gated attenuation at an equal drop; `plan_gates` says the cost first.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        dev: Development texts, for gates, calibration and doses.
        test: Test texts.
        stats: Of the screening.
        progress: Whether to show progress bars.
        **options: Further arguments of `plan_gates`.

    Returns:
        The comparison, with the errors of `plan_gates` and `GatePlan.run`.
    """
    plan = plan_gates(model, neurons, dev, test, stats=stats, progress=progress, **options)
    return plan.run(model, progress=progress)


def plan_gates(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    test: Corpus,
    *,
    stats: ActivationStats,
    concepts: Sequence[str] | None = None,
    mask: Kind = "attenuate",
    doses: Sequence[int | float] = DOSES,
    target: int | float | None = None,
    n_random: int = 2,
    readout: Readout | None = None,
    questions: Sequence[Question] | None = None,
    train: Corpus | None = None,
    neutral: Corpus | None = None,
    where: Where = "all",
    batch_size: BatchSize = "auto",
    seed: int = 0,
    folder: Path | None = None,
    progress: bool = True,
) -> GatePlan:
    """Prepare the comparison, read the unmasked margins of development texts, and say what the rest will cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept.
        dev: Development texts: one half calibrates gates and the readout, the other tells the doses.
        test: Test texts.
        stats: Of the screening.
        concepts: Which of the concepts; all by default.
        mask: `"attenuate"`, by how large an activation is, or `"zero"`, times the dose.
        doses: Values of alpha that are read, rising; between them drops are taken to lie on straight lines.
        target: The drop, in nats, at which masks are compared; by default the largest that both reach.
        n_random: Gates from matched random sets, as a control; 0 for none.
        readout: How predictions are read; `ZeroShot()` by default.
        questions: What is asked; by default what the test texts allow.
        train: Texts to learn from, for readouts that do.
        neutral: Texts for the cost; by default 64 test texts of the rest.
        where: At which positions masks act.
        batch_size: Texts a batch, or `"auto"`.
        seed: Of halves, draws, random sets and the bootstrap.
        folder: Where every concept is kept; the same call goes on from there.
        progress: Whether to show progress bars.

    Returns:
        The plan.

    Raises:
        EffectsError: A concept is unknown or has no texts, texts were screened on, doses or the target are out of
            range, there are no neutral texts, or the readout gives no log-probabilities.
        CorpusError: Two parts share a text, or a text is too long.
        ReadoutError: A part that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by.
        StoreError: It is another model, or the folder holds another comparison.
    """
    neurons.model.require_same(identity := identify(model))
    rising = _doses(mask, doses, target, n_random)
    require_acting(where, readout)
    require_unseen(stats, dev=dev, test=test)
    chosen, warnings = with_texts(_only(neurons, concepts), test)
    require_names(chosen.sets)
    lent = neutral_texts(test, seed, NEUTRAL_TEXTS) if neutral is None else neutral
    if lent is None:
        raise EffectsError("the test texts hold none of the rest, so nothing says what a mask costs; give neutral=")
    if unpriced := with_costs(lent, where)[1]:
        raise EffectsError(f"{unpriced[0]}; there is nothing to compare, choose other positions")
    matched = chosen.matched_random(seed=seed, n=n_random) if n_random else None
    halves = dev.split({"loop": 0.5, "calibrate": 0.5}, seed=seed)
    how = ZeroShot() if readout is None else readout
    what = questions_for(test) if questions is None else tuple(questions)
    splits: dict[str, Any] = {"train": train, "batch_size": batch_size, "progress": progress}
    looped: dict[str, Any] = {"readout": how, "stats": stats, "questions": what, "where": where, "seed": seed}
    tuning = prepare_readings(model, halves["loop"], chosen.concepts, calibrate=halves["calibrate"], **looped, **splits)
    blind = [concept for concept, score in tuning.base.items() if score.margin != score.margin]
    if blind:
        raise EffectsError("this readout gives no log-probabilities, so there is no margin to compare; use ZeroShot()")
    tests = tuple(how.prepare(model, test, dev=halves["calibrate"], question=one, **splits) for one in what)
    options: dict[str, Any] = {
        "model": identity.to_dict(),
        "concepts": list(chosen.concepts),
        "sets": {concept: sorted(map(list, places)) for concept, places in chosen.sets.items()},
        "mask": mask,
        "doses": list(rising),
        "target": target,
        "n_random": n_random,
        "random": None if matched is None else sets_digest(matched),
        "readings": [reading.options for reading in (*tuning.readings, *tests)],
        "neutral": lent.digest,
        "corpora": stats.options["corpora"],
        "where": where,
        "seed": seed,
    }
    if folder is not None:
        EffectFiles.open(folder, options)
    return GatePlan(
        chosen,
        matched,
        stats,
        halves["calibrate"],
        # Doses are told by the drop alone; what they cost is read from other neutral texts.
        replace(tuning, neutral=None),
        tests,
        read_neutral(model, encode_neutral(model, lent)),
        mask,
        rising,
        target,
        batch_size,
        options,
        tuple(warnings),
        folder,
    )


def _doses(mask: str, doses: Sequence[int | float], target: int | float | None, n_random: int) -> tuple[float, ...]:
    if mask not in get_args(Kind):
        raise EffectsError(f"mask={mask!r} is unknown; it is one of {', '.join(get_args(Kind))}")
    rising = tuple(float(dose) for dose in doses)
    if not rising or list(rising) != sorted(set(rising)) or not (rising[0] > 0 and rising[-1] <= 1):
        raise EffectsError(f"doses are rising numbers above 0 and at most 1, got {list(doses)}; at 0 nothing is masked")
    if target is not None and not 0 < target < float("inf"):
        raise EffectsError(f"target={target} is the drop of the margin in nats; give a number above 0, or none")
    if n_random < 0:
        raise EffectsError(f"n_random={n_random} gates of random sets were asked for; give 0 or more")
    return rising


def _only(neurons: Neurons, concepts: Sequence[str] | None) -> Neurons:
    unknown = sorted(set(concepts or ()) - set(neurons.concepts))
    if unknown:
        raise EffectsError(f"there are no neurons of {', '.join(unknown)}; there are {', '.join(neurons.concepts)}")
    kept = neurons.concepts if concepts is None else tuple(concepts)
    sets, scores = {c: neurons.sets[c] for c in kept}, {c: neurons.scores[c] for c in kept}
    return replace(neurons, sets=sets, scores=scores)
