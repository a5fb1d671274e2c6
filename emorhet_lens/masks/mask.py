"""Masks: what is done to which neurons, as a frozen value: x' = x + (g(x) - 1)(x - r) + b.

The gain g is a number, or falls with the activation: g(x) = gain - alpha * clamp(|x| / maximum, 0, 1). A mask that
changes a prediction has shown that it does something. Whether these neurons matter for a concept is another
question, which matched random sets under the same mask answer.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask_hooks import LayerMask
from emorhet_lens.masks.masking import Masking
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify
from emorhet_lens.store import read_tensors, write_tensors

_VALUES = ("gain", "alpha", "maximum", "reference", "shift")


@dataclass(frozen=True, eq=False, repr=False)
class Mask(Masking):
    """What is done to which neurons of site `post`; `emorhet_lens.masks.mask_kinds` makes them.

    Args:
        columns: Layer and neuron, sorted and distinct.
        gain: Gain, or its value at x = 0 where it is adaptive.
        alpha: How far the gain falls as |x| grows to `maximum`; 0 where it does not.
        maximum: |x| at which it has fallen by alpha; positive, 1 where alpha is 0.
        reference: What the gain pulls towards: a number, or one by text and position.
        shift: What is added.
        model: The model that the neurons are of.
        name: What to call the mask in results.

    Raises:
        MaskError: There is no column, columns are not sorted and distinct or not in the model, numbers are not
            finite or of another length, or a maximum is not positive.
    """

    columns: Int[Tensor, "column 2"]
    gain: Float[Tensor, " column"]
    alpha: Float[Tensor, " column"]
    maximum: Float[Tensor, " column"]
    reference: Float[Tensor, " column"] | Float[Tensor, "batch pos column"]
    shift: Float[Tensor, " column"]
    model: ModelIdentity
    name: str = "mask"

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise MaskError("a mask of no neurons would do nothing, silently; choose at least one neuron")
        layer, neuron = self.columns.unbind(1)
        if not bool(((layer >= 0) & (layer < self.model.n_layers) & (neuron >= 0) & (neuron < self.model.d_mlp)).all()):
            raise MaskError(
                f"a column lies outside {self.model.name!r}, which has {self.model.n_layers} layers of "
                f"{self.model.d_mlp} neurons"
            )
        if not bool((_ranks(self.columns, self.model).diff() > 0).all()):
            raise MaskError("columns have to be sorted by layer and neuron, each once")
        for name in _VALUES:
            values = getattr(self, name).detach().cpu().double()
            if values.shape[-1:] != (len(self),) or (values.ndim > 1 and name != "reference"):
                raise MaskError(
                    f"{name} has the shape {tuple(values.shape)}; it needs a value for each of {len(self)} columns"
                )
            if not bool(values.isfinite().all()):
                raise MaskError(f"{name} holds numbers that are not finite; leave those neurons out")
            object.__setattr__(self, name, values)
        if not bool((self.maximum > 0).all()):
            raise MaskError("every maximum has to be positive; use 1 for a neuron that never moved")

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return f"Mask({self.name!r}: {len(self)} neurons in {len(self.layers)} layers of {self.model.name!r})"

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it touches, in order."""
        return tuple(dict.fromkeys(self.columns[:, 0].tolist()))

    def __mul__(self, dose: int | float) -> "Mask":
        """The dose: scales g - 1 and the shift; 1 changes nothing, 0 makes a mask that does nothing."""
        alpha = self.alpha * dose
        return replace(
            self,
            gain=1 + (self.gain - 1) * dose if dose != 1 else self.gain,
            alpha=alpha,
            maximum=self.maximum.where(alpha != 0, 1.0),
            shift=self.shift * dose,
            name=self.name if dose == 1 else f"{self.name} * {dose:g}",
        )

    __rmul__ = __mul__

    def __or__(self, other: "Mask") -> "Mask":
        """Both masks at once; a column of both has to have the same values in both.

        Raises:
            MaskError: A column of both has different values, or both hold values of inputs of other shapes.
            StoreError: They are of different models.
        """
        self.model.require_same(other.model)
        mine, theirs = _same_shape(self, other)
        ranks = torch.cat([_ranks(self.columns, self.model), _ranks(other.columns, self.model)])
        order = ranks.argsort(stable=True)
        columns = torch.cat([self.columns, other.columns])[order]
        values = {n: torch.cat([getattr(mine, n), getattr(theirs, n)], dim=-1)[..., order] for n in _VALUES}
        twice = ranks[order].diff() == 0
        differs = torch.stack([(v.diff(dim=-1) != 0).reshape(-1, len(twice)).any(0) for v in values.values()]).any(0)
        clashes = columns[1:][twice & differs].tolist()
        if clashes:
            raise MaskError(
                f"both masks touch {', '.join(f'L{layer}N{neuron}' for layer, neuron in clashes[:5])} "
                f"({len(clashes)} columns) with different values; say which acts first with a.then(b)"
            )
        first = torch.cat([torch.tensor([True]), ~twice])
        name = self.name if self.name == other.name else f"{self.name} | {other.name}"
        joined = {n: v[..., first] for n, v in values.items()}
        return Mask(columns=columns[first], model=self.model, name=name, **joined)

    def parts(self) -> list[LayerMask]:
        """The mask by layer."""
        return [
            LayerMask(layer, self.columns[own, 1], **{name: getattr(self, name)[..., own] for name in _VALUES})
            for layer in self.layers
            for own in [self.columns[:, 0] == layer]
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a column: layer, neuron and the values; the reference is NaN where it differs by position."""
        values = {name: getattr(self, name) for name in _VALUES}
        if self.reference.ndim > 1:
            values["reference"] = torch.full_like(self.gain, torch.nan)
        places = {"layer": self.columns[:, 0].numpy(), "neuron": self.columns[:, 1].numpy()}
        return pd.DataFrame({**places, **{name: value.numpy() for name, value in values.items()}})

    def save(self, path: Path | str) -> None:
        """Write the mask into one safetensors file."""
        tensors = {"columns": self.columns, **{name: getattr(self, name) for name in _VALUES}}
        write_tensors(Path(path), tensors, {"model": self.model.to_dict(), "name": self.name}, kind="mask")

    @classmethod
    def load(cls, path: Path | str, model: LensModel | None = None) -> "Mask":
        """Read what `save` wrote.

        Args:
            path: The file.
            model: If given, the mask has to be of it.

        Raises:
            StoreError: The file is missing, truncated, holds something else, or is of another model.
        """
        tensors, facts = read_tensors(Path(path), kind="mask")
        mask = cls(**tensors, model=ModelIdentity.from_dict(facts["model"]), name=facts["name"])
        if model is not None:
            mask.model.require_same(identify(model))
        return mask


def sorted_columns(columns: Int[Tensor, "column 2"], model: ModelIdentity) -> Int[Tensor, " column"]:
    """The order that sorts columns by layer and neuron."""
    return _ranks(columns, model).argsort()


def _ranks(columns: Int[Tensor, "column 2"], model: ModelIdentity) -> Int[Tensor, " column"]:
    return columns[:, 0] * model.d_mlp + columns[:, 1]


def _same_shape(a: Mask, b: Mask) -> tuple[Mask, Mask]:
    """Both with references of one shape, so that they can be joined."""
    shapes = {tuple(mask.reference.shape[:-1]) for mask in (a, b)} - {()}
    widest = max(shapes, default=())
    if any(shape[0] not in (1, widest[0]) or shape[1] != widest[1] for shape in shapes):
        raise MaskError(f"the masks hold values of [batch pos] = {sorted(shapes)}; resample both from the same inputs")
    return (
        replace(a, reference=a.reference.expand(*widest, len(a))),
        replace(b, reference=b.reference.expand(*widest, len(b))),
    )
