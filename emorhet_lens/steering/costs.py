"""How many texts a measurement of steering sends through the model, counted from the texts alone."""

from collections.abc import Sequence

from emorhet_lens.causal.inputs import neutral_texts
from emorhet_lens.readouts.questions import Question
from emorhet_lens.steering.induction import SHIFTS, Form
from emorhet_lens.texts.corpus import Corpus


def count_pushes(
    test: Corpus,
    questions: Sequence[Question],
    concepts: Sequence[str],
    *,
    forms: Sequence[Form],
    strengths: Sequence[int | float],
    controls: Sequence[str],
    n_random: int,
    seed: int = 0,
) -> int:
    """Texts under pushes, those of the side effects included; unsteered readings come on top.

    Args:
        test: The test texts.
        questions: What is asked about them.
        concepts: Towards what; each is taken to have neurons.
        forms: How neurons are pushed.
        strengths: How far.
        controls: Any of `"random"`, `"scaled"` and `"noise"`.
        n_random: Draws of every control.
        seed: Of the draw of neutral texts.

    Returns:
        The number of texts; one that is read under three pushes counts three times.
    """
    neutral = neutral_texts(test, seed)
    costs = 0 if neutral is None else len(neutral)
    asked = [(question, question.select(test, "test")) for question in questions]
    others = sum(
        sum(example.label != concept for example in texts)
        for concept in concepts
        for question, texts in asked
        if concept in question.labels
    )
    total = 0
    for form in forms:
        drawn = [control for control in controls if control == "random" or form in SHIFTS]
        side = (1 + len(drawn) * n_random) * costs * len(concepts)
        total += len(strengths) * ((1 + len(drawn) * n_random) * others + side)
    return total
