"""What a readout is: prepared once on the model without hooks, then read under any hooks.

A readout says how a prediction over labels is had from a model. Everything that is fitted (calibration, examples,
a probe) is fixed when it is prepared, so that two readings differ by their hooks only. A split has one job: texts
that calibrate or teach are never asked about.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify, require_evaluation
from emorhet_lens.passes.batches import EncodedCorpus, PaddingSide
from emorhet_lens.passes.passes import BatchSize, Hooks, Passes
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Contrast, Question, questions_for
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True, eq=False)
class Measured:
    """What a measure found.

    Args:
        log_probs: Normalised over the labels, or NaN.
        predicted: Index of the predicted label, -1 for none.
        texts: What the model wrote, where it wrote.
    """

    log_probs: Float[Tensor, "example concept"]
    predicted: Int[Tensor, " example"]
    texts: tuple[str, ...] | None = None


@runtime_checkable
class Measure(Protocol):
    """The prepared part of a readout: numbers for encoded texts under hooks."""

    def __call__(self, model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None) -> Measured:
        """Read every text once."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A readout that is prepared for one model, one question and the texts to ask about.

    Args:
        model: The model that it was prepared on.
        question: What is asked.
        encoded: The texts, as the model reads them.
        measure: What is read of them; holds what was calibrated or fitted.
        passes: Batch size and padding.
        options: How it was prepared, with the keys of the texts of every split it used.
    """

    model: ModelIdentity
    question: Question
    encoded: EncodedCorpus
    measure: Measure
    passes: Passes
    options: dict[str, Any]

    def read(
        self,
        model: LensModel,
        hooks: Hooks | None = None,
        *,
        only: Collection[str] | str | None = None,
        progress: bool = True,
    ) -> Answers:
        """Ask the model, under hooks or without.

        Args:
            model: The model that the readout was prepared on, as any object of the host.
            hooks: Called once a batch, gives the hooks to put on for that batch.
            only: A label, or keys of examples: only these texts are read. All by default.
            progress: Whether to show a progress bar.

        Returns:
            One row a text.

        Raises:
            ModelError: Dropout is switched on, or the model answers with NaN.
            ReadoutError: `only` names nothing that is asked about.
            StoreError: It is another model.
        """
        require_evaluation(model)
        self.model.require_same(identity := identify(model))
        encoded = self.encoded if only is None else _restrict(self.encoded, only)
        measured = self.measure(model, encoded, replace(self.passes, progress=progress), hooks)
        return Answers(
            labels=self.question.labels,
            keys=tuple(example.key for example in encoded.corpus),
            targets=tuple(example.label for example in encoded.corpus),
            sources=tuple(example.source for example in encoded.corpus),
            log_probs=measured.log_probs,
            predicted=measured.predicted,
            model=identity,
            options=self.options,
            texts=measured.texts,
        )


@runtime_checkable
class Readout(Protocol):
    """How a prediction over labels is had from a model."""

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
        """Tokenise, calibrate or fit, on the model without hooks.

        Args:
            model: A model of the host, in evaluation mode.
            test: The texts to ask about.
            dev: The texts to calibrate on.
            train: The texts to learn from.
            question: What to ask; by default the one question that `test` allows, see `questions_for`.
            batch_size: Texts a batch, or `"auto"`.
            padding_side: Where padding goes.
            progress: Whether to show a progress bar.

        Returns:
            What can be read under any hooks.

        Raises:
            CorpusError: Two splits share a text, or a text is too long for the context.
            ModelError: Dropout is switched on, or the model answers with NaN.
            ReadoutError: A split is missing or does not fit the question, or an option cannot be used.
        """


def prepare_all(
    readout: Readout, model: LensModel, test: Corpus, *, contrast: Contrast | None = None, **options: Any
) -> tuple[Reading, ...]:
    """Prepare a readout for every question that a corpus allows.

    Args:
        readout: How to ask.
        model: A model of the host.
        test: The texts to ask about.
        contrast: What stands against what, see `questions_for`.
        **options: Further arguments of `Readout.prepare`.

    Returns:
        One reading a question.
    """
    return tuple(
        readout.prepare(model, test, question=question, **options) for question in questions_for(test, contrast)
    )


def _restrict(encoded: EncodedCorpus, only: Collection[str] | str) -> EncodedCorpus:
    corpus = encoded.corpus
    wanted = {e.key for e in corpus if e.label == only} if isinstance(only, str) else set(only)
    unknown = sorted(wanted - {example.key for example in corpus})
    if unknown or not wanted:
        labels = ", ".join(label for label, count in corpus.counts().items() if count)
        raise ReadoutError(
            f"only={unknown[:3] or only!r} is not among the texts that are asked about; give one of the labels "
            f"{labels}, or keys of examples"
        )
    texts = tuple(text for example, text in zip(corpus, encoded.texts, strict=True) if example.key in wanted)
    return replace(encoded, corpus=corpus.where(lambda example: example.key in wanted), texts=texts)
