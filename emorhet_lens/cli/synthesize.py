"""`emorhet corpora synthesize`: a labelled corpus out of a file of topics."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.cli.options import (
    DeviceOption,
    DtypeOption,
    HostOption,
    OutOption,
    ProgressOption,
    SeedOption,
    console,
    explaining,
    model_of,
)
from emorhet_lens.errors import SynthesisError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.synthesis import Endpoint, LocalModel, Synthesis, Writer, predict_calls, synthesize
from emorhet_lens.synthesis.wording import Kind
from emorhet_lens.texts.concepts import EMOTIONS, GROUPS

ENDPOINT = "openai:"
ANSWER_TOKENS = 16
"""Enough for a label."""


def synthesize_command(
    group: Annotated[str, typer.Option(help="emotion or rhetoric.")],
    topics: Annotated[Path, typer.Option(help="Text file, one topic a line.")],
    generator: Annotated[str, typer.Option(help="A model as --model takes it, or openai:NAME of an endpoint.")],
    labeller: Annotated[list[str], typer.Option(help="The same; repeat for several.")],
    out: OutOption,
    per_cell: Annotated[int, typer.Option(help="Texts a topic and concept.")] = 1,
    rounds: Annotated[int, typer.Option(help="Rounds of other wordings, each doubles the topics.")] = 1,
    kind: Annotated[Kind, typer.Option(help="What a text is.")] = "dialogue",
    agree: Annotated[int | None, typer.Option(help="Votes a label needs; a majority if not given.")] = None,
    temperature: Annotated[float, typer.Option(help="Of the generator; labellers are greedy.")] = 0.8,
    max_tokens: Annotated[int | None, typer.Option(help="Of a text; 400, or 80 for sentences.")] = None,
    workers: Annotated[int, typer.Option(help="Calls at a time, for endpoints.")] = 1,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    seed: SeedOption = 0,
    progress: ProgressOption = True,
) -> None:
    """Write and label texts of every concept; answers are kept, an interrupted run goes on when it is run again."""
    with explaining():
        if group not in GROUPS:
            raise SynthesisError(f"unknown group {group!r}; there are {', '.join(GROUPS)}")
        base = _topics(topics)
        themes = GROUPS[group].concepts if group == EMOTIONS.name else GROUPS[group].labels
        if len(set(labeller)) < len(labeller):
            raise SynthesisError(f"the labellers {', '.join(labeller)} hold one twice; name each once")
        calls = predict_calls(len(base), len(themes), rounds=rounds, per_cell=per_cell, labellers=len(labeller))
        console.print(
            f"at most {calls.total:,} calls: {calls.topics:,} for topics, {calls.texts:,} for texts, {calls.labels:,} "
            f"for labels; answers that {out} holds are not asked for again",
            markup=False,
            highlight=False,
        )
        load = cache(lambda name: model_of(name, host, device, dtype))
        length = max_tokens or (80 if kind == "sentence" else 400)
        result = synthesize(
            base,
            GROUPS[group],
            generator=_writer(generator, load, temperature, length),
            labellers={name: _writer(name, load, 0.0, ANSWER_TOKENS) for name in labeller},
            out=out,
            rounds=rounds,
            per_cell=per_cell,
            agree=agree,
            kind=kind,
            themes=themes,
            seed=seed,
            workers=workers,
            progress=progress,
        )
        summarize(result)
        if not result.stages[-1].kept:
            raise SynthesisError(
                f"no text was kept, so {result.path} is empty; the table says where they went: take a stronger "
                "generator, more rounds, or a lower --agree"
            )
        console.print(f"wrote {result.path}", markup=False, highlight=False, soft_wrap=True)


def summarize(result: Synthesis) -> None:
    """Print the counts of every stage, and the agreement."""
    table = Table("stage", "entered", "left out", "kept")
    for stage in result.stages:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(stage.left_out.items()))
        table.add_row(stage.name, str(stage.entered), reasons, str(stage.kept))
    console.print(table)
    for who, found in result.agreement.items():
        value = "not defined" if found["kappa"] is None else f"{found['kappa']:.3f}"
        console.print(f"Fleiss' kappa of {who}: {value} ({found['texts']} texts)", markup=False, highlight=False)
    console.print(f"{result.calls_made} calls made, the others replayed", highlight=False)


def _topics(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise SynthesisError(f"the file of topics {path} cannot be read: {cause}") from cause
    return [line.strip() for line in lines if line.strip()]


def _writer(name: str, load: Callable[[str], LensModel], temperature: float, max_tokens: int) -> Writer:
    if name.startswith(ENDPOINT):
        return Endpoint(name.removeprefix(ENDPOINT), temperature=temperature, max_tokens=max_tokens)
    return LocalModel(load(name), temperature=temperature, max_new_tokens=max_tokens)
