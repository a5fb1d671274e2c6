"""Different masks for different rows of one batch, so that many conditions go through the model together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.models.hosts import LensModel, NamedHook


@runtime_checkable
class Intervention(Protocol):
    """What can be put on a model: masks, chains of masks, shifts of the residual stream."""

    @property
    def name(self) -> str:
        """What to call it in results."""

    def fwd_hooks(self, model: LensModel) -> list[NamedHook]:
        """Hooks that act at all positions."""


def row_hooks(
    masks: Sequence[Intervention | None], hooks: Mapping[int, list[NamedHook]], device: torch.device
) -> list[NamedHook]:
    """The hooks of a batch in which every row has its own mask.

    Args:
        masks: One a row, nothing for a row without.
        hooks: The hooks of every mask by its `id`, made once for all batches.
        device: Where the batch is.

    Returns:
        One hook a hook point. Rows without a mask stay bit-exact.
    """
    rows: dict[int, list[int]] = {}
    for row, mask in enumerate(masks):
        if mask is not None:
            rows.setdefault(id(mask), []).append(row)
    groups = [(hooks[mask], torch.tensor(own, device=device)) for mask, own in rows.items()]
    if len(groups) == 1 and len(groups[0][1]) == len(masks):
        return list(groups[0][0])
    names = dict.fromkeys(name for own, _ in groups for name, _ in own)
    return [(name, _on_rows([([fn for at, fn in own if at == name], rows) for own, rows in groups])) for name in names]


def _on_rows(parts: list[tuple[list[Callable[..., Any]], Tensor]]) -> Callable[..., Tensor]:
    def hook(activation: Float[Tensor, "batch pos width"], hook: Any) -> Float[Tensor, "batch pos width"]:
        changed = activation.clone()
        for functions, rows in parts:
            if functions:
                part = activation[rows]
                for function in functions:
                    found = function(part, hook=hook)
                    part = part if found is None else found
                changed[rows] = part
        return changed

    return hook
