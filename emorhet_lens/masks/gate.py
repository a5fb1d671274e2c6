"""A gate: how much a position carries a concept, from the neurons that were read so far, and where that is enough.

The score is the mean of some neurons' standardised activations in the layers up to the one at hand. That a gate is open
on texts of a concept does not show that its neurons matter for it. `emorhet_lens.masks.gated` puts a mask behind it.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.gate_hooks import GateLayer
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify
from emorhet_lens.store import read_tensors, write_tensors

_COLUMN_VALUES = ("center", "weight")
_DEPTH_VALUES = ("low", "high")


@dataclass(frozen=True, eq=False, repr=False)
class Gate:
    """A running score and where it opens; `emorhet_lens.calibrate_gate` makes it.

    At every layer that it reads, the score of a position is the mean of weight * (x - center) over the columns of this
    layer and those before it. It opens from 0 at `low` to 1 at `high`.

    Args:
        columns: Layer and neuron of what is read, sorted and distinct.
        center: Activation that counts as 0.
        weight: What one unit above it counts: the sign of the concept's side over the standard deviation.
        low: Score at and below which it is shut, by the number of layers read so far, the first layer alone first.
        high: Score at and above which it is open, likewise; infinite where it stays shut.
        model: The model that the neurons are of.
        name: Whose score it is.

    Raises:
        MaskError: There is no column, values are of another length or not finite, or `high` is not above `low`.
    """

    columns: Int[Tensor, "column 2"]
    center: Float[Tensor, " column"]
    weight: Float[Tensor, " column"]
    low: Float[Tensor, " depth"]
    high: Float[Tensor, " depth"]
    model: ModelIdentity
    name: str = "score"

    def __post_init__(self) -> None:
        if len(self.columns) == 0:
            raise MaskError("a gate that reads no neuron has no score; choose at least one neuron")
        layer, neuron = self.columns.unbind(1)
        inside = (layer >= 0) & (layer < self.model.n_layers) & (neuron >= 0) & (neuron < self.model.d_mlp)
        if not bool(inside.all()) or not bool(((layer * self.model.d_mlp + neuron).diff() > 0).all()):
            raise MaskError(f"a gate's columns have to lie in {self.model.name!r} and be sorted, each once")
        lengths = dict.fromkeys(_COLUMN_VALUES, len(self.columns)) | dict.fromkeys(_DEPTH_VALUES, len(self.layers))
        for name, length in lengths.items():
            values = getattr(self, name).detach().cpu().double()
            if len(values) != length:
                raise MaskError(f"{name} has {len(values)} values, the gate needs {length}")
            known = values.isfinite() | (values == torch.inf) if name == "high" else values.isfinite()
            if not bool(known.all()):
                raise MaskError(f"{name} holds numbers that are not finite")
            object.__setattr__(self, name, values)
        if not bool((self.high > self.low).all()):
            raise MaskError("a gate has to open above the score at which it is shut: high has to exceed low")

    def __repr__(self) -> str:
        shut = f", shut in {len(self.shut)} of {len(self.layers)} layers" if self.shut else ""
        return f"Gate({self.name!r}: {len(self.columns)} neurons of {self.model.name!r}{shut})"

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it reads, in order."""
        return tuple(dict.fromkeys(self.columns[:, 0].tolist()))

    @property
    def shut(self) -> tuple[int, ...]:
        """The layers after which it stays shut, because what was read so far does not tell the concept."""
        return tuple(layer for layer, high in zip(self.layers, self.high.tolist(), strict=True) if high == torch.inf)

    def parts(self) -> list[GateLayer]:
        """The gate by layer."""
        own = [self.columns[:, 0] == layer for layer in self.layers]
        return [
            GateLayer(layer, self.columns[here, 1], self.center[here], self.weight[here], seen, low, high)
            for layer, here, seen, low, high in zip(
                self.layers,
                own,
                torch.stack(own).sum(1).cumsum(0).tolist(),
                self.low.tolist(),
                self.high.tolist(),
                strict=True,
            )
        ]

    def tensors(self) -> dict[str, Tensor]:
        """All numbers by name."""
        return {name: getattr(self, name) for name in ("columns", *_COLUMN_VALUES, *_DEPTH_VALUES)}

    def to_dataframe(self) -> pd.DataFrame:
        """One row a layer that is read: layer, neurons (read so far), low, high (infinite where it stays shut)."""
        rows = [(part.layer, part.seen, part.low, part.high) for part in self.parts()]
        return pd.DataFrame(rows, columns=["layer", "neurons", "low", "high"])

    def save(self, path: Path | str) -> None:
        """Write the gate into one safetensors file."""
        write_tensors(Path(path), self.tensors(), {"model": self.model.to_dict(), "name": self.name}, kind="gate")

    @classmethod
    def load(cls, path: Path | str, model: LensModel | None = None) -> "Gate":
        """Read what `save` wrote.

        Args:
            path: The file.
            model: If given, the gate has to be of it.

        Raises:
            StoreError: The file is missing, truncated, holds something else, or is of another model.
        """
        tensors, facts = read_tensors(Path(path), kind="gate")
        gate = cls(**tensors, model=ModelIdentity.from_dict(facts["model"]), name=facts["name"])
        if model is not None:
            gate.model.require_same(identify(model))
        return gate
