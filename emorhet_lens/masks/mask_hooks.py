"""The hook that masks some neurons of one layer: x' = g x + (1 - g) r + b, which is x + (g - 1)(x - r) + b.

The first form is the one computed: with g = 0 the result is r + b and with g = 1 it is x + b without any rounding.
Arithmetic is done on the masked columns only, in float32 or better; the rest of the tensor is copied as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask_points import mask_point, point_name
from emorhet_lens.masks.mask_positions import Positions
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.models.sites import require_width


@dataclass(frozen=True, eq=False)
class LayerMask:
    """The part of a mask that is in one layer; the fields are those of `emorhet_lens.masks.mask.Mask`.

    Args:
        layer: The layer.
        neurons: Which of its neurons.
        gain: Gain, or its value at x = 0 where it is adaptive.
        alpha: How far the gain falls as |x| grows to `maximum`.
        maximum: |x| at which it has fallen by alpha.
        reference: What the gain pulls towards.
        shift: What is added.
    """

    layer: int
    neurons: Int[Tensor, " masked"]
    gain: Float[Tensor, " masked"]
    alpha: Float[Tensor, " masked"]
    maximum: Float[Tensor, " masked"]
    reference: Float[Tensor, " masked"] | Float[Tensor, "batch pos masked"]
    shift: Float[Tensor, " masked"]

    def on(self, device: torch.device, dtype: torch.dtype) -> "LayerMask":
        """The same on a device and in a precision."""
        return replace(
            self,
            neurons=self.neurons.to(device),
            gain=self.gain.to(device, dtype),
            alpha=self.alpha.to(device, dtype),
            # A maximum too small for the precision must not become a division by zero.
            maximum=self.maximum.to(device, dtype).clamp(min=torch.finfo(dtype).tiny),
            reference=self.reference.to(device, dtype),
            shift=self.shift.to(device, dtype),
        )

    def gains(self, x: Float[Tensor, "batch pos masked"]) -> Float[Tensor, "batch pos masked"]:
        """g(x) = gain - alpha * clamp(|x| / maximum, 0, 1)."""
        return self.gain - self.alpha * (x.abs() / self.maximum).clamp(0, 1)

    def require_reference(self, batch: int, pos: int) -> None:
        """Refuse values of other inputs that are not of the shape of this one.

        Raises:
            MaskError: The reference has other positions, or several texts and not as many as the input.
        """
        shape = tuple(self.reference.shape[:-1])
        if shape and (shape[0] not in (1, batch) or shape[1] != pos):
            raise MaskError(
                f"the mask holds values of [batch pos] = {shape}, the model runs {(batch, pos)}: resample needs "
                "inputs of the same length, and as many of them or one (it cannot be used in generation)"
            )


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision in which a mask is computed: that of the activation, but at least float32."""
    return torch.promote_types(dtype, torch.float32)


def masking_hook(model: LensModel, part: LayerMask, positions: Positions) -> Callable[..., Tensor]:
    """The hook of one layer, for site `post`.

    It changes nothing in place. If the layer has a mask point, the gains pass through it; at positions that are not
    chosen they are 1 there, and whatever the point makes of them, x stays as it is at these positions.

    Args:
        model: The model that the hook is for.
        part: What to do.
        positions: Where to do it.

    Returns:
        A function of activation and hook point, as the host takes it. It raises `MaskError` for a batch that the
        mask does not fit and `ModelError` for a tensor that does not hold neurons.
    """

    def hook(post: Float[Tensor, "batch pos neuron"], hook: Any) -> Float[Tensor, "batch pos neuron"]:  # noqa: ARG001
        batch, pos, width = post.shape
        require_width(width, part.layer, model)
        part.require_reference(batch, pos)
        own = part.on(post.device, working_dtype(post.dtype))
        x = post[..., own.neurons].to(own.gain.dtype)
        gain = own.gains(x)
        chosen = positions.chosen(batch, pos, post.device)
        if chosen is not None:
            gain = torch.where(chosen.unsqueeze(-1), gain, 1)
        gain = _through_point(model, own, gain)
        # Where x has overflowed, 0 * x would be NaN and not what a gain of 0 means.
        kept = gain * x.masked_fill((gain == 0) & x.isinf(), 0)
        masked = kept + (1 - gain) * own.reference + own.shift
        if chosen is not None:
            masked = torch.where(chosen.unsqueeze(-1), masked, x)
        return post.index_copy(-1, own.neurons, masked.to(post.dtype))

    return hook


def _through_point(
    model: LensModel, part: LayerMask, gain: Float[Tensor, "batch pos masked"]
) -> Float[Tensor, "batch pos masked"]:
    point = mask_point(model, part.layer)
    if point is None:
        return gain
    # Hooks on the point can tell by this whose gains they see: several masks may be on.
    point.ctx["neurons"] = part.neurons
    try:
        passed = point(gain)
    finally:
        point.ctx.pop("neurons", None)
    if not isinstance(passed, Tensor) or passed.shape != gain.shape:
        received = tuple(passed.shape) if isinstance(passed, Tensor) else type(passed).__name__
        raise MaskError(
            f"a hook on {point_name(part.layer)!r} returned {received}; the gains of {len(part.neurons)} masked "
            f"columns are of shape {tuple(gain.shape)}, and have to stay so"
        )
    return passed.to(gain)
