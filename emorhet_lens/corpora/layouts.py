"""What the rows of publishers' files mean: one reader a layout, from a row's fields to texts with the source's labels.

Readers decide nothing: which class a source label becomes, and which rows are left out, is said by the facts.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from emorhet_lens.errors import CorpusError

Fields = Mapping[str, Any]

NO_RESPONSE = "no response"
NO_TEXT = "no text"


@dataclass(frozen=True)
class Labelled:
    """A text with the labels of its source.

    Args:
        id: Unique within a split.
        text: As published, white space collapsed where lines mean nothing.
        labels: The source's, or their codes; several where the source gives several.
        also: What else the source says about the label, kept with it.
        context: The turns before it, oldest first.
        topic: What it is about.
        pair: Shared by texts that were written to match each other.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    also: str = ""
    context: tuple[str, ...] = ()
    topic: str | None = None
    pair: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of a publisher's file.

    Args:
        number: From 1.
        fields: By column.
        before: The fields of the rows before it, as many as a reader may look back.
    """

    number: int
    fields: Fields
    before: Sequence[Fields] = ()

    def cell(self, column: str) -> str:
        """What stands in a column that has to be there, without white space around it.

        Raises:
            CorpusError: The column is not there.
        """
        return _cell(self.fields, column)

    def line(self, column: str) -> str:
        """The same, white space collapsed."""
        return " ".join(self.cell(column).split())

    def given(self, column: str) -> str:
        """What stands in a column that need not be there."""
        return "" if self.fields.get(column) is None else str(self.fields[column]).strip()


LOOK_BACK = 6
"""Most preceding utterances that are kept as context."""


def emoprism(row: Row) -> Iterator[Labelled]:
    """A dialogue with a voted label and the theme that it was written for."""
    label, theme = row.cell("label"), row.given("theme")
    also = f"theme={theme}" if theme and theme != label else ""
    yield Labelled(str(row.number), row.cell("dialogue"), (label,), also, topic=row.given("topic") or None)


def goemotions(row: Row) -> Iterator[Labelled]:
    """A comment with the numbers of one or more labels: in a string on disk, in a list on the hub."""
    listed = row.fields.get("labels")
    codes = listed if isinstance(listed, list) else row.cell("ids").split(",")
    yield Labelled(row.cell("id"), row.line("text"), tuple(str(code).strip() for code in codes))


def meld(row: Row) -> Iterator[Labelled]:
    """An utterance of a dialogue, whose rows follow each other."""
    dialogue = row.cell("Dialogue_ID")
    turns = [turn for turn in row.before if _cell(turn, "Dialogue_ID") == dialogue]
    context = tuple(" ".join(f"{_cell(turn, 'Speaker')}: {_cell(turn, 'Utterance')}".split()) for turn in turns)
    id = f"d{dialogue}-u{row.cell('Utterance_ID')}"
    yield Labelled(id, row.line("Utterance"), (row.cell("Emotion"),), context=context)


def isear(row: Row) -> Iterator[Labelled]:
    """An answer with the emotion that was asked for, by name or number."""
    # The export puts a lone "á" where a line was broken.
    text = " ".join(re.sub(r"(?<!\S)á(?!\S)", " ", row.cell("SIT")).split())
    answered = re.sub(r"\W+", " ", text.lower()).strip() not in ("", NO_RESPONSE)
    label = row.given("Field1") or row.cell("EMOT")
    yield Labelled(row.given("MYKEY") or str(row.number), text, (label if answered else NO_RESPONSE,))


def hypo(row: Row) -> Iterator[Labelled]:
    """A hyperbole, its paraphrase, and the same words meant literally; a cell may be blank."""
    pair = f"hypo-{row.number}"
    parts = {"HYPO": "hyperbole", "PARAPHRASES": "paraphrase", "MINIMAL UNITS CORPUS": "minimal-unit"}
    for column, part in parts.items():
        if text := row.line(column):
            yield Labelled(f"{pair}-{part}", text, (part,), pair=pair)


def hypo_l(row: Row) -> Iterator[Labelled]:
    """A sentence with a bit for hyperbole and one for metaphor."""
    bits = f"hyperbole={row.cell('Hyperbole')};metaphor={row.cell('Metaphor')}"
    yield Labelled(str(row.number), row.line("Sentence"), (bits,))


def verb_use(row: Row) -> Iterator[Labelled]:
    """A sentence with a bit for the use of one of its verbs."""
    yield Labelled(str(row.number), row.line("sentence"), (row.cell("label"),), f"verb={row.cell('verb')}")


def flute(row: Row) -> Iterator[Labelled]:
    """A hypothesis with the type of its figure."""
    # Ids are not promised to be unique.
    yield Labelled(str(row.number), row.line("hypothesis"), (row.cell("type"),), row.cell("label"))


def isarcasm(row: Row) -> Iterator[Labelled]:
    """A tweet with a bit, or a word, for sarcasm; it may be blank."""
    label = row.given("sarcastic") or row.cell("sarcasm_label")
    text = row.line("text" if "text" in row.fields else "tweet")
    yield Labelled(str(row.number), text, (label if text else NO_TEXT,), row.given("sarcasm_type"))


Reader = Callable[[Row], Iterator[Labelled]]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "EmoPrism": emoprism,
        "GoEmotions": goemotions,
        "MELD": meld,
        "ISEAR": isear,
        "HYPO": hypo,
        "HYPO-L": hypo_l,
        "MOH-X": verb_use,
        "TroFi": verb_use,
        "FLUTE": flute,
        "iSarcasm": isarcasm,
    }
)
"""The reader of each publisher's rows."""


def _cell(fields: Fields, column: str) -> str:
    if fields.get(column) is None:
        raise CorpusError(f"there is no field {column!r}; the row has {', '.join(filter(None, fields)) or 'none'}")
    return str(fields[column]).strip()
