"""Ways to steer what is written, each as a frozen value: neurons, random neurons, the residual stream, the prompt.

Strengths of different methods cannot be compared. What can be compared is how often the target is reached at what cost
to fluency, which is what `emorhet_lens.generation.tradeoff` measures.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.generation.residual_steering import ResidualDifferences
from emorhet_lens.masks.mask import Mask
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.row_hooks import Intervention
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.controls import scaled_to, written_lengths
from emorhet_lens.steering.induction import SHIFTS, Form, induce

WORDINGS: Mapping[str, str] = {
    "anger": "angrily",
    "disgust": "with disgust",
    "fear": "fearfully",
    "happiness": "happily",
    "sadness": "sadly",
    "surprise": "with surprise",
    "metaphor": "with metaphors",
    "hyperbole": "with wild exaggeration",
    "sarcasm": "sarcastically",
    "simile": "with similes",
}
"""How a prompt asks for a concept; `with <concept>` for others."""
LEVELS: Mapping[float, str] = {
    -1.0: "Do not write it {how}.",
    1.0: "Write it {how}.",
    2.0: "Write it {how}, as strongly as you can.",
}
"""What is put before a prompt, by strength."""


def unworded(prompt: str, concept: str, strength: float) -> str:  # noqa: ARG001 - one way of wording among others
    """The prompt as it is."""
    return prompt


@dataclass(frozen=True, eq=False)
class Method:
    """One way to steer.

    Args:
        name: What to call it.
        strengths: At which it is tried; negative ones push away.
        interventions: From concept and strength to what is put on the model; of several, prompts take turns.
        wording: From prompt, concept and strength to the prompt that is used.
        about: From concept to what tells this method from another of its name, as JSON holds it; the same on another
            device, so it says what numbers were computed from and not the numbers.
    """

    name: str
    strengths: tuple[float, ...]
    interventions: Callable[[str, float], Sequence[Intervention | None]]
    wording: Callable[[str, str, float], str] = unworded
    about: Callable[[str], Any] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        require_strengths(self.name, self.strengths)


def require_strengths(name: str, strengths: Sequence[float]) -> None:
    """Refuse strengths that no method can have.

    Args:
        name: Of the method.
        strengths: At which it would be tried.

    Raises:
        MaskError: There is none, one is given twice, is 0 or is not finite.
    """
    moving = all(math.isfinite(strength) and strength != 0 for strength in strengths)
    if not strengths or not moving or len(set(strengths)) < len(strengths):
        raise MaskError(
            f"the strengths of {name!r} have to be at least one, finite, distinct and not 0, got {tuple(strengths)}; "
            "the texts without steering are written anyway"
        )


def by_neurons(
    neurons: Neurons, stats: ActivationStats, strengths: Sequence[float], *, form: Form = "contrast"
) -> Method:
    """Steering through the neurons of the concept.

    Args:
        neurons: Sets by concept.
        stats: Of the screening texts.
        strengths: See `emorhet_lens.steering.induction.induce`.
        form: See there.
    """
    return Method(
        "neurons",
        tuple(strengths),
        lambda concept, strength: [induce(neurons, stats, strength, concept=concept, form=form)],
        about=lambda concept: {"form": form, "neurons": _places(neurons[concept]), "stats": _origin(stats)},
    )


def by_random_neurons(
    model: LensModel,
    neurons: Neurons,
    stats: ActivationStats,
    strengths: Sequence[float],
    *,
    form: Form = "contrast",
    n_random: int = 4,
    seed: int = 0,
) -> Method:
    """Steering through matched random neurons; shifts write vectors as long as those of the concept's neurons do.

    Args:
        model: The model.
        neurons: Sets by concept, with what matching needs.
        stats: Of the screening texts.
        strengths: As for `by_neurons`.
        form: As for `by_neurons`.
        n_random: Random sets a concept; prompts take turns.
        seed: Of the draws.

    Raises:
        ScreenError: The sets cannot be matched.
    """
    drawn: dict[str, tuple[Neurons, ...]] = {}

    def sets_of(concept: str) -> tuple[Neurons, ...]:
        if concept not in drawn:
            drawn[concept] = neurons[concept].matched_random(seed=seed, n=n_random).sets
        return drawn[concept]

    def interventions(concept: str, strength: float) -> list[Mask]:
        masks = [induce(one, stats, strength, concept=concept, form=form) for one in sets_of(concept)]
        if form not in SHIFTS:
            return masks
        lengths = written_lengths(model, induce(neurons, stats, strength, concept=concept, form=form))
        return [scaled_to(mask, lengths, model) for mask in masks]

    return Method(
        "random neurons",
        tuple(strengths),
        interventions,
        about=lambda concept: {
            "form": form,
            # The concept's own neurons say how long the vectors are.
            "neurons": _places(neurons[concept]),
            "sets": [_places(one[concept]) for one in sets_of(concept)],
            "stats": _origin(stats),
        },
    )


def by_residual(differences: ResidualDifferences, layers: Mapping[str, int], strengths: Sequence[float]) -> Method:
    """Steering by a mean difference of the residual stream at one layer.

    Args:
        differences: Of every concept and layer.
        layers: Concept to layer, see `emorhet_lens.generation.residual_layer.choose_layer`.
        strengths: Multiples of the difference.

    The method raises MaskError for a concept without a layer.
    """

    def layer_of(concept: str) -> int:
        if concept not in layers:
            raise MaskError(f"no layer was chosen for {concept!r}; there are layers for {', '.join(layers)}")
        return layers[concept]

    return Method(
        "residual",
        tuple(strengths),
        lambda concept, strength: [differences.shift(concept, layer_of(concept), strength)],
        about=lambda concept: {
            "layer": layer_of(concept),
            "texts": differences.texts,
            "digest": differences.digest,
        },
    )


def by_prompt(strengths: Sequence[float] = tuple(LEVELS), wordings: Mapping[str, str] = WORDINGS) -> Method:
    """Steering by asking: an instruction on a line before the prompt.

    Args:
        strengths: Of -1 (not to), 1 (to) and 2 (to, strongly).
        wordings: Concept to how, as in "Write it angrily".

    Raises:
        MaskError: A strength is none of these.
    """
    unknown = sorted(set(strengths) - set(LEVELS))
    if unknown:
        raise MaskError(f"a prompt cannot ask at the strengths {unknown}; there are {', '.join(map(str, LEVELS))}")

    def instruction(concept: str, strength: float) -> str:
        return LEVELS[strength].format(how=wordings.get(concept, f"with {concept}"))

    return Method(
        "prompt",
        tuple(float(strength) for strength in strengths),
        lambda _concept, _strength: [None],
        wording=lambda prompt, concept, strength: f"{instruction(concept, strength)}\n{prompt}",
        about=lambda concept: [instruction(concept, strength) for strength in LEVELS],
    )


def _origin(stats: ActivationStats) -> str:
    """SHA-256 of what statistics were computed from: equal for statistics that differ by rounding only."""
    how = {name: stats.options[name] for name in ("site", "tokens", "prompt", "prepend_bos")}
    texts = [corpus["sha256"] for corpus in stats.options["corpora"]]
    cells = [
        [cell.source, cell.label, cell.part, n] for cell, n in zip(stats.cells, stats.sums.tokens.tolist(), strict=True)
    ]
    return hashlib.sha256(json.dumps([how, texts, cells], sort_keys=True).encode()).hexdigest()


def _places(neurons: Neurons) -> list[list[int]]:
    places: list[list[int]] = neurons.coordinates().tolist()
    return places
