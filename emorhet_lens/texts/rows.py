"""Rows of a file of records, one at a time: JSON lines, a JSON list, CSV or TSV, each plain or gzipped.

Nothing is held but the row at hand, so a file may be larger than the memory.
"""

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import ijson

from emorhet_lens.errors import CorpusError

FORMATS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": ",",
    ".tsv": "\t",
}
"""File endings, each also followed by `.gz`: JSON of either form, or what separates the columns."""

# The position of an error in a JSON list is known to a buffer's length, so the buffer is small.
BUFFER = 4096


@dataclass(frozen=True)
class Table:
    """How a table is written, where its ending does not tell.

    Args:
        delimiter: What separates the columns.
        columns: Their names where the file has no header; by default its first row.
        strict: Whether text after a closing quotation mark is an error, and not a part of the field.
        quoted: Whether quotation marks may enclose a field; otherwise they are a part of it as any other character.
    """

    delimiter: str
    columns: tuple[str, ...] | None = None
    strict: bool = True
    quoted: bool = True


def read_rows(path: Path, table: Table | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a file of records row by row.

    The file's ending says whether it is a table; in a JSON file the first character tells a list from lines. Whether
    it is compressed is seen from its content.

    Args:
        path: The file, UTF-8.
        table: The form of a table; by default that of its ending, with a header.

    Yields:
        The row's number, from 1, header and blank lines not counted, and its fields.

    Raises:
        CorpusError: The file is missing, empty, not UTF-8, truncated, or not what its ending says; the message names
            the file and the row.
    """
    ending = _form(path)
    form = Table(ending) if table is None and ending != "json" else table
    number = 0
    try:
        with _open(path) as file:
            first = _first_character(file)
            if not first:
                raise CorpusError(f"{path} is empty; it needs at least one row")
        with _open(path) as file:
            for number, fields in enumerate(_records(file, form, first), start=1):
                if not isinstance(fields, dict):
                    raise CorpusError(f"{path}, row {number} is a {type(fields).__name__}; rows have to be objects")
                yield number, fields
    except UnicodeDecodeError as cause:
        raise CorpusError(f"{path} is not UTF-8 after row {number} ({cause.reason}); save it as UTF-8") from cause
    except json.JSONDecodeError as cause:
        where = f"row {number + 1}, character {cause.pos + 1}"
        raise CorpusError(f"{path}, {where}: {cause.msg}; a JSON file holds one list, or one object a line") from cause
    except ijson.JSONError as cause:
        reason = " ".join(str(cause).replace("(right here) ------^", "").split())
        raise CorpusError(f"{path} is broken or cut-off JSON after row {number} ({reason}); write it again") from cause
    except csv.Error as cause:
        raise CorpusError(f"{path}, row {number + 1} is broken: {cause}; quote as the csv module does") from cause
    except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
        raise CorpusError(f"{path} is damaged gzip after row {number} ({cause}); fetch it again") from cause


def stem(path: Path) -> str:
    """The file's name without the endings that `read_rows` knows."""
    name = path.name.removesuffix(".gz")
    return name.removesuffix(Path(name).suffix)


def _form(path: Path) -> str:
    if path.is_dir():
        raise CorpusError(f"{path} is a folder; name one of the files in it")
    if not path.is_file():
        raise CorpusError(f"there is no file {path}; check the path")
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending not in FORMATS:
        raise CorpusError(f"{path} ends in {ending!r}; allowed are {', '.join(FORMATS)}, each also followed by .gz")
    return FORMATS[ending]


def _open(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        return gzip.GzipFile(path, "rb")
    if magic and path.suffix == ".gz":
        raise CorpusError(f"{path} ends in .gz and is not gzip; rename it, or compress it")
    return path.open("rb")


def _first_character(file: BufferedIOBase) -> bytes:
    while chunk := file.read(BUFFER):
        if text := chunk.removeprefix(codecs.BOM_UTF8).strip():
            return text[:1]
    return b""


def _records(file: BufferedIOBase, form: Table | None, first: bytes) -> Iterator[Any]:
    if form is not None:
        return _table(file, form)
    return _list(file) if first == b"[" else _lines(file)


def _text_lines(file: BufferedIOBase) -> Iterator[str]:
    # Decoded line by line, because a text file decodes ahead and would blame a row before the broken one.
    for number, line in enumerate(file):
        yield (line if number else line.removeprefix(codecs.BOM_UTF8)).decode()


def _lines(file: BufferedIOBase) -> Iterator[Any]:
    return (json.loads(line) for line in _text_lines(file) if line.strip())


def _list(file: BufferedIOBase) -> Iterator[Any]:
    # Decoded here, because the parser neither skips a byte order mark nor tells bad bytes from bad JSON.
    chunks = codecs.iterdecode(iter(partial(file.read, BUFFER), b""), "utf-8-sig")
    return iter(ijson.items(ijson.from_iter(chunk.encode() for chunk in chunks), "item", buf_size=BUFFER))


def _table(file: BufferedIOBase, form: Table) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(
        _text_lines(file),
        fieldnames=form.columns,
        delimiter=form.delimiter,
        strict=form.strict,
        quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
    )
    for fields in reader:
        if None in fields:
            raise csv.Error(f"{len(fields[None])} more fields than the header has")
        yield dict(fields)
