"""One run's way of asking: the cache, the seed, how many calls at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from emorhet_lens.synthesis.calls import Call, CallCache, ask_all
from emorhet_lens.synthesis.writers import LabelText, Writer
from emorhet_lens.texts.splitting import random_stream


@dataclass(frozen=True)
class Asking:
    """How calls of a run are made.

    Args:
        cache: Kept answers.
        seed: The user's.
        workers: Calls of a writer at a time.
        progress: Whether to show progress bars.
    """

    cache: CallCache
    seed: int
    workers: int
    progress: bool

    def writer(self, writer: Writer, questions: Sequence[tuple[str, int]], what: str) -> tuple[list[str], int]:
        """A writer's answers to prompts with seeds, and how many calls were made."""
        calls = [Call(writer.name, writer.parameters, prompt, seed) for prompt, seed in questions]
        answers, made = ask_all(
            calls,
            lambda call: writer(call.prompt, seed=call.seed),
            self.cache,
            workers=self.workers,
            progress=self.progress,
            what=what,
        )
        return [answer or "" for answer in answers], made

    def function(self, name: str, label: LabelText, texts: Sequence[str], what: str) -> tuple[list[str | None], int]:
        """A function's labels of texts, one at a time, and how many were asked for anew."""
        calls = [Call(name, {"kind": "text to label"}, text, 0) for text in texts]

        def answer(call: Call) -> str | None:
            given = label(call.prompt)
            # Labels out of arrays are strings of another class.
            return None if given is None else str(given)

        return ask_all(calls, answer, self.cache, progress=self.progress, what=what)

    def seed_of(self, *words: str) -> int:
        """A seed for one purpose: it does not depend on what else is asked, so that a larger run replays a smaller."""
        return int(random_stream(self.seed, "synthesis", *words).integers(2**31))
