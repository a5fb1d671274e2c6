"""One labelled text and what is known about it."""

import hashlib
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """One labelled text.

    Args:
        id: Unique within its source.
        text: The text whose tokens are counted.
        label: A label of the corpus' group.
        source: The data set it comes from.
        source_label: The label as the source gives it.
        topic: What it is about, where known.
        pair: Shared by texts that were written to match each other, for example a figure and its literal twin.
        context: The turns before it, oldest first.
    """

    id: str
    text: str
    label: str
    source: str
    source_label: str | None = None
    topic: str | None = None
    pair: str | None = None
    context: tuple[str, ...] = field(default=())

    @property
    def key(self) -> str:
        """An identifier that is unique over sources."""
        return f"{self.source}:{self.id}"

    @property
    def normalized(self) -> tuple[str, tuple[str, ...]]:
        """The text without case and punctuation (unless it is nothing else), and the context: equal for duplicates."""
        return re.sub(r"\W+", " ", self.text.lower()).strip() or self.text.strip(), self.context

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, equal for duplicates whatever their ids and sources."""
        return hashlib.sha256(repr(self.normalized).encode()).hexdigest()[:16]

    @property
    def n_words(self) -> int:
        """Number of words of the text, that is of runs of letters and digits; a text without any counts as one."""
        return len(self.normalized[0].split())
