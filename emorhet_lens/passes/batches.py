"""From texts to padded batches: tokens, attention mask, and the mask of the positions that are counted.

The batch plan is recorded with every result: the same plan gives the same bytes, and another plan changes results
by rounding only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from emorhet_lens.errors import CorpusError, ModelError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

Tokens = Literal["last", "text", "all"]
PaddingSide = Literal["right", "left"]
TOKENS: tuple[Tokens, ...] = ("last", "text", "all")
LongTexts = Literal["error", "skip"]
LONG_TEXTS: tuple[LongTexts, ...] = ("error", "skip")
SIDES: tuple[PaddingSide, ...] = ("right", "left")
_AUTO_TOKENS = {"cpu": 2048, "cuda": 16384}


@dataclass(frozen=True)
class Encoded:
    """One text as the model reads it.

    Args:
        ids: Token ids, special tokens and template included.
        keep: Which of them are counted.
        written: How many of the last ones follow the prompt, as the tokens of an answer word do.
    """

    ids: tuple[int, ...]
    keep: tuple[bool, ...]
    written: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """Some texts, padded to one length.

    Args:
        tokens: Token ids.
        attention_mask: 1 where there is a token, 0 where there is padding.
        keep: Which positions are counted; never padding.
        prompt_length: Positions of every row up to the end of its prompt, padding before it included.
        examples: Their indices in the corpus.
    """

    tokens: Int[Tensor, "batch pos"]
    attention_mask: Int[Tensor, "batch pos"]
    keep: Bool[Tensor, "batch pos"]
    prompt_length: Int[Tensor, " batch"]
    examples: tuple[int, ...]


def encode(example: Example, model: LensModel, *, prompt: Prompt, tokens: Tokens, prepend_bos: bool) -> Encoded:
    """Tokenise one text inside its prompt and mark the tokens that are counted.

    Args:
        example: The text.
        model: Gives the tokenizer.
        prompt: The template around it.
        tokens: `"last"` counts the position where the answer would be written, `"text"` the text's own tokens
            (no BOS, template or special tokens), `"all"` every token that is not padding.
        prepend_bos: Whether a BOS token goes first where the rendered prompt does not begin with one.

    Returns:
        The tokens and the mask.

    Raises:
        CorpusError: The text has no token that would be counted.
        ModelError: The tokenizer gives no character offsets.
    """
    tokenizer: Any = model.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError("the model's tokenizer gives no character offsets; load a fast tokenizer")
    before, text, after = prompt.render(example, tokenizer)
    whole = before + text + after
    encoding = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids: list[int] = list(encoding["input_ids"])
    start, end = len(before), len(before) + len(text)
    # A word that the vocabulary does not hold is still the text's, unless the tokenizer has one id for everything.
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    special |= {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    spans = zip(ids, encoding["offset_mapping"], strict=True)
    own = [a < end and b > start and i not in special for i, (a, b) in spans]
    bos = tokenizer.bos_token_id
    if prepend_bos and bos is not None and (not ids or ids[0] != bos):
        ids, own = [bos, *ids], [False, *own]
    keep = {"last": [False] * (len(ids) - 1) + [True], "text": own, "all": [True] * len(ids)}[tokens] if ids else []
    if not any(keep):
        raise CorpusError(f'{example.key} has no token to count under tokens="{tokens}"; leave it out')
    return Encoded(tuple(ids), tuple(keep))


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus as the model reads it.

    Args:
        corpus: The texts that fit into the context.
        texts: Their tokens, in the same order.
        skipped: Keys of the texts that were left out as too long.
        prepend_bos: Whether a BOS token went first.
    """

    corpus: Corpus
    texts: tuple[Encoded, ...]
    skipped: tuple[str, ...]
    prepend_bos: bool


def encode_corpus(
    model: LensModel,
    corpus: Corpus,
    *,
    prompt: Prompt,
    tokens: Tokens,
    prepend_bos: bool | None = None,
    long_texts: LongTexts = "error",
) -> EncodedCorpus:
    """Tokenise everything before the first pass, so that a bad text fails before anything was computed.

    Args:
        model: Gives tokenizer and context length.
        corpus: The texts.
        prompt: The template around them.
        tokens: Which tokens are counted, see `encode`.
        prepend_bos: Whether a BOS token goes first; as the host's configuration says by default.
        long_texts: Whether a text longer than the context is an error or is left out and listed.

    Returns:
        The tokens.

    Raises:
        CorpusError: A text is too long or has no token that would be counted, or `long_texts` is unknown.
        ModelError: The tokenizer gives no character offsets.
    """
    if long_texts not in LONG_TEXTS:
        raise CorpusError(f"long_texts={long_texts!r} is unknown; it is one of {', '.join(LONG_TEXTS)}")
    bos = bool(getattr(model.cfg, "default_prepend_bos", True)) if prepend_bos is None else prepend_bos
    texts: list[Encoded] = []
    skipped: list[str] = []
    # Tokenizers make every id anew; one object for equal ids takes a third of the memory.
    same: dict[int, int] = {}
    for example in corpus:
        one = encode(example, model, prompt=prompt, tokens=tokens, prepend_bos=bos)
        one = replace(one, ids=tuple(same.setdefault(i, i) for i in one.ids))
        if len(one.ids) <= model.cfg.n_ctx:
            texts.append(one)
        elif long_texts == "skip":
            skipped.append(example.key)
        else:
            raise CorpusError(
                f"{example.key} is {len(one.ids)} tokens long with its prompt, the context holds {model.cfg.n_ctx}; "
                'shorten it or leave it out (where the function has the option, long_texts="skip" does)'
            )
    left_out = set(skipped)
    kept = corpus.where(lambda example: example.key not in left_out) if skipped else corpus
    return EncodedCorpus(kept, tuple(texts), tuple(skipped), bos)


def plan_batches(
    corpus: Corpus, encoded: Sequence[Encoded], *, batch_size: int | Literal["auto"], device: str
) -> tuple[tuple[int, ...], ...]:
    """Group texts of like length, the longest first, so that padding is small and too large a batch fails early.

    Args:
        corpus: The texts; keys break ties, so that the order of the corpus does not matter.
        encoded: Their tokens, in the order of the corpus.
        batch_size: Texts a batch, or `"auto"` for a fixed number of padded tokens a batch.
        device: Type of the device; a GPU gets more tokens a batch.

    Returns:
        Example indices, one tuple a batch.

    Raises:
        CorpusError: The batch size is not a positive number.
    """
    if batch_size != "auto" and not (isinstance(batch_size, int) and batch_size >= 1):
        raise CorpusError(f'batch_size={batch_size!r} has to be a whole number of at least 1, or "auto"')
    order = sorted(range(len(encoded)), key=lambda i: (-len(encoded[i].ids), corpus.examples[i].key))
    batches: list[tuple[int, ...]] = []
    start = 0
    while start < len(order):
        longest = len(encoded[order[start]].ids)
        size = max(1, _AUTO_TOKENS.get(device, 4096) // longest) if batch_size == "auto" else batch_size
        batches.append(tuple(order[start : start + size]))
        start += size
    return tuple(batches)


def padding_id(model: LensModel) -> int:
    """A token id to pad with: the tokenizer's own, else its EOS, else 0; padding is never attended to nor counted."""
    tokenizer: Any = model.tokenizer
    return next((int(token) for token in (tokenizer.pad_token_id, tokenizer.eos_token_id) if token is not None), 0)


def pad_batch(
    encoded: Sequence[Encoded], examples: tuple[int, ...], *, pad_id: int, side: PaddingSide, device: torch.device
) -> Batch:
    """Pad some texts to the length of the longest.

    Args:
        encoded: Tokens of the whole corpus.
        examples: Which of them.
        pad_id: Token id to fill up with; its positions are neither attended to nor counted.
        side: Where the padding goes.
        device: Where the tensors go.

    Returns:
        The batch.

    Raises:
        CorpusError: The side is unknown.
    """
    if side not in SIDES:
        raise CorpusError(f"padding_side={side!r} is unknown; it is one of {', '.join(SIDES)}")
    width = max(len(encoded[i].ids) for i in examples)
    tokens = torch.full((len(examples), width), pad_id)
    attention = torch.zeros_like(tokens)
    keep = torch.zeros_like(tokens, dtype=torch.bool)
    ends = []
    for row, index in enumerate(examples):
        length = len(encoded[index].ids)
        place = slice(width - length, width) if side == "left" else slice(0, length)
        tokens[row, place] = torch.tensor(encoded[index].ids)
        attention[row, place] = 1
        keep[row, place] = torch.tensor(encoded[index].keep)
        ends.append(place.stop - encoded[index].written)
    prompt_length = torch.tensor(ends, device=device)
    return Batch(tokens.to(device), attention.to(device), keep.to(device), prompt_length, examples)
