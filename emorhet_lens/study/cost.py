"""What a study will cost, said before any of it is done: texts counted stage by stage, minutes from a short reading.

The counts take every concept that has texts to get neurons, and every feedback loop to go to its end; the time is that
of a few texts read without masks. Both are meant for the question whether this takes minutes or a night.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emorhet_lens.causal.steps import ADAPTIVE, CONTROLS, SAME_DOSE
from emorhet_lens.corpora.held_out import HeldOut
from emorhet_lens.errors import StoreError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.readouts.named import lessons_of, readout_named
from emorhet_lens.readouts.questions import questions_for
from emorhet_lens.screening.screen import SCREEN_FILE
from emorhet_lens.steering.costs import count_pushes
from emorhet_lens.store import read_json
from emorhet_lens.study.curves_cost import count_curves
from emorhet_lens.study.link_cost import count_link
from emorhet_lens.study.schema import Study, StudyGroup
from emorhet_lens.study.sections import InduceSection, ReplicateSection, Section, SweepSection, ValidateSection
from emorhet_lens.study.stages import Stage
from emorhet_lens.study.texts import screening_texts, unseen_texts
from emorhet_lens.texts.concepts import GROUPS
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.validation.costs import count_loops, count_readings

SAMPLE_TEXTS, SAMPLE_LESSONS = 4, 8


@dataclass(frozen=True)
class StageCost:
    """What a stage sends through the model.

    Args:
        stage: The stage.
        texts: At most so many texts; 0 where it is done.
        done: Whether its results are there.
        layered: Texts that are read once for every layer of the model, on top.
    """

    stage: Stage
    texts: int
    done: bool
    layered: int = 0

    def of(self, model: LensModel) -> int:
        """At most so many texts with a model, whose layers are known."""
        return self.texts + self.layered * int(model.cfg.n_layers)


def count_study(study: Study, stages: Sequence[Stage], data_dir: Path | None = None) -> tuple[StageCost, ...]:
    """Count the texts of every stage from the corpora; loads no model.

    Args:
        study: The study.
        stages: Of it.
        data_dir: Folder of named corpora.

    Returns:
        One entry a stage.

    Raises:
        CorpusError: A corpus is missing, or nothing unseen is left of it.
        EffectsError: The texts do not allow the questions.
        StoreError: A stage in the folder was made with other options, or a screening of other texts.
    """
    done = [stage.is_done() for stage in stages]
    for stage, ready in zip(stages, done, strict=True):
        if ready and stage.name in ("screen", "screen2"):
            _require_same_texts(stage, study, data_dir)
    return tuple(
        StageCost(stage, 0, True) if ready else _cost(stage, study, data_dir)
        for stage, ready in zip(stages, done, strict=True)
    )


def seconds_per_text(model: LensModel, texts: HeldOut, readout: str, seed: int) -> float:
    """How long a text takes without masks, from a few of them read twice.

    Args:
        model: The model.
        texts: Development and test texts.
        readout: A name of `emorhet_lens.readouts.named.READOUTS`.
        seed: Of the draw.
    """
    dev, train = lessons_of(readout, texts.dev.balanced(SAMPLE_LESSONS, seed=seed), seed)
    test = texts.test.balanced(SAMPLE_TEXTS, seed=seed)
    reading = readout_named(readout).prepare(
        model, test, dev=dev, train=train, question=questions_for(test)[0], progress=False
    )
    taken = []
    # The first time also pays for what the machine sets up.
    for _ in range(2):
        started = time.perf_counter()
        read = len(reading.read(model, progress=False))
        taken.append((time.perf_counter() - started) / read)
    return min(taken)


def _require_same_texts(stage: Stage, study: Study, data_dir: Path | None) -> None:
    """Refuse a screening whose corpora have changed since: what follows would be of other neurons than it says."""
    texts = screening_texts(stage.of_group(), study, data_dir, second=stage.name == "screen2")
    kept = read_json(stage.folder / SCREEN_FILE, kind="screen")["collected"]["corpora"]
    if [one["sha256"] for one in kept] != [texts.digest]:
        raise StoreError(
            f"the texts of {stage.title} are not those that {stage.folder} was made from; give the former corpora, or "
            f"delete {stage.folder.parent}, or name another --out, to make it again"
        )


def _cost(stage: Stage, study: Study, data_dir: Path | None) -> StageCost:
    group = stage.group
    if stage.name != "curves" or group is None or group.curves is None:
        return StageCost(stage, _count(stage, study, data_dir), False)
    seen = screening_texts(group, study, data_dir)
    texts, layered = count_curves(group.curves, group, seen, study, data_dir)
    return StageCost(stage, texts, False, layered)


def _count(stage: Stage, study: Study, data_dir: Path | None) -> int:
    if stage.group is None:
        return 0 if study.link is None else count_link(study.link, study, data_dir)
    group = stage.group
    seen = screening_texts(group, study, data_dir, second=stage.name == "screen2")
    if stage.name in ("screen", "screen2"):
        return len(seen)
    if stage.name == "validate" and group.validation is not None:
        return _count_validation(group.validation, group, seen, study, data_dir)
    if stage.name == "sweep" and group.sweep is not None:
        return _count_sweep(group.sweep, group, seen, study, data_dir)
    if stage.name == "induce" and group.induction is not None:
        return _count_induction(group.induction, group, seen, study, data_dir)
    if group.replication is None or not group.replication.effects:
        return 0
    return _count_crossings(group.replication, group, seen, study, data_dir)


def _count_validation(
    section: ValidateSection, group: StudyGroup, seen: Corpus, study: Study, data_dir: Path | None
) -> int:
    texts = unseen_texts(section, section.corpora or group.corpora, seen, study, data_dir)
    concepts, loops = _both(seen, texts.test), 0
    masks: tuple[str, ...] = section.masks
    if ADAPTIVE in masks:
        masks = (*masks, SAME_DOSE)
        loops = count_loops(texts.dev, concepts, n_random=section.n_random, others=True, seed=study.seed)
    return loops + _readings(texts.test, concepts, masks, CONTROLS, section, study)


def _count_sweep(section: SweepSection, group: StudyGroup, seen: Corpus, study: Study, data_dir: Path | None) -> int:
    texts = unseen_texts(section, section.corpora or group.corpora, seen, study, data_dir)
    concepts = [concept for concept in _both(seen, texts.test) if concept in (section.concepts or group_of(group))]
    masks = tuple(f"dose{number}" for number in range(len(section.doses)))
    cells = len(section.ratios) * len(section.layers)
    return cells * _readings(texts.test, concepts, masks, CONTROLS, section, study)


def _count_induction(
    section: InduceSection, group: StudyGroup, seen: Corpus, study: Study, data_dir: Path | None
) -> int:
    test = unseen_texts(section, section.corpora or group.corpora, seen, study, data_dir).test
    return count_pushes(
        test,
        questions_for(test),
        [concept for concept in _both(seen, test) if concept in (section.concepts or group_of(group))],
        forms=section.forms,
        strengths=section.strengths,
        controls=section.controls,
        n_random=section.n_random,
        seed=study.seed,
    )


def _count_crossings(
    section: ReplicateSection, group: StudyGroup, seen: Corpus, study: Study, data_dir: Path | None
) -> int:
    second = screening_texts(group, study, data_dir, second=True)
    there = unseen_texts(section, section.corpora, seen, study, data_dir).test
    here = unseen_texts(section, section.tested or group.corpora, second, study, data_dir).test
    ways = ((there, _both(seen, there)), (here, _both(second, here)))
    return sum(_readings(test, concepts, ("zero",), ("random",), section, study) for test, concepts in ways)


def group_of(group: StudyGroup) -> tuple[str, ...]:
    """The concepts of a study's group."""
    return GROUPS[group.name].concepts


def _both(seen: Corpus, test: Corpus) -> list[str]:
    """Concepts with texts to be found on and texts to be measured on."""
    counts = seen.counts(), test.counts()
    return [concept for concept in seen.group.concepts if all(count[concept] for count in counts)]


def _readings(
    test: Corpus,
    concepts: Sequence[str],
    masks: Sequence[str],
    controls: Sequence[str],
    section: Section,
    study: Study,
) -> int:
    return count_readings(
        test,
        questions_for(test),
        concepts,
        masks=masks,
        controls=controls,
        n_random=section.n_random,
        seed=study.seed,
    )
