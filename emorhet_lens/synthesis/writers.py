"""What writes texts and what labels them: any object that answers a prompt, or a function from text to label.

A name stands for one fixed writer: answers are kept under it, so another model, or a classifier that was trained anew,
needs another name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from emorhet_lens.errors import SynthesisError


@runtime_checkable
class Writer(Protocol):
    """Anything that answers a prompt: a local model, an endpoint, a function."""

    @property
    def name(self) -> str:
        """What it is called in files and messages."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What else its answers depend on, as JSON holds it: temperature, length. Nothing secret."""

    def __call__(self, prompt: str, *, seed: int) -> str:
        """The answer; equal seeds give equal answers as far as the writer allows."""


LabelText = Callable[[str], str | None]
"""A function from a text to a label, for example a classifier or a readout; None where it has no answer."""

Labeller = Writer | LabelText
"""A `Writer` gets a prompt with the text and the options, and a label is looked for in its answer as a word. Any other
callable gets the text and returns the label."""


@dataclass(frozen=True)
class FunctionWriter:
    """A function from prompt to answer as a writer; it is not given the seed.

    Args:
        name: What it is called in files.
        answer: The function.
        parameters: What else its answers depend on.
    """

    name: str
    answer: Callable[[str], str]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, prompt: str, *, seed: int) -> str:  # noqa: ARG002 - a plain function knows no seed
        """The function's answer."""
        return self.answer(prompt)


def as_writer(generator: Writer | Callable[[str], str]) -> Writer:
    """A writer from what a user may give.

    Args:
        generator: A writer, or a function with a name of its own.

    Returns:
        The writer.

    Raises:
        SynthesisError: It cannot be called, or has no name under which answers could be kept.
    """
    if isinstance(generator, Writer):
        return generator
    name = getattr(generator, "__name__", "<lambda>")
    if not callable(generator) or name == "<lambda>":
        raise SynthesisError(
            f"the generator {generator!r:.80} has no name to keep its answers under; give a Writer, a named function, "
            'or FunctionWriter("name", function)'
        )
    return FunctionWriter(name, generator)
