"""Let the model write its answer and look for a label word in it, as the published procedures do.

Only for parity with them: an answer is right or wrong, so there is no margin, and an answer without a label word is
counted as wrong although the model may have meant a label.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from tqdm.auto import tqdm

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import LensModel, identify, output_weights, require_evaluation
from emorhet_lens.passes.batches import EncodedCorpus, PaddingSide, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.decoding import write_tokens
from emorhet_lens.passes.passes import BatchSize, Hooks, Passes
from emorhet_lens.readouts.answer_prompts import Template, answer_prompt
from emorhet_lens.readouts.answers import NO_ANSWER
from emorhet_lens.readouts.encoding import encode_texts
from emorhet_lens.readouts.label_words import words_of
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Measured, Reading
from emorhet_lens.readouts.splits import choose_splits, describe_run
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True)
class Generated:
    """Greedy text after a template; the first label word in it is the answer.

    Args:
        template: See `emorhet_lens.readouts.zero_shot.ZeroShot`; chat messages where the model has a chat template.
        words: Answer words of labels; by default a label's own name.
        max_new_tokens: Length at which writing ends, if the model does not end it.

    Raises:
        ReadoutError: No token would be written.
    """

    template: Template | None = None
    words: Mapping[str, str] | None = None
    max_new_tokens: int = 8

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ReadoutError(f"max_new_tokens={self.max_new_tokens} has to be at least 1")

    def prepare(
        self,
        model: LensModel,
        test: Corpus,
        *,
        dev: Corpus | None = None,
        train: Corpus | None = None,
        question: Question | None = None,
        batch_size: BatchSize = "auto",
        padding_side: PaddingSide = "left",
        progress: bool = True,
    ) -> Reading:
        """See `emorhet_lens.readouts.readout.Readout.prepare`; needs `test` only.

        Texts go together only where their prompts are of one length, so nothing is ever padded.
        """
        require_evaluation(model)
        splits = choose_splits(test, dev, train, question)
        passes = Passes(batch_size, padding_side, progress)
        labels, group = splits.question.labels, splits.test.group
        words = words_of(labels, self.words, group)
        require_distinct(labels, words)
        prompt = answer_prompt(self.template, words, group.name)
        encoded = encode_texts(model, splits.test, prompt)
        longest = max(len(text.ids) for text in encoded.texts)
        if longest + self.max_new_tokens > model.cfg.n_ctx:
            raise ReadoutError(
                f"a prompt of {longest} tokens and {self.max_new_tokens} new ones do not fit into the context of "
                f"{model.cfg.n_ctx}; leave long texts out or write less"
            )
        options: dict[str, Any] = {
            "readout": "Generated",
            "prompt": prompt.to_json(),
            "words": dict(zip(labels, words, strict=True)),
            "max_new_tokens": self.max_new_tokens,
            "prepend_bos": encoded.prepend_bos,
            **describe_run(splits, passes),
        }
        measure = Writer(words, self.max_new_tokens)
        return Reading(identify(model), splits.question, encoded, measure, passes, options)


@dataclass(frozen=True)
class Writer:
    """The prepared measure: greedy text, and the label words to look for in it.

    Args:
        words: One a label.
        max_new_tokens: Length at which writing ends.
    """

    words: tuple[str, ...]
    max_new_tokens: int

    def __call__(self, model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None) -> Measured:
        """Write an answer to every text."""
        device, tokenizer = output_weights(model, 0).device, model.tokenizer
        plan = plan_batches(encoded.corpus, encoded.texts, batch_size=passes.batch_size, device=device.type)
        equal = [tuple(g) for b in plan for _, g in groupby(b, key=lambda i: len(encoded.texts[i].ids))]
        written: dict[int, str] = {}
        for examples in tqdm(equal, desc="writing", unit="batch", disable=not passes.progress):
            batch = pad_batch(encoded.texts, examples, pad_id=padding_id(model), side="left", device=device)
            with torch.no_grad(), model.hooks(fwd_hooks=[] if hooks is None else hooks(batch)):
                end = tokenizer.eos_token_id
                tokens = write_tokens(
                    model, batch.tokens, batch.attention_mask, max_new_tokens=self.max_new_tokens, end=end
                )
            answers = [tokenizer.decode(row, skip_special_tokens=True) for row in tokens]
            written |= dict(zip(examples, answers, strict=True))
        texts = tuple(written[index] for index in range(len(encoded.texts)))
        predicted = torch.tensor([parse_answer(text, self.words) for text in texts])
        return Measured(torch.full((len(texts), len(self.words)), torch.nan, dtype=torch.float64), predicted, texts)


def parse_answer(text: str, words: Sequence[str]) -> int:
    """The label word that a text holds first, as a word of its own, whatever its case.

    Args:
        text: What the model wrote.
        words: The label words; of two that begin at the same place the longer one counts.

    Returns:
        Index of the word, -1 if there is none.

    >>> parse_answer("Not fearful: Sadness, or fear.", ["fear", "sadness"])
    1
    """
    longest_first = sorted(range(len(words)), key=lambda i: -len(words[i]))
    # Writers break lines where they like.
    patterns = [r"\s+".join(map(re.escape, word.split())) for word in words]
    choices = "|".join(f"(?P<w{i}>{patterns[i]})" for i in longest_first)
    found = re.search(rf"(?<!\w)(?:{choices})(?!\w)", text, re.IGNORECASE)
    return NO_ANSWER if found is None else int(str(found.lastgroup)[1:])


def require_distinct(labels: Sequence[str], words: Sequence[str]) -> None:
    """Refuse two labels with the same word.

    Raises:
        ReadoutError: There are two.
    """
    owner: dict[str, str] = {}
    for label, word in zip(labels, words, strict=True):
        first = owner.setdefault(" ".join(word.lower().split()), label)
        if first != label:
            raise ReadoutError(
                f"the labels {first!r} and {label!r} have the same answer word {word!r}; give other words with "
                "words={label: word}"
            )
