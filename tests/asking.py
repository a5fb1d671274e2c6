"""Splits of short texts in the tiny tokenizer's words, and log-probabilities of words computed one text at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tiny import PAIR_GROUP, WORDS

from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

TEMPLATE = "review: {text} mood:"
WORDS_OF = {"plain": "calm"}
# "so" is shared, "so sad" goes on, so that passes after "so" and after "so sad" are needed.
LONG_WORDS = {"glad": "so bright", "sad": "so sad cold", "plain": "calm"}


def splits(n: int = 24, *, seed: int = 0, longest: int = 4) -> dict[str, Corpus]:
    """Parts test, dev and train of `n` texts each with labels in turn; no two texts are the same."""
    generator = np.random.default_rng(seed)
    texts: dict[str, None] = {}
    while len(texts) < 3 * n:
        texts[" ".join(generator.choice(WORDS[:-8], size=int(generator.integers(1, longest + 1))))] = None
    examples = [Example(f"{i:03}", text, PAIR_GROUP.labels[i % 3], "made") for i, text in enumerate(texts)]
    return {
        part: Corpus(part, PAIR_GROUP, tuple(examples[k * n : (k + 1) * n]))
        for k, part in enumerate(("test", "dev", "train"))
    }


def token_ids(model: Any, text: str) -> list[int]:
    """Tokens of a text, without BOS."""
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def next_log_probs(model: Any, ids: Sequence[int], hooks: Sequence[Any] = ()) -> np.ndarray:
    """Log-probability of every token after `ids`, from a full pass over this one text."""
    with torch.no_grad():
        logits = model.run_with_hooks(torch.tensor([list(ids)]), fwd_hooks=list(hooks))[0, -1].double().numpy()
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def word_scores(model: Any, corpus: Corpus, words: Sequence[str], template: str, hooks: Any = None) -> np.ndarray:
    """Log-probability of every word after every text `[example, word]`, by teacher forcing."""
    result = np.zeros((len(corpus), len(words)))
    for row, example in enumerate(corpus):
        prompt = template.replace("{text}", example.text)
        start = [1, *token_ids(model, prompt)]
        seen: dict[tuple[int, ...], np.ndarray] = {}
        for column, word in enumerate(words):
            tokens = token_ids(model, word)
            for n, token in enumerate(tokens):
                before = tuple(tokens[:n])
                if before not in seen:
                    seen[before] = next_log_probs(model, [*start, *before], hooks or ())
                result[row, column] += seen[before][token]
    return result


def normalized(scores: np.ndarray, prior: np.ndarray | float = 0.0) -> np.ndarray:
    """Log-probabilities over the columns, after `prior` was subtracted."""
    shifted = scores - prior
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def in_order(words: Mapping[str, str]) -> list[str]:
    """The answer words of the group's labels."""
    return [words.get(label, label) for label in PAIR_GROUP.labels]


def silence(layer: int, *, keep: torch.Tensor | None = None) -> tuple[str, Any]:
    """A hook that zeroes the first half of a layer's neurons, everywhere or where `keep` is true."""

    def hook(post: torch.Tensor, hook: object) -> torch.Tensor:
        changed = post.clone()
        half = post.shape[-1] // 2
        where = torch.ones(post.shape[:2], dtype=torch.bool) if keep is None else keep
        changed[..., :half] = torch.where(where[..., None], 0.0, post[..., :half])
        return changed

    return f"blocks.{layer}.mlp.hook_post", hook


def spoil(post: torch.Tensor, hook: object) -> torch.Tensor:
    """A hook that makes everything NaN."""
    return post * torch.nan


def hooks_on(model: Any) -> list[Any]:
    """Every hook that is on a model; a point may have several names."""
    points = {id(point): point for point in model.hook_dict.values()}
    return [hook for point in points.values() for hook in point.fwd_hooks]
