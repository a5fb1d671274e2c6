"""Which masks a measurement of steering is made of, decided before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.masks.mask import Mask
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.steering.controls import noise_like, scaled_to, written_lengths
from emorhet_lens.steering.induction import SHIFTS, Form, induce

Control = Literal["random", "scaled", "noise"]
CONTROLS: tuple[Control, ...] = get_args(Control)
TESTED: tuple[Control, ...] = ("random", "scaled")
"""What a concept's own neurons have to exceed in the primary family."""
PRIMARY_FORM: Form = "contrast"
PRIMARY_STRENGTH = 1.0


@dataclass(frozen=True, order=True)
class Push:
    """One mask.

    Args:
        form: How neurons are pushed, see `emorhet_lens.steering.induction.induce`.
        strength: How far.
        concept: Towards what.
        control: `"own"` for the concept's own neurons; `"random"` for a matched random set under the same form with
            its own means; `"scaled"` for that set writing as much as the concept's own; `"noise"`.
        draw: Which of the random sets or noises; -1 for the concept's own neurons.
    """

    form: Form
    strength: float
    concept: str
    control: Literal["own", "random", "scaled", "noise"] = "own"
    draw: int = OWN

    @property
    def kind(self) -> str:
        """Form, strength and control, for files."""
        return f"{self.control}-{self.form}-{self.strength!r}".replace(".", "_").replace("+", "")

    @property
    def primary(self) -> bool:
        """Whether the primary family needs it."""
        return self.form == PRIMARY_FORM and self.strength == PRIMARY_STRENGTH and self.control in ("own", *TESTED)

    def step(self, question: int) -> Step:
        """One question read under this mask, as files name it."""
        return Step(self.kind, self.concept, self.draw, question)


def make_pushes(
    model: LensModel,
    neurons: Neurons,
    matched: MatchedSets | None,
    stats: ActivationStats,
    *,
    forms: Sequence[Form],
    strengths: Sequence[int | float],
    controls: Sequence[str],
    n_random: int,
    seed: int,
) -> dict[Push, Mask]:
    """All masks, those of the primary family first.

    Args:
        model: For how much a shift writes.
        neurons: The concepts' sets.
        matched: Their random sets; not needed without the controls `"random"` and `"scaled"`.
        stats: Of the screening.
        forms: See `Push`; the controls `"scaled"` and `"noise"` go with the forms that shift.
        strengths: See `Push`.
        controls: Any of `"random"`, `"scaled"` and `"noise"`.
        n_random: Draws of each.
        seed: Of the noise.

    Returns:
        The masks, with the errors of `induce` and `noise_like`.
    """
    found: dict[Push, Mask] = {}
    for concept in neurons.concepts:
        for form in forms:
            for strength in map(float, strengths):
                own = induce(neurons, stats, strength, concept=concept, form=form)
                found[Push(form, strength, concept)] = own
                lengths = written_lengths(model, own)
                for draw in range(n_random if controls else 0):
                    if matched is not None:
                        random = induce(matched.sets[draw], stats, strength, concept=concept, form=form)
                        if "random" in controls:
                            found[Push(form, strength, concept, "random", draw)] = random
                        if "scaled" in controls and form in SHIFTS:
                            found[Push(form, strength, concept, "scaled", draw)] = scaled_to(random, lengths, model)
                    if "noise" in controls and form in SHIFTS:
                        # One direction at all strengths of one sign, so that noise has a dose, too.
                        words = (concept, str(draw), "towards" if strength > 0 else "away")
                        noise = noise_like(own, neurons, model, seed=seed, words=words)
                        found[Push(form, strength, concept, "noise", draw)] = noise
    return dict(sorted(found.items(), key=lambda item: not item[0].primary))
