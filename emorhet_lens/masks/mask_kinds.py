"""The masks that the literature uses, one function each, out of neurons and what is known of them.

Lee et al. (2025) zero neurons; Zheng et al. (2026) also set them to their mean and attenuate them, n * (1 - alpha *
A / A_max), where A may be the activation at hand or the neuron's mean: `reference` says which. Suau et al. (2024)
dampen each neuron by how well it tells the concept (AurA). `resample` is the host's activation patching.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask import Mask, sorted_columns
from emorhet_lens.screening.neurons import Neurons

MeanOf = Literal["all", "rest"]
Reference = Literal["token", "mean"]
PerColumn = int | float | Sequence[int | float] | Float[Tensor, " column"] | Int[Tensor, " column"]


def zero(neurons: Neurons) -> Mask:
    """Set activations to zero."""
    return _mask(neurons, "zero", gain=0.0)


def mean(neurons: Neurons, stats: ActivationStats, of: MeanOf = "all") -> Mask:
    """Set every neuron to its mean activation over counted tokens.

    Args:
        neurons: Which neurons.
        stats: Of the screening texts, at site `post`.
        of: The mean of all texts, or of those without any of the concepts.

    Raises:
        MaskError: `of` is unknown, or no token of these texts was counted.
        StoreError: The statistics are of another model.
    """
    return _mask(neurons, f"mean of {of}", gain=0.0, reference=_means(neurons, stats, of))


def attenuate(neurons: Neurons, stats: ActivationStats, alpha: float = 1.0, reference: Reference = "token") -> Mask:
    """Dampen activations by how large they are, x * (1 - alpha * clamp(|x| / max|x|, 0, 1)).

    Args:
        neurons: Which neurons.
        stats: Of the screening texts, at site `post`: gives the largest |x| of every neuron. A neuron that never
            moved there is dampened as if it were 1.
        alpha: From 0, nothing, to 1, a neuron at its largest is silenced.
        reference: `"token"`: |x| of the token at hand; `"mean"`: |mean x| over all texts, so the gain is constant.

    Raises:
        MaskError: An option is unknown or out of range, or no token was counted.
        StoreError: The statistics are of another model.
    """
    if not 0 <= alpha <= 1:
        raise MaskError(f"alpha={alpha} has to be between 0 and 1")
    _one_of(reference, get_args(Reference), "reference")
    _require_stats(neurons, stats)
    layer, neuron = _columns(neurons).unbind(1)
    extremes = stats.extremes_by_label()
    peak = torch.maximum(extremes.maximum.amax(0), -extremes.minimum.amin(0))[layer, neuron]
    if not bool(peak.isfinite().all()):
        raise MaskError("the statistics counted no token, so there is no largest activation")
    peak = peak.where(peak > 0, 1.0)
    name = f"attenuate {alpha:g} by {reference}"
    if reference == "mean":
        share = (_means(neurons, stats, "all").abs() / peak).clamp(0, 1)
        return _mask(neurons, name, gain=1 - alpha * share)
    return _mask(neurons, name, alpha=alpha, maximum=peak if alpha > 0 else 1.0)


def amplify(neurons: Neurons, gain: PerColumn) -> Mask:
    """Multiply activations; a number, or one for each of `neurons.coordinates()`."""
    return _mask(neurons, "amplify", gain=gain)


def clamp(neurons: Neurons, value: PerColumn) -> Mask:
    """Set activations to a value; a number, or one for each of `neurons.coordinates()`."""
    return _mask(neurons, "clamp", gain=0.0, reference=value)


def shift(neurons: Neurons, amount: PerColumn) -> Mask:
    """Add to activations; a number, or one for each of `neurons.coordinates()`."""
    return _mask(neurons, "shift", shift=amount)


def from_scores(neurons: Neurons, auroc: PerColumn) -> Mask:
    """Dampen by how well a neuron tells the concept: gain 1 - 2 (AUROC - 0.5) above 0.5, and 1 below (AurA).

    Args:
        neurons: Which neurons.
        auroc: Area under the ROC curve: a number, or one for each of `neurons.coordinates()`.

    Raises:
        MaskError: An area is not between 0 and 1.
    """
    area = _per_column(auroc, len(_columns(neurons)), "auroc")
    if not bool(((area >= 0) & (area <= 1)).all()):
        raise MaskError("an area under the ROC curve has to be between 0 and 1; leave neurons without one out")
    return _mask(neurons, "aura", gain=1 - 2 * (area - 0.5).clamp(min=0))


def resample(neurons: Neurons, cache: Any) -> Mask:
    """Set activations to those that other inputs of the same length have, as activation patching does.

    Args:
        neurons: Which neurons.
        cache: What `run_with_cache` gave for the other inputs; one text goes with any number of texts.

    Raises:
        MaskError: The cache lacks a layer, or its tensors are not `[batch pos neuron]`.
    """
    columns = []
    for layer, neuron in _columns(neurons).tolist():
        name = f"blocks.{layer}.mlp.hook_post"
        if name not in cache:
            raise MaskError(f"the cache does not hold {name!r}; run with that hook in names_filter, or without")
        if cache[name].ndim != 3 or cache[name].shape[-1] != neurons.model.d_mlp:
            raise MaskError(
                f"{name!r} in the cache has shape {tuple(cache[name].shape)}, expected [batch pos "
                f"{neurons.model.d_mlp}]; keep the batch dimension and all positions"
            )
        columns.append(cache[name][..., neuron])
    return _mask(neurons, "resample", gain=0.0, reference=torch.stack(columns, dim=-1))


def _mask(
    neurons: Neurons,
    name: str,
    *,
    gain: PerColumn = 1.0,
    alpha: PerColumn = 0.0,
    maximum: PerColumn = 1.0,
    reference: PerColumn | Float[Tensor, "batch pos column"] = 0.0,
    shift: PerColumn = 0.0,
) -> Mask:
    columns = _columns(neurons)
    order = sorted_columns(columns, neurons.model)
    given = {"gain": gain, "alpha": alpha, "maximum": maximum, "reference": reference, "shift": shift}
    values = {what: _per_column(value, len(columns), what)[..., order] for what, value in given.items()}
    return Mask(columns=columns[order], model=neurons.model, name=name, **values)


def _columns(neurons: Neurons) -> Int[Tensor, "column 2"]:
    if neurons.site != "post":
        raise MaskError(
            f"neurons of site {neurons.site!r} can only be read; if the same columns of what enters the output "
            'projection are meant, use dataclasses.replace(neurons, site="post", background=Background.of(stats)'
            '.taking(selected)) with statistics of site "post"'
        )
    return neurons.coordinates()


def _per_column(
    value: PerColumn | Float[Tensor, "batch pos column"], n: int, what: str
) -> Float[Tensor, "*position column"]:
    values = torch.as_tensor(value).detach().cpu().double()
    if values.ndim == 0:
        return values.repeat(n)
    if values.shape[-1] != n or (values.ndim > 1 and what != "reference"):
        raise MaskError(f"{what} has the shape {tuple(values.shape)} for {n} neurons; give one number, or one a neuron")
    return values


def _means(neurons: Neurons, stats: ActivationStats, of: MeanOf) -> Float[Tensor, " column"]:
    _one_of(of, get_args(MeanOf), "of")
    _require_stats(neurons, stats)
    total, tokens = stats.summed("total"), stats.summed("tokens")
    if of == "rest":
        total, tokens = total[-1:], tokens[-1:]
    if tokens.sum() == 0:
        raise MaskError(f"no token of {stats.group.rest if of == 'rest' else 'any label'!r} was counted")
    layer, neuron = _columns(neurons).unbind(1)
    return total.sum(0)[layer, neuron] / tokens.sum()


def _require_stats(neurons: Neurons, stats: ActivationStats) -> None:
    stats.model.require_same(neurons.model)
    if stats.options["site"] != "post":
        raise MaskError(f'the statistics are of site {stats.options["site"]!r}; collect them with site="post"')


def _one_of(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise MaskError(f"{what}={value!r} is unknown; it is one of {', '.join(allowed)}")
