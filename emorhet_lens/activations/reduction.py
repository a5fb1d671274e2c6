"""From the activations of a batch to a few numbers a text and neuron: what runs inside the hooks.

Nothing that has a position axis leaves this file, so memory does not grow with the corpus. On a CPU one compiled
loop reads every activation once; a dozen tensor operations would each read them again and cost ten times as much.
On a GPU the tensor operations are used; both say the same.
"""

import inspect
from typing import Any

import numba
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from emorhet_lens.errors import ModelError

STATISTICS = (
    "firings",
    "total",
    "squares",
    "positive_total",
    "positive_squares",
    "maximum",
    "minimum",
    "positive_minimum",
)
"""The statistic axis of a reduction. Sums are over the counted tokens of one text; `positive_minimum` is infinite
where the neuron does not fire."""


def reduce_texts(
    activation: Float[Tensor, "batch pos neuron"], keep: Bool[Tensor, "batch pos"], layer: int
) -> Float[Tensor, "statistic batch neuron"]:
    """Reduce the positions of every text.

    Args:
        activation: What the hook was given; it is not changed.
        keep: The counted positions, at least one a text.
        layer: For the error message.

    Returns:
        One row a name in `STATISTICS`; float32, or float64 where the activations are.

    Raises:
        ModelError: A counted activation is NaN or infinite.
    """
    values = activation.detach()
    values = values if values.dtype == torch.float64 else values.float()
    if values.device.type == "cpu":
        reduced = torch.empty((len(STATISTICS), len(values), values.shape[2]), dtype=values.dtype)
        # The compiled loop may share its threads with torch, and its first launch leaves torch with its own number.
        threads, before = torch.get_num_threads(), numba.get_num_threads()
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        _reduce_compiled(values.numpy(), keep.numpy(), reduced.numpy())
        numba.set_num_threads(before)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
    else:
        reduced = reduce_with_tensors(values, keep)
    if not torch.isfinite(reduced[STATISTICS.index("total")]).all():
        raise ModelError(
            f"layer {layer} gave activations that are NaN or infinite; try another dtype (float16 overflows easily)"
        )
    return reduced


def reduce_with_tensors(
    values: Float[Tensor, "batch pos neuron"], keep: Bool[Tensor, "batch pos"]
) -> Float[Tensor, "statistic batch neuron"]:
    """The reduction as tensor operations, for any device; see `reduce_texts`."""
    counted = rearrange(keep, "batch pos -> batch pos 1")
    kept = values.where(counted, 0)
    positive = kept.clamp(min=0)
    return torch.stack(
        [
            (kept > 0).sum(1).to(values.dtype),
            kept.sum(1),
            kept.square().sum(1),
            positive.sum(1),
            positive.square().sum(1),
            values.where(counted, -torch.inf).amax(1),
            values.where(counted, torch.inf).amin(1),
            kept.where(kept > 0, torch.inf).amin(1),
        ]
    )


def _reduce_loop(values: Any, keep: Any, reduced: Any) -> None:  # pragma: no cover - compiled
    batch, pos, neuron = values.shape
    # Constants of the array's own type keep the loop in that type.
    zero, one = values.dtype.type(0), values.dtype.type(1)
    infinity = values.dtype.type(np.inf)
    for b in numba.prange(batch):
        reduced[:5, b] = zero
        reduced[5, b] = -infinity
        reduced[6:, b] = infinity
        for p in range(pos):
            if not keep[b, p]:
                continue
            for n in range(neuron):
                value = values[b, p, n]
                fired = value > 0
                positive = value if fired else zero
                reduced[0, b, n] += one if fired else zero
                reduced[1, b, n] += value
                reduced[2, b, n] += value * value
                reduced[3, b, n] += positive
                reduced[4, b, n] += positive * positive
                reduced[5, b, n] = max(reduced[5, b, n], value)
                reduced[6, b, n] = min(reduced[6, b, n], value)
                reduced[7, b, n] = min(reduced[7, b, n], value if fired else infinity)


# A type checker that is switched on in tests wraps every function; the compiler has to see the bare one.
_reduce_compiled = numba.njit(parallel=True, cache=True, error_model="numpy")(inspect.unwrap(_reduce_loop))
