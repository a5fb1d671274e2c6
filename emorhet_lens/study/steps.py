"""What each stage of a study does: the jobs of the commands of the same names, with the options of the study."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emorhet_lens.errors import StudyError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.replication.job import plan_crossings, write_replication
from emorhet_lens.replication.replicate import replicate
from emorhet_lens.screening.job import screen_texts
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.job import plan_induction_job
from emorhet_lens.study.curves_step import run_curves
from emorhet_lens.study.link_step import run_link
from emorhet_lens.study.plan import StudyPlan
from emorhet_lens.study.sections import Section
from emorhet_lens.study.stages import Stage, StageName
from emorhet_lens.sweeps.job import plan_sweep_job
from emorhet_lens.validation.validate import plan_validation

log = logging.getLogger(__name__)


def run_screen(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Screen a group's corpora, or those of its second screening."""
    group = stage.of_group()
    texts = plan.texts_of(group, second=stage.name == "screen2")
    log.info("%s: %d texts", stage.title, len(texts))
    screen_texts(
        model,
        texts,
        stage.folder,
        preset=group.preset,
        changes=group.changes,
        hub=group.hub,
        drop_unknown=group.drop_unknown,
        shuffles=group.shuffles,
        seed=plan.study.seed,
        progress=progress,
    )


def run_validate(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Tune adaptive masks and measure all kinds of mask."""
    group = stage.of_group()
    section = group.validation
    if section is None:
        raise StudyError(f"{stage.title}: the section validate is missing")

    def announce(texts: int, minutes: float) -> None:
        log.info("%s: loops and readings, at most %d texts, about %.1f minutes", stage.title, texts, minutes)

    validation = plan_validation(
        model,
        Screen.load(plan.folder_of(group, "screen"), model),
        section.corpora or group.corpora,
        stage.folder,
        masks=section.masks,
        **_shared(plan, section, progress),
        delta=section.delta,
        search=section.search,
        announce=announce,
    )
    log.info("%s: %d texts, about %.1f minutes", stage.title, validation.plan.texts, validation.plan.minutes)
    validation.run(model, progress=progress)


def run_sweep(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Mask ratios of ranges of layers."""
    group = stage.of_group()
    section = group.sweep
    if section is None:
        raise StudyError(f"{stage.title}: the section sweep is missing")
    job = plan_sweep_job(
        model,
        Screen.load(plan.folder_of(group, "screen"), model),
        section.corpora or group.corpora,
        stage.folder,
        ratios=section.ratios,
        layers=section.layers,
        doses=section.doses,
        equal=section.equal,
        mask=section.mask,
        concepts=section.concepts,
        **_shared(plan, section, progress),
    )
    log.info("%s: %d texts, about %.1f minutes", stage.title, job.plan.texts, job.plan.minutes)
    job.run(model, progress=progress)


def run_induce(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Push texts towards concepts that they do not have."""
    group = stage.of_group()
    section = group.induction
    if section is None:
        raise StudyError(f"{stage.title}: the section induce is missing")
    job = plan_induction_job(
        model,
        Screen.load(plan.folder_of(group, "screen"), model),
        section.corpora or group.corpora,
        stage.folder,
        strengths=section.strengths,
        forms=section.forms,
        controls=section.controls,
        concepts=section.concepts,
        **_shared(plan, section, progress),
    )
    log.info("%s: %d texts, about %.1f minutes", stage.title, job.plan.texts, job.plan.minutes)
    job.run(model, progress=progress)


def run_replicate(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Compare both screenings, and mask each one's neurons on the other's texts."""
    group = stage.of_group()
    section = group.replication
    if section is None:
        raise StudyError(f"{stage.title}: the section replicate is missing")
    screens = tuple(Screen.load(plan.folder_of(group, name), model) for name in ("screen", "screen2"))
    names = (_joined(group.corpora), _joined(section.corpora))
    found = replicate(screens[0], screens[1], names=names, draws=section.draws, seed=plan.study.seed)
    corpora = (section.tested or group.corpora, section.corpora)
    crossed = []
    if section.effects:
        for crossing in plan_crossings(
            model,
            (screens[0], screens[1]),
            names,
            corpora,
            stage.folder,
            **_shared(plan, section, progress),
        ):
            todo = crossing.validation.plan
            log.info(
                "%s: neurons of %s on %s, %d texts, about %.1f minutes",
                *(stage.title, crossing.screened_on, crossing.tested_on, todo.texts, todo.minutes),
            )
            crossed.append((crossing, crossing.validation.run(model, progress=progress)))
    write_replication(stage.folder, found, crossed, corpora if section.effects else None)


def _shared(plan: StudyPlan, section: Section, progress: bool) -> dict[str, Any]:
    """What every measurement takes from its section and from the study."""
    return {
        "readout": section.readout,
        "n_random": section.n_random,
        "limit": section.limit,
        "min_texts": section.min_texts,
        "data_dir": plan.data_dir,
        "seed": plan.study.seed,
        "progress": progress,
    }


def _joined(corpora: tuple[str, ...]) -> str:
    return "+".join(Path(name).stem for name in corpora)


STEPS: Mapping[StageName, Callable[[StudyPlan, Stage, LensModel, bool], None]] = MappingProxyType(
    {
        "screen": run_screen,
        "validate": run_validate,
        "sweep": run_sweep,
        "induce": run_induce,
        "curves": run_curves,
        "screen2": run_screen,
        "replicate": run_replicate,
        "link": run_link,
    }
)
"""By name of the stage."""
