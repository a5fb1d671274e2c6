"""Measure the effects of a screening's neurons on texts that it has not seen, and write the tables.

The steps of `emorhet validate` for other callers: choose unseen texts, plan (which tells the cost), run, write. What is
measured is described in `emorhet_lens.causal.plan`; a folder holds one measurement and goes on where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.causal.inputs import MakeMask, make_masks
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.plan import plan_effects
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.causal.steps import ADAPTIVE
from emorhet_lens.causal.store import write_effects
from emorhet_lens.causal.unseen import Unseen, choose_unseen, timed
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.readouts.named import lessons_of
from emorhet_lens.screening.screen import Screen
from emorhet_lens.tuning.dose_search import Search
from emorhet_lens.tuning.tunings import Tunings
from emorhet_lens.validation.adaptive import plan_adaptive, with_adaptive


@dataclass(frozen=True, eq=False)
class Validation:
    """A planned measurement.

    Args:
        unseen: What is measured on.
        plan: The masked readings, those done and those to do.
        folder: Gets the results.
        tunings: The doses of the adaptive masks; nothing where there is none.
    """

    unseen: Unseen
    plan: EffectPlan
    folder: Path
    tunings: Tunings | None = None

    def run(self, model: LensModel, *, progress: bool = True) -> Effects:
        """Make the readings that are missing and write the tables.

        Args:
            model: The model that the plan was made with.
            progress: Whether to show a progress bar.

        Returns:
            The effects.
        """
        effects, minutes = timed(
            self.plan.minutes, partial(self.plan.run, model, progress=progress), self.folder / "effects.json", "effects"
        )
        write_effects(self.folder, effects, minutes=minutes, **self.unseen.facts)
        return effects


def plan_validation(
    model: LensModel,
    screen: Screen,
    corpora: Sequence[str],
    folder: Path,
    *,
    masks: Sequence[str] = ("zero",),
    readout: str = "zero-shot",
    controls: Sequence[str] = ("random", "other"),
    n_random: int = 8,
    limit: int | None = 100,
    min_texts: int = MIN_TEXTS,
    where: Where = "all",
    batch_size: int | Literal["auto"] = "auto",
    data_dir: Path | None = None,
    seed: int = 0,
    progress: bool = True,
    delta: int | float = 0.05,
    search: Search = "ladder",
    announce: Callable[[int, float], None] | None = None,
    loading: Mapping[str, Any] | None = None,
) -> Validation:
    """Choose texts that a screening has not seen and plan the masked readings on them.

    Adaptive masks are tuned first, on development texts, since which mask is read depends on it.

    Args:
        model: The model of the screening.
        screen: Gives the neurons.
        corpora: Names or files; see `emorhet_lens.causal.unseen.choose_unseen`.
        folder: For the results; a measurement that was interrupted goes on from it.
        masks: Any of `zero`, `mean`, `attenuate` and `adaptive`, which brings `same_dose` where there are random sets.
        readout: A name of `emorhet_lens.readouts.named.READOUTS`.
        controls: Any of `random` and `other`.
        n_random: Matched random sets a concept.
        limit: Most test texts a label and source.
        min_texts: A concept with fewer in a source is left out there.
        where: Positions that are masked.
        batch_size: Texts a batch, or `"auto"`.
        data_dir: Folder of named corpora.
        seed: Of all draws.
        progress: Whether to show progress bars.
        delta: For adaptive masks: how far recall has to fall on the development texts.
        search: For adaptive masks: how the dose is looked for.
        announce: For adaptive masks: told the most texts that tuning and the readings after it will send through the
            model, and minutes, before tuning begins.
        loading: See `choose_unseen`.

    Returns:
        The plan.

    Raises:
        ReadoutError: The readout is unknown.
        EffectsError: The options do not fit the texts.
        CorpusError: Nothing unseen is left, or a concept has too few texts.
        StoreError: The folder holds another measurement.
    """
    unseen = choose_unseen(
        screen,
        corpora,
        readout=readout,
        limit=limit,
        min_texts=min_texts,
        data_dir=data_dir,
        seed=seed,
        loading=loading,
    )
    made: list[str] | dict[str, MakeMask] = list(masks)
    tunings = None
    if ADAPTIVE in masks:
        fixed = make_masks([name for name in masks if name != ADAPTIVE], screen.stats)
        adaptive = plan_adaptive(
            model,
            screen,
            unseen.texts,
            folder,
            readout=unseen.readout,
            lessons=lambda corpus: lessons_of(readout, corpus, seed),
            masks=masks,
            controls=controls,
            n_random=n_random,
            where=where,
            batch_size=batch_size,
            seed=seed,
            delta=delta,
            search=search,
            progress=progress,
        )
        if announce is not None:
            announce(adaptive.texts, adaptive.minutes)
        tunings = adaptive.run(model, progress=progress)
        made = with_adaptive(masks, fixed, tunings)
    plan = plan_effects(
        model,
        screen.neurons,
        unseen.texts.test,
        masks=made,
        controls=list(controls),
        n_random=n_random,
        seed=seed,
        **unseen.asked,
        stats=screen.stats,
        where=where,
        batch_size=batch_size,
        folder=folder,
        progress=progress,
    )
    return Validation(unseen, plan, folder, tunings)
