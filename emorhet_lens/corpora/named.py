"""Load a corpus by its name or its path.

Built-in stimuli are written for this package: every topic occurs with every emotion, every figure has a literal twin.
They are few, and by few hands; what holds on them has to be seen again on a corpus of another origin.
"""

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from emorhet_lens.concepts import EMOTIONS, RHETORIC, ConceptGroup
from emorhet_lens.corpora.folders import EXTENDED, SPLITS, group_of, pair_of
from emorhet_lens.corpus import Corpus
from emorhet_lens.corpus_files import read_corpus
from emorhet_lens.errors import CorpusError

VARIABLE = "EMORHET_DATA"
"""The environment variable that names the directory of data sets."""

BUILT_IN = MappingProxyType({"stimuli-emotion": EMOTIONS, "stimuli-rhetoric": RHETORIC})


def names(data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names that `load_corpus` knows here.

    Args:
        data_dir: A directory with one folder of `.jsonl` splits a data set; by default the one that the environment
            variable `EMORHET_DATA` names, if it is set.

    Returns:
        The built-in corpora, then the data sets in alphabetical order.

    Raises:
        CorpusError: The directory does not exist.
    """
    return (*BUILT_IN, *sorted(_folders(data_dir)))


def split_names(name: str | Path, data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The splits of a data set; none for built-in corpora and files.

    Raises:
        CorpusError: The directory of data sets does not exist.
    """
    folder = _folders(data_dir).get(str(name))
    return () if folder is None else _splits(folder)


def load_corpus(
    name: str | Path,
    *,
    split: str | None = None,
    group: ConceptGroup | None = None,
    data_dir: str | Path | None = None,
    limit_per_label: int | None = None,
    seed: int = 0,
    unknown: str = "error",
) -> Corpus:
    """Load a built-in corpus, a data set of a directory, or a file.

    Args:
        name: `"stimuli-emotion"`, `"stimuli-rhetoric"`, the exact name of a data set's folder, or the path of a file
            that `read_corpus` reads.
        split: A data set's part, by default `"train"`. Built-in corpora and files have none but `"all"`.
        group: The group of the labels; may be left out where it is known, which is everywhere but in files, unheard-of
            data sets and `pineapple`, whose personifications need `RHETORIC.extended("personification")`.
        data_dir: The directory with the data sets; by default what the environment variable `EMORHET_DATA` names.
        limit_per_label: At most so many texts of every source and label, drawn at random; by default all.
        seed: Of the draw.
        unknown: What a label that is not the group's does: `"error"`, or `"drop"` to leave the row out.

    Returns:
        The corpus. The examples of a data set have its folder's name as source; those of `hypo`, `figqa` and
        `sarcasm_sign` carry the pair that their ids tell.

    Raises:
        CorpusError: Nothing has that name, the split does not exist, the group is needed, or the file is unusable.
    """

    def read(path: Path, group: ConceptGroup, name: str | None = None) -> Corpus:
        return read_corpus(path, group=group, name=name, limit_per_label=limit_per_label, seed=seed, unknown=unknown)

    if name in BUILT_IN:
        _refuse_split(split, f"the built-in corpus {name!r}")
        with resources.as_file(resources.files(__package__) / f"{name}.jsonl") as path:
            return read(path, group or BUILT_IN[str(name)], str(name))
    folders = _folders(data_dir)
    if name in folders:
        folder = str(name)
        path = _split_file(folders[folder], "train" if split is None else split)
        corpus = read(path, group or _known_group(folder), folder)
        examples = tuple(replace(e, pair=e.pair or pair_of(folder, e.id)) for e in corpus)
        return replace(corpus, name=f"{folder}-{path.stem}", examples=examples)
    if not Path(name).is_file():
        raise CorpusError(_unheard_of(name, data_dir))
    _refuse_split(split, f"the file {name}")
    if group is None:
        raise CorpusError(f"the file {name} does not say which concepts it labels; pass group=EMOTIONS, RHETORIC, ...")
    return read(Path(name), group)


def _directory(data_dir: str | Path | None) -> Path | None:
    named = data_dir or os.environ.get(VARIABLE)
    if not named:
        return None
    directory = Path(named)
    if not directory.is_dir():
        origin = "data_dir" if data_dir else VARIABLE
        raise CorpusError(f"{origin} is {directory}, which is no directory; name the one that holds the data sets")
    return directory


def _folders(data_dir: str | Path | None) -> dict[str, Path]:
    directory = _directory(data_dir)
    return {} if directory is None else {f.name: f for f in directory.iterdir() if f.is_dir() and _splits(f)}


def _splits(folder: Path) -> tuple[str, ...]:
    found = {file.stem for file in folder.glob("*.jsonl")}
    return (*(split for split in SPLITS if split in found), *sorted(found - set(SPLITS)))


def _split_file(folder: Path, split: str) -> Path:
    if split not in _splits(folder):
        raise CorpusError(f"{folder.name!r} has no split {split!r}; it has {', '.join(_splits(folder))}")
    return folder / f"{split}.jsonl"


def _known_group(folder: str) -> ConceptGroup:
    if folder in EXTENDED:
        raise CorpusError(
            f"{folder!r} labels {EXTENDED[folder]}, which the group {RHETORIC.name!r} does not have; pass "
            f"group=RHETORIC.extended({EXTENDED[folder]!r})"
        )
    if (group := group_of(folder)) is None:
        raise CorpusError(f"which concepts {folder!r} labels is not known; pass group=EMOTIONS, RHETORIC, ...")
    return group


def _refuse_split(split: str | None, what: str) -> None:
    if split not in (None, "all"):
        raise CorpusError(f"{what} has no split {split!r}; leave split out, and use Corpus.split to make parts")


def _unheard_of(name: str | Path, data_dir: str | Path | None) -> str:
    message = f"there is no corpus and no file {str(name)!r}; the corpora are {', '.join(names(data_dir))}"
    if _directory(data_dir) is None:
        message += f"; for data sets by name set {VARIABLE} to the directory that holds them, or pass data_dir"
    return message
