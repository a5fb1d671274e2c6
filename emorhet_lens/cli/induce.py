"""`emorhet induce`: how many texts follow when a concept's neurons are pushed, and what does it cost?"""

from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

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
    ReadoutOption,
    ResumableOption,
    ScreenOption,
    SeedOption,
    TestLimitOption,
    UnseenOption,
    WhereOption,
    choices_of,
    console,
    explaining,
    model_of,
    numbers_of,
    parts_of,
    say_notes,
)
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.models import embedded
from emorhet_lens.readouts.named import require_readout
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import FORMS
from emorhet_lens.steering.job import InductionJob, plan_induction_job
from emorhet_lens.steering.steer import STRENGTHS
from emorhet_lens.steering.steps import CONTROLS, PRIMARY_FORM, PRIMARY_STRENGTH

_STRENGTHS = ",".join(f"{strength:g}" for strength in STRENGTHS)


def induce_command(
    screen: ScreenOption,
    corpus: UnseenOption,
    out: ResumableOption,
    strengths: Annotated[
        str, typer.Option(help=f"How far, with commas; {PRIMARY_STRENGTH:g} is the primary one.")
    ] = _STRENGTHS,
    forms: Annotated[
        str, typer.Option(help=f"Of {', '.join(FORMS)}, with commas; {PRIMARY_FORM} is the primary one.")
    ] = PRIMARY_FORM,
    controls: Annotated[str, typer.Option(help=f"Of {', '.join(CONTROLS)}, with commas.")] = ",".join(CONTROLS),
    concepts: Annotated[str | None, typer.Option(help="Towards what, with commas; all by default.")] = None,
    model: ModelOption = embedded.NAME,
    readout: ReadoutOption = "zero-shot",
    n_random: Annotated[int, typer.Option(help="Draws of every control.")] = 8,
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
    """Push texts without a concept towards it; writes steering.csv, primary.csv, signs.csv, .json and a picture.

    Beside a concept's own neurons stand matched random sets, these sets writing as much, and noise that writes as much.
    """
    with explaining():
        require_readout(readout)
        amounts = numbers_of(strengths, "strengths")
        kinds, beside = choices_of(forms, FORMS, "forms"), choices_of(controls, CONTROLS, "controls")
        loaded = model_of(model, host, device, dtype)
        job = plan_induction_job(
            loaded,
            Screen.load(screen, loaded),
            corpus,
            out,
            strengths=amounts,
            forms=kinds,
            controls=beside,
            concepts=None if concepts is None else parts_of(concepts),
            readout=readout,
            n_random=n_random,
            limit=limit,
            min_texts=min_texts,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            data_dir=data_dir,
            seed=seed,
            progress=progress,
        )
        say_pushes(job)
        if not cost_only:
            found, notes = job.run(loaded, progress=progress)
            summarize_induction(found.primary())
            say_notes(notes, out / "steering.csv")


def say_pushes(job: InductionJob) -> None:
    """Print what is to do, before it is done."""
    plan = job.plan
    console.print(
        f"{len(plan.remaining)} of {len(plan.steps)} steered readings to do: {plan.texts} texts through the model, "
        f"about {plan.minutes:.1f} minutes",
        highlight=False,
    )


def summarize_induction(primary: pd.DataFrame) -> None:
    """Print the primary family."""
    shown = Table(
        *("concept", "texts", "given it before", "more under the push", "random sets", "excess", "p (Holm)"),
        title=f"induction rate, form {PRIMARY_FORM} at strength {PRIMARY_STRENGTH:g}",
    )
    for row in primary.itertuples():
        shown.add_row(
            *(str(row.concept), str(row.n), f"{row.base_rate:.3f}", f"{row.own:+.3f}"),
            *(f"{row.random_mean:+.3f} ± {row.random_sd:.3f}", f"{row.excess:+.3f}", f"{row.p_holm:.3f}"),
        )
    console.print(shown)
