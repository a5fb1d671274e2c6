"""Where rows of publishers' data sets come from: their files, or the hub."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from emorhet_lens.corpora.facts import Facts
from emorhet_lens.corpora.folders import VARIABLE
from emorhet_lens.corpora.layouts import Fields
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.rows import Table, read_rows

WHOLE = "all"
"""What the one part of a data set without splits is called."""

HUB_SPLITS = MappingProxyType({WHOLE: "train", "dev": "validation"})
"""What splits are called on the hub, where the facts do not say."""

Numbered = Iterator[tuple[int, Fields]]

TABLES = MappingProxyType(
    {
        # Quotation marks within a comment are not always doubled.
        "GoEmotions": Table("\t", ("text", "ids", "id"), strict=False),
        # Sentences begin with a quotation and go on after it; none is doubled.
        "HYPO": Table("\t", quoted=False),
    }
)
"""By data set, tables that their file's ending does not describe."""

ISEAR_WITHOUT_HEADER = Table(",", ("Field1", "SIT", "blank"))
ISEAR_DELIMITERS = "|\t;,"


def file_rows(about: Facts, file: Path) -> Numbered:
    """The rows of a publisher's file.

    Args:
        about: The data set.
        file: One of its files.

    Yields:
        Numbers, from 1, and fields.

    Raises:
        CorpusError: See `read_rows`.
    """
    return read_rows(file, _isear_table(file) if about.name == "ISEAR" else TABLES.get(about.name))


def label_codes(about: Facts, folder: Path) -> Mapping[str, str]:
    """The source's labels by the codes that its files use.

    Args:
        about: The data set.
        folder: Of its files; a file there that lists the labels counts before the facts.

    Returns:
        Codes, as files spell them, to labels.
    """
    if about.code_file is None or not (folder / about.code_file).is_file():
        return about.codes
    names = (folder / about.code_file).read_text(encoding="utf-8").split()
    return {str(code): name for code, name in enumerate(names)}


def hub_rows(about: Facts, split: str, hub: bool | str) -> tuple[str, Numbered]:
    """The rows of a data set of the hub, which may be downloaded for it.

    Args:
        about: The data set.
        split: One of its splits.
        hub: True for the data set that the facts name, or the id of another one, or a local copy.

    Returns:
        What to call it in messages; numbers, from 1, and fields.

    Raises:
        CorpusError: The facts name none, or it cannot be had.
    """
    named = hub if isinstance(hub, str) else about.hub.id if about.hub else None
    if named is None:
        raise CorpusError(f"no data set of the hub is known that is {about.name}. {how_to_get(about)}")
    config = about.hub.config if about.hub and not isinstance(hub, str) else None
    part = about.hub.splits[split] if about.hub else HUB_SPLITS.get(split, split)
    try:
        # Imported here, because it takes long and is seldom needed.
        from datasets import load_dataset

        rows = load_dataset(named, name=config, split=part)
    except (ImportError, OSError, ValueError, RuntimeError) as cause:
        raise CorpusError(f"the split {part} of {named} cannot be had: {cause}. {how_to_get(about)}") from cause
    return f"{named} ({part})", ((number, dict(row)) for number, row in enumerate(rows, start=1))


def how_to_get(about: Facts) -> str:
    """What to do where a publisher's data set is not here.

    Args:
        about: The data set.

    Returns:
        Sentences for a message.
    """
    files = ", ".join(" or ".join(names) for names in about.files.values())
    return (
        f"{about.name} is not in the directory of data sets ({VARIABLE} or data_dir), where the folder {about.name} "
        f"would hold {files}. {about.get} Its licence: {about.licence}"
    )


def _isear_table(file: Path) -> Table:
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline()
    delimiter = max(ISEAR_DELIMITERS, key=header.count)
    columns = {cell.strip('" \n') for cell in header.split(delimiter)}
    return Table(delimiter, strict=False) if "SIT" in columns else ISEAR_WITHOUT_HEADER
