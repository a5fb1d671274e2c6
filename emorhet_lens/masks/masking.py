"""Put masks on a model: one mask, or several in a row."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor

from emorhet_lens.masks.mask_hooks import LayerMask, masking_hook, working_dtype
from emorhet_lens.masks.mask_positions import Positions, Where
from emorhet_lens.models.hosts import LensModel, ModelIdentity, NamedHook, identify, output_weights
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import Batch


class Masking:
    """What a mask and a chain of masks have in common: they belong to a model and are put on it.

    Args:
        model: The model that the neurons are of.
        name: What to call it in results.
    """

    model: ModelIdentity
    name: str

    @property
    def masks(self) -> tuple["Masking", ...]:
        """The masks of a chain, in the order in which they act; of a mask, itself."""
        return (self,)

    def parts(self) -> list[LayerMask]:
        """What is done, layer by layer, in order."""
        raise NotImplementedError

    def then(self, other: "Masking") -> "MaskChain":
        """This, and then the other on what this leaves; both may touch the same columns.

        Raises:
            StoreError: They are of different models.
        """
        self.model.require_same(other.model)
        masks = (*self.masks, *other.masks)
        return MaskChain(self.model, " then ".join(mask.name for mask in masks), masks)

    def fwd_hooks(
        self,
        model: LensModel,
        *,
        where: Where = "all",
        text: Bool[Tensor, "batch pos"] | None = None,
        attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None,
        prompt_length: int | Int[Tensor, " batch"] | None = None,
    ) -> list[NamedHook]:
        """Hooks for `run_with_hooks`, `hooks` or `patching`, in the layers that the mask touches.

        Args:
            model: The model that the neurons are of, as any object of the host.
            where: `"all"` positions, those of the `"text"`, the `"last"` one, the `"prompt"` or what is `"generated"`;
                see `emorhet_lens.masks.mask_positions.Positions` for this and the next three.
            text: Marks the text's own positions; needed by `where="text"`.
            attention_mask: Marks the positions that are no padding; for `where="last"`.
            prompt_length: Width of the prompt, padding before it included, or one by row; where the pass goes on after
                it, as in generation without a KV cache.

        Returns:
            Hook names and functions, in the order in which they have to be added.

        Raises:
            StoreError: The mask is of another model.
            ModelError: The model has no hook at site `post`.
            MaskError: `where` is unknown, or something that it needs is missing.
        """
        self.model.require_same(identify(model))
        names = hook_names(model, "post")
        positions = Positions(where, text, attention_mask, prompt_length)
        hooks: list[NamedHook] = []
        for part in self.parts():
            weights = output_weights(model, part.layer)
            # Moved once here rather than in every pass.
            near = part.on(weights.device, working_dtype(weights.dtype))
            hooks.append((names[part.layer], masking_hook(model, near, positions)))
        return hooks

    def on(
        self,
        model: LensModel,
        *,
        where: Where = "all",
        text: Bool[Tensor, "batch pos"] | None = None,
        attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None,
        prompt_length: int | Int[Tensor, " batch"] | None = None,
    ) -> AbstractContextManager[Any]:
        """The mask for the length of a `with` block; blocks inside each other act in the order of entering.

        Args and errors are those of `fwd_hooks`.
        """
        hooks = self.fwd_hooks(
            model, where=where, text=text, attention_mask=attention_mask, prompt_length=prompt_length
        )
        return model.hooks(fwd_hooks=hooks)

    def by_batch(self, model: LensModel, *, where: Where = "all") -> "BatchHooks":
        """The hooks as readings and side effects take them: a function from a batch.

        Args:
            model: See `fwd_hooks`.
            where: See `fwd_hooks`; what it needs is had from the batch.
        """
        return BatchHooks(self, model, where)


@dataclass(frozen=True, eq=False)
class BatchHooks:
    """A mask on whatever batch it is given; `Masking.by_batch` makes it.

    Args:
        mask: The mask.
        model: The model.
        where: At which positions it acts.
    """

    mask: Masking
    model: LensModel
    where: Where

    @property
    def by_position(self) -> bool:
        """Whether a position is masked or not whatever follows it; see `emorhet_lens.passes.passes`."""
        return True

    def __call__(self, batch: Batch) -> list[NamedHook]:
        """The hooks for a batch, with the errors of `Masking.fwd_hooks`."""
        return self.mask.fwd_hooks(
            self.model,
            where=self.where,
            text=batch.keep,
            attention_mask=batch.attention_mask,
            prompt_length=batch.prompt_length,
        )


@dataclass(frozen=True, eq=False, repr=False)
class MaskChain(Masking):
    """Masks that act one after the other; `then` makes it.

    Args:
        model: The model that the neurons are of.
        name: The names of the masks, in order.
        members: The masks, in order.
    """

    model: ModelIdentity
    name: str
    members: tuple[Masking, ...]

    @property
    def masks(self) -> tuple[Masking, ...]:
        """The masks, in order."""
        return self.members

    def __repr__(self) -> str:
        return f"MaskChain({self.name!r} on {self.model.name!r})"

    def parts(self) -> list[LayerMask]:
        """What is done: mask by mask, each layer by layer."""
        return [part for mask in self.members for part in mask.parts()]

    def fwd_hooks(self, model: LensModel, **places: Any) -> list[NamedHook]:
        """As `Masking.fwd_hooks`: the hooks of the masks, in order. A gated mask has no parts, only hooks."""
        return [hook for mask in self.members for hook in mask.fwd_hooks(model, **places)]
