"""Doses of the adaptive mask of Zheng et al. (2026): how many neurons of a set are attenuated, and how far.

Dynamic filtering keeps the share tau of a set with the highest D = |A_target - A_other| / A_all, and attenuation takes
n * (1 - alpha * A / A_max) of them. Any set does something at some dose, a random one too: that a dose was found which
changes a prediction says nothing about the set. See `emorhet_lens.tuning.loop_matched`.
"""

import math
from dataclasses import dataclass

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.masks import mask_kinds
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_kinds import Reference
from emorhet_lens.scorers import SCORERS, Against
from emorhet_lens.screening.neurons import Neurons

FIRST_TAU = 0.1
"""Share of a set that the first step of the ladder masks, as the paper begins."""


@dataclass(frozen=True, order=True)
class Dose:
    """How much of a set is masked.

    Args:
        alpha: How far the gain falls, from 0, nothing, to 1, a neuron at its largest is silenced.
        tau: Share of the set that is masked, rounded up to whole neurons.

    Raises:
        MaskError: One of them is not between 0 and 1.
    """

    alpha: int | float
    tau: int | float

    def __post_init__(self) -> None:
        if not (0 <= self.alpha <= 1 and 0 <= self.tau <= 1):
            raise MaskError(f"a dose needs alpha and tau between 0 and 1, got alpha={self.alpha} and tau={self.tau}")
        for name in ("alpha", "tau"):
            object.__setattr__(self, name, float(getattr(self, name)))


def ladder(steps: int = 6) -> tuple[Dose, ...]:
    """Doses at which alpha and tau rise together: alpha = i / steps, and tau from 0.1 to 1 in equal steps.

    Raises:
        MaskError: There is no step.

    >>> [f"{dose.alpha:.2f} {dose.tau:.2f}" for dose in ladder(3)]
    ['0.33 0.10', '0.67 0.55', '1.00 1.00']
    """
    return tuple(dose_at(step / max(1, steps), steps) for step in range(1, max(1, steps) + 1))


def dose_at(share: int | float, steps: int = 6) -> Dose:
    """The dose at a point of the line through the ladder's doses.

    Args:
        share: From 0, nothing, to 1, the highest dose; it is alpha. Below the first step tau stays at 0.1.
        steps: Of the ladder.

    Raises:
        MaskError: There is no step, or the share is not between 0 and 1.
    """
    if steps < 1:
        raise MaskError(f"steps={steps} has to be at least 1")
    first = 1 / steps
    # The last step is 1 without rounding.
    tau = 1.0 if 1 in (steps, share) else FIRST_TAU + (1 - FIRST_TAU) * max(0.0, share - first) / (1 - first)
    return Dose(float(share), tau)


def dosed_mask(
    neurons: Neurons,
    stats: ActivationStats,
    dose: Dose,
    *,
    concept: str,
    reference: Reference = "token",
    difference: str = "difference",
    against: Against = "others",
) -> Mask:
    """Attenuate the core of a set: the share tau of its neurons that tell the concept best.

    Args:
        neurons: The set; several sets are taken together.
        stats: Of the screening texts, at site `post`: give D and the largest activations.
        dose: How many, and how far.
        concept: For which concept D is taken, whichever concept the set was selected for.
        reference: See `emorhet_lens.masks.mask_kinds.attenuate`.
        difference: Name of the scorer that is D: `"difference"` has means of max(x, 0), `"difference_signed"` the
            formula to the letter.
        against: What A_other is: all other texts, or the rest.

    Returns:
        The mask.

    Raises:
        MaskError: It would do nothing (alpha or tau is 0, or the set is empty), an option is unknown, or the
            statistics hold no texts of the concept to compare with others.
        StoreError: The statistics are of another model.
    """
    if dose.alpha == 0 or dose.tau == 0:
        raise MaskError(f"{dose} does nothing; a mask that does nothing has no effect to measure. Raise alpha and tau")
    core = by_difference(neurons, stats, concept=concept, difference=difference, against=against)
    # Rounded first: 0.28 * 25 is a little more than 7.
    kept = math.ceil(round(dose.tau * len(core), 9))
    return mask_kinds.attenuate(core.head(kept), stats, dose.alpha, reference)


def by_difference(
    neurons: Neurons,
    stats: ActivationStats,
    *,
    concept: str,
    difference: str = "difference",
    against: Against = "others",
) -> Neurons:
    """The neurons as one set of the concept, those with the highest D first; equal ones by layer and neuron.

    Args and errors are those of `dosed_mask`.
    """
    stats.model.require_same(neurons.model)
    if len(neurons) == 0:
        raise MaskError("this set of neurons is empty; there is nothing to attenuate")
    scorer = SCORERS.get(difference)
    if scorer is None or scorer.whole_neuron or scorer.best != "highest":
        allowed = [name for name, one in SCORERS.items() if not one.whole_neuron and one.best == "highest"]
        raise MaskError(f"difference={difference!r} cannot rank neurons for a concept; use one of {', '.join(allowed)}")
    if concept not in stats.group.concepts:
        raise MaskError(f"the statistics know no concept {concept!r}; they have {', '.join(stats.group.concepts)}")
    places = sorted((int(layer), int(neuron)) for layer, neuron in neurons.coordinates().tolist())
    layer, neuron = neurons.coordinates()[:0].new_tensor(places).unbind(1)
    scores = scorer.compute(stats, against)[stats.group.concepts.index(concept)][layer, neuron]
    if bool(scores.isnan().all()):
        raise MaskError(
            f"the statistics have no source with texts of {concept!r} and of {against!r}, so D is unknown; collect "
            'statistics of such texts, or choose against="others" or "rest"'
        )
    order = (
        scores.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf)
        .argsort(descending=True, stable=True)
        .tolist()
    )
    return Neurons(
        {concept: tuple(places[index] for index in order)},
        {concept: tuple(float(scores[index]) for index in order)},
        neurons.model,
        neurons.site,
    )
