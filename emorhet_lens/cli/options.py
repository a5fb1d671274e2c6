"""What the commands of the command line share: options, messages, and loading a model."""

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.logging import RichHandler

from emorhet_lens.errors import EffectsError, EmorhetError, ScreenError
from emorhet_lens.masks.mask_positions import Where
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.models.loading import Host, load_model
from emorhet_lens.readouts.named import READOUTS

console = Console()
complaints = Console(stderr=True)

ModelOption = Annotated[str, typer.Option("--model", help="Hub id, folder, .gguf file, or the embedded model.")]
HostOption = Annotated[Host, typer.Option(help="Class of the model object.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")]
DtypeOption = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of sampling, halves and shuffles.")]
ProgressOption = Annotated[bool, typer.Option("--progress/--no-progress", help="Show progress bars.")]
DataDirOption = Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")]
BatchSizeOption = Annotated[int | None, typer.Option(help="Texts a batch; by tokens if not given.")]

# Of the commands that measure effects of a screening's neurons.
ScreenOption = Annotated[Path, typer.Option(help="Folder that emorhet screen wrote.")]
UnseenOption = Annotated[list[str], typer.Option(help="Name or file with unseen texts; repeat for several sources.")]
ResumableOption = Annotated[Path, typer.Option(help="Folder for the results; an interrupted run goes on from it.")]
ReadoutOption = Annotated[str, typer.Option(help=", ".join(READOUTS))]
RandomSetsOption = Annotated[int, typer.Option(help="Matched random sets a concept, for every set that is measured.")]
TestLimitOption = Annotated[int, typer.Option(help="Most test texts a class and source.")]
MinTextsOption = Annotated[int, typer.Option(help="A concept with fewer test texts in a source is left out there.")]
CostOnlyOption = Annotated[bool, typer.Option("--cost-only", help="Say what it costs and stop.")]
WhereOption = Annotated[Where, typer.Option(help="Positions that are masked.")]


@contextmanager
def explaining() -> Iterator[None]:
    """Show our errors and those of files as one message, exit code 2; an interruption or a request to end as 130."""
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=complaints, show_path=False)]
    )
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("emorhet_lens").setLevel(logging.INFO)
    main = threading.current_thread() is threading.main_thread()
    # Schedulers and shells that close end programs so; what is kept on an interruption is to be kept then, too.
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        yield
    except EmorhetError as error:
        complaints.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except OSError as error:
        # A full disk, a folder that may not be written, a file where a folder should be: not ours, and no bug either.
        complaints.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        complaints.print("interrupted; run the same command again to go on where it stopped", markup=False)
        raise typer.Exit(130) from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def model_of(name: str, host: Host, device: str | None, dtype: str | None) -> LensModel:
    """The model that the options name.

    Raises:
        ScreenError: The precision is unknown.
        ModelError: The model cannot be loaded.
    """
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype is not None and dtype not in kinds:
        raise ScreenError(f"unknown dtype {dtype!r}; there are {', '.join(kinds)}")
    return load_model(name, host=host, device=device, dtype=None if dtype is None else kinds[dtype])


def parts_of(text: str) -> list[str]:
    """The parts of an option whose values are separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def numbers_of(text: str, what: str) -> list[float]:
    """The numbers of an option whose values are separated by commas.

    Raises:
        EffectsError: One is no number.
    """
    try:
        return [float(part) for part in parts_of(text)]
    except ValueError as error:
        raise EffectsError(f"--{what} takes numbers with commas between them, got {text!r}") from error


def choices_of(text: str, allowed: Sequence[str], what: str) -> list[Any]:
    """The parts of an option that takes some of a few words.

    Raises:
        EffectsError: One is not among them.
    """
    found = parts_of(text)
    unknown = [part for part in found if part not in allowed]
    if unknown:
        raise EffectsError(f"--{what} takes {', '.join(allowed)}, with commas between them, got {text!r}")
    return found


def say_notes(notes: Sequence[str], written: Path) -> None:
    """Print what a reader has to know, and where the results are."""
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(f"wrote {written}", markup=False, highlight=False, soft_wrap=True)
