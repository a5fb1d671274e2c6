"""Try again after failures that pass: time-outs, too many requests, servers in trouble."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from emorhet_lens.errors import SynthesisError

Answer = TypeVar("Answer")


class PassingFailureError(Exception):
    """A failure that may be gone at the next try.

    Args:
        reason: For the message, should it stay.
        retry_after: Seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Backoff:
    """How long to wait between tries: twice as long after every failure, or as long as the server asks.

    Args:
        tries: Most tries of one call.
        first: Seconds after the first failure.
        longest: Most seconds of one wait. A server that asks for more ends the run, which can be taken up later.
        sleep: Waits; tests give another one.
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 120.0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if self.tries < 1 or self.first < 0:
            raise SynthesisError(f"tries={self.tries}, first={self.first}: there has to be a try, and waits go forward")

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """Call until it succeeds.

        Args:
            attempt: Raises `PassingFailureError` where another try may help; other exceptions end the tries.

        Returns:
            What the first successful try returned.

        Raises:
            SynthesisError: No try was left, or the server asks for a longer wait than `longest`.
        """
        for failures in range(1, self.tries + 1):
            try:
                return attempt()
            except PassingFailureError as failure:
                wait = min(self.first * 2 ** (failures - 1), self.longest)
                wait = wait if failure.retry_after is None else max(wait, failure.retry_after)
                if failures == self.tries or wait > self.longest:
                    why = f"the last of {failures} tries" if wait <= self.longest else f"wait {wait:g} s, it asks,"
                    raise SynthesisError(
                        f"{failure} ({why}); the answers so far are kept, run the same again later to go on"
                    ) from failure
            self.sleep(wait)
        raise AssertionError("the last try returns or raises")
