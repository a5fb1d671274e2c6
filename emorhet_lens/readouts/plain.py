"""Several questions by one readout, and their answers without hooks: where every measurement under masks begins."""

import time
from collections.abc import Sequence

from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Reading, Readout
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.texts.corpus import Corpus


def prepare_all(
    model: LensModel,
    corpus: Corpus,
    questions: Sequence[Question],
    readout: Readout | None,
    *,
    dev: Corpus | None,
    train: Corpus | None,
    batch_size: BatchSize,
    progress: bool,
) -> tuple[Reading, ...]:
    """Prepare every question on the model without hooks.

    Args:
        model: The model.
        corpus: The texts to ask about.
        questions: What is asked.
        readout: How predictions are read; `ZeroShot()` where nothing is given.
        dev: Texts to calibrate on.
        train: Texts to learn from.
        batch_size: Texts a batch.
        progress: Whether to show progress bars.

    Returns:
        One reading a question, with the errors of `Readout.prepare`.
    """
    asked = ZeroShot() if readout is None else readout
    return tuple(
        asked.prepare(model, corpus, question=one, dev=dev, train=train, batch_size=batch_size, progress=progress)
        for one in questions
    )


def read_plain(model: LensModel, readings: Sequence[Reading], *, progress: bool) -> tuple[tuple[Answers, ...], float]:
    """The answers without hooks, and how long they took.

    Args:
        model: The model that the readings were prepared on.
        readings: At least one.
        progress: Whether to show progress bars.

    Returns:
        The answers to every question, and seconds a text.
    """
    started = time.monotonic()
    answers = tuple(reading.read(model, progress=progress) for reading in readings)
    return answers, (time.monotonic() - started) / sum(len(one) for one in answers)
