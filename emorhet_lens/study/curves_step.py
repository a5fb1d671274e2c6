"""The stage `curves` of a study: texts written under a push, and judged."""

import logging

from emorhet_lens.errors import StudyError
from emorhet_lens.generation.job import plan_curves_job
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.screen import Screen
from emorhet_lens.study.plan import StudyPlan
from emorhet_lens.study.stages import Stage

log = logging.getLogger(__name__)


def run_curves(plan: StudyPlan, stage: Stage, model: LensModel, progress: bool) -> None:
    """Continue prompts under four ways of steering, and judge what was written."""
    group = stage.of_group()
    section = group.curves
    if section is None:
        raise StudyError(f"{stage.title}: the section curves is missing")
    job = plan_curves_job(
        model,
        Screen.load(plan.folder_of(group, "screen"), model),
        section.corpora or group.corpora,
        section.judge,
        stage.folder,
        concepts=section.concepts,
        prompts=section.chosen,
        strengths=section.strengths,
        residual_strengths=section.residual_strengths,
        form=section.form,
        n_random=section.n_random,
        texts=section.texts,
        judge_texts=section.judge_texts,
        max_new_tokens=section.max_new_tokens,
        data_dir=plan.data_dir,
        seed=plan.study.seed,
        progress=progress,
    )
    log.info("%s: %d texts to write, about %.1f minutes", stage.title, job.plan.texts, job.plan.minutes)
    job.run(model, progress=progress)
