"""What the tests of masks share: neurons by hand, tokens, and what is left on a model."""

from typing import Any

import torch

from emorhet_lens.masks.mask import Mask
from emorhet_lens.models.hosts import ModelIdentity, identify
from emorhet_lens.screening.neurons import Neurons

TOKENS = torch.tensor([[1, 9, 12, 20, 7], [1, 30, 8, 9, 11]])
OTHER_TOKENS = torch.tensor([[1, 14, 10, 33, 25], [1, 7, 21, 40, 13]])
VALUES = ("gain", "alpha", "maximum", "reference", "shift")
PLACES = ((1, 3), (0, 5), (0, 2))
"""Columns of every tiny model but the micro one, deliberately not sorted."""


def neurons_at(model: Any, *places: tuple[int, int], site: Any = "post") -> Neurons:
    """A set by hand; `model` is a model or an identity."""
    identity = model if isinstance(model, ModelIdentity) else identify(model)
    return Neurons({"one": places}, {"one": (0.0,) * len(places)}, identity, site=site)


def require_same_mask(a: Mask, b: Mask) -> None:
    """Two masks do exactly the same."""
    assert torch.equal(a.columns, b.columns)
    assert a.model == b.model
    for name in VALUES:
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def posts(model: Any, tokens: torch.Tensor, hooks: Any = (), **options: Any) -> list[torch.Tensor]:
    """What leaves the site `post` of every layer under some hooks."""
    with model.hooks(fwd_hooks=list(hooks)):
        _, cache = model.run_with_cache(tokens, **options)
    return [cache[f"blocks.{layer}.mlp.hook_post"] for layer in range(model.cfg.n_layers)]


def hooks_on(model: Any) -> list[Any]:
    """Every hook that is on the model."""
    return [hook for hooks in model.list_hooks().values() for hook in hooks]


def unchecked(kind: Any, /, **fields: Any) -> Any:
    """A frozen value made past its annotations, as a user without a type checker makes it."""
    value = object.__new__(kind)
    for name, field in fields.items():
        object.__setattr__(value, name, field)
    value.__post_init__()
    return value
