"""Inject the signal of one group's neurons while the other group is read: the steps of `emorhet enhance`.

Devices injected while emotions are read is the direction that was fixed in advance; the reverse is exploratory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emorhet_lens.association.inputs import require_groups
from emorhet_lens.causal.inputs import require_unseen
from emorhet_lens.causal.unseen import timed
from emorhet_lens.corpora.held_out import HeldOut
from emorhet_lens.cross_signal.enhance import OMEGAS, plan_enhance
from emorhet_lens.cross_signal.outcomes import CrossSignal
from emorhet_lens.cross_signal.runs import Choice, CrossSignalPlan
from emorhet_lens.cross_signal.store import write_cross_signal, write_picture
from emorhet_lens.errors import EffectsError, EmorhetError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import Form


@dataclass(frozen=True, eq=False)
class CrossSignalJob:
    """A planned direction.

    Args:
        way: Whose signal is injected and what is read, in words.
        texts: What is measured on.
        plan: The readings under injections.
        folder: Gets the results.
        facts: What is written beside the results.
    """

    way: str
    texts: HeldOut
    plan: CrossSignalPlan
    folder: Path
    facts: dict[str, Any]

    def run(self, model: LensModel, *, progress: bool = True) -> tuple[CrossSignal, tuple[str, ...]]:
        """Make the readings that are missing, write tables and picture.

        Args:
            model: The model that the plan was made with.
            progress: Whether to show a progress bar.

        Returns:
            What came out, and what a reader has to know. Errors are those of `CrossSignalPlan.run`.
        """
        found, minutes = timed(
            self.plan.minutes,
            partial(self.plan.run, model, progress=progress),
            self.folder / "cross_signal.json",
            "cross-signal",
        )
        write_cross_signal(self.folder, found, minutes=minutes, **self.facts)
        notes = [*self.texts.left_out, *found.warnings]
        try:
            write_picture(self.folder, found)
        except EmorhetError as error:
            # The numbers are written, and a picture can be drawn from them later.
            notes.append(str(error))
        return found, tuple(notes)


def plan_cross_signal_jobs(
    model: LensModel,
    screens: tuple[Screen, Screen],
    texts: Mapping[str, HeldOut],
    folder: Path,
    *,
    reverse: bool = False,
    omegas: Sequence[int | float] = OMEGAS,
    choice: Choice = "margin",
    form: Form = "contrast",
    n_random: int = 8,
    where: Where = "all",
    batch_size: BatchSize = "auto",
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> tuple[CrossSignalJob, ...]:
    """Plan the primary direction, and the reverse one if it is asked for.

    Args:
        model: The model of both screenings.
        screens: That of emotions and that of devices.
        texts: By name of the group, texts that neither screening has seen; see
            `emorhet_lens.association.inputs.texts_by_group`.
        folder: Gets one folder a direction, such as `rhetoric-to-emotion`; what was interrupted goes on from there.
        reverse: Whether the signal of emotions is injected while devices are read, too.
        omegas: See `emorhet_lens.cross_signal.enhance.plan_enhance`, for this and choice, form, n_random and where.
        choice: See omegas.
        form: See omegas.
        n_random: See omegas.
        where: See omegas.
        batch_size: Texts a batch, or `"auto"`.
        seed: Of all draws.
        facts: Anything that JSON can hold, for the results.
        progress: Whether to show progress bars.

    Returns:
        One job a direction, the primary one first.

    Raises:
        EffectsError: A direction has no texts, texts were screened on, or an option cannot be used.
        ScreenError: The screenings do not belong together, or are given in the other order.
    """
    emotion, rhetoric = screens
    require_groups(emotion, rhetoric)
    ways = ((rhetoric, emotion), (emotion, rhetoric))[: 1 + reverse]
    names = [(injected.stats.group.name, read.stats.group.name) for injected, read in ways]
    # Before the first pass: what is missing for the second direction is known now.
    for source, name in names:
        if name not in texts:
            raise EffectsError(f"{source} injected while {name} is read needs texts of {name}; name a corpus of it")
    jobs = []
    for (injected, read), (source, name) in zip(ways, names, strict=True):
        one = texts[name]
        for stats in (injected.stats, read.stats):
            require_unseen(stats, corpus=one.test, dev=one.dev)
        place = folder / f"{source}-to-{name}"
        plan = plan_enhance(
            model,
            injected.neurons,
            one.test,
            stats=injected.stats,
            dev=one.dev,
            omegas=omegas,
            choice=choice,
            form=form,
            n_random=n_random,
            seed=seed,
            where=where,
            primary_family=read is emotion,
            batch_size=batch_size,
            folder=place,
            progress=progress,
        )
        kept = {**(facts or {}), "test": one.test.counts(), "left_out": list(one.left_out)}
        jobs.append(CrossSignalJob(f"{source} injected, {name} read", one, plan, place, kept))
    return tuple(jobs)
