"""`emorhet enhance`: does the signal of rhetoric neurons help a model to tell emotions, and the other way round?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.association.inputs import require_groups, texts_by_group
from emorhet_lens.cli.options import (
    BatchSizeOption,
    CostOnlyOption,
    DataDirOption,
    DeviceOption,
    DtypeOption,
    HostOption,
    MinTextsOption,
    ModelOption,
    ProgressOption,
    RandomSetsOption,
    ResumableOption,
    SeedOption,
    TestLimitOption,
    WhereOption,
    console,
    explaining,
    model_of,
    numbers_of,
    say_notes,
)
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.cross_signal.enhance import OMEGAS
from emorhet_lens.cross_signal.job import CrossSignalJob, plan_cross_signal_jobs
from emorhet_lens.cross_signal.outcomes import CrossSignal
from emorhet_lens.cross_signal.runs import Choice
from emorhet_lens.models import embedded
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import SHIFTS, Form

_OMEGAS = ",".join(f"{omega:g}" for omega in OMEGAS)


def enhance_command(
    screen: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote for emotions.")],
    rhetoric_screen: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote for rhetorical devices.")],
    corpus: Annotated[
        list[str],
        typer.Option(help="Unseen texts: of emotions, and with --reverse of devices too; repeat for several."),
    ],
    out: ResumableOption,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Also emotions injected while devices are read; exploratory.")
    ] = False,
    omegas: Annotated[str, typer.Option(help="Doses to choose from, with commas.")] = _OMEGAS,
    choice: Annotated[Choice, typer.Option(help="By what a dose is chosen on development texts.")] = "margin",
    form: Annotated[
        Form, typer.Option(help=f"{' or '.join(SHIFTS)}: the difference from the rest, or the mean.")
    ] = "contrast",
    model: ModelOption = embedded.NAME,
    n_random: RandomSetsOption = 8,
    limit: TestLimitOption = 60,
    min_texts: MinTextsOption = MIN_TEXTS,
    where: WhereOption = "all",
    batch_size: BatchSizeOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    cost_only: CostOnlyOption = False,
    progress: ProgressOption = True,
) -> None:
    """Inject the signal of devices while emotions are read; writes a folder a direction with cross_signal.csv.

    Every device's neurons and every matched random set choose their dose on development texts.
    """
    with explaining():
        doses = numbers_of(omegas, "omegas")
        loaded = model_of(model, host, device, dtype)
        screens = Screen.load(screen, loaded), Screen.load(rhetoric_screen, loaded)
        require_groups(*screens)
        texts = texts_by_group(*screens, corpus, limit=limit, min_texts=min_texts, data_dir=data_dir, seed=seed)
        jobs = plan_cross_signal_jobs(
            loaded,
            screens,
            texts,
            out,
            reverse=reverse,
            omegas=doses,
            choice=choice,
            form=form,
            n_random=n_random,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            seed=seed,
            facts={"corpora": corpus, "limit": limit},
            progress=progress,
        )
        needless = sorted(set(texts) - {job.texts.test.group.name for job in jobs})
        for name in needless:
            console.print(f"note: texts of {name} are read with --reverse only", markup=False, highlight=False)
        say_injections(jobs)
        for job in () if cost_only else jobs:
            found, notes = job.run(loaded, progress=progress)
            summarize_cross_signal(job.way, found)
            say_notes(notes, job.folder / "cross_signal.csv")


def say_injections(jobs: tuple[CrossSignalJob, ...]) -> None:
    """Print what is to do, before it is done."""
    for job in jobs:
        console.print(
            f"{job.way}: {job.plan.texts} texts through the model, about {job.plan.minutes:.1f} minutes",
            highlight=False,
        )


def summarize_cross_signal(way: str, found: CrossSignal) -> None:
    """Print all cells."""
    family = "primary family" if found.primary_family else "exploratory"
    shown = Table(
        *("injected", "read", "dose", "own change", "random sets", "excess", "p (Holm)", "on other texts"),
        title=f"{way} ({family}): change of the read concept's own {found.effects.measure}",
    )
    for row in found.primary().itertuples():
        shown.add_row(
            *(str(row.injected), str(row.read), f"{row.omega:g}", f"{row.own:+.3f}"),
            *(f"{row.random_mean:+.3f} ± {row.random_sd:.3f}", f"{row.excess:+.3f}"),
            *(f"{row.p_holm:.3f}", f"{row.bias:+.3f}"),
        )
    console.print(shown)
