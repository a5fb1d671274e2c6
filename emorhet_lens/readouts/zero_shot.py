"""Ask for the label in words: with a template alone, or after worked examples.

Label words are scored where the answer would be written; nothing is generated. Without calibration the model's
liking for some words hides what it makes of the text: on small models `"none"` mostly measures that liking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import LensModel, identify, output_weights, require_evaluation
from emorhet_lens.passes.batches import EncodedCorpus, PaddingSide, pad_batch, padding_id
from emorhet_lens.passes.passes import BatchSize, Hooks, Passes
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.passes.residual import shortcut_holds
from emorhet_lens.readouts.answer_prompts import Template, answer_prompt, holds_marks, prompt_tail, with_shots
from emorhet_lens.readouts.encoding import encode_texts
from emorhet_lens.readouts.label_words import LabelTokens, label_tokens, words_of
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Measured, Reading
from emorhet_lens.readouts.splits import Splits, choose_splits, describe_run
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import random_stream

Calibration = Literal["none", "contextual", "prior"]
CONTENT_FREE = "N/A"


@dataclass(frozen=True)
class ZeroShot:
    """Score the label words after a template.

    Args:
        template: Plain text or chat messages with `{text}` and perhaps `{options}`, ending where the answer would be
            written; see `emorhet_lens.readouts.answer_prompts` for the defaults.
        words: Answer words of labels; by default a label's own name.
        calibration: What is subtracted from the log-probabilities before they are normalised over the labels:
            `"prior"` their mean over the dev split, each label weighted equally, within the question; `"contextual"`
            those after the content-free text "N/A"; `"none"` nothing.
    """

    template: Template | None = None
    words: Mapping[str, str] | None = None
    calibration: Calibration = "prior"

    def __post_init__(self) -> None:
        _require_calibration(self.calibration)

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
        """See `emorhet_lens.readouts.readout.Readout.prepare`; needs `dev` for the calibration `"prior"`."""
        splits = choose_splits(test, dev, train, question)
        passes = Passes(batch_size, padding_side, progress)
        return _prepare(self, model, splits, passes, k=0, seed=0)


@dataclass(frozen=True)
class FewShot:
    """Score the label words after worked examples from the train split.

    Args:
        k: Examples a label.
        seed: Of their draw and order.
        template: See `ZeroShot`.
        words: See `ZeroShot`.
        calibration: See `ZeroShot`.
    """

    k: int = 1
    seed: int = 0
    template: Template | None = None
    words: Mapping[str, str] | None = None
    calibration: Calibration = "prior"

    def __post_init__(self) -> None:
        _require_calibration(self.calibration)
        if self.k < 1:
            raise ReadoutError(f"k={self.k} examples a label; give at least 1, or use ZeroShot")

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
        """See `readout.Readout.prepare`; needs `train`, and `dev` for the calibration `"prior"`."""
        splits = choose_splits(test, dev, train, question)
        passes = Passes(batch_size, padding_side, progress)
        return _prepare(self, model, splits, passes, k=self.k, seed=self.seed)


@dataclass(frozen=True, eq=False)
class LabelWords:
    """The prepared measure: words, and what is subtracted from their log-probabilities.

    Args:
        tokens: The label words' tokens.
        prior: One number a label, nats.
        shortcut: Whether one position alone can be unembedded.
    """

    tokens: LabelTokens
    prior: Float[Tensor, " concept"]
    shortcut: bool

    def __call__(self, model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None) -> Measured:
        """Score every text; of equal labels the first is predicted."""
        scores = self.tokens.scores(model, encoded, passes, hooks, shortcut=self.shortcut)
        log_probs = (scores - self.prior).log_softmax(1)
        return Measured(log_probs, torch.from_numpy(log_probs.numpy().argmax(1)))


def draw_shots(train: Corpus, labels: tuple[str, ...], k: int, seed: int) -> list[Example]:
    """Draw `k` examples of every label, in an order drawn too; the order of the corpus does not matter.

    Raises:
        ReadoutError: A label has fewer.
    """
    drawn: list[Example] = []
    for label in labels:
        members = sorted((e for e in train if e.label == label and not holds_marks(e)), key=lambda e: e.key)
        if len(members) < k:
            raise ReadoutError(f"{k} examples of {label!r} were asked for, the train split has {len(members)}")
        drawn += [members[i] for i in random_stream(seed, "few-shot", label).permutation(len(members))[:k]]
    return [drawn[i] for i in random_stream(seed, "few-shot order").permutation(len(drawn))]


def _prepare(
    readout: ZeroShot | FewShot, model: LensModel, splits: Splits, passes: Passes, *, k: int, seed: int
) -> Reading:
    require_evaluation(model)
    labels, group = splits.question.labels, splits.test.group
    words = words_of(labels, readout.words, group)
    prompt = answer_prompt(readout.template, words, group.name)
    used: dict[str, Corpus] = {}
    if k:
        shots = draw_shots(splits.require("train", "FewShot"), labels, k, seed)
        used["train"] = Corpus("examples", group, tuple(shots))
        prompt = with_shots(prompt, [(shot, words[labels.index(shot.label)]) for shot in shots])
    if readout.calibration == "prior":
        used["dev"] = splits.require("dev", 'calibration="prior"')
    tokens = label_tokens(model.tokenizer, labels, words, prompt_tail(prompt, model.tokenizer))
    encoded = _encode(model, splits.test, prompt, tokens)
    shortcut = _shortcut(model, encoded)
    prior = torch.zeros(len(labels), dtype=torch.float64)
    if readout.calibration == "prior":
        dev = used["dev"]
        scores = tokens.scores(model, _encode(model, dev, prompt, tokens), passes, None, shortcut=shortcut)
        prior = balanced_mean(scores, [labels.index(example.label) for example in dev])
    elif readout.calibration == "contextual":
        empty = Corpus("content-free", group, (Example("content-free", CONTENT_FREE, labels[0], "content-free"),))
        prior = tokens.scores(model, _encode(model, empty, prompt, tokens), passes, None, shortcut=shortcut)[0]
    options: dict[str, Any] = {
        "readout": type(readout).__name__,
        **({"k": k, "seed": seed} if k else {}),
        "prompt": prompt.to_json(),
        "words": dict(zip(labels, words, strict=True)),
        "tokens": [list(word) for word in tokens.tokens],
        "calibration": readout.calibration,
        "prior": prior.tolist(),
        "prepend_bos": encoded.prepend_bos,
        "shortcut": shortcut,
        **describe_run(splits, passes, **used),
    }
    return Reading(identify(model), splits.question, encoded, LabelWords(tokens, prior, shortcut), passes, options)


def balanced_mean(scores: Float[Tensor, "example concept"], targets: list[int]) -> Float[Tensor, " concept"]:
    """The mean over labels of the means over each label's texts.

    Args:
        scores: One row a text.
        targets: The label of each text; every column's label occurs.

    Returns:
        One mean a column.
    """
    target = torch.tensor(targets)
    return torch.stack([scores[target == column].mean(0) for column in range(scores.shape[1])]).mean(0)


def _encode(model: LensModel, corpus: Corpus, prompt: Prompt, tokens: LabelTokens) -> EncodedCorpus:
    encoded = encode_texts(model, corpus, prompt)
    tokens.require_room(encoded, model.cfg.n_ctx)
    return encoded


def _shortcut(model: LensModel, encoded: EncodedCorpus) -> bool:
    shortest = sorted(range(len(encoded.texts)), key=lambda i: len(encoded.texts[i].ids))[:2]
    device = output_weights(model, 0).device
    return shortcut_holds(
        model, pad_batch(encoded.texts, tuple(shortest), pad_id=padding_id(model), side="left", device=device)
    )


def _require_calibration(calibration: str) -> None:
    if calibration not in ("none", "contextual", "prior"):
        raise ReadoutError(f'calibration={calibration!r} is unknown; it is "none", "contextual" or "prior"')
