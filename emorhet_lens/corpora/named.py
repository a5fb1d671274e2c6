"""Load a corpus by its name or its path.

Built-in stimuli are written for this package: every topic occurs with every emotion, every figure has a literal twin.
They are few, and by few hands; what holds on them has to be seen again on a corpus of another origin.
"""

from dataclasses import replace
from pathlib import Path

from emorhet_lens.corpora.built_in import load_built_in
from emorhet_lens.corpora.facts import Facts, facts, known
from emorhet_lens.corpora.folders import SPLITS, VARIABLE, directory, folders, split_file, split_files
from emorhet_lens.corpora.publishers import load_published
from emorhet_lens.corpora.sources import WHOLE
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.corpus_files import read_corpus


def names(data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names that `load_corpus` can load here without the hub.

    Args:
        data_dir: A directory with one folder a data set: `.jsonl` splits in the common form, or a publisher's own
            files; by default the one that the environment variable `EMORHET_DATA` names, if it is set.

    Returns:
        The built-in corpora, then the data sets in alphabetical order.

    Raises:
        CorpusError: The directory does not exist.
    """
    return (*(name for name in known() if facts(name).form == "built-in"), *sorted(folders(data_dir)))


def split_names(name: str | Path, data_dir: str | Path | None = None, *, hub: bool = False) -> tuple[str, ...]:
    """The splits of a data set that is here; none for files and data sets without splits.

    Args:
        name: As `load_corpus` takes it.
        data_dir: The directory with the data sets, see `names`.
        hub: Whether the splits on the hub count for a publisher's data set that is not here.

    Returns:
        Train, dev and test first, where there are any.

    Raises:
        CorpusError: The directory of data sets does not exist.
    """
    about = _about(str(name))
    if about is not None and about.form == "built-in":
        return SPLITS
    folder = folders(data_dir).get(str(name))
    if folder is not None:
        found = tuple(split_files(folder))
    else:
        found = tuple(about.hub.splits) if hub and about is not None and about.hub is not None else ()
    return () if about is not None and about.form == "publisher" and found == (WHOLE,) else found


def load_corpus(
    name: str | Path,
    *,
    split: str | None = None,
    group: ConceptGroup | None = None,
    data_dir: str | Path | None = None,
    hub: bool | str = False,
    limit_per_label: int | None = None,
    seed: int = 0,
    unknown: str = "error",
) -> Corpus:
    """Load a built-in corpus, a data set of a directory or of the hub, or a file.

    Args:
        name: `"stimuli-emotion"`, `"stimuli-rhetoric"`, the exact name of a data set's folder, or the path of a file
            that `read_corpus` reads. `EmoPrism`, `GoEmotions`, `MELD`, `ISEAR`, `HYPO`, `HYPO-L`, `MOH-X`, `TroFi`,
            `FLUTE` and `iSarcasm` are read from folders of that name in their publishers' own layouts.
        split: A part, by default `"train"`. Built-in corpora have `"all"`, too; files and data sets that were published
            without splits have nothing else.
        group: The group of the labels; may be left out where it is known, which is everywhere but in files, unheard-of
            data sets and `pineapple`, whose personifications need `RHETORIC.extended("personification")`. Those of
            `stimuli-rhetoric`, with their literal twins, come with that group only.
        data_dir: The directory with the data sets; by default what the environment variable `EMORHET_DATA` names.
        hub: Whether a publisher's data set that is not here may be taken from the hub; or which data set of the hub,
            or local copy of one, to take. Other names have nothing to do with it.
        limit_per_label: At most so many texts of every source and label, drawn at random; by default all.
        seed: Of the draw.
        unknown: What a label that is not the group's does: `"error"`, or `"drop"` to leave the row out.

    Returns:
        The corpus. The examples of a data set have its folder's name as source, and carry the pair that their ids
        tell, where they do. Rows of a publisher's that have no class of their own are left out; a warning of the log
        counts them.

    Raises:
        CorpusError: Nothing has that name, the split does not exist, the group is needed, the file is unusable, or a
            publisher's data set is not here; the message then says how to get it.
    """

    def read(path: Path, group: ConceptGroup, name: str | None = None) -> Corpus:
        return read_corpus(path, group=group, name=name, limit_per_label=limit_per_label, seed=seed, unknown=unknown)

    about = _about(str(name))
    form = None if about is None else about.form
    if about is not None and form == "built-in":
        return load_built_in(
            about, split or SPLITS[0], group=group, limit_per_label=limit_per_label, seed=seed, unknown=unknown
        )
    found = folders(data_dir)
    if about is not None and form == "publisher":
        return load_published(
            about.name,
            split,
            folder=found.get(about.name),
            hub=hub,
            group=group,
            limit_per_label=limit_per_label,
            seed=seed,
            unknown=unknown,
        )
    if name in found:
        folder = str(name)
        path = split_file(found[folder], "train" if split is None else split)
        corpus = read(path, group or _known_group(folder, about), folder)
        examples = tuple(replace(e, pair=e.pair or (about.pair_of(e.id) if about else None)) for e in corpus)
        return replace(corpus, name=f"{folder}-{path.stem}", examples=examples)
    if not Path(name).is_file():
        raise CorpusError(_unheard_of(name, about, data_dir))
    _refuse_split(split, f"the file {name}")
    if group is None:
        raise CorpusError(f"the file {name} does not say which concepts it labels; pass group=EMOTIONS, RHETORIC, ...")
    return read(Path(name), group)


def _about(name: str) -> Facts | None:
    return facts(name) if name in known() else None


def _known_group(folder: str, about: Facts | None) -> ConceptGroup:
    if about is None:
        raise CorpusError(f"which concepts {folder!r} labels is not known; pass group=EMOTIONS, RHETORIC, ...")
    if about.extends:
        more = ", ".join(map(repr, about.extends))
        raise CorpusError(
            f"{folder!r} labels {', '.join(about.extends)}, which the group {about.group!r} does not have; pass "
            f"group={about.group.upper()}.extended({more})"
        )
    return about.concepts


def _refuse_split(split: str | None, what: str) -> None:
    if split not in (None, WHOLE):
        raise CorpusError(f"{what} has no split {split!r}; leave split out, and use Corpus.split to make parts")


def _unheard_of(name: str | Path, about: Facts | None, data_dir: str | Path | None) -> str:
    message = f"there is no corpus and no file {str(name)!r}; the corpora are {', '.join(names(data_dir))}"
    if directory(data_dir) is None:
        message += f"; for data sets by name set {VARIABLE} to the directory that holds them, or pass data_dir"
    if about is not None:
        message += f"; {name} was made from {about.published}: {about.citation}"
    return message
