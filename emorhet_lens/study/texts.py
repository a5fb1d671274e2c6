"""Which texts the stages of a study read, chosen in one place for what is predicted and for what is done."""

from collections.abc import Sequence
from pathlib import Path

from emorhet_lens.corpora.held_out import HeldOut, load_held_out
from emorhet_lens.screening.job import load_texts
from emorhet_lens.study.schema import Study, StudyGroup
from emorhet_lens.study.sections import LinkSection, Section
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import Corpus


def screening_texts(group: StudyGroup, study: Study, data_dir: Path | None, *, second: bool = False) -> Corpus:
    """The texts that a group is screened on, or those of its second screening."""
    names, limit = group.corpora, group.limit
    if second and group.replication is not None:
        names, limit = group.replication.corpora, group.replication.screen_limit or group.limit
    return load_texts(
        names,
        group.name,
        data_dir=data_dir,
        hub=group.hub,
        limit=limit,
        seed=study.seed,
        drop_unknown=group.drop_unknown,
    )


def unseen_texts(
    section: Section, corpora: Sequence[str], seen: Corpus, study: Study, data_dir: Path | None
) -> HeldOut:
    """The development and test texts of a section, as its measurement will choose them."""
    known = frozenset(example.digest for example in seen)
    return load_held_out(
        list(corpora),
        seen.group,
        seen=known,
        limit=section.limit,
        min_texts=section.min_texts,
        data_dir=data_dir,
        seed=study.seed,
        **study.group(seen.group.name).loading,
    )


def link_corpora(section: LinkSection, study: Study) -> dict[str, tuple[str, ...]]:
    """By name of the group, emotions first, the corpora whose unseen texts `link` reads."""
    named = {EMOTIONS.name: section.emotion, RHETORIC.name: section.rhetoric}
    return {name: corpora or study.group(name).corpora for name, corpora in named.items()}


def link_texts(
    section: LinkSection, study: Study, data_dir: Path | None
) -> tuple[dict[str, Corpus], dict[str, HeldOut]]:
    """By name of the group, emotions first: the texts of the screenings, and texts that neither has seen."""
    corpora = link_corpora(section, study)
    seen = {name: screening_texts(study.group(name), study, data_dir) for name in corpora}
    known = frozenset(example.digest for texts in seen.values() for example in texts)
    return seen, {
        name: load_held_out(
            list(names),
            seen[name].group,
            seen=known,
            limit=section.limit,
            min_texts=section.min_texts,
            data_dir=data_dir,
            seed=study.seed,
            **study.group(name).loading,
        )
        for name, names in corpora.items()
    }
