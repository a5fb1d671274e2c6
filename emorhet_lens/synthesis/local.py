"""A causal language model on this machine as a writer: an object of the host, or a model of transformers."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from emorhet_lens.errors import SynthesisError
from emorhet_lens.models.hosts import LensModel

# Sampling sets torch's global generator for the length of a call, so only one model may write at a time.
_WRITING = threading.Lock()


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Sampled or greedy text of a model; the prompt goes in as a user's message where there is a chat template.

    Args:
        model: A model of the host, or a causal language model of transformers.
        tokenizer: Needed for a model of transformers; a model of the host has its own.
        name: For files; the model's own by default.
        max_new_tokens: Length at which an answer is cut off.
        temperature: Of sampling; 0 is greedy.
        top_p: Share of the probability that is sampled from.

    Raises:
        SynthesisError: There is no tokenizer, or an option is out of range.
    """

    model: Any
    tokenizer: Any = None
    name: str = ""
    max_new_tokens: int = 80
    temperature: float = 0.8
    top_p: float = 0.95
    parameters: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tokenizer = getattr(self.model, "tokenizer", None) if self.tokenizer is None else self.tokenizer
        if tokenizer is None:
            raise SynthesisError("a model of transformers needs its tokenizer; pass tokenizer=")
        if self.max_new_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
            raise SynthesisError(
                f"max_new_tokens={self.max_new_tokens}, temperature={self.temperature}, top_p={self.top_p}: at least "
                "1, at least 0, and between 0 and 1 are allowed"
            )
        own = self.model.cfg.model_name if isinstance(self.model, LensModel) else self.model.config.name_or_path
        object.__setattr__(self, "tokenizer", tokenizer)
        object.__setattr__(self, "name", self.name or str(own).rstrip("/").rpartition("/")[2] or "model")
        object.__setattr__(
            self,
            "parameters",
            {
                "max_new_tokens": self.max_new_tokens,
                "temperature": self.temperature,
                "top_p": self.top_p,
                "weights": _digest(self.model),
            },
        )

    def __call__(self, prompt: str, *, seed: int) -> str:
        """The answer; torch's own random numbers go on as if nothing had been drawn.

        Raises:
            SynthesisError: Prompt and answer do not fit into the context.
        """
        ids = self._ids(prompt)
        with _WRITING, torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(seed)
            new = self._new_tokens(ids)
        return str(self.tokenizer.decode(new.tolist(), skip_special_tokens=True))

    def _ids(self, prompt: str) -> Tensor:
        """`[1, pos]`"""
        special = not self.tokenizer.chat_template
        if not special:
            message = [{"role": "user", "content": prompt}]
            prompt = self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        ids: Tensor = self.tokenizer(prompt, add_special_tokens=special, return_tensors="pt")["input_ids"]
        lens = isinstance(self.model, LensModel)
        room = self.model.cfg.n_ctx if lens else self.model.config.max_position_embeddings
        if ids.shape[1] + self.max_new_tokens > room:
            raise SynthesisError(
                f"a prompt of {ids.shape[1]} tokens and {self.max_new_tokens} new ones do not fit into the context of "
                f"{room} of {self.name}; shorten topics and prompts, or lower max_new_tokens"
            )
        return ids.to(next(self.model.parameters()).device)

    def _new_tokens(self, ids: Tensor) -> Tensor:
        """`[pos]`"""
        options: dict[str, Any] = {"max_new_tokens": self.max_new_tokens, "do_sample": self.temperature > 0}
        if self.temperature > 0:
            options |= {"temperature": self.temperature, "top_p": self.top_p}
        if isinstance(self.model, LensModel):
            host: Any = self.model
            ends = self.tokenizer.eos_token_id is not None
            tokens: Tensor = host.generate(ids, stop_at_eos=ends, verbose=False, return_type="tokens", **options)
        else:
            padding = (
                self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
            )
            # Published generation settings would otherwise stand in for what is not named here.
            options |= {"pad_token_id": padding, "top_k": 0} if self.temperature > 0 else {"pad_token_id": padding}
            tokens = self.model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        return tokens[0, ids.shape[1] :]


def _digest(model: Any) -> str:
    """A few numbers of every weight tensor, so that answers of two checkpoints of one name are told apart."""
    state = hashlib.sha256()
    for parameter in model.parameters():
        state.update(parameter.detach().flatten()[:16].float().cpu().numpy().tobytes())
    return state.hexdigest()[:16]
