"""A mask behind a gate: neurons are masked at a position as far as the position carries their concept.

Text without the concept is left nearly alone. That this costs less than the plain mask has to be measured at an equal
effect, see `emorhet_lens.gates.comparison`: a mask that does less costs less. No study that this package follows has
gates; they are a step of our own.

The gate reads activations as they are in the masked pass. What is masked early lowers the score in later layers, while
the bounds of the gate come from passes without a mask.
"""

from dataclasses import dataclass, field, replace

from jaxtyping import Bool, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gate_hooks import gated_hooks
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_hooks import LayerMask, working_dtype
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.masks.masking import Masking
from emorhet_lens.models.hosts import LensModel, ModelIdentity, NamedHook, output_weights


@dataclass(frozen=True, eq=False, repr=False)
class Gated(Masking):
    """A mask behind a gate: x + opening * (masked x - x).

    Where the gate is shut, nothing changes; where it is open, it is the mask. Gains that pass through a mask point are
    those of the mask, before the gate.

    Args:
        inner: The mask.
        gate: The gate. It may read other neurons than the mask touches.

    Raises:
        MaskError: The mask begins in a layer before the first one that the gate reads.
        StoreError: They are of different models.
    """

    inner: Mask
    gate: Gate
    model: ModelIdentity = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.inner.model.require_same(self.gate.model)
        if self.inner.layers[0] < self.gate.layers[0]:
            raise MaskError(
                f"the mask begins in layer {self.inner.layers[0]}, the gate reads nothing before layer "
                f"{self.gate.layers[0]}; leave the earlier neurons out, or calibrate the gate on all of them"
            )
        object.__setattr__(self, "model", self.inner.model)
        object.__setattr__(self, "name", f"{self.inner.name} gated by {self.gate.name}")

    def __len__(self) -> int:
        return len(self.inner)

    def __repr__(self) -> str:
        return f"Gated({self.name!r}: {len(self)} neurons in {len(self.layers)} layers of {self.model.name!r})"

    @property
    def columns(self) -> Int[Tensor, "column 2"]:
        """Layer and neuron of what is masked."""
        return self.inner.columns

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it touches, in order."""
        return self.inner.layers

    def __mul__(self, dose: int | float) -> "Gated":
        """The mask at a dose, behind the same gate."""
        return replace(self, inner=self.inner * dose)

    __rmul__ = __mul__

    def parts(self) -> list[LayerMask]:
        """Refused: a layer of a gated mask depends on the layers before it.

        Raises:
            MaskError: Always.
        """
        raise MaskError("a gated mask cannot be taken apart by layer; see inner.parts() and gate.parts()")

    def fwd_hooks(
        self,
        model: LensModel,
        *,
        where: Where = "all",
        text: Bool[Tensor, "batch pos"] | None = None,
        attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None,
        prompt_length: int | Int[Tensor, " batch"] | None = None,
    ) -> list[NamedHook]:
        """As `Masking.fwd_hooks`; the score is read at every position, wherever the mask acts."""
        hooks = self.inner.fwd_hooks(
            model, where=where, text=text, attention_mask=attention_mask, prompt_length=prompt_length
        )
        parts, neurons = [], {}
        for part in self.gate.parts():
            weights = output_weights(model, part.layer)
            parts.append(part.on(weights.device, working_dtype(weights.dtype)))
        for layer in self.layers:
            chosen = self.columns[self.columns[:, 0] == layer, 1]
            neurons[layer] = chosen.to(output_weights(model, layer).device)
        masking = {layer: hook for layer, (_, hook) in zip(self.layers, hooks, strict=True)}
        return gated_hooks(model, parts, masking, neurons)
