"""The words that stand for the labels, and how likely the model finds them where the answer would be written.

A word may be any number of tokens: its log-probability is the sum over its tokens, each given those before it. Long
words are less likely than short ones, so probabilities of different words can be compared after calibration only.
The prompt and the word are tokenised apart from each other, which fixes the border between them: no token reaches
across it, whatever the tokenizer would make of both together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import Batch, Encoded, EncodedCorpus
from emorhet_lens.passes.passes import Hooks, Passes, acts_by_position
from emorhet_lens.passes.residual import final_logits
from emorhet_lens.texts.concepts import ConceptGroup


def words_of(labels: tuple[str, ...], words: Mapping[str, str] | None, group: ConceptGroup) -> tuple[str, ...]:
    """The answer word of every label: the one that was given, else the label's own name.

    Raises:
        ReadoutError: A word is blank, or is given for something that is no label of the group.
    """
    strangers = sorted(set(words or {}) - set(group.labels))
    if strangers:
        raise ReadoutError(f"words are given for {strangers}; the labels are {', '.join(group.labels)}")
    found = tuple((words or {}).get(label, label).strip() for label in labels)
    if not all(found):
        raise ReadoutError(f"a label's answer word is blank: {dict(zip(labels, found, strict=True))}")
    return found


def separator(tail: str) -> str:
    """What stands between a prompt and the answer word: a space, unless the prompt ends with white space."""
    return "" if tail[-1:].isspace() else " "


@dataclass(frozen=True)
class LabelTokens:
    """The tokens of every label's answer word.

    A word may begin with another label's word: both are then scored as continuations of the prompt, and the longer
    one can never be the likelier.

    Args:
        labels: The labels.
        tokens: Their words' tokens.

    Raises:
        ReadoutError: Two words are the same tokens.
    """

    labels: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        owner: dict[tuple[int, ...], str] = {}
        for label, tokens in zip(self.labels, self.tokens, strict=True):
            if owner.setdefault(tokens, label) != label:
                raise ReadoutError(
                    f"the answer words of {owner[tokens]!r} and {label!r} are the same tokens {list(tokens)}; give "
                    "other words with words={label: word}"
                )

    @property
    def prefixes(self) -> tuple[tuple[int, ...], ...]:
        """What the model has to have read besides the prompt to score every token: the inner nodes of the words' trie.

        The first is empty.
        """
        return tuple(sorted({word[:n] for word in self.tokens for n in range(len(word))}, key=lambda p: (len(p), p)))

    def paths(self, *, together: bool) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """The prefixes by the pass in which they are read; the last of a pass is what stands after the prompt there.

        Args:
            together: Whether prefixes that continue each other share a pass: from the root to a leaf of the trie, each
                prefix with the first leaf after it. Otherwise each is a pass of its own, read at its last position.
        """
        if not together:
            return tuple((prefix,) for prefix in self.prefixes)
        ends = [one for one in self.prefixes if not any(p[:-1] == one for p in self.prefixes if p)]
        first = {prefix: next(end for end in ends if end[: len(prefix)] == prefix) for prefix in self.prefixes}
        return tuple(tuple(prefix for prefix in self.prefixes if first[prefix] == end) for end in ends)

    def scores(
        self, model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None, *, shortcut: bool
    ) -> Float[Tensor, "example concept"]:
        """Log-probability of every label's word after every text.

        Args:
            model: A model of the host.
            encoded: The texts in their prompts.
            passes: Batch size and padding.
            hooks: Gives the hooks of a batch.
            shortcut: Whether to unembed one position alone, see `emorhet_lens.passes.residual.shortcut_holds`.

        Returns:
            Nats, float64, not normalised over the labels.

        Raises:
            ModelError: A logit is NaN.
        """
        total = torch.zeros(len(encoded.texts), len(self.labels), dtype=torch.float64)
        # Hooks that look for the last position have to find the one that is read: each prefix is then a pass.
        for path in self.paths(together=acts_by_position(hooks)):
            longest = path[-1]
            steps = [step for prefix in path for step in self._steps(prefix)]
            back = [len(longest) - place for _, place, _ in steps]
            tokens = torch.tensor([token for _, _, token in steps])

            def read(batch: Batch, back: list[int] = back, tokens: Tensor = tokens) -> Tensor:
                places = sorted(set(back))
                logits = final_logits(model, batch, shortcut=shortcut, back=places)
                log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
                return log_probs[:, [places.index(place) for place in back], tokens.to(log_probs.device)]

            what = "label words" + (f" and {len(longest)} tokens" if longest else "")
            found = passes.run(model, _extended(encoded, longest), read, hooks=hooks, what=what)
            for column, (label, _, _) in enumerate(steps):
                total[:, label] += found[:, column]
        return total

    def _steps(self, prefix: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """The words that go on after a prefix: label, how many of its tokens were read, and the next one."""
        n = len(prefix)
        return [(i, n, word[n]) for i, word in enumerate(self.tokens) if len(word) > n and word[:n] == prefix]

    def require_room(self, encoded: EncodedCorpus, n_ctx: int) -> None:
        """Refuse texts after which the words do not fit into the context.

        Raises:
            ReadoutError: There is one.
        """
        longest = len(self.prefixes[-1])
        for example, text in zip(encoded.corpus, encoded.texts, strict=True):
            if len(text.ids) + longest > n_ctx:
                raise ReadoutError(
                    f"{example.key} is {len(text.ids)} tokens long with its prompt and the answer words need {longest} "
                    f"more, the context holds {n_ctx}; shorten it or leave it out"
                )


def label_tokens(tokenizer: Any, labels: tuple[str, ...], words: tuple[str, ...], tail: str) -> LabelTokens:
    """Tokenise the answer words as they would follow a prompt.

    Args:
        tokenizer: Of the model.
        labels: The labels.
        words: Their words, without the space before them.
        tail: What the prompt ends with.

    Returns:
        The tokens.

    Raises:
        ReadoutError: The tokenizer does not know a word, or gives two words the same tokens.
    """
    tokens = tuple(_tokens_after(tokenizer, tail, word) for word in words)
    for label, word, ids in zip(labels, words, tokens, strict=True):
        if not ids or tokenizer.unk_token_id in ids:
            raise ReadoutError(
                f"the tokenizer does not know the answer word {word!r} of {label!r}; give another with "
                "words={label: word}"
            )
    return LabelTokens(labels, tokens)


def _tokens_after(tokenizer: Any, tail: str, word: str) -> tuple[int, ...]:
    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    # Some tokenizers put a space of their own before a text's first word; one character before it keeps that away.
    anchor, word = tail[-1:], separator(tail) + word
    before, both = ids(anchor), ids(anchor + word)
    return tuple(both[len(before) :] if both[: len(before)] == before else ids(word))


def _extended(encoded: EncodedCorpus, prefix: tuple[int, ...]) -> EncodedCorpus:
    n = len(prefix)
    texts = tuple(Encoded(text.ids + prefix, text.keep + (False,) * n, text.written + n) for text in encoded.texts)
    return replace(encoded, texts=texts)
