"""The development texts of the feedback loop: some to be read again and again, others to calibrate the readout on.

Twenty texts a class are few: a recall of theirs moves in steps of a twentieth. They steer a search and prove nothing.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import neutral_texts, require_acting, require_unseen, with_costs
from emorhet_lens.causal.neutral import Neutral, encode_neutral, read_neutral
from emorhet_lens.causal.side_effects import SideEffect, side_effects
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.masks.masking import Masking
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize, Hooks
from emorhet_lens.readouts.questions import Question, questions_for
from emorhet_lens.readouts.readout import Reading, Readout
from emorhet_lens.readouts.zero_shot import FewShot
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.splitting import random_stream

log = logging.getLogger(__name__)

LOOP_TEXTS = 20
NEUTRAL_TEXTS = 16


@dataclass(frozen=True)
class Score:
    """What was read of one concept's own texts.

    Args:
        recall: Share of them that were given the concept.
        margin: Mean log odds of the concept, nats; NaN for readouts without log-probabilities.
        texts: Number of texts.
    """

    recall: float
    margin: float
    texts: int


@dataclass(frozen=True, eq=False)
class DevReadings:
    """Prepared questions about the development texts.

    Args:
        readings: The questions; they hold texts of concepts only.
        base: Unmasked score by concept.
        neutral: Texts for the side effects; nothing if there are none.
        where: At which positions masks act.
        seconds_per_text: Measured on the unmasked scores.
        options: What was read and how.
    """

    readings: tuple[Reading, ...]
    base: Mapping[str, Score]
    neutral: Neutral | None
    where: Where
    seconds_per_text: float
    options: dict[str, Any]

    def cost(self, concept: str) -> int:
        """Texts through the model for one masked score: the concept's own, and the neutral ones."""
        return self.base[concept].texts + (0 if self.neutral is None else len(self.neutral))

    def score(self, model: LensModel, concept: str, mask: Masking) -> tuple[Score, SideEffect]:
        """Read one concept's own texts, and the neutral texts, under a mask.

        Raises:
            ModelError: The model answers with NaN.
            StoreError: The mask or the readings are of another model.
        """
        hooks = mask.by_batch(model, where=self.where)
        found = _score(model, self.readings, concept, hooks)
        if self.neutral is None:
            return found, SideEffect(torch.nan, torch.nan, 0)
        return found, side_effects(model, self.neutral, [hooks], progress=False)[0]


def prepare_readings(
    model: LensModel,
    dev: Corpus,
    concepts: Sequence[str],
    *,
    readout: Readout,
    stats: ActivationStats,
    questions: Sequence[Question] | None = None,
    calibrate: Corpus | None = None,
    train: Corpus | None = None,
    neutral: Corpus | None = None,
    where: Where = "all",
    batch_size: BatchSize = "auto",
    seed: int = 0,
    progress: bool = True,
) -> DevReadings:
    """Choose the texts, prepare the readout, and read the unmasked scores.

    Args:
        model: The model, in evaluation mode.
        dev: Development texts. They are halved by seed, one half to calibrate and one to read, unless `calibrate` or
            `train` is given; of what is read at most 20 texts a class are drawn.
        concepts: Whose texts are read.
        readout: How predictions are read.
        stats: Of the screening, to refuse texts that were screened on.
        questions: What is asked; by default what `dev` allows. Give those of the test texts where they differ.
        calibrate: Other texts, to calibrate on.
        train: Other texts to learn from, for readouts that do.
        neutral: Texts for the side effects; by default 16 texts of the rest of `dev`, if it has any.
        where: At which positions masks act.
        batch_size: Texts a batch, or `"auto"`.
        seed: Of the halves and the draws.
        progress: Whether to show progress bars.

    Returns:
        What can be read under any mask.

    Raises:
        EffectsError: A concept has no development texts, texts were screened on, texts to calibrate on are missing, or
            at the positions no mask would act.
        MaskError: `where` is unknown.
        CorpusError: Two parts share a text, or a text is too long.
        ReadoutError: A part that the readout needs is missing.
    """
    require_acting(where, readout)
    if train is not None and calibrate is None and isinstance(readout, FewShot) and readout.calibration == "prior":
        raise EffectsError("FewShot calibrates: pass calibrate=, texts that neither dev nor train holds, beside train=")
    require_unseen(stats, dev=dev, calibrate=calibrate, train=train)
    asked = questions_for(dev) if questions is None else tuple(questions)
    lent, unpriced = with_costs(neutral_texts(dev, seed, NEUTRAL_TEXTS) if neutral is None else neutral, where)
    for note in unpriced:
        log.warning("%s, so no budget is kept", note)
    if calibrate is None and train is None:
        halves = dev.split({"loop": 0.5, "calibrate": 0.5}, seed=seed)
        dev, calibrate = halves["loop"], halves["calibrate"]
    chosen = _draw(dev, concepts, seed)
    readings = []
    for question in asked:
        own = [e for e in chosen if e.label in question.labels and question.source in (None, e.source)]
        if own:
            part = Corpus("loop", dev.group, tuple(own))
            readings.append(
                readout.prepare(
                    model, part, dev=calibrate, train=train, question=question, batch_size=batch_size, progress=progress
                )
            )
    missing = [c for c in concepts if not any(e.label == c for reading in readings for e in reading.encoded.corpus)]
    if missing:
        raise EffectsError(
            f"no development texts of {', '.join(missing)} to tune on; give more, or leave the concept out of the "
            "neurons, there and where effects are measured"
        )
    started = time.monotonic()
    base = {concept: _score(model, readings, concept, None) for concept in concepts}
    seconds = (time.monotonic() - started) / sum(score.texts for score in base.values())
    options = {
        "readings": [reading.options for reading in readings],
        "neutral": None if lent is None else lent.digest,
        "where": where,
        "texts": {concept: score.texts for concept, score in base.items()},
    }
    plain = None if lent is None else read_neutral(model, encode_neutral(model, lent))
    return DevReadings(tuple(readings), base, plain, where, seconds, options)


def _draw(dev: Corpus, concepts: Sequence[str], seed: int) -> Corpus:
    """At most twenty texts of each concept, whichever other concepts there are."""
    kept: set[str] = set()
    for concept in concepts:
        keys = sorted(example.key for example in dev if example.label == concept)
        order = random_stream(seed, "tuning", concept).permutation(len(keys))[:LOOP_TEXTS]
        kept |= {keys[index] for index in order}
    if not kept:
        raise EffectsError(f"no development texts of {', '.join(concepts)} to tune on; give more")
    return dev.where(lambda example: example.key in kept)


def _score(model: LensModel, readings: Sequence[Reading], concept: str, hooks: Hooks | None) -> Score:
    found = [
        reading.read(model, hooks, only=concept, progress=False)
        for reading in readings
        if any(example.label == concept for example in reading.encoded.corpus)
    ]
    correct = torch.cat([answers.correct() for answers in found]).double()
    margin = torch.cat([answers.margin() for answers in found])
    return Score(float(correct.mean()), float(margin.mean()), len(correct))
