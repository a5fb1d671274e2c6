"""Neutral texts and what the model makes of them without a mask: read once, compared with under every mask.

Kept is the residual before the unembedding: the distributions over the vocabulary would fill the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emorhet_lens.models.hosts import LensModel, NamedHook, output_weights, require_evaluation
from emorhet_lens.passes.batches import Batch, EncodedCorpus, encode_corpus, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.passes.residual import final_residual, require_numbers, shortcut_holds, unembed
from emorhet_lens.texts.corpus import Corpus

# Where logits of all positions are held for a batch; vocabularies are large.
_TEXTS_A_BATCH = 8


@dataclass(frozen=True, eq=False)
class Neutral:
    """Neutral texts in batches, as a model without a mask reads them.

    A row is what a pass leaves for a token that is predicted: the final residual before it, or, where the host does not
    unembed that apart from the pass, its logits.

    Args:
        texts: The texts; the tokens that `keep` marks are predicted.
        batches: Their batches.
        residuals: By batch, the rows of the pass without a mask; nothing where rows are logits.
    """

    texts: EncodedCorpus
    batches: tuple[Batch, ...]
    residuals: tuple[Float[Tensor, "_ model"], ...] | None

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.texts.texts)

    @property
    def owners(self) -> Int[Tensor, " token"]:
        """Of which text each predicted token is, batch by batch."""
        rows = [torch.tensor(batch.examples)[predicted(batch).cpu().nonzero()[:, 0]] for batch in self.batches]
        return torch.cat(rows)

    def unmasked(self, model: LensModel, index: int) -> Float[Tensor, "token width"]:
        """The rows of a batch without a mask."""
        return self.masked(model, index, []) if self.residuals is None else self.residuals[index]

    def masked(self, model: LensModel, index: int, hooks: Sequence[NamedHook]) -> Float[Tensor, "token width"]:
        """The rows of a batch under hooks."""
        batch = self.batches[index]
        with torch.no_grad(), model.hooks(fwd_hooks=list(hooks)):
            if self.residuals is not None:
                return _residual(model, batch)
            logits: Float[Tensor, "batch pos vocab"] = model(batch.tokens, attention_mask=batch.attention_mask)
        return logits[:, :-1][predicted(batch)]

    def log_probs(self, model: LensModel, rows: Float[Tensor, "token width"]) -> Float[Tensor, "token vocab"]:
        """What rows say of the next token, in nats and float32.

        Raises:
            ModelError: A logit is NaN.
        """
        logits = rows
        if self.residuals is not None:
            with torch.no_grad():
                logits = unembed(model, rearrange(rows, "token model -> 1 token model"))[0]
        require_numbers(logits, model)
        return logits.float().log_softmax(-1)


def predicted(batch: Batch) -> Bool[Tensor, "batch next"]:
    """Which positions predict a token that is counted."""
    return batch.keep[:, 1:] & batch.attention_mask[:, :-1].bool()


def targets(batch: Batch) -> Int[Tensor, " token"]:
    """The tokens that are predicted."""
    return batch.tokens[:, 1:][predicted(batch)]


def encode_neutral(model: LensModel, corpus: Corpus) -> EncodedCorpus:
    """The texts as they are, without a template.

    Raises:
        CorpusError: A text is too long, or has no token.
    """
    return encode_corpus(model, corpus, prompt=Prompt(), tokens="text")


def read_neutral(model: LensModel, texts: EncodedCorpus) -> Neutral:
    """Run neutral texts without a mask.

    Args:
        model: A model of the host, without hooks.
        texts: The texts.

    Returns:
        What masks are compared with.

    Raises:
        ModelError: Dropout is switched on, or the model answers with NaN.
    """
    require_evaluation(model)
    device = output_weights(model, 0).device
    pad_id = padding_id(model)

    def batches(batch_size: BatchSize) -> tuple[Batch, ...]:
        plan = plan_batches(texts.corpus, texts.texts, batch_size=batch_size, device=device.type)
        return tuple(pad_batch(texts.texts, one, pad_id=pad_id, side="right", device=device) for one in plan)

    few = batches(_TEXTS_A_BATCH)
    # The shortest texts are last.
    if not shortcut_holds(model, few[-1]):
        return Neutral(texts, few, None)
    made = batches("auto")
    return Neutral(texts, made, tuple(_residual(model, batch) for batch in made))


def _residual(model: LensModel, batch: Batch) -> Float[Tensor, "token model"]:
    return final_residual(model, batch)[:, :-1][predicted(batch)]
