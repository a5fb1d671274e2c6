"""`emorhet steer`: write texts with and without a push through a concept's neurons."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from emorhet_lens.cli.options import (
    BatchSizeOption,
    DeviceOption,
    DtypeOption,
    HostOption,
    ModelOption,
    OutOption,
    ProgressOption,
    ScreenOption,
    SeedOption,
    console,
    explaining,
    model_of,
)
from emorhet_lens.errors import MaskError, PromptError, ReadoutError
from emorhet_lens.generation.generate import ApplyTo
from emorhet_lens.generation.steered_texts import SteeredTexts, concept_mask, steer_texts
from emorhet_lens.models import embedded
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import FORMS, Form

CHAT = [{"role": "user", "content": "{text}"}]


def steer_command(
    screen: ScreenOption,
    concept: Annotated[list[str], typer.Option(help="CONCEPT=STRENGTH, negative to push away; repeat for several.")],
    prompt: Annotated[list[str], typer.Option(help="A text, or a file with one a line; repeat for several.")],
    out: OutOption,
    model: ModelOption = embedded.NAME,
    form: Annotated[Form, typer.Option(help=f"How neurons are pushed: {', '.join(FORMS)}.")] = "contrast",
    neurons: Annotated[int | None, typer.Option(min=1, help="Only the first so many of every concept.")] = None,
    apply_to: Annotated[ApplyTo, typer.Option(help="Positions that are pushed.")] = "all",
    max_new_tokens: Annotated[int, typer.Option(help="Longest text, in tokens.")] = 40,
    chat: Annotated[bool, typer.Option("--chat", help="Prompts are messages of a user, by the chat template.")] = False,
    sample: Annotated[bool, typer.Option("--sample", help="Sample; greedy otherwise.")] = False,
    temperature: Annotated[float, typer.Option(help="Of sampling.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Share of the probability that is sampled from.")] = 1.0,
    batch_size: BatchSizeOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Steer what the model writes; prints texts side by side, and writes generations.json and generations.csv."""
    with explaining():
        strengths, prompts = strengths_of(concept), prompts_of(prompt)
        if not sample and (temperature, top_p) != (1.0, 1.0):
            raise ReadoutError("--temperature and --top-p are of sampling; add --sample, or leave them out")
        loaded = model_of(model, host, device, dtype)
        screened = Screen.load(screen, loaded)
        chosen = screened.neurons if neurons is None else screened.neurons.head(neurons)
        mask = concept_mask(chosen, screened.stats, strengths, form=form)
        texts = steer_texts(
            loaded,
            mask,
            prompts,
            template=CHAT if chat else None,
            apply_to=apply_to,
            max_new_tokens=max_new_tokens,
            sample=sample,
            temperature=temperature,
            top_p=top_p,
            batch_size="auto" if batch_size is None else batch_size,
            seed=seed,
            progress=progress,
        )
        texts.save(out)
        summarize_texts(texts)
        console.print(f"wrote {out / 'generations.json'}", markup=False, highlight=False, soft_wrap=True)


def strengths_of(given: list[str]) -> dict[str, float]:
    """Concepts with their strengths.

    Raises:
        MaskError: One is not of the form CONCEPT=STRENGTH, or a concept is given twice.
    """
    strengths: dict[str, float] = {}
    for text in given:
        name, sign, number = (part.strip() for part in text.partition("="))
        try:
            strength = float(number)
        except ValueError:
            strength = float("nan")
        if not name or not sign or strength != strength:
            raise MaskError(f"--concept {text!r} has to be CONCEPT=STRENGTH, for example anger=1.5 or fear=-2")
        if name in strengths:
            raise MaskError(f"--concept {name!r} is given twice; give it once")
        strengths[name] = strength
    return strengths


def prompts_of(given: list[str]) -> list[str]:
    """Prompts as they are, and those of files, one a line; blank lines are left out.

    Raises:
        PromptError: A file cannot be read or holds no prompt.
    """
    prompts: list[str] = []
    for text in given:
        if not _is_file(text):
            prompts.append(text)
            continue
        try:
            lines = [line.strip() for line in Path(text).read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as cause:
            raise PromptError(f"the file of prompts {text} could not be read: {cause}") from cause
        found = [line for line in lines if line]
        if not found:
            raise PromptError(f"the file {text} holds no prompt; write one a line")
        prompts += found
    return prompts


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or holding what no name can hold: a text
        return False


def summarize_texts(texts: SteeredTexts) -> None:
    """Print both texts of every prompt."""
    mask: Any = texts.options["mask"]
    table = Table("prompt", "unsteered", "steered", title=f"{mask}: all texts, unselected", show_lines=True)
    for row in texts.to_dataframe().itertuples():
        # As plain text: what was written may look like markup.
        cells = (
            str(row.prompt),
            f"{row.unsteered}\n(perplexity {row.unsteered_perplexity:.1f})",
            f"{row.steered}\n(perplexity {row.steered_perplexity:.1f})",
        )
        table.add_row(*map(Text, cells))
    console.print(table)
