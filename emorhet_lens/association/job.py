"""Compare two screenings of different groups and write the results: the steps of `emorhet associate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emorhet_lens.association.associate import Association, associate
from emorhet_lens.association.coactivation import Coactivation, coactivate, incomparable, require_correlatable
from emorhet_lens.association.cross_effects import CrossEffects, Family, finish_cross_effects
from emorhet_lens.association.cross_plan import plan_cross_effects
from emorhet_lens.association.files import ASSOCIATION_FILE, write_association
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.corpora.held_out import HeldOut
from emorhet_lens.errors import EmorhetError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.readouts.named import lessons_of, readout_named
from emorhet_lens.screening.screen import Screen


@dataclass(frozen=True, eq=False)
class AssociationJob:
    """What two screenings share, and the readings that are to be made beside it.

    Args:
        screens: The two.
        found: What needs no model: neurons, profiles, layers, clusters. Its warnings say why there is no co-activation
            where the screenings read texts in different ways.
        texts: By name of the group, what is read; nothing without a model.
        plans: By direction, the masked readings and what their tests are; the primary one first.
        folder: Gets the results.
        n_random: Random sets a concept.
        seed: Of all draws.
        facts: What is written beside the results.
    """

    screens: tuple[Screen, Screen]
    found: Association
    texts: Mapping[str, HeldOut]
    plans: Mapping[str, tuple[EffectPlan, Family]]
    folder: Path
    n_random: int
    seed: int
    facts: dict[str, Any]

    def run(self, model: LensModel | None, *, progress: bool = True) -> tuple[dict[str, CrossEffects], tuple[str, ...]]:
        """Make the readings that are missing, write tables and pictures.

        Args:
            model: The model that the plans were made with; nothing where there are no texts.
            progress: Whether to show progress bars.

        Returns:
            Effects by direction, and what a reader has to know. Errors are those of `coactivate` and `EffectPlan.run`.
        """
        active: dict[str, Coactivation] = {}
        causal: dict[str, CrossEffects] = {}
        notes = [*self.found.warnings, *(note for one in self.texts.values() for note in one.left_out)]
        if model is not None:
            draws: dict[str, Any] = {"n_random": self.n_random, "seed": self.seed}
            scored = self.texts if incomparable(*self.screens) is None else {}
            for name, one in scored.items():
                active[name] = coactivate(model, *self.screens, one.test, progress=progress, **draws)
            for way, (plan, family) in self.plans.items():
                causal[way] = finish_cross_effects(plan, model, family=family, progress=progress)
                notes += causal[way].effects.warnings
        notes += _write(self, active, causal)
        return causal, tuple(notes)


def _write(
    job: AssociationJob, active: Mapping[str, Coactivation], causal: Mapping[str, CrossEffects]
) -> tuple[str, ...]:
    """Write what there is, and say what could not be drawn."""
    try:
        write_association(job.folder, job.found, active, causal, **job.facts)
    except EmorhetError as error:
        # The tables are written, and pictures can be drawn from them later.
        return (str(error),)
    return ()


def plan_association_job(
    model: LensModel | None,
    screens: tuple[Screen, Screen],
    texts: Mapping[str, HeldOut],
    folder: Path,
    *,
    draws: int = 1000,
    shuffles: int = 40,
    effects: bool = True,
    masks: Sequence[str] = ("zero",),
    readout: str = "zero-shot",
    n_random: int = 8,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> AssociationJob:
    """Compute what needs no model, write it unless an earlier run did, and plan the readings.

    Args:
        model: The model of both screenings; nothing where there are no texts.
        screens: Of emotions and of devices; the second one's neurons masked while the first is read is primary.
        texts: By name of the group, texts that neither has seen; see `emorhet_lens.association.inputs.texts_by_group`.
        folder: For the results; readings that were interrupted go on from it.
        draws: See `emorhet_lens.association.associate.associate`, for this and shuffles.
        shuffles: See draws.
        effects: Whether neurons are masked.
        masks: Of zero, mean and attenuate.
        readout: A name of `emorhet_lens.readouts.named.READOUTS`.
        n_random: Matched random sets a concept.
        seed: Of all draws.
        facts: Anything that JSON can hold, for `association.json`.
        progress: Whether to show progress bars.

    Returns:
        The job, with the errors of `require_correlatable`, `associate` and `plan_cross_effects`.
    """
    asked, apart = readout_named(readout), incomparable(*screens)
    if apart is None:
        for one in texts.values():
            require_correlatable(*screens, one.test, n_random)
    found = associate(*screens, draws=draws, shuffles=shuffles, seed=seed)
    if texts and apart is not None:
        found = replace(found, warnings=(*found.warnings, f"no co-activation: {apart}"))
    job = AssociationJob(screens, found, texts, {}, folder, n_random, seed, dict(facts or {}))
    if texts and not (folder / ASSOCIATION_FILE).exists():
        # Readings may fail. What an earlier run wrote is replaced only once there is as much again.
        _write(job, {}, {})
    plans: dict[str, tuple[EffectPlan, Family]] = {}
    for number, read in enumerate(screens):
        masked, name = screens[1 - number], read.stats.group.name
        if model is None or not effects or name not in texts:
            continue
        dev, train = lessons_of(readout, texts[name].dev, seed)
        plan = plan_cross_effects(
            model,
            masked.neurons,
            read.neurons,
            texts[name].test,
            masks=masks,
            readout=asked,
            dev=dev,
            train=train,
            stats=(masked.stats, read.stats),
            n_random=n_random,
            seed=seed,
            folder=folder / f"{masked.stats.group.name}-on-{name}",
            progress=progress,
        )
        plans[f"{masked.stats.group.name} masked, {name} read"] = (plan, "exploratory" if number else "primary")
    return replace(job, plans=plans)
