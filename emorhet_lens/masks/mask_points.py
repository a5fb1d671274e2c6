"""Hook points through which the gains of a mask pass: `blocks.{l}.mlp.hook_gain`, in the host's own `hook_dict`.

While a mask is on, its gains `[batch pos masked]` pass through the point of their layer, so they can be cached,
patched, ablated and differentiated with the host's own tools. Without a mask nothing passes there, and the point is
absent from a cache. Nested masks and the masks of a chain pass one after the other; a cache keeps the last one.

A point is registered by name, not by building the host's registry anew: that would rename hook points of a raw
`TransformerBridge` after their aliases.
"""

from typing import Any

from transformer_lens.hook_points import HookPoint

from emorhet_lens.models.hosts import LensModel, hook_points, output_weights
from emorhet_lens.models.sites import hook_names

POINT = "hook_gain"


def point_name(layer: int) -> str:
    """Name of a layer's mask point."""
    return f"blocks.{layer}.mlp.{POINT}"


def add_mask_points(model: LensModel) -> None:
    """Add one mask point a layer; where there is one already it stays, with its hooks.

    Args:
        model: A model of the host; its other hook points, their names and the hooks on them do not change.

    Raises:
        ModelError: The model has no plain MLP neurons, or the host does not expose them.
    """
    hook_names(model, "post")
    for layer in range(model.cfg.n_layers):
        output_weights(model, layer)  # refuses a layer without plain neurons
        if mask_point(model, layer) is None:
            point = HookPoint()
            # On a bridge this also enters the point into the component's own registry, as for the host's points.
            setattr(_mlp(model, layer), POINT, point)
            point.name = point_name(layer)
            for registry in _registries(model):
                registry[point_name(layer)] = point


def remove_mask_points(model: LensModel) -> None:
    """Take the mask points away, with any hooks on them, and leave the model as it was before they were added.

    Args:
        model: A model of the host, with or without mask points.
    """
    for layer in range(model.cfg.n_layers):
        if mask_point(model, layer) is not None:
            mlp = _mlp(model, layer)
            delattr(mlp, POINT)
            getattr(mlp, "_hook_registry", {}).pop(POINT, None)
            for registry in _registries(model):
                registry.pop(point_name(layer), None)


def has_mask_points(model: LensModel) -> bool:
    """Whether every layer has its mask point."""
    return all(mask_point(model, layer) is not None for layer in range(model.cfg.n_layers))


def mask_point(model: LensModel, layer: int) -> Any:
    """The mask point of a layer, or nothing.

    Looked up among the MLP's modules: a bridge puts its `hook_dict` together anew every time it is asked for it.
    """
    return dict(_mlp(model, layer).named_children()).get(POINT)


def _mlp(model: LensModel, layer: int) -> Any:
    blocks: Any = getattr(model, "blocks")  # noqa: B009 - not part of the protocol: beartype cannot see it
    return blocks[layer].mlp


def _registries(model: LensModel) -> list[dict[str, Any]]:
    """Where the host looks hook points up by name: a bridge in one place, `HookedTransformer` in two."""
    own = getattr(model, "_hook_registry", None)
    return [own] if own is not None else [hook_points(model), getattr(model, "mod_dict")]  # noqa: B009 - as above
