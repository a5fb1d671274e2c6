"""What masks cost on neutral text, text by text, so that costs of two masks can be compared in pairs.

Every text weighs the same here, a short one as much as a long one; `side_effects` weighs every token the same.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from tqdm.auto import tqdm

from emorhet_lens.causal.side_effects import SideEffect, side_effects
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import EncodedCorpus
from emorhet_lens.passes.passes import Hooks


def text_costs(
    model: LensModel, texts: EncodedCorpus, hooks: Sequence[Hooks], *, progress: bool = True
) -> list[list[SideEffect]]:
    """Perplexity ratio and divergence of every text under each of several masks.

    Args:
        model: A model of the host.
        texts: Neutral texts.
        hooks: The masks, each as a function from a batch to hooks.
        progress: Whether to show a progress bar.

    Returns:
        One list a text with one value a mask, as `side_effects` gives for that text alone; texts in which no token is
        predicted are left out.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    found = []
    pairs = list(zip(texts.corpus, texts.texts, strict=True))
    for example, text in tqdm(pairs, desc="costs", unit="text", disable=not progress):
        alone = replace(texts, corpus=replace(texts.corpus, examples=(example,)), texts=(text,))
        found.append(side_effects(model, alone, hooks, progress=False))
    return [row for row in found if all(one.tokens for one in row)]


def seconds_alone(model: LensModel, texts: EncodedCorpus) -> float:
    """What one text takes by itself without a mask; the second time, since a first pass can take longer."""
    one = replace(texts, corpus=replace(texts.corpus, examples=texts.corpus.examples[:1]), texts=texts.texts[:1])
    side_effects(model, one, [], progress=False)
    started = time.monotonic()
    side_effects(model, one, [], progress=False)
    return time.monotonic() - started
