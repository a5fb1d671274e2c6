"""The hooks of a gated mask: a running score goes from layer to layer, and every layer is masked as far as it says.

The score belongs to one forward pass. It begins anew at the first layer that it reads, so hooks can be used for any
number of passes and for any batch. A pass that leaves out layers that the score needs is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask_hooks import working_dtype
from emorhet_lens.models.hosts import LensModel, NamedHook
from emorhet_lens.models.sites import hook_names, require_width


@dataclass(frozen=True, eq=False)
class GateLayer:
    """What a gate reads in one layer, and how far it opens after it.

    Args:
        layer: The layer.
        neurons: Which of its neurons are read.
        center: Activation that counts as 0.
        weight: What one unit of activation above it counts.
        seen: Number of neurons read in this layer and those before it.
        low: Score at and below which the gate is shut.
        high: Score at and above which it is open; infinite where it stays shut.
    """

    layer: int
    neurons: Int[Tensor, " read"]
    center: Float[Tensor, " read"]
    weight: Float[Tensor, " read"]
    seen: int
    low: float
    high: float

    def on(self, device: torch.device, dtype: torch.dtype) -> "GateLayer":
        """The same on a device and in a precision."""
        return replace(
            self,
            neurons=self.neurons.to(device),
            center=self.center.to(device, dtype),
            weight=self.weight.to(device, dtype),
        )

    def terms(self, post: Float[Tensor, "batch pos neuron"]) -> Float[Tensor, "batch pos"]:
        """What this layer adds to the sum of a position."""
        own = self.on(post.device, working_dtype(post.dtype))
        above = post[..., own.neurons].to(own.weight.dtype) - own.center
        terms: Float[Tensor, "batch pos"] = einsum(above, own.weight, "batch pos read, read -> batch pos")
        return terms

    def opening(self, score: Float[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """From 0, shut, to 1, open."""
        # A width too small for the precision must not become a division by zero.
        width = max(self.high - self.low, torch.finfo(score.dtype).tiny)
        return ((score - self.low) / width).clamp(0, 1)


class RunningScore:
    """The mean over the neurons read so far, position by position, within one forward pass.

    Args:
        parts: The layers to read, in order.
    """

    def __init__(self, parts: Sequence[GateLayer]) -> None:
        self._parts = tuple(parts)
        self.end()

    def end(self) -> None:
        """Forget the pass."""
        self._sum: Tensor | None = None
        self._depth = 0

    def advance(self, post: Float[Tensor, "batch pos neuron"], layer: int) -> Float[Tensor, "batch pos"]:
        """Read a layer, if it is one of those to read, and give the score after it.

        Args:
            post: The layer's activations.
            layer: Which layer.

        Raises:
            MaskError: The pass has not gone through all layers before it that the score needs.
        """
        if layer == self._parts[0].layer:
            self.end()
        needed = sum(part.layer <= layer for part in self._parts)
        own = self._parts[needed - 1]
        reads = own.layer == layer
        fits = self._sum is None or self._sum.shape == post.shape[:2]
        if self._depth != needed - reads or not fits:
            raise MaskError(
                f"the pass came to layer {layer} without the {needed - reads} layers before it that the gate's score "
                f"needs, the first of them {self._parts[0].layer}; run the whole model (no start_at_layer)"
            )
        if reads:
            terms = own.terms(post)
            self._sum = terms if self._sum is None else self._sum.to(terms) + terms
            self._depth = needed
        assert self._sum is not None
        return self._sum / own.seen

    def opening(self, post: Float[Tensor, "batch pos neuron"], layer: int) -> Float[Tensor, "batch pos"]:
        """How far the gate is open at a layer; reads it as `advance` does."""
        score = self.advance(post, layer)
        return self._parts[self._depth - 1].opening(score)


def gated_hooks(
    model: LensModel,
    parts: Sequence[GateLayer],
    masking: Mapping[int, Callable[..., Tensor]],
    neurons: Mapping[int, Int[Tensor, " masked"]],
) -> list[NamedHook]:
    """Hooks that mask as far as the gate is open: x + opening * (masked x - x).

    Args:
        model: The model that the hooks are for.
        parts: What the gate reads, in order; the first no later than the first masked layer.
        masking: The hook of the mask by layer.
        neurons: Its neurons by layer.

    Returns:
        Hook names and functions. Shut they leave x as it is, open they give what the mask gives, both without
        rounding; other columns are copied. They change nothing in place.
    """
    names, last = hook_names(model, "post"), max(masking)
    read = [part for part in parts if part.layer <= last]
    running = RunningScore(read)

    def hook_of(layer: int) -> Callable[..., Tensor | None]:
        def hook(post: Float[Tensor, "batch pos neuron"], hook: Any) -> Float[Tensor, "batch pos neuron"] | None:
            require_width(post.shape[-1], layer, model)
            opening = running.opening(post, layer)
            if layer == last:
                running.end()
            if layer not in masking:
                return None
            own = neurons[layer].to(post.device)
            masked = masking[layer](post, hook=hook)
            x, y = (values[..., own].to(opening.dtype) for values in (post, masked))
            return post.index_copy(-1, own, torch.lerp(x, y, opening.unsqueeze(-1)).to(post.dtype))

        return hook

    return [(names[layer], hook_of(layer)) for layer in sorted({part.layer for part in read} | set(masking))]
