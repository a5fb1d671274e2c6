"""The final residual, and from it the logits at the positions that are needed, on every host.

The unembedding is the dearest layer of a small model, and a readout needs it at one position a text. The pass is
ended after the last block, and the model's own final norm and unembedding are applied to that position. Where the
architecture does something else besides (it is tried out, not looked up), the full pass is taken.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import ModelError
from emorhet_lens.models.hosts import LensModel, hook_points
from emorhet_lens.passes.batches import Batch

# How far logits may differ, as a share of the largest: a thousandth, or some roundings of a coarse precision.
_TOLERANCE, _ROUNDINGS = 1e-3, 4


class _PassEnded(Exception):
    """Raised after the last block: the residual has been read."""


def last_positions(attention_mask: Int[Tensor, "batch pos"]) -> Int[Tensor, " batch"]:
    """The last position of every row that holds a token, whichever side the padding is on."""
    return attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(1)


def final_residual(model: LensModel, batch: Batch) -> Float[Tensor, "batch pos model"]:
    """Run a batch through the blocks and no further.

    Hooks that are on the model act before the residual is read, those on the last block's output included.

    Args:
        model: A model of the host.
        batch: What to run; its attention mask is passed on.

    Returns:
        The residual after the last block; its values at padding mean nothing.

    Raises:
        ModelError: The host has no such hook point for this architecture, or it did not fire.
    """
    name = _hook_name(model)
    if name not in hook_points(model):
        raise ModelError(f"{model.cfg.model_name!r} has no hook {name!r}: the host does not expose the final residual")
    found: list[Tensor] = []

    def read(activation: Tensor, hook: object) -> None:  # noqa: ARG001 - the host passes it by name
        found.append(activation)
        raise _PassEnded

    try:
        with torch.no_grad(), model.hooks(fwd_hooks=[(name, read)]):
            model(batch.tokens, attention_mask=batch.attention_mask)
    except _PassEnded:
        return found[0]
    raise ModelError(f"the hook {name!r} of {model.cfg.model_name!r} did not fire; the final residual cannot be read")


def final_logits(
    model: LensModel, batch: Batch, *, shortcut: bool, back: Sequence[int] = (0,)
) -> Float[Tensor, "batch place vocab"]:
    """Logits at the last tokens of every row.

    Hooks on the final norm and the unembedding see these positions only when the shortcut is taken.

    Args:
        model: A model of the host.
        batch: What to run.
        shortcut: Whether to unembed these positions alone, see `shortcut_holds`.
        back: How many tokens before the last one; every row has to be longer.

    Returns:
        One row a text and place, in the model's precision.

    Raises:
        ModelError: A logit is NaN.
    """
    rows = torch.arange(len(batch.tokens), device=batch.tokens.device)[:, None]
    places = last_positions(batch.attention_mask)[:, None] - torch.tensor(list(back), device=rows.device)
    with torch.no_grad():
        if shortcut:
            logits = unembed(model, final_residual(model, batch)[rows, places])
        else:
            logits = model(batch.tokens, attention_mask=batch.attention_mask)[rows, places]
    require_numbers(logits, model)
    return logits


def unembed(model: Any, residual: Float[Tensor, "batch pos model"]) -> Float[Tensor, "batch pos vocab"]:
    """The model's final norm and unembedding, capped where the architecture caps; see `shortcut_holds`."""
    logits: Tensor = model.unembed(model.ln_final(residual))
    cap = float(getattr(model.cfg, "output_logits_soft_cap", -1.0) or -1.0)
    return cap * torch.tanh(logits / cap) if cap > 0 else logits


def shortcut_holds(model: LensModel, batch: Batch) -> bool:
    """Whether unembedding one position gives the logits of a full pass, tried on a batch.

    Args:
        model: A model of the host, without hooks.
        batch: A short batch.

    Returns:
        False where the host has no such parts, or the logits differ by more than rounding, as where an architecture
        scales its logits.
    """
    parts = all(hasattr(model, part) for part in ("ln_final", "unembed"))
    if not parts or _hook_name(model) not in hook_points(model):
        return False
    full, short = (final_logits(model, batch, shortcut=shortcut) for shortcut in (False, True))
    tolerance = max(_TOLERANCE, _ROUNDINGS * torch.finfo(full.dtype).eps)
    return bool((full.float() - short.float()).abs().max() <= tolerance * full.float().abs().max())


def require_numbers(values: Float[Tensor, "*any"], model: LensModel) -> None:
    """Refuse NaN.

    Raises:
        ModelError: There is one.
    """
    if bool(values.isnan().any()):
        raise ModelError(
            f"{model.cfg.model_name!r} answered with NaN; check the weights, the hooks that are on it, and the "
            f"precision ({model.cfg.dtype}: float16 overflows easily, use float32 or bfloat16)"
        )


def _hook_name(model: LensModel) -> str:
    return f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
