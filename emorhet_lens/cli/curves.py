"""`emorhet curves`: how often does the model write a concept under a push, and how long does the text stay fluent?"""

from pathlib import Path
from typing import Annotated, Any

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
    ModelOption,
    ProgressOption,
    ResumableOption,
    ScreenOption,
    SeedOption,
    console,
    explaining,
    model_of,
    numbers_of,
    parts_of,
    say_notes,
)
from emorhet_lens.cli.steer import CHAT, prompts_of
from emorhet_lens.errors import EffectsError
from emorhet_lens.generation.job import RESIDUAL_STRENGTHS, SHOWN, STRENGTHS, CurvesJob, plan_curves_job
from emorhet_lens.generation.openings import OPENINGS
from emorhet_lens.models import embedded
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import FORMS, Form


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def curves_command(
    screen: ScreenOption,
    corpus: Annotated[list[str], typer.Option(help="Name or file with texts of the residual difference; repeat.")],
    judge_corpus: Annotated[list[str], typer.Option(help="Name or file that was not screened, for the judge; repeat.")],
    concepts: Annotated[str, typer.Option(help="Towards and away from what, with commas.")],
    out: ResumableOption,
    strengths: Annotated[str, typer.Option(help="Of neurons and of random neurons, with commas.")] = _listed(STRENGTHS),
    residual_strengths: Annotated[str, typer.Option(help="Of the residual difference, with commas.")] = _listed(
        RESIDUAL_STRENGTHS
    ),
    form: Annotated[Form, typer.Option(help=f"How neurons are pushed: {', '.join(FORMS)}.")] = "contrast",
    neurons: Annotated[int | None, typer.Option(min=1, help="Only the first so many of every concept.")] = None,
    n_random: Annotated[int, typer.Option(min=1, help="Random sets a concept; prompts take turns.")] = 4,
    prompts: Annotated[Path | None, typer.Option(help="File with one prompt a line; built-in ones by default.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many prompts.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Prompts are messages of a user, by the chat template.")] = False,
    texts: Annotated[int, typer.Option(min=1, help="Most texts a label and source of the residual difference.")] = 100,
    judge_texts: Annotated[int, typer.Option(min=1, help="Most texts a label and source of the judge.")] = 1000,
    max_new_tokens: Annotated[int, typer.Option(help="Longest text, in tokens.")] = 40,
    show: Annotated[int, typer.Option(min=1, help="Prompts whose texts go into outputs.md.")] = SHOWN,
    model: ModelOption = embedded.NAME,
    batch_size: BatchSizeOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    cost_only: CostOnlyOption = False,
    progress: ProgressOption = True,
) -> None:
    """Write under four ways of steering and judge it; writes tradeoff.csv, best.csv, texts.csv, outputs.md, a picture.

    A judge that was trained on other corpora than the screening says which texts carry a concept. Everything is
    exploratory.
    """
    with explaining():
        openings = list(OPENINGS) if prompts is None else prompts_of([_file(prompts)])
        pushes, shifts = numbers_of(strengths, "strengths"), numbers_of(residual_strengths, "residual-strengths")
        loaded = model_of(model, host, device, dtype)
        job = plan_curves_job(
            loaded,
            Screen.load(screen, loaded),
            corpus,
            judge_corpus,
            out,
            concepts=parts_of(concepts),
            prompts=openings[:limit],
            strengths=pushes,
            residual_strengths=shifts,
            form=form,
            neurons=neurons,
            n_random=n_random,
            template=CHAT if chat else None,
            texts=texts,
            judge_texts=judge_texts,
            max_new_tokens=max_new_tokens,
            show=show,
            batch_size="auto" if batch_size is None else batch_size,
            data_dir=data_dir,
            seed=seed,
            progress=progress,
        )
        say_writing(job)
        if not cost_only:
            found, notes = job.run(loaded, progress=progress)
            summarize_curves(found.best())
            say_notes(notes, out / "tradeoff.csv")


def _file(path: Path) -> str:
    if not path.is_file():
        raise EffectsError(f"there is no file of prompts {path}; write one a line")
    return str(path)


def say_writing(job: CurvesJob) -> None:
    """Print the judge, the layers, and what is to do, before it is done."""
    plan = job.plan
    console.print(repr(plan.judge), markup=False, highlight=False)
    for source, accuracy in plan.judge.across.items():
        console.print(f"  of the other sources alone, on {source}: {accuracy:.2f}", markup=False, highlight=False)
    layers = ", ".join(f"{concept} {layer}" for concept, (layer, _) in job.layers.items())
    console.print(f"layers of the residual stream: {layers}", markup=False, highlight=False)
    console.print(
        f"{len(plan.remaining)} of {len(plan.conditions)} conditions to do: {plan.texts} texts to write, at most about "
        f"{plan.minutes:.1f} minutes",
        highlight=False,
    )


def summarize_curves(best: pd.DataFrame) -> None:
    """Print what every method reaches with fluent texts."""
    shown = Table(
        *("concept", "direction", "method", "strength", "target rate", "95 % interval", "without", "perplexity"),
        title="best strength that leaves texts fluent (exploratory)",
    )
    row: Any
    for row in best.itertuples():
        numbers = ["none is fluent", *[""] * 4]
        if row.strength == row.strength:
            numbers = [f"{row.strength:g}", f"{row.target_rate:.2f}", f"{row.target_low:.2f} to {row.target_high:.2f}"]
            numbers += [f"{row.base_rate:.2f}", f"x {row.ppl_ratio:.2f}"]
        shown.add_row(str(row.concept), str(row.direction), str(row.method), *numbers)
    console.print(shown)
