"""How many texts the readings of an association send through the model, counted from the texts alone."""

from collections.abc import Sequence

from emorhet_lens.association.cross_plan import cross_steps
from emorhet_lens.causal.inputs import neutral_texts
from emorhet_lens.readouts.questions import Question
from emorhet_lens.texts.corpus import Corpus


def count_cross_effects(
    test: Corpus,
    questions: Sequence[Question],
    masked: Sequence[str],
    *,
    masks: Sequence[str],
    n_random: int,
    seed: int = 0,
) -> int:
    """Texts of one group under masks of the other, those of the side effects included.

    Args:
        test: The test texts.
        questions: What is asked about them.
        masked: Concepts of the other group; each is taken to have neurons.
        masks: Names of the kinds of mask.
        n_random: Random sets a concept.
        seed: Of the draw of neutral texts.

    Returns:
        The number of texts; readings without a mask come on top.
    """
    steps = cross_steps(questions, test.group.rest, masked, masks=masks, n_random=n_random)
    asked = [question.select(test, "test") for question in questions]
    read = sum(step.only in (None, example.label) for step in steps for example in asked[step.question])
    neutral = neutral_texts(test, seed)
    return read + (0 if neutral is None else len(masks) * len(masked) * (1 + n_random) * len(neutral))
