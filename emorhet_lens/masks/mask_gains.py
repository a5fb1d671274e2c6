"""Take the gains of a mask from one run and put them into another, through the mask points."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_points import has_mask_points, point_name
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel, NamedHook


@dataclass(frozen=True, eq=False)
class Gains:
    """The gains that a mask had in one run.

    Args:
        columns: The columns of the mask.
        by_layer: Gains by layer, in the order of the layer's columns.
    """

    columns: Int[Tensor, "column 2"]
    by_layer: MappingProxyType[int, Float[Tensor, "batch pos masked"]]

    def __getitem__(self, layer: int) -> Float[Tensor, "batch pos masked"]:
        """The gains of one layer."""
        return self.by_layer[layer]

    def fwd_hooks(self, mask: Mask, model: LensModel | None = None) -> list[NamedHook]:
        """Hooks on the mask points that put these gains in place of the run's own, while the mask is on.

        Gains of other columns, from a mask that is on as well, pass as they are.

        Args:
            mask: The mask that is on in the run; it may have other values, but not other columns.
            model: If given, it has to have mask points; some hosts add no hook and say nothing where they are missing.

        Returns:
            Hook names and functions. A function raises `MaskError` if the run has other texts or positions.

        Raises:
            MaskError: The mask has other columns, or the model has no mask points.
        """
        if not torch.equal(self.columns, mask.columns):
            raise MaskError(
                f"the gains are of {len(self.columns)} columns, the mask has {len(mask)}, and they are not the same "
                "ones; record the gains with a mask on the same neurons"
            )
        if model is not None:
            _require_points(model)
        return [(point_name(layer), _putting(gains, _neurons(mask, layer))) for layer, gains in self.by_layer.items()]


def record_gains(
    model: LensModel,
    mask: Mask,
    tokens: Int[Tensor, "batch pos"],
    *,
    where: Where = "all",
    text: Bool[Tensor, "batch pos"] | None = None,
    attention_mask: Int[Tensor, "batch pos"] | None = None,
    prompt_length: int | Int[Tensor, " batch"] | None = None,
) -> Gains:
    """Run some texts with the mask on and keep its gains.

    Args:
        model: A model with mask points.
        mask: The mask.
        tokens: What to run.
        where: Where the mask acts, see `Mask.fwd_hooks` for this and the next three; elsewhere the gains are 1.
        text: Marks the text's own positions.
        attention_mask: Marks the positions that are no padding; given to the model, too.
        prompt_length: Width of the prompt.

    Returns:
        The gains, detached from the graph.

    Raises:
        MaskError: The model has no mask points, or the mask cannot be put on it this way.
        StoreError: The mask is of another model.
    """
    _require_points(model)
    found: dict[int, Tensor] = {}

    def reading(layer: int, neurons: Tensor) -> Callable[..., None]:
        def read(gain: Tensor, hook: Any) -> None:
            if _is_of(neurons, hook):
                found[layer] = gain.detach().clone()

        return read

    reads = [(point_name(layer), reading(layer, _neurons(mask, layer))) for layer in mask.layers]
    masking = mask.fwd_hooks(model, where=where, text=text, attention_mask=attention_mask, prompt_length=prompt_length)
    options = {} if attention_mask is None else {"attention_mask": attention_mask}
    with torch.no_grad(), model.hooks(fwd_hooks=[*masking, *reads]):
        model(tokens, **options)
    return Gains(mask.columns, MappingProxyType(found))


def _putting(gains: Float[Tensor, "batch pos masked"], neurons: Int[Tensor, " masked"]) -> Callable[..., Tensor]:
    def put(gain: Tensor, hook: Any) -> Tensor:
        if not _is_of(neurons, hook):
            return gain
        if gain.shape != gains.shape:
            raise MaskError(
                f"gains of [batch pos] = {tuple(gains.shape[:2])} cannot be put into a run of "
                f"{tuple(gain.shape[:2])}; record them from texts of the same number and length"
            )
        return gains.to(gain)

    return put


def _neurons(mask: Mask, layer: int) -> Int[Tensor, " masked"]:
    return mask.columns[mask.columns[:, 0] == layer, 1]


def _is_of(neurons: Int[Tensor, " masked"], hook: Any) -> bool:
    """Whether the gains that pass are those of these neurons: the masking hook leaves a note on the hook point."""
    return torch.equal(hook.ctx["neurons"].cpu(), neurons)


def _require_points(model: LensModel) -> None:
    if not has_mask_points(model):
        raise MaskError("the model has no mask points; call add_mask_points(model) first")
