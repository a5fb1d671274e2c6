"""From the texts of a batch to sums by cell: the second half of what runs inside the hooks.

A layer is pooled as soon as it was read, so that memory depends on the number of cells and not on how many texts a
batch holds. Nothing is added to the statistics before the pass has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.activations.reduction import STATISTICS
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.activations.sums import Cell
from emorhet_lens.passes.batches import Batch

_EXTREMES = (("maximum", 1.0), ("minimum", -1.0), ("positive_minimum", -1.0))


@dataclass(frozen=True, eq=False)
class Membership:
    """Which cells the texts of a batch are in.

    Args:
        true_rows: The batch's true cells as rows of the statistics, ascending.
        null_rows: Its null cells, likewise.
        matrix: 1 where a text is in a cell; true cells first.
        groups: The texts of every true cell.
        counted: Counted tokens of every text.
    """

    true_rows: tuple[int, ...]
    null_rows: tuple[int, ...]
    matrix: Float[Tensor, "cell batch"]
    groups: tuple[Int[Tensor, " _"], ...]
    counted: Int[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class PooledLayer:
    """One layer of one batch, on the CPU.

    Args:
        sums: By name of the sum, `[cell neuron]` with the true cells first.
        extremes: By name of the extreme, for the true cells only.
    """

    sums: dict[str, Float[Tensor, "cell neuron"]]
    extremes: dict[str, Float[Tensor, "true_cell neuron"]]


def membership(stats: ActivationStats, batch: Batch, assigned: Sequence[tuple[Cell, Cell]]) -> Membership:
    """Look up the cells of a batch's texts.

    Args:
        stats: Give the order of the cells.
        batch: The texts.
        assigned: True and null cell of every text of the corpus.

    Returns:
        The membership; its matrix is in double precision, on the batch's device where that has it.
    """
    pairs = [assigned[index] for index in batch.examples]
    true, null = [stats.cells.index(cell) for cell, _ in pairs], [stats.null_cells.index(cell) for _, cell in pairs]
    true_rows, null_rows = tuple(sorted(set(true))), tuple(sorted(set(null)))
    one_hot = [[float(mine == row) for mine in true] for row in true_rows]
    one_hot += [[float(mine == row) for mine in null] for row in null_rows]
    # Products in lower precision, which users may have switched on, would round counts. Apple's GPUs know no doubles.
    device = torch.device("cpu") if batch.keep.device.type == "mps" else batch.keep.device
    matrix = torch.tensor(one_hot, dtype=torch.float64, device=device)
    groups = tuple(row.nonzero().squeeze(1) for row in matrix[: len(true_rows)])
    return Membership(true_rows, null_rows, matrix, groups, batch.keep.sum(1).to(device))


def pool_layer(reduced: Float[Tensor, "statistic batch neuron"], members: Membership) -> PooledLayer:
    """Add up one layer's texts by cell.

    Args:
        reduced: From `emorhet_lens.activations.reduction.reduce_texts`.
        members: The cells of the texts.

    Returns:
        Sums over texts, and extremes.
    """
    values = dict(zip(STATISTICS, reduced.to(members.matrix), strict=True))
    counted = rearrange(members.counted.double(), "batch -> batch 1")
    rate, mean = values["firings"] / counted, values["total"] / counted
    summands = {
        **{name: values[name] for name in ("firings", "total", "squares", "positive_total", "positive_squares")},
        "texts_fired": values["firings"].clamp(max=1),
        "rate_total": rate,
        "rate_squares": rate.square(),
        "mean_total": mean,
        "mean_squares": mean.square(),
    }
    # The same matrix for every sum: [cell batch] @ [sum batch neuron]
    added = members.matrix @ torch.stack(list(summands.values()))
    # Minima are maxima of the negative, so that one reduction a cell does for all three.
    signs = rearrange(members.matrix.new_tensor([sign for _, sign in _EXTREMES]), "extreme -> extreme 1 1")
    signed = torch.stack([values[name] for name, _ in _EXTREMES]) * signs
    highest = torch.stack([signed.index_select(1, group).amax(1) for group in members.groups], dim=1) * signs
    names = [name for name, _ in _EXTREMES]
    return PooledLayer(dict(zip(summands, added.cpu(), strict=True)), dict(zip(names, highest.cpu(), strict=True)))


def add_batch(stats: ActivationStats, layers: Sequence[PooledLayer], members: Membership) -> None:
    """Add one batch to the statistics, in place: they are still the collecting pass' alone.

    Args:
        stats: What is added to.
        layers: All layers, in order.
        members: The cells of the texts.
    """
    n_true = len(members.true_rows)
    parts = ((stats.sums, members.true_rows), (stats.null_sums, members.null_rows))
    additions = {name: torch.stack([layer.sums[name] for layer in layers], dim=1) for name in layers[0].sums}
    additions["texts"] = members.matrix.sum(1).cpu()
    additions["tokens"] = (members.matrix @ members.counted.double()).cpu()
    for name, added in additions.items():
        for (sums, rows), share in zip(parts, (added[:n_true], added[n_true:]), strict=True):
            target = getattr(sums, name)
            exact = share if target.is_floating_point() else share.round()
            target.index_add_(0, torch.tensor(rows), exact.to(target.dtype))
    true_rows = list(members.true_rows)
    for name, sign in _EXTREMES:
        join = torch.maximum if sign > 0 else torch.minimum
        target = getattr(stats.extremes, name)
        target[true_rows] = join(target[true_rows], torch.stack([layer.extremes[name] for layer in layers], dim=1))
