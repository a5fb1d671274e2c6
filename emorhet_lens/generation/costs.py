"""What trade-off curves send through the model, counted from texts and options alone."""

from collections.abc import Sequence

from emorhet_lens.generation.tradeoff_methods import LEVELS
from emorhet_lens.texts.corpus import Corpus


def count_writing(
    n_concepts: int,
    n_prompts: int,
    *,
    strengths: Sequence[float],
    residual_strengths: Sequence[float],
    max_new_tokens: int,
) -> int:
    """Passes that writing takes, one a token and text, and the reading of every text without steering.

    Args:
        n_concepts: Targets.
        n_prompts: Prompts.
        strengths: Of neurons, and of random neurons.
        residual_strengths: Of the residual stream.
        max_new_tokens: Length at which writing ends.

    Returns:
        At most so many; texts that end early take fewer.
    """
    conditions = 1 + n_concepts * (2 * len(strengths) + len(residual_strengths) + len(LEVELS))
    return conditions * n_prompts * (max_new_tokens + 1)


def count_layer_choice(concepts: Sequence[str], dev: Corpus) -> int:
    """Texts that choosing layers reads without a shift; it reads them again with the shift of every layer.

    Args:
        concepts: The targets.
        dev: The development texts.
    """
    counts = dev.counts()
    return sum(counts[concept] + counts[dev.group.rest] for concept in concepts)
