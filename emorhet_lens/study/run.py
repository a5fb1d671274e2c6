"""Run a study stage by stage: what is measured of each group, what both share, and one report of everything.

The stages are those of the commands of their names, with their folders. Which claims a study supports is said by the
tests that were fixed before it ran; looking at several studies and keeping the best one is not among them.
"""

import logging
from dataclasses import replace
from pathlib import Path

from emorhet_lens.association.tables import AssociationTables
from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.cross_signal.tables import CrossSignalTables
from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.quality import describe_quality
from emorhet_lens.replication.tables import ReplicationTables
from emorhet_lens.report.link import LinkReport
from emorhet_lens.report.parts import GroupReport, gather
from emorhet_lens.report.report import require_report, write_report
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.tables import SteeringTables
from emorhet_lens.study.link_step import ASSOCIATION_PLACE, CROSS_SIGNAL_PLACE, REVERSE_WAY, WAY
from emorhet_lens.study.plan import StudyPlan, first_section, plan_study
from emorhet_lens.study.schema import StudyGroup
from emorhet_lens.study.sections import LinkSection
from emorhet_lens.study.steps import STEPS
from emorhet_lens.study.texts import unseen_texts
from emorhet_lens.sweeps.tables import SweepTables
from emorhet_lens.validation.tuning_record import TuningRecord

__all__ = ["StudyPlan", "plan_study", "run_study"]

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"


def run_study(plan: StudyPlan, model: LensModel, *, progress: bool = True) -> Path:
    """Run the stages that are not done, and write the report.

    Args:
        plan: From `plan_study`.
        model: The model that the study names, in evaluation mode.
        progress: Whether to show progress bars.

    Returns:
        The report's path. Errors are those of `require_report`, `StudyPlan.require_layers` and of the stages; what was
        done before them is kept.
    """
    plan.require_layers(model)
    require_report()
    for stage in plan.stages:
        if stage.is_done():
            log.info("%s: done before", stage.title)
            continue
        with stage.recorded():
            STEPS[stage.name](plan, stage, model, progress)
        log.info("%s: done, in %s", stage.title, stage.folder)
    groups = [_reported(plan, group, model, progress) for group in plan.study.groups]
    link = None if plan.study.link is None else _linked(plan.folder / "link", plan.study.link)
    return write_report(plan.folder / REPORT_FILE, groups, link=link)


def _reported(plan: StudyPlan, group: StudyGroup, model: LensModel, progress: bool) -> GroupReport:
    """What the folder of a group holds, and a second pass for the shown neurons, on unseen texts if there are some."""
    screen, screened = Screen.load(plan.folder_of(group, "screen"), model), plan.texts_of(group)
    section, texts = first_section(group), screened
    if section is not None:
        corpora = section.corpora or group.corpora
        texts = unseen_texts(section, corpora, screened, plan.study, plan.data_dir).test
    seconds: dict[str, float] = {stage.name: 60 * stage.minutes() for stage in plan.stages if stage.group == group}
    random_sets = group.validation.n_random if group.validation is not None else 0
    found = gather(
        model, texts, screen, random_sets=random_sets, seed=plan.study.seed, seconds=seconds, progress=progress
    )
    validated, swept = plan.folder_of(group, "validate"), plan.folder_of(group, "sweep")
    replicated = plan.folder_of(group, "replicate")
    return replace(
        found,
        quality=describe_quality(screened, seed=plan.study.seed),
        effects=None if group.validation is None else EffectTables.load(validated),
        tuning=None if group.validation is None else TuningRecord.find(validated),
        sweep=None if group.sweep is None else SweepTables.load(swept),
        induction=None if group.induction is None else SteeringTables.load(plan.folder_of(group, "induce")),
        curves=None if group.curves is None else CurveTables.load(plan.folder_of(group, "curves")),
        replication=None if group.replication is None else ReplicationTables.load(replicated),
    )


def _linked(folder: Path, section: LinkSection) -> LinkReport:
    """What the folder of both groups holds."""
    ways = [*([WAY] if section.cross_signal else []), *([REVERSE_WAY] if section.reverse else [])]
    return LinkReport(
        AssociationTables.load(folder / ASSOCIATION_PLACE),
        tuple(CrossSignalTables.load(folder / CROSS_SIGNAL_PLACE / way) for way in ways),
    )
