"""Sweep the share of neurons that is masked and the layers that it is taken from, against matched random sets.

After Lee et al. (2025), who mask a growing share of an emotion's neurons in the bottom, middle and top third of the
layers and in all of them. Every number of a sweep is exploratory: it shows where to look, and what is claimed of a
cell has to be measured again with `effects` on texts that did not choose it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import MakeMask, neutral_texts, require_acting, require_unseen, with_costs
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.causal.steps import CONTROLS, plan_steps
from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.plain import prepare_all, read_plain
from emorhet_lens.readouts.questions import Contrast, Question, questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import Screen
from emorhet_lens.sweeps.cells import fill_cell, rank, sizes
from emorhet_lens.sweeps.inputs import cell_facts, describe_base, dosed_masks, warn, with_texts
from emorhet_lens.sweeps.layer_ranges import NAMES, layer_ranges
from emorhet_lens.sweeps.outcomes import Sweep
from emorhet_lens.sweeps.runs import SweepPlan
from emorhet_lens.texts.corpus import Corpus

__all__ = ["Sweep", "SweepPlan", "plan_sweep", "sweep"]


def sweep(
    model: LensModel,
    source: Screen | Neurons,
    corpus: Corpus,
    *,
    ratios: Sequence[int | float],
    layers: Sequence[str] = NAMES,
    doses: Sequence[int | float] = (1.0,),
    progress: bool = True,
    **options: Any,
) -> Sweep:
    """Mask the best share of neurons of every range of layers, for every concept; `plan_sweep` says the cost first.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        source: A screening, or ranked sets of neurons.
        corpus: The test texts.
        ratios: See `plan_sweep`.
        layers: See `plan_sweep`.
        doses: See `plan_sweep`.
        progress: Whether to show progress bars.
        **options: Further arguments of `plan_sweep`, such as equal, mask, readout, dev, stats, n_random and folder.

    Returns:
        The measured cells, with the errors of `plan_sweep` and `SweepPlan.run`.
    """
    plan = plan_sweep(model, source, corpus, ratios=ratios, layers=layers, doses=doses, progress=progress, **options)
    return plan.run(model, progress=progress)


def plan_sweep(
    model: LensModel,
    source: Screen | Neurons,
    corpus: Corpus,
    *,
    ratios: Sequence[int | float],
    layers: Sequence[str] = NAMES,
    doses: Sequence[int | float] = (1.0,),
    equal: bool = False,
    mask: str | MakeMask = "zero",
    concepts: Sequence[str] | None = None,
    readout: Readout | None = None,
    dev: Corpus | None = None,
    train: Corpus | None = None,
    stats: ActivationStats | None = None,
    n_random: int = 4,
    seed: int = 0,
    where: Where = "all",
    neutral: Corpus | None = None,
    contrast: Contrast | None = None,
    question: Question | None = None,
    batch_size: BatchSize = "auto",
    folder: Path | None = None,
    progress: bool = True,
) -> SweepPlan:
    """Choose the neurons of every cell, read the unmasked answers, and say what the rest will cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        source: A screening, which is ranked again without its cut; or sets, of which no cell can take more than they
            hold. A concept takes its best neurons within the range of layers.
        corpus: The test texts.
        ratios: Shares of the neurons of a range, above 0 and at most 1; every concept takes as many, rounded up.
        layers: Ranges of layers, see `emorhet_lens.sweeps.layer_ranges.layer_range`.
        doses: Above 0: how far the mask is put on, `mask * dose`.
        equal: Whether all ranges get the number of neurons of the smallest one. Otherwise a wider range has more of
            them masked, as in the study.
        mask: `"zero"`, `"mean"`, `"attenuate"`, or a function from neurons to a mask.
        concepts: Whose neurons are masked; all concepts by default.
        readout: How predictions are read; `ZeroShot()` by default, which needs `dev=`.
        dev: Texts to calibrate on.
        train: Texts to learn from, for readouts that do.
        stats: Of the screening; those of `source` where it is a screening.
        n_random: Matched random sets a cell and concept, at least 2.
        seed: Of the random sets and the bootstrap.
        where: At which positions masks act, see `Mask.fwd_hooks`.
        neutral: Texts for the side effects; by default 32 test texts of the rest, if there are any.
        contrast: What stands against what, see `questions_for`.
        question: The one question to ask, in place of those that `contrast` gives.
        batch_size: Texts a batch, or `"auto"`.
        folder: Where every reading is kept as it is made; the same call goes on from there.
        progress: Whether to show progress bars.

    Returns:
        The plan. A concept with too few candidates in a cell is a row with a reason; one without test texts is left
        out, with a warning.

    Raises:
        EffectsError: A ratio, dose, range of layers, mask or concept cannot be used, there are fewer than two random
            sets, no concept has test texts, test or development texts were screened on, or at the positions no mask
            would act.
        MaskError: `where` is unknown.
        CorpusError: Two splits share a text, or a text is too long.
        ReadoutError: A split that the readout needs is missing.
        ScreenError: The neurons carry nothing to match random sets by.
        StoreError: The neurons are of another model, or the folder holds another measurement.
    """
    stats = source.stats if isinstance(source, Screen) and stats is None else stats
    held = source.neurons if isinstance(source, Screen) else source
    held.model.require_same(identity := identify(model))
    # What costs no pass goes first, so that its errors cost none.
    ranges = layer_ranges(layers, identity.n_layers)
    needed = sizes(ratios, ranges, identity.d_mlp, equal=equal)
    masks, by_name = dosed_masks(mask, stats, doses)
    require_acting(where, readout)
    require_unseen(stats, corpus=corpus, dev=dev)
    questions = questions_for(corpus, contrast) if question is None else (question,)
    chosen, left_out = with_texts(held, corpus, questions, concepts)
    steps: dict[str, Any] = {"masks": tuple(masks), "controls": CONTROLS, "n_random": n_random}
    plan_steps(questions, chosen, **steps)
    ranked = rank(source)
    cells = tuple(
        fill_cell(ranked, ratio, one, needed[ratio, one.name], concepts=chosen, n_random=n_random, seed=seed)
        for ratio in ratios
        for one in ranges
    )
    splits: dict[str, Any] = {"dev": dev, "train": train, "batch_size": batch_size, "progress": progress}
    readings = prepare_all(model, corpus, questions, readout, **splits)
    neutral, unpriced = with_costs(neutral_texts(corpus, seed) if neutral is None else neutral, where)
    common: dict[str, Any] = {"model": identity.to_dict(), "rest": corpus.group.rest, "n_random": n_random}
    common |= {"seed": seed, "where": where, "neutral": None if neutral is None else neutral.digest}
    measured = [cell for cell in cells if cell.neurons.concepts]
    facts = {cell.key: common | cell_facts(cell, masks, readings) for cell in measured}
    files = {
        cell.key: EffectFiles.open(folder / "cells" / cell.file_name, facts[cell.key])
        for cell in measured
        if folder is not None
    }
    base, seconds = read_plain(model, readings, progress=progress)
    plain = None if neutral is None else read_neutral(model, encode_neutral(model, neutral))
    plans = {
        cell.key: EffectPlan(
            neurons=cell.neurons,
            matched=cell.matched,
            masks=masks,
            readings=readings,
            base=base,
            steps=plan_steps(questions, cell.neurons.concepts, **steps),
            neutral=plain,
            where=where,
            seconds_per_text=seconds,
            options=facts[cell.key],
            warnings=(),
            files=files.get(cell.key),
        )
        for cell in measured
    }
    options = common | {
        "ratios": list(ratios),
        "layers": {one.name: [one.first, one.last] for one in ranges},
        "doses": list(doses),
        "equal": equal,
        "mask": mask if isinstance(mask, str) else "given",
        "concepts": list(chosen),
        "selection": source.options.to_dict() if isinstance(source, Screen) else None,
        "questions": [describe_base(one, answers) for one, answers in zip(questions, base, strict=True)],
    }
    notes = warn(cells, n_doses=len(doses), checked=stats is not None, costs=neutral is not None or bool(unpriced))
    return SweepPlan(cells, plans, by_name, chosen, options, (*left_out, *notes, *unpriced))
