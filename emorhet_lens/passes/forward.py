"""One forward pass through the blocks and no further, on every host.

The unembedding is the dearest layer of a small model and screening does not need it. `stop_at_layer` ends the pass on
`HookedTransformer` only, so the pass is ended from the last neuron hook, by an exception that is caught here.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from emorhet_lens.errors import ModelError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.models.sites import require_width
from emorhet_lens.passes.batches import Batch

Reader = Callable[[Tensor, int], None]


class _PassEnded(Exception):
    """Raised in the last hook: everything that was asked for has been read."""


def read_layers(model: LensModel, batch: Batch, names: Sequence[str], read: Reader) -> None:
    """Run a batch and hand every layer's neurons to `read`.

    Args:
        model: A model of the host.
        batch: What to run; its attention mask is passed on.
        names: One hook name a layer, in order.
        read: Called with activations `[batch pos neuron]` and the layer; must not change them.

    Raises:
        ModelError: A hook did not fire or fired twice, or a tensor is not `d_mlp` wide.
    """
    answered: list[int] = []

    def hook_of(layer: int) -> Callable[..., None]:
        def hook(activation: Tensor, hook: object) -> None:  # noqa: ARG001 - the host passes it by name
            require_width(activation.shape[-1], layer, model)
            read(activation, layer)
            answered.append(layer)
            if layer == len(names) - 1:
                raise _PassEnded

        return hook

    hooks = [(name, hook_of(layer)) for layer, name in enumerate(names)]
    # The hosts count positions by the attention mask, so padding on the left shifts nothing.
    try:
        with torch.no_grad(), model.hooks(fwd_hooks=hooks):
            model(batch.tokens, attention_mask=batch.attention_mask)
    except _PassEnded:
        pass
    if answered != list(range(len(names))):
        raise ModelError(
            f"of the {len(names)} neuron hooks of {model.cfg.model_name!r} these layers answered: {answered}; the host "
            "does not run this architecture's neurons in order"
        )
