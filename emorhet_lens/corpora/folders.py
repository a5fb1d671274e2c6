"""The directory of data sets: one folder each, in the common form (a JSONL file a split) or a publisher's own."""

import os
from pathlib import Path

from emorhet_lens.corpora.facts import Facts, facts, known
from emorhet_lens.errors import CorpusError

VARIABLE = "EMORHET_DATA"
"""The environment variable that names the directory of data sets."""

SPLITS = ("train", "dev", "test")
"""The order in which splits are named; others follow."""


def directory(data_dir: str | Path | None) -> Path | None:
    """The directory of data sets; None where nothing names one.

    Raises:
        CorpusError: What is named is no directory.
    """
    named = data_dir or os.environ.get(VARIABLE)
    if not named:
        return None
    found = Path(named)
    if not found.is_dir():
        origin = "data_dir" if data_dir else VARIABLE
        raise CorpusError(f"{origin} is {found}, which is no directory; name the one that holds the data sets")
    return found


def folders(data_dir: str | Path | None) -> dict[str, Path]:
    """The folders that hold a data set, by name; case matters on every file system.

    Raises:
        CorpusError: What is named is no directory.
    """
    root = directory(data_dir)
    return {} if root is None else {f.name: f for f in root.iterdir() if f.is_dir() and split_files(f)}


def split_files(folder: Path) -> dict[str, Path]:
    """The file of each split of a folder; `"all"` where its publisher made no splits.

    Args:
        folder: Of the data set.

    Returns:
        Split to file, in the order of `SPLITS`; empty for a folder without a file that is looked for.
    """
    if about := _published(folder):
        found = {split: _candidates(folder, names) for split, names in about.files.items()}
        return {split: files[0] for split, files in found.items() if files}
    by_name = {file.stem: file for file in folder.glob("*.jsonl")}
    order = (*(split for split in SPLITS if split in by_name), *sorted(set(by_name) - set(SPLITS)))
    return {split: by_name[split] for split in order}


def split_file(folder: Path, split: str) -> Path:
    """The file of one split.

    Raises:
        CorpusError: There is none, and the message says which splits there are; or several could be it.
    """
    found = split_files(folder)
    if split not in found:
        raise CorpusError(f"{folder.name!r} has no split {split!r}; it has {', '.join(found)}")
    about = _published(folder)
    if about and len(several := _candidates(folder, about.files[split])) > 1:
        raise CorpusError(
            f"{folder} holds {', '.join(file.name for file in several)}; leave only that of {about.name}, "
            f"which may be called {', '.join(about.files[split])}"
        )
    return found[split]


def _published(folder: Path) -> Facts | None:
    """The facts where the folder holds a publisher's own files."""
    about = facts(folder.name) if folder.name in known() else None
    return about if about and about.form == "publisher" else None


def _candidates(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The files of the first name that any has."""
    found = (sorted(file for file in folder.glob(name) if file.is_file()) for name in names)
    return next(filter(None, found), [])
