"""Every call is made once: its answer is kept in a file, and a run that was interrupted replays what it had.

The file's name is the hash of everything that the answer depends on. Two runs with a call in common share it, so more
texts a cell or another labeller cost only the new calls.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from emorhet_lens.store import read_json, write_json

KIND = "call"


@dataclass(frozen=True)
class Call:
    """One question to one writer.

    Args:
        writer: Its name.
        parameters: What else the answer depends on.
        prompt: What is asked.
        seed: Of sampling.
    """

    writer: str
    parameters: Mapping[str, Any]
    prompt: str
    seed: int

    @property
    def key(self) -> str:
        """SHA-256 of all of it."""
        facts = [self.writer, dict(self.parameters), self.prompt, self.seed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class CallCache:
    """Kept answers, one file each.

    Args:
        folder: Where they are.
    """

    folder: Path

    def path(self, call: Call) -> Path:
        """The file of a call; folders of 256 parts, since there may be a million calls."""
        return self.folder / call.key[:2] / f"{call.key}.json"

    def holds(self, call: Call) -> bool:
        """Whether there is an answer."""
        return self.path(call).is_file()

    def get(self, call: Call) -> str | None:
        """The kept answer, None where there is none; a function that gave None is kept as that.

        Raises:
            StoreError: The file is damaged; delete it to make the call again.
        """
        answer: str | None = read_json(self.path(call), kind=KIND)["answer"]
        return answer

    def keep(self, call: Call, answer: str | None) -> None:
        """Write an answer, whole or not at all."""
        facts = {"writer": call.writer, "parameters": dict(call.parameters), "seed": call.seed}
        write_json(self.path(call), {**facts, "prompt": call.prompt, "answer": answer}, kind=KIND)


def ask_all(
    calls: Sequence[Call],
    answer: Callable[[Call], str | None],
    cache: CallCache,
    *,
    workers: int = 1,
    progress: bool = True,
    what: str = "calls",
) -> tuple[list[str | None], int]:
    """Answer every call, from the cache where it can be.

    Args:
        calls: The calls; equal ones are made once.
        answer: Makes a call. What it raises ends the run after the calls under way are kept.
        cache: Kept answers.
        workers: Calls at a time.
        progress: Whether to show a progress bar.
        what: For the progress bar.

    Returns:
        The answers in order, and how many calls were made.
    """
    missing = list({call.key: call for call in calls if not cache.holds(call)}.values())

    def make(call: Call) -> None:
        cache.keep(call, answer(call))

    with tqdm(total=len(missing), desc=what, unit="call", disable=not progress) as bar:
        if workers == 1:
            for call in missing:
                make(call)
                bar.update()
        else:
            pool = ThreadPoolExecutor(workers)
            try:
                for done in as_completed([pool.submit(make, call) for call in missing]):
                    done.result()
                    bar.update()
            finally:
                # Calls under way may be paid for: they are waited for and kept, the others are not begun.
                pool.shutdown(cancel_futures=True)
    return [cache.get(call) for call in calls], len(missing)
