"""Where a neuron is read: the hook points of a site, checked before they are trusted.

`post` is what enters the MLP's output projection: `act(gate) * up` for gated MLPs, `act(pre)` otherwise. For gated
MLPs `post > 0` also holds where gate and up are both negative, so a firing there does not mean an open gate.
`gate` (gated MLPs, for reading only) is the gate before its activation function; with SiLU, GELU and ReLU its sign
is that of `act(gate)`, so both count the same firings, while its means are those of the pre-activation.
"""

from typing import Literal

from emorhet_lens.errors import ModelError
from emorhet_lens.models.hosts import LensModel, hook_points

Site = Literal["post", "gate"]
_HOOKS = {"post": "hook_post", "gate": "hook_pre"}


def hook_names(model: LensModel, site: Site = "post") -> list[str]:
    """Names of a site's hook points, one a layer, in order.

    Args:
        model: A model of the host.
        site: `"post"` or `"gate"`.

    Returns:
        One hook name a layer.

    Raises:
        ModelError: The site is unknown, the model is not gated, or a layer has no such hook.
    """
    if site not in _HOOKS:
        raise ModelError(f"site={site!r} is unknown; it is one of {', '.join(_HOOKS)}")
    if site == "gate" and not getattr(model.cfg, "gated_mlp", False):
        raise ModelError(f'{model.cfg.model_name!r} has no gated MLP; use site="post"')
    names = [f"blocks.{layer}.mlp.{_HOOKS[site]}" for layer in range(model.cfg.n_layers)]
    known = hook_points(model)  # bridges put it together anew each time
    missing = [name for name in names if name not in known]
    if missing:
        raise ModelError(
            f"{model.cfg.model_name!r} has no hook {missing[0]!r} (and {len(missing) - 1} more): the host does not "
            "expose this architecture's neurons"
        )
    return names


def require_width(width: int, layer: int, model: LensModel) -> None:
    """Refuse a tensor that is not `d_mlp` wide: it does not hold neurons.

    Raises:
        ModelError: The width is another one, as in mixture-of-experts models.
    """
    if width != model.cfg.d_mlp:
        raise ModelError(
            f"the neuron hook of layer {layer} of {model.cfg.model_name!r} is {width} wide, but d_mlp is "
            f"{model.cfg.d_mlp}: this is not a dense MLP (mixture-of-experts models answer with d_model); such "
            "models are not supported"
        )
