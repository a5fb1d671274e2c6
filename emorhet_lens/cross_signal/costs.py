"""How many texts a measurement of injections sends through the model, counted from the texts alone."""

from collections.abc import Sequence

from emorhet_lens.readouts.questions import Question
from emorhet_lens.texts.corpus import Corpus


def count_injections(
    dev: Corpus,
    test: Corpus,
    questions: Sequence[Question],
    injected: Sequence[str],
    *,
    n_omegas: int,
    n_random: int,
    seed: int = 0,
) -> int:
    """Texts under injections: half of the development texts at every dose, the test texts at the chosen one.

    Args:
        dev: The development texts.
        test: The test texts.
        questions: What is asked about them.
        injected: Whose signal is injected; each is taken to have neurons.
        n_omegas: Number of doses to choose from.
        n_random: Random sets a concept.
        seed: Of the halves.

    Returns:
        The number of texts; readings without an injection come on top.
    """
    loop = dev.split({"loop": 0.5, "calibrate": 0.5}, seed=seed)["loop"]
    chosen = sum(len(question.select(loop, "development")) for question in questions)
    read = sum(len(question.select(test, "test")) for question in questions)
    return len(injected) * (1 + n_random) * (n_omegas * chosen + read)
