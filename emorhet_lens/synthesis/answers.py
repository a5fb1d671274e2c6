"""What an answer holds: a topic, a sentence, a dialogue or a label, or the reason why it holds none.

Nothing is guessed: an answer that has another form than the one that was asked for is counted, not mended. Only white
space and quotation marks around the whole are taken off.
"""

import re
from dataclasses import dataclass

from emorhet_lens.errors import CorpusError
from emorhet_lens.synthesis.wording import Kind
from emorhet_lens.texts.concepts import ConceptGroup

MOST_WORDS = {"topic": 30, "sentence": 60, "dialogue": 400}
"""Longer answers are malformed."""

_TURN = re.compile(r"([AB]):\s*(.*)")
_ENDED = re.compile(r"[.!?\u2026][\"'\u201d\u2019)*]*$")
_QUOTES = (('"', '"'), ("\u201c", "\u201d"), ("'", "'"))


@dataclass(frozen=True)
class Malformed:
    """An answer that cannot be used.

    Args:
        reason: Why not, in few words.
    """

    reason: str


def read_topic(answer: str) -> str | Malformed:
    """The one line of an answer as a topic."""
    return _one_line(answer, "topic")


def read_text(answer: str, kind: Kind) -> str | Malformed:
    """The sentence or the dialogue of an answer.

    Args:
        answer: What was written.
        kind: What was asked for.

    Returns:
        The text, a dialogue with one turn a line, or why there is none: empty, several lines, a line of nobody, an
        empty turn, no turns, one speaker, too long, unfinished (cut off), broken characters.
    """
    found = _one_line(answer, "sentence") if kind == "sentence" else _dialogue(answer)
    if isinstance(found, str) and not _ENDED.search(found):
        return Malformed("unfinished")
    return found


def read_label(answer: str, group: ConceptGroup) -> str | Malformed:
    """The one label that an answer names, as a word of its own, whatever its case; aliases of the group count.

    >>> from emorhet_lens import EMOTIONS
    >>> read_label("Joy!", EMOTIONS), read_label("fear or anger", EMOTIONS), read_label("angered", EMOTIONS)
    ('happiness', Malformed(reason='several labels'), Malformed(reason='no label'))
    """
    words = sorted((*group.labels, *group.aliases), key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in words)
    found = {group.canonical(word) for word in re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", answer, re.IGNORECASE)}
    if len(found) != 1:
        return Malformed("several labels" if found else "no label")
    return found.pop()


def read_given_label(label: str | None, group: ConceptGroup) -> str | Malformed:
    """The label that a function gave, in the group's spelling."""
    if label is None:
        return Malformed("no label")
    try:
        return group.canonical(label)
    except CorpusError:
        return Malformed("unknown label")


def _one_line(answer: str, form: str) -> str | Malformed:
    text = answer.strip()
    for opening, closing in _QUOTES:
        if len(text) > 1 and text[0] == opening and text[-1] == closing and opening not in text[1:-1]:
            text = text[1:-1].strip()
    if not text:
        return Malformed("empty")
    if len(text.splitlines()) > 1:
        return Malformed("several lines")
    return _checked(text, form)


def _dialogue(answer: str) -> str | Malformed:
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if not lines:
        return Malformed("empty")
    turns = [_TURN.fullmatch(line) for line in lines]
    spoken = [turn for turn in turns if turn is not None]
    if not spoken:
        return Malformed("no turns")
    if len(spoken) < len(turns):
        return Malformed("a line of nobody")
    if not all(turn[2] for turn in spoken):
        return Malformed("an empty turn")
    if len({turn[1] for turn in spoken}) < 2:
        return Malformed("one speaker")
    return _checked("\n".join(f"{turn[1]}: {turn[2]}" for turn in spoken), "dialogue")


def _checked(text: str, form: str) -> str | Malformed:
    try:
        text.encode()
    except UnicodeEncodeError:
        return Malformed("broken characters")
    if "\ufffd" in text:
        return Malformed("broken characters")
    return text if len(text.split()) <= MOST_WORDS[form] else Malformed("too long")
