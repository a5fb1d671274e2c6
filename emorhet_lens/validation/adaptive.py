"""Tune the adaptive masks of a validation on its development texts, before its test texts are read.

The test texts are only counted here, for the prediction of the cost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emorhet_lens.causal.inputs import MakeMask, with_texts
from emorhet_lens.causal.steps import ADAPTIVE, SAME_DOSE
from emorhet_lens.corpora.held_out import HeldOut
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.readouts.questions import questions_for
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.screen import Screen
from emorhet_lens.store import write_json
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.dose_search import Search
from emorhet_lens.tuning.loop_matched import TuningPlan, plan_tunings
from emorhet_lens.tuning.tunings import Tunings
from emorhet_lens.validation.costs import count_readings

TUNING_FILE = "tuning.json"


@dataclass(frozen=True, eq=False)
class AdaptivePlan:
    """The loops of a validation, and what the readings after them cost.

    Args:
        tuning: The loops.
        readings: Texts that the masked readings send through the model, those of all kinds of mask.
        folder: Gets `tuning.json`.
    """

    tuning: TuningPlan
    readings: int
    folder: Path

    @property
    def texts(self) -> int:
        """The most texts that go through the model, in loops and in the readings after them."""
        return self.tuning.texts + self.readings

    @property
    def minutes(self) -> float:
        """Predicted duration at most, from the time that the unmasked answers took."""
        return self.texts * self.tuning.loop.readings.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> Tunings:
        """Run the loops and write what they ended with."""
        tunings = self.tuning.run(model, progress=progress)
        rows = [{k: v if v == v else None for k, v in row.items()} for row in tunings.conclusions().to_dict("records")]
        write_json(self.folder / TUNING_FILE, {"conclusions": rows, **tunings.to_json()}, kind="tuning")
        return tunings


def plan_adaptive(
    model: LensModel,
    screen: Screen,
    texts: HeldOut,
    folder: Path,
    *,
    readout: Readout,
    lessons: Callable[[Corpus], tuple[Corpus | None, Corpus | None]],
    masks: Sequence[str],
    controls: Sequence[str],
    n_random: int,
    where: Where,
    batch_size: BatchSize,
    seed: int,
    delta: int | float,
    search: Search,
    progress: bool,
) -> AdaptivePlan:
    """Plan the loops of a validation, over the concepts and questions of its test texts.

    Args:
        model: The model of the screening.
        screen: Gives the neurons and statistics.
        texts: Half of the development texts are read in the loops, the other half calibrates or teaches.
        folder: Where steps are kept.
        readout: How predictions are read.
        lessons: From texts to those to calibrate on and those to learn from.
        masks: All kinds of mask that will be measured.
        controls: Random sets are tuned for `random`, the other concepts' sets for `other`.
        n_random: Random sets a concept.
        where: Positions that are masked.
        batch_size: Texts a batch, or `"auto"`.
        seed: Of all draws.
        delta: How far recall has to fall.
        search: How the dose is looked for.
        progress: Whether to show progress bars.

    Returns:
        The plan. Errors are those of `emorhet_lens.tune_all` and `emorhet_lens.causal.steps.plan_steps`.
    """
    tested, _ = with_texts(screen.neurons, texts.test)
    questions = questions_for(texts.test)
    draws = n_random if "random" in controls else 0
    kinds = [*masks, SAME_DOSE] if draws else list(masks)
    readings = count_readings(
        texts.test, questions, tested.concepts, masks=kinds, controls=controls, n_random=n_random, seed=seed
    )
    halves = texts.dev.split({"loop": 0.5, "lessons": 0.5}, seed=seed)
    calibrate, train = lessons(halves["lessons"])
    tuning = plan_tunings(
        model,
        tested,
        halves["loop"],
        # As the screening took them.
        stats=screen.stats.without_sources() if screen.options.allow_missing_rest else screen.stats,
        n_random=draws,
        seed=seed,
        others="other" in controls,
        folder=folder,
        progress=progress,
        readout=readout,
        calibrate=calibrate,
        train=train,
        questions=questions,
        where=where,
        batch_size=batch_size,
        against=screen.options.against,
        delta=delta,
        search=search,
    )
    return AdaptivePlan(tuning, readings, folder)


def with_adaptive(masks: Sequence[str], fixed: dict[str, MakeMask], tunings: Tunings) -> dict[str, MakeMask]:
    """All kinds of mask in the order in which they were asked for, `same_dose` after `adaptive`.

    Args:
        masks: The names that were asked for.
        fixed: The masks that are not tuned.
        tunings: The doses of those that are.
    """
    made: dict[str, MakeMask] = {}
    for name in masks:
        made |= tunings.masks() if name == ADAPTIVE else {name: fixed[name]}
    return made
