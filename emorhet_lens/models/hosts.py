"""What this package asks of a model, and how it knows one model from another.

A model is any object of the host: `TransformerBridge`, raw or in compatibility mode, or `HookedTransformer`.
Nothing of the host is subclassed or changed.

The fingerprint tells weights apart by the lengths of a few output-projection rows in every layer. It survives
weight processing, another precision and another device, and it does not prove that all weights are equal.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from emorhet_lens.errors import ModelError, StoreError

NamedHook = tuple[str, Callable[..., Any]]
_PROBES = 4


@runtime_checkable
class LensModel(Protocol):
    """The part of a TransformerLens model that is used here; and see `hook_points`."""

    cfg: Any
    tokenizer: Any

    def hooks(self, fwd_hooks: list[NamedHook] = ...) -> AbstractContextManager[Any]:
        """Add hooks for the length of a `with` block."""

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """One forward pass with hooks."""

    def run_with_cache(self, *args: Any, **kwargs: Any) -> Any:
        """One forward pass that keeps activations."""

    def to_tokens(self, *args: Any, **kwargs: Any) -> Any:
        """Text to token ids."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One forward pass."""

    def eval(self) -> Any:
        """Switch to evaluation mode."""


def hook_points(model: LensModel) -> Any:
    """Hook points by name.

    They are no part of `LensModel`: a bridge puts them together anew every time, and every check of a type would ask.

    Args:
        model: Any host.

    Returns:
        The host's mapping.
    """
    return getattr(model, "hook_dict")  # noqa: B009 - see above


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a result.

    Args:
        name: As the host calls it.
        host: Class of the model object.
        host_version: Version of transformer-lens.
        processed: Whether the host had folded or centred weights.
        dtype: Of the weights.
        n_layers: Number of layers.
        d_mlp: Neurons a layer.
        fingerprint: Lengths of the centred output weights of four neurons in every layer.
    """

    name: str
    host: str
    host_version: str
    processed: bool
    dtype: str
    n_layers: int
    d_mlp: int
    fingerprint: tuple[float, ...]

    def require_same(self, other: "ModelIdentity") -> None:
        """Refuse another model; host, precision and weight processing may differ.

        Raises:
            StoreError: Width, number of layers or weights differ.
        """
        for what in ("n_layers", "d_mlp"):
            if getattr(self, what) != getattr(other, what):
                raise StoreError(
                    f"the results are of {self.name!r} with {what}={getattr(self, what)}, the model {other.name!r} "
                    f"has {what}={getattr(other, what)}: load the model that made them, or screen this one"
                )
        pairs = zip(self.fingerprint, other.fingerprint, strict=True)
        # bfloat16 keeps eight bits of every weight; a fine-tuned model in the same precision should still be told.
        tolerance = 1e-3 if self.dtype == other.dtype else 4e-3
        if any(abs(a - b) > tolerance * max(abs(a), abs(b)) for a, b in pairs):
            raise StoreError(
                f"the weights of {other.name!r} are not those that made the results ({self.name!r}): their "
                "fingerprints differ. Load the same checkpoint, or screen this one"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelIdentity":
        """The inverse of `to_dict`."""
        return cls(**{**values, "fingerprint": tuple(values["fingerprint"])})


def identify(model: LensModel) -> ModelIdentity:
    """Describe a model so that results can be matched with it later.

    Raises:
        ModelError: The model has no plain MLP neurons.
    """
    probes = []
    for layer in range(model.cfg.n_layers):
        weights = output_weights(model, layer)
        rows = weights[torch.linspace(0, len(weights) - 1, _PROBES).long()].cpu().double()
        # Centring is what weight processing may do to these rows; doing it here makes both cases equal.
        probes += (rows - reduce(rows, "neuron model -> neuron 1", "mean")).norm(dim=-1).tolist()
    return ModelIdentity(
        name=str(model.cfg.model_name),
        host=type(model).__name__,
        host_version=_host_version(),
        processed=bool(getattr(model, "compatibility_mode", False))
        or str(getattr(model.cfg, "normalization_type", "")).endswith("Pre"),
        dtype=str(model.cfg.dtype).removeprefix("torch."),
        n_layers=model.cfg.n_layers,
        d_mlp=model.cfg.d_mlp,
        fingerprint=tuple(round(value, 10) for value in probes),
    )


@cache
def _host_version() -> str:
    # Models are identified at every reading, and the packages' metadata are files.
    return version("transformer-lens")


def require_evaluation(model: LensModel) -> None:
    """Refuse a model whose dropout is switched on; the training flag alone does no harm.

    Raises:
        ModelError: A dropout layer would make the activations random.
    """
    for module in getattr(model, "modules", list)():
        if not module.training:
            continue
        # Some models keep the share as a number and drop without a layer of that kind.
        rates = [value for name, value in vars(module).items() if "drop" in name and isinstance(value, float)]
        dropout = max([*rates, float(module.p)] if isinstance(module, nn.Dropout) else rates, default=0.0)
        if dropout > 0:
            raise ModelError(
                f"{model.cfg.model_name!r} is in training mode with dropout={dropout}, so its activations are random; "
                "call model.eval() first"
            )


def output_weights(model: LensModel, layer: int) -> Float[Tensor, "neuron model"]:
    """Rows of one layer's MLP output projection, one a neuron.

    Raises:
        ModelError: The layer has no such matrix, as in mixture-of-experts models.
    """
    blocks: Any = getattr(model, "blocks")  # noqa: B009 - not part of the protocol: beartype cannot see it
    weights = getattr(blocks[layer].mlp, "W_out", None)
    if not isinstance(weights, Tensor) or weights.ndim != 2 or len(weights) != model.cfg.d_mlp:
        raise ModelError(
            f"layer {layer} of {model.cfg.model_name!r} has no output projection of d_mlp={model.cfg.d_mlp} "
            "neurons (a mixture-of-experts layer?); this package works on dense MLPs"
        )
    return weights.detach()
