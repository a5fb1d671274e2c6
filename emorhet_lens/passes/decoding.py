"""The one loop that writes text: token by token, with a KV cache, under hooks, on every host.

What is prompt and what is written is told by the pass and not by its shape: a prompt of one token is a prompt.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import ModelError
from emorhet_lens.models.hosts import LensModel, NamedHook
from emorhet_lens.passes.cached_pass import cached_pass
from emorhet_lens.passes.passes import BatchSize

Choose = Callable[[Tensor, int], Tensor]
"""From logits `[batch vocab]` and the number of tokens written so far to the next tokens `[batch]`."""
_AUTO_TOKENS = {"cpu": 2048, "cuda": 16384}


def greedy(logits: Float[Tensor, "batch vocab"], written: int) -> Int[Tensor, " batch"]:  # noqa: ARG001 - a `Choose`
    """The likeliest token; the first one of equals."""
    return logits.argmax(-1)


def nucleus(
    temperature: float, top_p: float, uniforms: Float[Tensor, "batch new"]
) -> Callable[[Float[Tensor, "batch vocab"], int], Int[Tensor, " batch"]]:
    """Sampling from the likeliest tokens, with numbers that were drawn before.

    A row's text depends on its own numbers only, whatever stands beside it in the batch.

    Args:
        temperature: Logits are divided by it.
        top_p: The likeliest tokens that together have this probability are sampled from; at least one.
        uniforms: One number from 0 up to 1 a row and step.

    Returns:
        What `write_tokens` takes as `choose`.
    """

    def choose(logits: Float[Tensor, "batch vocab"], written: int) -> Int[Tensor, " batch"]:
        likeliest = (logits.float() / temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        before = likeliest.values.cumsum(-1) - likeliest.values
        kept = likeliest.values.where(before < top_p, 0)
        up_to = kept.cumsum(-1)
        drawn = rearrange(uniforms[:, written].to(up_to), "batch -> batch 1") * up_to[:, -1:]
        # Rounding must not lead past the last token that was kept.
        place = torch.minimum((up_to <= drawn).sum(-1), (kept > 0).sum(-1) - 1)
        return likeliest.indices.gather(1, rearrange(place, "batch -> batch 1"))[:, 0]

    return choose


def write_tokens(
    model: LensModel,
    tokens: Int[Tensor, "batch pos"],
    attention_mask: Int[Tensor, "batch pos"],
    *,
    max_new_tokens: int,
    choose: Choose = greedy,
    prompt_hooks: Sequence[NamedHook] = (),
    written_hooks: Sequence[NamedHook] = (),
    end: int | None = None,
) -> list[list[int]]:
    """Continue prompts of one batch.

    Args:
        model: A model of the host; hooks that are on it stay on.
        tokens: The prompts, padded on the left.
        attention_mask: 1 where there is a token, 0 where there is padding.
        max_new_tokens: Length at which writing ends.
        choose: Picks the next tokens.
        prompt_hooks: On the model while the prompts are read.
        written_hooks: On the model while what was written is read, one position a pass.
        end: The token that ends a text; nothing ends it early by default.

    Returns:
        For every row what was written, the ending token included where it came.

    Raises:
        ModelError: A padding stands on the right, or the model answers with numbers that are not finite.
    """
    if not bool(attention_mask[:, -1].all()):
        raise ModelError("prompts that are continued have to be padded on the left; the last position is padding")
    going = torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
    columns: list[Tensor] = []
    cache: Any = None

    def step(newest: Tensor) -> Tensor:
        nonlocal attention_mask, cache, going
        logits, cache = cached_pass(model, newest, attention_mask, cache)
        last = logits[:, -1]
        _require_finite(last[going], model, len(columns))
        following = choose(last, len(columns))
        columns.append(following)
        attention_mask = torch.cat([attention_mask, torch.ones_like(attention_mask[:, :1])], dim=1)
        if end is not None:
            going = going & (following != end)
        return rearrange(following, "batch -> batch 1")

    with model.hooks(fwd_hooks=list(prompt_hooks)):
        newest = step(tokens)
    with model.hooks(fwd_hooks=list(written_hooks)):
        while len(columns) < max_new_tokens and bool(going.any()):
            newest = step(newest)
    rows: list[list[int]] = torch.stack(columns, dim=1).tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


def plan_rows(lengths: Sequence[int], batch_size: BatchSize, device: str) -> list[tuple[int, ...]]:
    """Rows of like length together, the longest first, so that too large a batch fails early.

    Args:
        lengths: Tokens of every row, those that are still to be written included.
        batch_size: Rows a batch, or `"auto"` for about equally many tokens.
        device: Type of the device; a GPU gets more tokens a batch.

    Returns:
        Indices, one tuple a batch.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches, start = [], 0
    while start < len(order):
        room = _AUTO_TOKENS.get(device, 2048) // max(1, lengths[order[start]])
        size = max(1, room) if batch_size == "auto" else batch_size
        batches.append(tuple(order[start : start + size]))
        start += size
    return batches


def _require_finite(logits: Float[Tensor, "batch vocab"], model: LensModel, written: int) -> None:
    if not bool(logits.isfinite().all()):
        raise ModelError(
            f"{model.cfg.model_name!r} answered with NaN or infinity after {written} written tokens; use a smaller "
            f"strength, and check the hooks that are on it and the precision ({model.cfg.dtype}: float16 overflows "
            "easily, use float32 or bfloat16)"
        )
