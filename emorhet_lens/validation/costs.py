"""How many texts a measurement sends through the model, counted from the texts alone: no model, no neurons.

What is counted here is what `emorhet_lens.causal.runs` and the feedback loops will do, if every concept gets neurons;
minutes come from the time that texts take on the machine, measured where the model is.
"""

from collections.abc import Sequence

from emorhet_lens.causal.inputs import neutral_texts
from emorhet_lens.causal.steps import plan_steps
from emorhet_lens.readouts.questions import Question
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.dev_readings import LOOP_TEXTS, NEUTRAL_TEXTS
from emorhet_lens.tuning.dose_search import Budget, DoseSearch


def count_readings(
    test: Corpus,
    questions: Sequence[Question],
    concepts: Sequence[str],
    *,
    masks: Sequence[str],
    controls: Sequence[str],
    n_random: int,
    seed: int = 0,
) -> int:
    """Texts under masks, those of the side effects included.

    Args:
        test: The test texts.
        questions: What is asked about them.
        concepts: Whose neurons are masked.
        masks: Names of the kinds of mask.
        controls: Any of `"random"` and `"other"`.
        n_random: Random sets a concept.
        seed: Of the draw of neutral texts.

    Returns:
        The number of texts; one that is read under three masks counts three times.

    Raises:
        EffectsError: A control is unknown, or there are fewer than two random sets.
    """
    steps = plan_steps(questions, concepts, masks=masks, controls=controls, n_random=n_random)
    asked = [question.select(test, "test") for question in questions]
    read = sum(step.only in (None, example.label) for step in steps for example in asked[step.question])
    neutral = neutral_texts(test, seed)
    if neutral is None:
        return read
    sets = 1 + (n_random if "random" in controls else 0)
    return read + len(masks) * len(concepts) * sets * len(neutral)


def count_loops(dev: Corpus, concepts: Sequence[str], *, n_random: int, others: bool, seed: int = 0) -> int:
    """The most texts that the feedback loops of adaptive masks read; loops that end early need fewer.

    Args:
        dev: The development texts of a validation, of which half go into the loops.
        concepts: Whose sets are tuned.
        n_random: Random sets a concept.
        others: Whether the other concepts' sets are tuned against each concept.
        seed: Of the halves and draws.
    """
    loop = dev.split({"loop": 0.5, "lessons": 0.5}, seed=seed)["loop"]
    neutral = neutral_texts(loop, seed, NEUTRAL_TEXTS)
    counts = loop.counts()
    sets = 1 + n_random + (len(concepts) - 1 if others else 0)
    steps = DoseSearch(0.0, Budget()).steps
    side = 0 if neutral is None else len(neutral)
    return sum(sets * steps * (min(LOOP_TEXTS, counts[concept]) + side) for concept in concepts)
