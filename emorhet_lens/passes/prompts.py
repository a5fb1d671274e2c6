"""Prompt templates: what stands around a text when the model reads it, and which tokens are the text's own.

A template holds the mark `{text}` once, and may hold `{context}`. Token positions come from character offsets, so
that a token that the tokenizer merges across the border of text and template counts as text.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from emorhet_lens.errors import PromptError
from emorhet_lens.texts.examples import Example

MARK = "{text}"
CONTEXT_MARK = "{context}"


@dataclass(frozen=True)
class Prompt:
    """A template with the place of the text marked by `{text}`.

    Args:
        template: Plain text, or chat messages as `(role, content)` pairs for the tokenizer's chat template.

    Raises:
        PromptError: The mark does not occur exactly once.

    >>> Prompt("Review: {text} Mood:").parts(example_text="Fine.")
    ('Review: ', 'Fine.', ' Mood:')
    """

    template: str | tuple[tuple[str, str], ...] = MARK

    def __post_init__(self) -> None:
        written = self.template if isinstance(self.template, str) else "\n".join(c for _, c in self.template)
        if written.count(MARK) != 1:
            raise PromptError(
                f"a prompt has to mark the place of the text with {MARK} exactly once, found "
                f"{written.count(MARK)} marks in {written[:200]!r}"
            )

    def render(self, example: Example, tokenizer: Any) -> tuple[str, str, str]:
        """What stands before the text, the text, and what stands after it.

        Args:
            example: Gives text and context.
            tokenizer: Its chat template is used for chat messages.

        Returns:
            Three strings; joined they are what the model reads.

        Raises:
            PromptError: The tokenizer has no chat template, or its template refuses the messages or changes the mark.
        """
        if isinstance(self.template, str):
            written = self.template
        else:
            if not getattr(tokenizer, "chat_template", None):
                raise PromptError("this model's tokenizer has no chat template; use a plain text prompt")
            messages = [{"role": role, "content": content} for role, content in self.template]
            try:
                written = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            except TemplateError as cause:
                raise PromptError(f"the chat template refuses these messages: {cause}; change their roles") from cause
            if written.count(MARK) != 1:
                raise PromptError(f"the chat template did not keep the mark {MARK}; it gave {written[:200]!r}")
        return self._parts(written, example.text, example.context)

    def frame(self, tokenizer: Any) -> str | None:
        """SHA-256 of what a chat template writes around a text; nothing for plain templates, which say it themselves.

        Templates change with tokenizers, and some write the date.

        Args:
            tokenizer: Gives the chat template. Errors are those of `render`.
        """
        if isinstance(self.template, str):
            return None
        return hashlib.sha256(repr(self.render(Example("", "", "", ""), tokenizer)).encode()).hexdigest()

    def parts(self, example_text: str, context: Sequence[str] = ()) -> tuple[str, str, str]:
        """As `render`, for a plain template, without a tokenizer."""
        if not isinstance(self.template, str):
            raise PromptError("chat messages need a tokenizer; call render")
        return self._parts(self.template, example_text, context)

    def to_json(self) -> str | list[dict[str, str]]:
        """The template as JSON holds it: text, or a list of messages."""
        if isinstance(self.template, str):
            return self.template
        return [{"role": role, "content": content} for role, content in self.template]

    @staticmethod
    def _parts(written: str, text: str, context: Sequence[str]) -> tuple[str, str, str]:
        before, after = (side.replace(CONTEXT_MARK, "\n".join(context)) for side in written.split(MARK))
        return before, text, after


def as_prompt(prompt: Prompt | str | list[dict[str, str]] | Path | None) -> Prompt:
    """A prompt from what a user may give.

    Args:
        prompt: A `Prompt`, a plain template, chat messages (`[{"role": ..., "content": ...}]`), a file with
            either (`.json` for messages), or nothing for the bare text.

    Returns:
        The prompt.

    Raises:
        PromptError: The file cannot be read, or holds neither.
    """
    if prompt is None:
        return Prompt()
    if isinstance(prompt, Prompt):
        return prompt
    if isinstance(prompt, Path):
        try:
            written = prompt.read_text(encoding="utf-8")
            prompt = json.loads(written) if prompt.suffix == ".json" else written.rstrip("\n")
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as cause:
            raise PromptError(f"the prompt file {prompt} could not be read: {cause}") from cause
    if isinstance(prompt, str):
        return Prompt(prompt)
    try:
        return Prompt(tuple((message["role"], message["content"]) for message in prompt))
    except (TypeError, KeyError) as cause:
        raise PromptError('chat messages have to be a list of {"role": ..., "content": ...}') from cause
