"""The stage `link` of a study: association of both groups' screenings, masks both ways, and injections."""

import logging

from emorhet_lens.association.job import plan_association_job
from emorhet_lens.cross_signal.job import plan_cross_signal_jobs
from emorhet_lens.errors import StudyError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.screen import Screen
from emorhet_lens.study.plan import StudyPlan
from emorhet_lens.study.stages import Stage
from emorhet_lens.study.texts import link_corpora, link_texts
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC

log = logging.getLogger(__name__)

ASSOCIATION_PLACE, CROSS_SIGNAL_PLACE = "association", "cross_signal"
WAY, REVERSE_WAY = f"{RHETORIC.name}-to-{EMOTIONS.name}", f"{EMOTIONS.name}-to-{RHETORIC.name}"
"""Folders of the directions of the cross-signal measurement."""


def run_link(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Compare the screenings of both groups, mask each one's neurons on the other's texts, and inject signals."""
    study, section = plan.study, plan.study.link
    if section is None:
        raise StudyError(f"{stage.title}: the section link is missing")
    emotion, rhetoric = (
        Screen.load(plan.folder_of(study.group(group.name), "screen"), model) for group in (EMOTIONS, RHETORIC)
    )
    _, texts = link_texts(section, study, plan.data_dir)
    corpora = [name for names in link_corpora(section, study).values() for name in names]
    association = plan_association_job(
        model,
        (emotion, rhetoric),
        texts,
        stage.folder / ASSOCIATION_PLACE,
        draws=section.draws,
        shuffles=section.shuffles,
        effects=section.effects,
        masks=section.masks,
        readout=section.readout,
        n_random=section.n_random,
        seed=study.seed,
        facts={"corpora": corpora},
        progress=progress,
    )
    for way, (todo, _) in association.plans.items():
        log.info("%s: %s, %d texts, about %.1f minutes", stage.title, way, todo.texts, todo.minutes)
    association.run(model, progress=progress)
    if not section.cross_signal:
        return
    jobs = plan_cross_signal_jobs(
        model,
        (emotion, rhetoric),
        texts,
        stage.folder / CROSS_SIGNAL_PLACE,
        reverse=section.reverse,
        omegas=section.omegas,
        choice=section.choice,
        form=section.form,
        n_random=section.n_random,
        seed=study.seed,
        facts={"corpora": corpora, "limit": section.limit},
        progress=progress,
    )
    for job in jobs:
        log.info("%s: %s, %d texts, about %.1f minutes", stage.title, job.way, job.plan.texts, job.plan.minutes)
        job.run(model, progress=progress)
