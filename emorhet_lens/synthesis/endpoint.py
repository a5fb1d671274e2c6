"""A model behind an HTTP endpoint that speaks the chat-completions protocol; needs the extra `synthesis`.

Seeds are sent, but few servers promise equal answers for equal seeds: what makes a rerun the same are the kept answers.
A call that timed out may have been charged although its answer was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emorhet_lens.errors import SynthesisError
from emorhet_lens.synthesis.retries import Backoff, PassingFailureError

PASSING = (408, 409, 425, 429)
"""States of HTTP that may pass, besides those from 500 on."""


@dataclass(frozen=True)
class Endpoint:
    """A chat model of an endpoint as a writer.

    Args:
        model: As the server calls it.
        base_url: Of the server; the environment's `OPENAI_BASE_URL` by default.
        api_key: The environment's `OPENAI_API_KEY` by default; servers of one's own take any text. Kept nowhere.
        temperature: Of sampling; 0 is greedy.
        max_tokens: Length at which an answer is cut off.
        timeout: Seconds after which a try is given up.
        backoff: Waits between tries.

    Raises:
        SynthesisError: The client is not installed, or there is no key.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    temperature: float = 0.8
    max_tokens: int = 400
    timeout: float = 120.0
    backoff: Backoff = field(default_factory=Backoff)
    client: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            import openai
        except ImportError as cause:
            raise SynthesisError(
                'the client of HTTP endpoints is not installed; pip install "emorhet-lens[synthesis]"'
            ) from cause
        try:
            # Tries are counted here, where waits can be replaced and server's wishes have a limit.
            client = openai.OpenAI(base_url=self.base_url, api_key=self.api_key, timeout=self.timeout, max_retries=0)
        except openai.OpenAIError as cause:
            raise SynthesisError(
                f"there is no key for {self.name}; set OPENAI_API_KEY (any text for a server of your own), and "
                "OPENAI_BASE_URL where it is not the default server"
            ) from cause
        object.__setattr__(self, "client", client)

    @property
    def name(self) -> str:
        """The model's name after `openai:`."""
        return f"openai:{self.model}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Temperature and length. Not the address: a server that moved is the same server."""
        return {"temperature": self.temperature, "max_tokens": self.max_tokens}

    def __call__(self, prompt: str, *, seed: int) -> str:
        """The answer to one user message.

        Raises:
            SynthesisError: The server refuses for good, or no try was left.
        """
        return self.backoff.call(lambda: self._attempt(prompt, seed))

    def _attempt(self, prompt: str, seed: int) -> str:
        import openai

        try:
            reply = self.client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": prompt}],
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                seed=seed,
            )
        except openai.APIStatusError as failure:
            state = failure.status_code
            reason = f"{self.name} answers {state}: {failure.message:.300}"
            if state in PASSING or state >= 500:
                raise PassingFailureError(reason, _seconds(failure.response.headers.get("retry-after"))) from failure
            raise SynthesisError(
                f"{reason}; check the model's name, OPENAI_API_KEY and OPENAI_BASE_URL. The answers so far are kept, "
                "run the same again to go on"
            ) from failure
        except openai.APIConnectionError as failure:
            raise PassingFailureError(f"{self.name} cannot be reached: {failure}") from failure
        except (openai.APIResponseValidationError, ValueError) as failure:
            raise PassingFailureError(f"{self.name} answers with broken JSON: {failure}") from failure
        return self._content(reply)

    def _content(self, reply: Any) -> str:
        # The client passes on what it got, whatever its form.
        choices: Any = getattr(reply, "choices", None)
        message: Any = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
        if not hasattr(message, "content"):
            raise PassingFailureError(f"{self.name} answers with something else than a chat completion: {reply!r:.200}")
        content = message.content
        if content is not None and not isinstance(content, str):
            raise PassingFailureError(f"{self.name} answers with a {type(content).__name__} in place of a text")
        return content or ""


def _seconds(header: str | None) -> float | None:
    """What a server asks to wait; a date or nonsense counts as nothing."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
