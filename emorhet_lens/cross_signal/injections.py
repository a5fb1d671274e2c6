"""What is injected: the shift of concept neurons, and the same amounts in matched random neurons.

A random set writes vectors of the same length, layer by layer; whether a direction matters is left to the readings.
"""

import math
from collections.abc import Sequence
from typing import get_args

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.steps import OWN
from emorhet_lens.cross_signal.runs import Choice
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks import mask_kinds
from emorhet_lens.masks.mask import Mask
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.steering.controls import scaled_to, written_lengths
from emorhet_lens.steering.induction import SHIFTS, Form, induce


def require_injections(omegas: Sequence[int | float], choice: str, form: str, n_random: int) -> None:
    """Refuse what cannot be measured, before anything runs.

    Raises:
        EffectsError: A dose is 0, not finite or occurs twice, there is none, the form or choice cannot be used, or
            there are fewer than two random sets.
    """
    if not omegas or len(set(omegas)) != len(omegas) or not all(o != 0 and math.isfinite(o) for o in omegas):
        raise EffectsError(f"omegas are finite numbers other than 0, each once, got {list(omegas)}")
    if form not in SHIFTS:
        raise EffectsError(f"form={form!r} does not add to activations; it is one of {', '.join(SHIFTS)}")
    if choice not in get_args(Choice):
        raise EffectsError(f"choice={choice!r} is unknown; it is one of {', '.join(get_args(Choice))}")
    if n_random < 2:
        raise EffectsError(f"n_random={n_random} sets cannot show how sets vary; draw at least 2 (8 by default)")


def injections(
    model: LensModel, neurons: Neurons, matched: MatchedSets, stats: ActivationStats, form: Form
) -> dict[tuple[str, int], Mask]:
    """What is injected at dose 1, by concept and draw.

    Args:
        model: For how much is written.
        neurons: The concepts' sets.
        matched: Their random sets: every partner gets the amount of the neuron that it was drawn for.
        stats: Of the screening of `neurons`.
        form: See `emorhet_lens.cross_signal.enhance.plan_enhance`.

    Returns:
        The concept's own injection under draw -1, and those of the random sets.
    """
    found: dict[tuple[str, int], Mask] = {}
    for concept in neurons.concepts:
        own = induce(neurons, stats, concept=concept, form=form)
        found[concept, OWN] = own
        amounts = dict(zip(map(tuple, own.columns.tolist()), own.shift.tolist(), strict=True))
        lengths = written_lengths(model, own)
        for draw, drawn in enumerate(matched.sets):
            # Partners stand where the neurons stand that they were drawn for.
            shift = mask_kinds.shift(drawn[concept], [amounts[place] for place in neurons.sets[concept]])
            found[concept, draw] = scaled_to(shift, lengths, model)
    return found
