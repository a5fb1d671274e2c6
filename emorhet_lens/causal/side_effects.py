"""What a mask costs on text that has nothing to do with its concept: perplexity and divergence of predictions.

Both are means over the tokens of some neutral texts; they say nothing about texts of another kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.models.hosts import LensModel, NamedHook, output_weights, require_evaluation
from emorhet_lens.passes.batches import Batch, EncodedCorpus, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.passes import Hooks
from emorhet_lens.passes.residual import require_numbers

# Logits of all positions are held for a batch, twice; vocabularies are large.
_TEXTS_A_BATCH = 8


@dataclass(frozen=True)
class SideEffect:
    """What a mask does to the prediction of neutral text.

    Args:
        ppl_ratio: Perplexity under the mask over that without; 1 is no change.
        kl: Mean Kullback-Leibler divergence of the next-token distributions, from unmasked to masked, in nats a token.
        tokens: Number of predicted tokens.
    """

    ppl_ratio: float
    kl: float
    tokens: int


def side_effects(
    model: LensModel, texts: EncodedCorpus, hooks: Sequence[Hooks], *, progress: bool = True
) -> list[SideEffect]:
    """Perplexity ratio and divergence under each of several masks; the unmasked pass is made once a batch.

    Args:
        model: A model of the host.
        texts: Neutral texts; the tokens that `keep` marks are predicted.
        hooks: The masks, each as a function from a batch to hooks.
        progress: Whether to show a progress bar.

    Returns:
        One value a mask; NaN where no token has another one before it.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    require_evaluation(model)
    device = output_weights(model, 0).device
    plan = plan_batches(texts.corpus, texts.texts, batch_size=_TEXTS_A_BATCH, device=device.type)
    loss = torch.zeros(len(hooks), dtype=torch.float64)
    divergence, tokens = torch.zeros_like(loss), 0
    bar = tqdm(desc="side effects", unit="pass", disable=not progress, total=len(plan) * (1 + len(hooks)))
    with bar:
        for examples in plan:
            batch = pad_batch(texts.texts, examples, pad_id=padding_id(model), side="right", device=device)
            counted = batch.keep[:, 1:] & batch.attention_mask[:, :-1].bool()
            targets = rearrange(batch.tokens[:, 1:][counted], "token -> token 1")
            base = _log_probs(model, batch, counted, [])
            bar.update()
            for index, of in enumerate(hooks):
                masked = _log_probs(model, batch, counted, of(batch))
                loss[index] += (base - masked).gather(1, targets).double().sum().cpu()
                divergence[index] += (base.exp() * (base - masked)).double().sum().cpu()
                bar.update()
            tokens += int(counted.sum())
    ratios, kls = (loss / tokens).exp(), divergence / tokens
    return [SideEffect(float(ratio), float(kl), tokens) for ratio, kl in zip(ratios, kls, strict=True)]


def _log_probs(
    model: LensModel, batch: Batch, counted: Bool[Tensor, "batch next"], hooks: list[NamedHook]
) -> Float[Tensor, "token vocab"]:
    with torch.no_grad(), model.hooks(fwd_hooks=hooks):
        logits = model(batch.tokens, attention_mask=batch.attention_mask)
    chosen = logits[:, :-1][counted]
    require_numbers(chosen, model)
    log_probs: Float[Tensor, "token vocab"] = chosen.float().log_softmax(-1)
    return log_probs
