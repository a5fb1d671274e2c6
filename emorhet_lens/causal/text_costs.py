"""What masks cost on neutral text, text by text, so that costs of two masks can be compared in pairs.

Every text weighs the same here, a short one as much as a long one; `side_effects` weighs every token the same.
"""

from collections.abc import Sequence

from emorhet_lens.causal.neutral import Neutral
from emorhet_lens.causal.side_effects import SideEffect, changes_by_token, effect_of
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import Hooks


def text_costs(
    model: LensModel, neutral: Neutral, hooks: Sequence[Hooks], *, progress: bool = True
) -> list[list[SideEffect]]:
    """Perplexity ratio and divergence of every text under each of several masks.

    Args:
        model: The model that read the neutral texts.
        neutral: The texts.
        hooks: The masks, each as a function from a batch to hooks.
        progress: Whether to show a progress bar.

    Returns:
        One list a text with one value a mask, as `side_effects` gives for that text alone up to rounding; texts in
        which no token is predicted are left out.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    changes = changes_by_token(model, neutral, hooks, progress=progress)
    owners = neutral.owners
    own = [owners == text for text in range(len(neutral)) if bool((owners == text).any())]
    return [[effect_of(lost[tokens], apart[tokens]) for lost, apart in changes] for tokens in own]
