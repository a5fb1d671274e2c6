"""Write the texts of several conditions in common batches, and read how surprising they are."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from emorhet_lens.errors import ModelError
from emorhet_lens.generation.fluency import surprise
from emorhet_lens.generation.generate import encode_prompts, generate
from emorhet_lens.generation.tradeoff_methods import Method
from emorhet_lens.generation.tradeoff_store import Condition, Written
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt


def write_conditions(
    model: LensModel,
    conditions: Sequence[Condition],
    methods: Mapping[str, Method],
    prompts: Sequence[str],
    *,
    template: Prompt,
    batch_size: BatchSize = "auto",
    progress: bool = False,
    **writing: Any,
) -> dict[Condition, Written]:
    """Write a text after every prompt under every condition.

    Args:
        model: A model of the host.
        conditions: What is tried; those of no method are written without steering.
        methods: By name.
        prompts: The prompts.
        template: What stands around them.
        batch_size: Texts a batch, of writing and of reading.
        progress: Whether to show a progress bar.
        **writing: Further arguments of `emorhet_lens.generation.generate.generate`.

    Returns:
        The texts by condition.

    Raises:
        ModelError: The model answers with NaN or infinity; the message names the condition.
    """
    started, n = time.monotonic(), len(prompts)
    writing |= {"template": template, "batch_size": batch_size, "progress": progress}
    worded: list[str] = []
    masks: list[Any] = []
    for c in conditions:
        method = methods.get(c.method)
        put = [None] if method is None else list(method.interventions(c.concept, c.strength))
        masks += [put[index % len(put)] for index in range(n)]
        worded += [p if method is None else method.wording(p, c.concept, c.strength) for p in prompts]
    try:
        texts = generate(model, worded, masks=masks, **writing)
    except ModelError as cause:
        if len(conditions) == 1:
            (c,) = conditions
            raise ModelError(f"{c.concept or 'no concept'}, {c.method} at strength {c.strength:g}: {cause}") from cause
        # One by one, to name the condition at which the text breaks.
        alone = [write_conditions(model, [c], methods, prompts, **writing) for c in conditions]
        return {c: written for one in alone for c, written in one.items()}
    # After the plain prompt for all methods: after its own words an obedient text would surprise least.
    plain = encode_prompts(model, prompts, template)
    tokens = [(plain[index % n].ids, text.ids) for index, text in enumerate(texts)]
    nats = surprise(model, tokens, batch_size=batch_size, progress=False).tolist()
    seconds = (time.monotonic() - started) / len(conditions)
    return {
        c: Written(texts[k * n : (k + 1) * n], tuple(nats[k * n : (k + 1) * n]), seconds)
        for k, c in enumerate(conditions)
    }
