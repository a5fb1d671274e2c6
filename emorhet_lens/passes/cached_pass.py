"""A pass over the newest tokens only, with the keys and values of those before them kept: the same on every host."""

import inspect
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.models.hosts import LensModel


def cached_pass(
    model: LensModel, tokens: Int[Tensor, "batch new"], attention_mask: Int[Tensor, "batch pos"], cache: Any = None
) -> tuple[Float[Tensor, "batch new vocab"], Any]:
    """Run tokens that follow what a cache holds.

    Args:
        model: A model of the host; hooks on it see the new positions only.
        tokens: The tokens that follow.
        attention_mask: Of all positions so far, the new ones last: 0 at padding. Positions are counted by it, so that
            padding on the left shifts nothing.
        cache: What the pass before gave, or nothing at the beginning. It may grow in place: it goes with one text.

    Returns:
        The logits of the new positions, and the cache for the next pass.
    """
    with torch.no_grad():
        if _keeps_own_cache(model):
            from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

            if cache is None:
                cache = TransformerLensKeyValueCache.init_cache(model.cfg, tokens.device, len(tokens))
            # This host appends to the mask that it keeps with the cache.
            newest = attention_mask[:, -tokens.shape[1] :]
            return model(tokens, attention_mask=newest, past_kv_cache=cache), cache
        options: dict[str, Any] = {} if cache is None else {"past_key_values": cache}
        logits, cache = model(
            tokens, attention_mask=attention_mask, use_cache=True, return_type="logits_and_cache", **options
        )
        return logits, cache


def _keeps_own_cache(model: Any) -> bool:
    """Whether this is a `HookedTransformer`, whose cache is the host's own and not that of transformers."""
    return "past_kv_cache" in inspect.signature(model.forward).parameters
