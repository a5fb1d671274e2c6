"""A generator and labellers whose answers are made from the prompt alone, with some malformed ones among them."""

import hashlib

from emorhet_lens.synthesis import FunctionWriter
from emorhet_lens.texts.concepts import EMOTIONS

TOPICS = ("a late train", "the new neighbour", "soup")


def number(text: str) -> int:
    """A number that depends on a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def written(prompt: str, kind: str = "sentence") -> str:
    """A topic, or a text of the concept that was asked for; one in eight is malformed."""
    mark = number(prompt)
    if prompt.startswith("Say this topic"):
        return f"  “topic {mark % 1000}”\n" if mark % 8 else "first\nsecond"
    theme = next(theme for theme in EMOTIONS.concepts if theme in prompt)
    if kind == "sentence":
        return f"Case {mark}: nothing but {theme} here, number {mark // 7}." if mark % 8 else "   "
    return f"A: Case {mark}?\n\nB: Only {theme}, number {mark // 7}." if mark % 8 else "Here you are:\nA: No."


def labelled(prompt: str) -> str:
    """The emotion that a text names, in two of three; another one, two or none otherwise."""
    text = prompt.rpartition("Text:\n")[2]
    theme = next((theme for theme in EMOTIONS.concepts if theme in text), "fear")
    return (f"It is {theme}.", theme.upper(), "fear or anger", "Surprise!", "hard to say", theme)[number(text) % 6]


def other_label(text: str) -> str:
    """A function from text to label that is right in two of three."""
    theme = next((theme for theme in EMOTIONS.concepts if theme in text), "fear")
    return theme if number(text + "other") % 3 else "sadness"


GENERATOR = FunctionWriter("generator", written)
LABELLERS = {"words": FunctionWriter("asked", labelled), "function": other_label}
