"""Push unseen texts towards the concepts of a screening and write the results: the steps of `emorhet induce`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emorhet_lens.causal.unseen import Unseen, choose_unseen, timed
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.errors import EmorhetError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import Form, sign_shares
from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.steering.pictures import write_picture
from emorhet_lens.steering.runs import SteeringPlan
from emorhet_lens.steering.steer import STRENGTHS, plan_steer
from emorhet_lens.steering.steps import CONTROLS, PRIMARY_FORM
from emorhet_lens.steering.store import write_steering
from emorhet_lens.store import write_text

SIGNS_FILE = "signs.csv"


@dataclass(frozen=True, eq=False)
class InductionJob:
    """A planned measurement of how far texts follow a push.

    Args:
        unseen: What is measured on.
        plan: The steered readings.
        folder: Gets the results.
        facts: What is written beside the results.
    """

    unseen: Unseen
    plan: SteeringPlan
    folder: Path
    facts: dict[str, Any]

    def run(self, model: LensModel, *, progress: bool = True) -> tuple[Steering, tuple[str, ...]]:
        """Make the readings that are missing, write tables and picture.

        Args:
            model: The model that the plan was made with.
            progress: Whether to show a progress bar.

        Returns:
            What came out, and what a reader has to know. Errors are those of `SteeringPlan.run`.
        """
        found, minutes = timed(
            self.plan.minutes,
            partial(self.plan.run, model, progress=progress),
            self.folder / "steering.json",
            "steering",
        )
        write_steering(self.folder, found, minutes=minutes, **self.facts)
        signs = sign_shares(self.plan.neurons, self.unseen.screen.stats)
        write_text(self.folder / SIGNS_FILE, signs.to_csv(index=False))
        notes = [*self.unseen.texts.left_out, *found.warnings]
        try:
            write_picture(self.folder, found.to_dataframe())
        except EmorhetError as error:
            # The numbers are written, and a picture can be drawn from them later.
            notes.append(str(error))
        return found, tuple(notes)


def plan_induction_job(
    model: LensModel,
    screen: Screen,
    corpora: Sequence[str],
    folder: Path,
    *,
    strengths: Sequence[int | float] = STRENGTHS,
    forms: Sequence[Form] = (PRIMARY_FORM,),
    controls: Sequence[str] = CONTROLS,
    concepts: Sequence[str] | None = None,
    readout: str = "zero-shot",
    n_random: int = 8,
    limit: int | None = 60,
    min_texts: int = MIN_TEXTS,
    where: Where = "all",
    batch_size: BatchSize = "auto",
    data_dir: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> InductionJob:
    """Choose texts that a screening has not seen and plan the pushes.

    Args:
        model: The model of the screening.
        screen: Gives neurons and means.
        corpora: Names or files; see `choose_unseen`, for this, readout, limit, min_texts and data_dir.
        folder: For the results; a measurement that was interrupted goes on from it.
        strengths: See `emorhet_lens.plan_steer`, for this and forms, controls, concepts, n_random and where.
        forms: See strengths.
        controls: See strengths.
        concepts: See strengths.
        readout: See corpora.
        n_random: See strengths.
        limit: See corpora.
        min_texts: See corpora.
        where: See strengths.
        batch_size: Texts a batch, or `"auto"`.
        data_dir: See corpora.
        seed: Of all draws.
        progress: Whether to show progress bars.

    Returns:
        The job, with the errors of `plan_steer` and `choose_unseen`.
    """
    unseen = choose_unseen(
        screen, corpora, readout=readout, limit=limit, min_texts=min_texts, data_dir=data_dir, seed=seed
    )
    plan = plan_steer(
        model,
        screen.neurons,
        unseen.texts.test,
        stats=screen.stats,
        strengths=strengths,
        forms=forms,
        controls=controls,
        n_random=n_random,
        seed=seed,
        concepts=concepts,
        **unseen.asked,
        where=where,
        batch_size=batch_size,
        folder=folder,
        progress=progress,
    )
    return InductionJob(unseen, plan, folder, unseen.facts | {"corpora": list(corpora), "limit": limit})
