"""Masks that push a text towards a concept through the concept's neurons, or away from it.

Zheng et al. (2026) add beta times a neuron's mean on texts of the concept, n' = n + beta * mean_target(n): the form
`"zheng2026"`. At site `post` most means are below zero, so that it pushes most neurons away from firing, also those
that fire more for the concept than elsewhere; `sign_shares` counts them. The default adds the *difference* of the means
of the concept and of the rest.

Means are over counted tokens of the screening texts. A mask that moves predictions has shown that it moves them;
`emorhet_lens.steering.steer.steer` sets matched random sets and noise beside it.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.masks import mask_kinds
from emorhet_lens.masks.mask import Mask
from emorhet_lens.screening.neurons import Neurons

Form = Literal["contrast", "zheng2026", "quantile", "extreme", "amplify"]
FORMS: tuple[Form, ...] = get_args(Form)
SHIFTS: tuple[Form, ...] = ("contrast", "zheng2026")
"""The forms that add a constant to every neuron."""
_Z = 1.6448536269514722
"""Of the 0.95 quantile, if the activations on a concept's tokens were normal."""


@dataclass(frozen=True, eq=False)
class ConceptMeans:
    """What the statistics know of every neuron for one concept.

    Args:
        mean: Mean activation over the concept's counted tokens.
        sd: Standard deviation over them.
        contrast: Difference of the means of the concept and of the rest, within a source; the mean over the sources
            that hold the concept, so that what tells two sources apart is not taken for the concept.
    """

    mean: Float[Tensor, "layer neuron"]
    sd: Float[Tensor, "layer neuron"]
    contrast: Float[Tensor, "layer neuron"]


def induce(
    neurons: Neurons, stats: ActivationStats, strength: int | float = 1.0, *, concept: str, form: Form = "contrast"
) -> Mask:
    """Push a concept's neurons to where they are on texts of the concept.

    Args:
        neurons: Holds a set for the concept; other concepts' sets are not touched.
        stats: Of the screening texts, at site `post`.
        strength: How far; negative strengths push away from the concept, and at 0 the mask does nothing.
        concept: Towards what.
        form: `"contrast"` adds strength * (mean_target - mean_rest); `"zheng2026"` adds strength * mean_target;
            `"quantile"` sets neurons to the concept's 0.95 quantile, taken as mean + 1.645 sd as if activations were
            normal (they are not: tails are longer), or to mean - 1.645 sd where the concept lowers the neuron;
            `"extreme"` sets them to the largest activation on the concept's texts, or the smallest one where the
            concept lowers the neuron; a strength other than 1 goes that share of the way; `"amplify"` multiplies by
            1 + strength.

    Returns:
        The mask.

    Raises:
        MaskError: The strength is not finite, the form or concept is unknown, the concept has no neurons, no text, or
            nothing to be compared with, or the neurons or statistics are of another site.
        StoreError: The statistics are of another model.
    """
    if not math.isfinite(strength):
        raise MaskError(f"strength={strength} has to be a finite number; 1 moves neurons by the form's own amount")
    if form not in FORMS:
        raise MaskError(f"form={form!r} is unknown; it is one of {', '.join(FORMS)}")
    own = _set_of(neurons, concept)
    known = concept_means(stats, concept)
    stats.model.require_same(neurons.model)
    layer, neuron = own.coordinates().unbind(1)
    mean, contrast = known.mean[layer, neuron], known.contrast[layer, neuron]
    if form == "contrast":
        mask = mask_kinds.shift(own, contrast) * strength
    elif form == "zheng2026":
        mask = mask_kinds.shift(own, mean) * strength
    elif form == "quantile":
        side = torch.where(contrast < 0, -_Z, _Z)
        mask = mask_kinds.clamp(own, mean + side * known.sd[layer, neuron]) * strength
    elif form == "extreme":
        row, extremes = stats.group.labels.index(concept), stats.extremes_by_label()
        highest, lowest = (values[row, layer, neuron] for values in (extremes.maximum, extremes.minimum))
        mask = mask_kinds.clamp(own, torch.where(contrast < 0, lowest, highest)) * strength
    else:
        mask = mask_kinds.amplify(own, 1 + strength)
    return replace(mask, name=f"induce {concept}, {form} * {strength:g}")


def concept_means(stats: ActivationStats, concept: str) -> ConceptMeans:
    """Means of all neurons on the texts of a concept, and how they differ from those of the rest.

    Args:
        stats: Of texts, at site `post`.
        concept: A concept of the statistics.

    Returns:
        The means. In a source without texts of the rest the concept is compared with the other concepts.

    Raises:
        MaskError: The concept is unknown, has no text, or no source holds anything to compare it with, or the
            statistics are of another site.
    """
    if concept not in stats.group.concepts:
        raise MaskError(f"there is no concept {concept!r}; the statistics are of {', '.join(stats.group.concepts)}")
    if stats.options["site"] != "post":
        raise MaskError(f'the statistics are of site {stats.options["site"]!r}; collect them with site="post"')
    row, rest = stats.group.labels.index(concept), len(stats.group.concepts)
    tokens = stats.summed("tokens")[row]
    if tokens == 0:
        raise MaskError(f"no token of {concept!r} was counted; collect statistics on texts of it")
    mean = stats.summed("total")[row] / tokens
    variance = stats.summed("squares")[row] / tokens - mean.square()
    contrasts = []
    for source in stats.sources:
        counted, total = stats.summed("tokens", source), stats.summed("total", source)
        others = [rest] if counted[rest] > 0 else [label for label in range(rest) if label != row]
        if counted[row] > 0 and counted[others].sum() > 0:
            contrasts.append(total[row] / counted[row] - total[others].sum(0) / counted[others].sum())
    if not contrasts:
        raise MaskError(f"no source holds texts to compare {concept!r} with; collect statistics on others, too")
    return ConceptMeans(mean, variance.clamp(min=0).sqrt(), torch.stack(contrasts).mean(0))


def sign_shares(neurons: Neurons, stats: ActivationStats) -> pd.DataFrame:
    """How many neurons the two shifts push down.

    Args:
        neurons: Sets by concept.
        stats: Of the screening texts, at site `post`.

    Returns:
        One row a concept with neurons: concept, neurons, and shares of them: mean_negative (the concept's mean is
        below zero, so `"zheng2026"` pushes down), contrast_negative (the concept lowers the neuron, so `"contrast"`
        pushes down), opposed (the two push against each other).

    Raises:
        MaskError: See `concept_means`.
        StoreError: The statistics are of another model.
    """
    stats.model.require_same(neurons.model)
    rows = []
    for concept in neurons.concepts:
        if neurons.sets[concept]:
            known = concept_means(stats, concept)
            layer, neuron = neurons[concept].coordinates().unbind(1)
            mean, contrast = known.mean[layer, neuron], known.contrast[layer, neuron]
            shares = {"mean_negative": mean < 0, "contrast_negative": contrast < 0, "opposed": mean * contrast < 0}
            rows.append(
                {"concept": concept, "neurons": len(mean)} | {n: float(s.double().mean()) for n, s in shares.items()}
            )
    return pd.DataFrame(rows, columns=["concept", "neurons", "mean_negative", "contrast_negative", "opposed"])


def _set_of(neurons: Neurons, concept: str) -> Neurons:
    if concept not in neurons.sets:
        raise MaskError(f"there is no concept {concept!r}; there are neurons of {', '.join(neurons.concepts)}")
    if not neurons.sets[concept]:
        raise MaskError(f"there are no neurons of {concept!r} to push; select more, or leave the concept out")
    return neurons[concept]
