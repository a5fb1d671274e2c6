"""Prompts that end where the answer would be written: default templates, the list of options, worked examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emorhet_lens.passes.prompts import CONTEXT_MARK, MARK, Prompt, as_prompt
from emorhet_lens.readouts.label_words import separator
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.examples import Example

Template = Prompt | str | list[dict[str, str]] | Path
OPTIONS_MARK = "{options}"
EMOTION_TEMPLATE = "{text}\nEmotion:"
CHOICE_TEMPLATE = "Text: {text}\nIs this text {options}? It is"


def answer_prompt(template: Template | None, words: Sequence[str], group: str) -> Prompt:
    """A prompt with its options written out.

    Args:
        template: Marks the place of the text with `{text}` and may mark the place of the options with `{options}`.
            By default `EMOTION_TEMPLATE` for the group of emotions and `CHOICE_TEMPLATE` otherwise.
        words: The answer words, in the order in which they are listed.
        group: Name of the concept group.

    Returns:
        The prompt, without the mark of the options.

    Raises:
        PromptError: The template does not mark the place of the text exactly once, or cannot be read.
    """
    default = EMOTION_TEMPLATE if group == EMOTIONS.name else CHOICE_TEMPLATE
    options = ", ".join(words[:-1]) + f" or {words[-1]}"
    chosen = as_prompt(default if template is None else template).template
    if isinstance(chosen, str):
        return Prompt(chosen.replace(OPTIONS_MARK, options))
    return Prompt(tuple((role, content.replace(OPTIONS_MARK, options)) for role, content in chosen))


def with_shots(prompt: Prompt, shots: Sequence[tuple[Example, str]]) -> Prompt:
    """Put texts with their right answers before the text, in the prompt's own form.

    Args:
        prompt: A prompt that ends where the answer would be written.
        shots: Texts, none of which holds a mark, and their answer words, in order.

    Returns:
        For a plain prompt, filled copies of it, each followed by its answer and a blank line. For chat messages,
        turns of user and assistant after the system message.
    """
    template = prompt.template
    if isinstance(template, str):
        blocks = [_fill(template, example) + separator(template) + word for example, word in shots]
        return Prompt("\n\n".join([*blocks, template]))
    system = tuple(message for message in template if message[0] == "system")
    turn = tuple(message for message in template if message[0] != "system")
    worked: list[tuple[str, str]] = []
    for example, word in shots:
        worked += [(role, _fill(content, example)) for role, content in turn] + [("assistant", word)]
    return Prompt((*system, *worked, *turn))


def holds_marks(example: Example) -> bool:
    """Whether a text could be mistaken for a template, which makes it useless as a worked example."""
    return any(mark in part for mark in (MARK, CONTEXT_MARK) for part in (example.text, *example.context))


def prompt_tail(prompt: Prompt, tokenizer: Any) -> str:
    """What stands after the text; empty where the text comes last.

    Raises:
        PromptError: The tokenizer has no chat template for chat messages, or refuses them.
    """
    return prompt.render(Example("tail", "x", "", ""), tokenizer)[2]


def _fill(template: str, example: Example) -> str:
    context = "\n".join(example.context)
    return example.text.join(side.replace(CONTEXT_MARK, context) for side in template.split(MARK))
