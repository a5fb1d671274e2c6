"""How well a text reads, in three crude numbers: the model's own surprise, repetition, and variety of words.

A low perplexity does not make a text good: one that says the same again and again is easily predicted. So repetition
and variety belong beside it. All three say nothing about sense or truth.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.models.hosts import LensModel, NamedHook, output_weights, require_evaluation
from emorhet_lens.passes.batches import Encoded, pad_batch, padding_id
from emorhet_lens.passes.decoding import plan_rows
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.residual import require_numbers


@dataclass(frozen=True)
class Fluency:
    """How one text reads.

    Args:
        nats: Mean surprise of the model without hooks at the text's tokens after its prompt, in nats a token; NaN for
            an empty text.
        repetition: Share of its runs of four words that have been there before; 0 where there is none.
        distinct_1: Different words over words, NaN for an empty text.
        distinct_2: Different pairs of words over pairs, NaN where there is none.
        words: Number of words and punctuation marks.
    """

    nats: float
    repetition: float
    distinct_1: float
    distinct_2: float
    words: int

    @property
    def perplexity(self) -> float:
        """exp(nats)."""
        return float(torch.tensor(self.nats, dtype=torch.float64).exp())


def fluency(
    model: LensModel,
    texts: Sequence[str],
    tokens: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> tuple[Fluency, ...]:
    """Measure texts that were written after prompts.

    Args:
        model: The model without hooks.
        texts: The texts as words.
        tokens: For every text the tokens of its prompt, at least one, and its own.
        batch_size: Texts a batch.
        progress: Whether to show a progress bar.

    Returns:
        One value a text.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    surprises = surprise(model, tokens, batch_size=batch_size, progress=progress).tolist()
    return tuple(
        Fluency(nats, repetition(text), distinct([text], 1), distinct([text], 2), len(words_in(text)))
        for nats, text in zip(surprises, texts, strict=True)
    )


def surprise(
    model: LensModel,
    tokens: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    hooks: Sequence[NamedHook] = (),
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> Float[Tensor, " example"]:
    """Mean negative log-probability of each text's tokens after its prompt.

    Args:
        model: A model of the host.
        tokens: For every text the tokens of its prompt, at least one, and its own.
        hooks: On the model while it reads.
        batch_size: Texts a batch.
        progress: Whether to show a progress bar.

    Returns:
        Nats a token, NaN for an empty text.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    require_evaluation(model)
    device = output_weights(model, 0).device
    encoded = [Encoded((*before, *own), (*[False] * len(before), *[True] * len(own))) for before, own in tokens]
    nats = torch.full((len(encoded),), torch.nan, dtype=torch.float64)
    plan = plan_rows([len(one.ids) for one in encoded], batch_size, device.type)
    for examples in tqdm(plan, desc="surprise", unit="batch", disable=not progress):
        batch = pad_batch(encoded, examples, pad_id=padding_id(model), side="right", device=device)
        with torch.no_grad(), model.hooks(fwd_hooks=list(hooks)):
            logits = model(batch.tokens, attention_mask=batch.attention_mask)
        counted = batch.keep[:, 1:]
        rows = counted.nonzero()[:, 0]
        chosen = logits[:, :-1][counted].float()
        require_numbers(chosen, model)
        targets = rearrange(batch.tokens[:, 1:][counted], "token -> token 1")
        found = -chosen.log_softmax(-1).gather(1, targets)[:, 0].double()
        total = torch.zeros(len(examples), dtype=torch.float64, device=device).index_add(0, rows, found)
        nats[list(examples)] = (total / counted.sum(1)).cpu()
    return nats


def words_in(text: str) -> list[str]:
    """Words and punctuation marks in lower case.

    >>> words_in("No, no!")
    ['no', ',', 'no', '!']
    """
    return re.findall(r"\w+|[^\w\s]", text.lower())


def repetition(text: str, n: int = 4) -> float:
    """Share of the runs of `n` words that have been there before; 0 for a text of fewer words.

    >>> repetition("a b c a b c a b c", n=3)
    0.5714285714285714
    """
    runs = _runs(text, n)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def distinct(texts: Sequence[str], n: int) -> float:
    """Different runs of `n` words over all runs, in all texts together; NaN where there is none.

    >>> distinct(["the dog", "the cat"], 1)
    0.75
    """
    runs = [run for text in texts for run in _runs(text, n)]
    return len(set(runs)) / len(runs) if runs else float("nan")


def _runs(text: str, n: int) -> list[tuple[str, ...]]:
    words = words_in(text)
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
