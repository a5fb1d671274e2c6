"""What a mask costs on text that has nothing to do with its concept: perplexity and divergence of predictions.

Both are means over the tokens of some neutral texts; they say nothing about texts of another kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.causal.neutral import Neutral, targets
from emorhet_lens.models.hosts import LensModel, require_evaluation
from emorhet_lens.passes.passes import Hooks

# Tokens whose distributions over the vocabulary are held at a time.
_TOKENS = 256


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
    model: LensModel, neutral: Neutral, hooks: Sequence[Hooks], *, progress: bool = True
) -> list[SideEffect]:
    """Perplexity ratio and divergence under each of several masks.

    Args:
        model: The model that read the neutral texts.
        neutral: See `emorhet_lens.causal.neutral.read_neutral`.
        hooks: The masks, each as a function from a batch to hooks; they act in the blocks, not after them.
        progress: Whether to show a progress bar.

    Returns:
        One value a mask; NaN where no token has another one before it.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    return [effect_of(lost, apart) for lost, apart in changes_by_token(model, neutral, hooks, progress=progress)]


def effect_of(lost: Float[Tensor, " token"], apart: Float[Tensor, " token"]) -> SideEffect:
    """The means over some tokens.

    Args:
        lost: How much log-probability each loses, nats.
        apart: The divergence before each, nats.
    """
    return SideEffect(float(lost.mean().exp()), float(apart.mean()), len(lost))


def changes_by_token(
    model: LensModel, neutral: Neutral, hooks: Sequence[Hooks], *, progress: bool = True
) -> list[tuple[Float[Tensor, " token"], Float[Tensor, " token"]]]:
    """What each of several masks does to the prediction of every token.

    Args:
        model: See `side_effects`, for this and the others.
        neutral: See model.
        hooks: See model.
        progress: See model.

    Returns:
        One pair a mask, in the order of `Neutral.owners`: lost log-probability and divergence, nats, float64. The
        errors are those of `side_effects`.
    """
    require_evaluation(model)
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in hooks]
    # Rows that are residuals are small, and one unembedding without a mask serves all masks; logits are large.
    numbers = range(len(hooks))
    groups = [list(numbers)] if neutral.residuals is not None else [[number] for number in numbers]
    total = len(neutral.batches) * len(hooks)
    with tqdm(desc="side effects", unit="pass", disable=not progress, total=total) as bar:
        for index, batch in enumerate(neutral.batches):
            asked, plain = targets(batch), neutral.unmasked(model, index)
            for group in groups:
                masked = [neutral.masked(model, index, hooks[number](batch)) for number in group]
                for start in range(0, len(asked), _TOKENS):
                    here = slice(start, start + _TOKENS)
                    base = neutral.log_probs(model, plain[here])
                    share = base.exp()
                    for number, rows in zip(group, masked, strict=True):
                        after = neutral.log_probs(model, rows[here])
                        found[number].append(_changes(base, share, after, asked[here]))
                bar.update(len(group))
    return [(_joined([lost for lost, _ in one]), _joined([apart for _, apart in one])) for one in found]


def _joined(parts: list[Float[Tensor, " _"]]) -> Float[Tensor, " token"]:
    return torch.cat(parts).cpu().double() if parts else torch.empty(0, dtype=torch.float64)


def _changes(
    base: Float[Tensor, "token vocab"],
    share: Float[Tensor, "token vocab"],
    masked: Float[Tensor, "token vocab"],
    asked: Int[Tensor, " token"],
) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
    """By token, how much log-probability it loses under a mask, and how far the distribution moves.

    Args:
        base: Log-probabilities without the mask.
        share: The same as probabilities.
        masked: Log-probabilities under the mask.
        asked: The tokens that came next.
    """
    change = base - masked
    return change.gather(1, asked[:, None])[:, 0], torch.linalg.vecdot(share, change)
