"""Check and complete what a measurement of steering is given."""

import math
from collections.abc import Sequence
from dataclasses import replace

from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.questions import Question
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.induction import FORMS, Form
from emorhet_lens.steering.steps import CONTROLS
from emorhet_lens.sweeps.inputs import with_texts
from emorhet_lens.texts.corpus import Corpus


def require_pushes(
    forms: Sequence[Form], strengths: Sequence[int | float], controls: Sequence[str], n_random: int
) -> None:
    """Refuse what cannot be measured, before anything runs.

    Raises:
        EffectsError: A form or control is unknown or occurs twice, a strength is 0, not finite or occurs twice, there
            is none, or there are fewer than two random sets.
    """
    if not forms or len(set(forms)) != len(forms) or not set(forms) <= set(FORMS):
        raise EffectsError(f"forms are of {', '.join(FORMS)}, each once, got {list(forms)}")
    if (
        not strengths
        or len(set(strengths)) != len(strengths)
        or not all(s != 0 and math.isfinite(s) for s in strengths)
    ):
        raise EffectsError(
            f"strengths are finite numbers other than 0, each once, got {list(strengths)}; at 0 nothing is pushed, so "
            "there is no effect to measure"
        )
    if len(set(controls)) != len(controls) or not set(controls) <= set(CONTROLS):
        raise EffectsError(f"controls are of {', '.join(CONTROLS)}, each once, got {list(controls)}")
    if controls and n_random < 2:
        raise EffectsError(f"n_random={n_random} sets cannot show how sets vary; draw at least 2 (8 by default)")


def sets_to_push(
    neurons: Neurons, corpus: Corpus, questions: Sequence[Question], concepts: Sequence[str] | None
) -> tuple[Neurons, list[str]]:
    """The sets of the concepts that are asked about.

    Args:
        neurons: All sets.
        corpus: The test texts.
        questions: What is asked.
        concepts: Those that are wanted; by default all that have neurons.

    Returns:
        The sets, and a warning for each that is left out.

    Raises:
        EffectsError: A concept is unknown or has no neurons, or none is asked about.
    """
    empty = [c for c in neurons.concepts if not neurons.sets[c]]
    needless = sorted(set(empty) & set(concepts or ()))
    if needless or len(empty) == len(neurons.concepts):
        raise EffectsError(f"there are no neurons of {', '.join(needless or empty)} to push; select more")
    wanted = [c for c in neurons.concepts if c not in empty] if concepts is None else concepts
    chosen, notes = with_texts(neurons, corpus, questions, wanted)
    notes += [f"{c}: no neurons, so nothing was pushed" for c in empty if concepts is None]
    kept = {name: {c: getattr(neurons, name)[c] for c in chosen} for name in ("sets", "scores")}
    return replace(neurons, sets=kept["sets"], scores=kept["scores"]), notes
