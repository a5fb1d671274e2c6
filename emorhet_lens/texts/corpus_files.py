"""Corpora from files: the fields of a row, the labels of a group, and a sample of a file larger than the memory.

A sample drawn from each source and label is balanced; it does not show the shares that the labels have in the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.reservoirs import sample
from emorhet_lens.texts.rows import read_rows, stem

UNKNOWN = ("error", "drop")
"""What a label outside the group can do."""

TEXTS = ("text", "dialogue", "utterance")
"""Names that the field with the text may have; the first that is there counts."""


def read_corpus(
    path: str | Path,
    *,
    group: ConceptGroup,
    name: str | None = None,
    aliases: Mapping[str, str] | None = None,
    unknown: str = "error",
    limit_per_label: int | None = None,
    seed: int = 0,
) -> Corpus:
    """Read labelled texts from a file.

    The fields of a row are `label`, the text (`text`, `dialogue` or `utterance`), and, where known, `id` (otherwise the
    row's number, from 1), `source` (otherwise the corpus' name), `source_label` (otherwise the label as the file
    spells it, where the group spells it differently), `topic`, `pair` and `context` (a list of turns, or a string with
    one turn a line). Other fields are left out. An empty field is one that is not there.

    Args:
        path: A `.jsonl`, `.json` (a list, or one object a line), `.csv` or `.tsv` file, each also gzipped.
        group: The group that the labels belong to.
        name: The corpus' name; by default the file's, without its ending.
        aliases: Other names of the group's labels, besides the group's own aliases.
        unknown: What a label that is not the group's does: `"error"`, or `"drop"` to leave the row out.
        limit_per_label: At most so many texts of every source and label, drawn at random while reading: the memory
            needed does not grow with the file. Texts of a pair are drawn one by one. By default all.
        seed: Of the draw.

    Returns:
        The texts in the file's order.

    Raises:
        CorpusError: The file cannot be read, a row has no text or label, a label is unknown, an id occurs twice (among
            the drawn texts), or no row is left; the message names the file and the row.
    """
    path = Path(path)
    return corpus_of(
        read_rows(path),
        origin=str(path),
        group=group,
        name=stem(path) if name is None else name,
        aliases=aliases,
        unknown=unknown,
        limit_per_label=limit_per_label,
        seed=seed,
    )


def corpus_of(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    origin: str,
    group: ConceptGroup,
    name: str,
    aliases: Mapping[str, str] | None = None,
    unknown: str = "error",
    limit_per_label: int | None = None,
    seed: int = 0,
) -> Corpus:
    """Labelled texts from rows that something else has read.

    Args:
        rows: Numbers and fields, as `read_corpus` describes them.
        origin: Where they come from, for messages.
        group: See `read_corpus`.
        name: The corpus' name.
        aliases: See `read_corpus`.
        unknown: See `read_corpus`.
        limit_per_label: See `read_corpus`.
        seed: See `read_corpus`.

    Returns:
        The texts in the order of the rows.

    Raises:
        CorpusError: As `read_corpus`; the message names the origin and the row.
    """
    if unknown not in UNKNOWN:
        raise CorpusError(f"unknown={unknown!r}; allowed are {' and '.join(map(repr, UNKNOWN))}")
    if limit_per_label is not None and limit_per_label < 1:
        raise CorpusError(f"limit_per_label={limit_per_label}; it has to be at least 1, or None for all texts")
    spelled = replace(group, aliases={**group.aliases, **(aliases or {})})
    examples = _examples(rows, spelled, origin=origin, source=name, drop=unknown == "drop")
    kept = list(examples) if limit_per_label is None else sample(examples, limit_per_label, seed)
    if not kept:
        raise CorpusError(f"{origin} has no row with a label of the group {group.name!r}: {', '.join(group.labels)}")
    first: dict[str, int] = {}
    for row, example in kept:
        if first.setdefault(example.key, row) != row:
            raise CorpusError(
                f"{origin}, row {row}: the id {example.id!r} is that of row {first[example.key]}; ids have to be "
                "unique within a source"
            )
    return Corpus(name=name, group=group, examples=tuple(example for _, example in kept))


def _examples(
    rows: Iterable[tuple[int, Mapping[str, Any]]], group: ConceptGroup, *, origin: str, source: str, drop: bool
) -> Iterator[tuple[int, Example]]:
    canonical = cache(group.canonical)
    for row, fields in rows:
        try:
            spelled = _required(fields, "label")
            try:
                label = canonical(spelled)
            except CorpusError:
                if drop:
                    continue
                raise
            yield row, _example(fields, row, spelled, label, source)
        except CorpusError as cause:
            raise CorpusError(f"{origin}, row {row}: {cause}") from cause


def _example(fields: Mapping[str, Any], row: int, spelled: str, label: str, source: str) -> Example:
    text = _required(fields, *TEXTS)
    if not text.strip():
        raise CorpusError("the text is blank; leave such rows out")
    context = _context(fields.get("context"))
    try:
        "".join((text, *context)).encode()
    except UnicodeEncodeError as cause:
        # JSON can spell half a character, which no tokenizer takes.
        raise CorpusError(f"the text holds half a character ({cause.reason}); repair or drop the row") from cause
    return Example(
        id=_optional(fields, "id") or str(row),
        text=text,
        label=label,
        source=_optional(fields, "source") or source,
        source_label=_optional(fields, "source_label") or (spelled if spelled != label else None),
        topic=_optional(fields, "topic"),
        pair=_optional(fields, "pair"),
        context=context,
    )


def _required(fields: Mapping[str, Any], *names: str) -> str:
    there = [name for name in names if fields.get(name) is not None]
    if not there:
        found = [name for name, value in fields.items() if value is not None]
        raise CorpusError(
            f"there is no field {' or '.join(map(repr, names))}; the row has {', '.join(found) or 'none'}"
        )
    # An empty field gives way to one that holds something.
    name = next((name for name in there if fields[name] != ""), there[0])
    return _string(fields[name], name)


def _optional(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else _string(value, name) or None


def _string(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and name not in TEXTS:
        return str(value)
    raise CorpusError(f"the field {name!r} is a {type(value).__name__}, {value!r:.60}; it has to be a string")


def _context(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.splitlines())
    if isinstance(value, list) and all(isinstance(turn, str) for turn in value):
        return tuple(value)
    raise CorpusError(f"the field 'context' is {value!r:.60}; it has to be a list of strings, or one string")
