"""The prompts of synthesis: another wording of a topic, a text of a concept, the label of a text.

The defaults are this project's own wording; study A describes its requests without quoting them. A text that is written
to order is easier to tell than one that was found, and may name its concept although it is asked not to.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from emorhet_lens.errors import PromptError

Kind = Literal["dialogue", "sentence"]

EXPAND = (
    "Say this topic in other words, in at most twelve words. Topic: {topic}\n"
    "Reply with the new wording only, on one line."
)

SENTENCE = "Write one sentence about {topic}, {manner}. Reply with the sentence only."

DIALOGUE = (
    "Write a short conversation of two people, A and B, about {topic}, {manner}. Begin every line with A: or B:, one "
    "turn a line, four to eight turns. Reply with the conversation only."
)

LABEL = "Which one of these words fits the text best: {options}? Reply with that word only.\n\nText:\n{text}"

MANNERS: Mapping[str, str] = {
    "neutral": "that shows no emotion",
    "metaphor": "that contains a metaphor",
    "hyperbole": "that contains a hyperbole, an exaggeration that nobody takes literally",
    "sarcasm": "that is sarcastic: its words say the opposite of what is meant",
    "simile": "that contains a simile, a comparison with like or as",
    "literal": "in plain words that are meant literally, without any figure of speech",
}
"""How a text of a concept is asked for; other concepts are feelings, see `Wording.manner`."""

FEELING = "that shows {theme} without naming it"


@dataclass(frozen=True)
class Wording:
    """The templates.

    Args:
        expand: Asks for another wording; holds `{topic}`.
        write: Asks for a text; holds `{topic}`, and `{manner}` or `{theme}`. By default `SENTENCE` or `DIALOGUE`.
        label: Asks a labeller that is a writer; holds `{options}` and `{text}`.
        manners: How a text of a concept is described, over `MANNERS`.

    Raises:
        PromptError: A template lacks a mark.
    """

    expand: str = EXPAND
    write: str | None = None
    label: str = LABEL
    manners: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        write = SENTENCE if self.write is None else self.write
        concept = "{theme}" if "{theme}" in write else "{manner}"
        for name, template, marks in (
            ("expand", self.expand, ("{topic}",)),
            ("write", write, ("{topic}", concept)),
            ("label", self.label, ("{options}", "{text}")),
        ):
            missing = [mark for mark in marks if mark not in template]
            if missing:
                raise PromptError(f"the prompt {name!r} lacks {', '.join(missing)}; it is {template[:200]!r}")

    def manner(self, theme: str) -> str:
        """How a text of a concept is described."""
        return {**MANNERS, **self.manners}.get(theme, FEELING.replace("{theme}", theme))

    def expansion(self, topic: str) -> str:
        """The prompt for another wording of a topic."""
        return _fill(self.expand, topic=topic)

    def text(self, kind: Kind, topic: str, theme: str) -> str:
        """The prompt for a text."""
        return _fill(self.template(kind), topic=topic, theme=theme, manner=self.manner(theme))

    def template(self, kind: Kind) -> str:
        """The template that asks for a text."""
        return self.write or (SENTENCE if kind == "sentence" else DIALOGUE)

    def question(self, text: str, themes: Sequence[str]) -> str:
        """The prompt for a label."""
        return _fill(self.label, text=text, options=", ".join(themes))


def _fill(template: str, **marks: str) -> str:
    # In one go, because a text may hold what looks like a mark.
    return re.sub(r"\{(\w+)\}", lambda found: marks.get(found[1], found[0]), template)
