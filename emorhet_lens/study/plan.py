"""A study checked against its corpora and its folder, before a model is loaded."""

from dataclasses import dataclass
from pathlib import Path

from emorhet_lens.models.hosts import LensModel
from emorhet_lens.study.cost import StageCost, count_study, seconds_per_text
from emorhet_lens.study.schema import Study, StudyGroup
from emorhet_lens.study.sections import Section
from emorhet_lens.study.stages import Stage, StageName, stages_of
from emorhet_lens.study.texts import link_texts, screening_texts, unseen_texts
from emorhet_lens.sweeps.layer_ranges import layer_ranges
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True)
class StudyPlan:
    """A study that was checked against its corpora and its folder.

    Args:
        study: What to do.
        folder: Gets one folder a group, with one a stage, `link` for what is of both, and `report.html`.
        costs: What every stage sends through the model.
        data_dir: Folder of named corpora.
    """

    study: Study
    folder: Path
    costs: tuple[StageCost, ...]
    data_dir: Path | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order in which they are run."""
        return tuple(cost.stage for cost in self.costs)

    def texts_of(self, group: StudyGroup, *, second: bool = False) -> Corpus:
        """The texts that a group is screened on."""
        return screening_texts(group, self.study, self.data_dir, second=second)

    def folder_of(self, group: StudyGroup, name: StageName) -> Path:
        """Where a stage's results are."""
        return self.folder / group.name / name

    def require_layers(self, model: LensModel) -> None:
        """Refuse ranges of layers that a model does not have, before hours are spent on what comes before them.

        Args:
            model: The model of the study.

        Raises:
            EffectsError: A sweep that is still to be done asks for one.
        """
        for cost in self.costs:
            if cost.stage.name == "sweep" and not cost.done and (section := cost.stage.of_group().sweep) is not None:
                layer_ranges(section.layers, int(model.cfg.n_layers))

    def seconds(self, model: LensModel) -> dict[str, float]:
        """Seconds a text takes without masks, by group; only of groups of which something is still to be measured.

        Args:
            model: The model of the study.

        Returns:
            Of the groups of which texts are asked about, and under `both` those of the slower group.
        """
        todo = {cost.stage.owner for cost in self.costs if not cost.done}
        found = {}
        for group in self.study.groups:
            section = first_section(group) or group.replication
            if section is not None and group.name in todo:
                corpora = section.corpora or group.corpora
                texts = unseen_texts(section, corpora, self.texts_of(group), self.study, self.data_dir)
                found[group.name] = seconds_per_text(model, texts, section.readout, self.study.seed)
        if self.study.link is not None and "both" in todo:
            _, read = link_texts(self.study.link, self.study, self.data_dir)
            readout = self.study.link.readout
            taken = [seconds_per_text(model, texts, readout, self.study.seed) for texts in read.values()]
            found["both"] = max(taken)
        return found


def plan_study(study: Study, folder: Path, *, data_dir: Path | None = None) -> StudyPlan:
    """Check a study against its corpora and what its folder holds, and count what it costs; loads no model.

    Args:
        study: The study.
        folder: For the results; a study that was interrupted goes on from it.
        data_dir: Folder of named corpora; the variable EMORHET_DATA by default.

    Returns:
        The plan.

    Raises:
        CorpusError: A corpus is missing, or nothing unseen is left of it.
        StoreError: A stage in the folder was made with other options.
        EffectsError: The texts do not allow what is asked.
    """
    return StudyPlan(study, folder, count_study(study, stages_of(study, folder), data_dir), data_dir)


def first_section(group: StudyGroup) -> Section | None:
    """The section whose unseen texts stand for the group's; nothing where nothing is measured."""
    return group.validation or group.sweep or group.induction
