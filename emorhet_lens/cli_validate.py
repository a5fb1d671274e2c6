"""`emorhet validate`: do the neurons of a screening matter for their concepts?"""

import logging
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from emorhet_lens import embedded
from emorhet_lens.cli_options import (
    DeviceOption,
    DtypeOption,
    HostOption,
    ModelOption,
    ProgressOption,
    SeedOption,
    console,
    explaining,
    model_of,
)
from emorhet_lens.corpus import Corpus
from emorhet_lens.effect_plan import plan_effects
from emorhet_lens.effect_store import write_effects
from emorhet_lens.errors import EffectsError
from emorhet_lens.generated import Generated
from emorhet_lens.held_out import MIN_TEXTS, load_held_out
from emorhet_lens.mask_positions import Where
from emorhet_lens.outcomes import Effects
from emorhet_lens.probe import Probe
from emorhet_lens.readouts import Readout
from emorhet_lens.screening import Screen
from emorhet_lens.zero_shot import FewShot, ZeroShot

log = logging.getLogger(__name__)

READOUTS: dict[str, type[Any]] = {"zero-shot": ZeroShot, "few-shot": FewShot, "probe": Probe, "generated": Generated}


def validate_command(
    screen: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote.")],
    corpus: Annotated[list[str], typer.Option(help="Name or file with unseen texts; repeat for several sources.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; an interrupted run goes on from it.")],
    model: ModelOption = embedded.NAME,
    masks: Annotated[str, typer.Option(help="Of zero, mean and attenuate, with commas.")] = "zero",
    readout: Annotated[str, typer.Option(help=", ".join(READOUTS))] = "zero-shot",
    controls: Annotated[str, typer.Option(help="Of random and other, with commas.")] = "random,other",
    n_random: Annotated[int, typer.Option(help="Matched random sets a concept.")] = 8,
    limit: Annotated[int, typer.Option(help="Most test texts a class and source.")] = 100,
    min_texts: Annotated[int, typer.Option(help="A concept with fewer in a source is left out there.")] = MIN_TEXTS,
    where: Annotated[Where, typer.Option(help="Positions that are masked.")] = "all",
    batch_size: Annotated[int | None, typer.Option(help="Texts a batch; by tokens if not given.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Mask each concept's neurons beside matched random sets; writes effects.csv, primary.csv and effects.json."""
    with explaining():
        if readout not in READOUTS:
            raise EffectsError(f"unknown readout {readout!r}; there are {', '.join(READOUTS)}")
        loaded = model_of(model, host, device, dtype)
        found = Screen.load(screen, loaded)
        seen = frozenset(found.stats.options["ids"])
        texts = load_held_out(
            corpus, found.stats.group, seen=seen, limit=limit, min_texts=min_texts, data_dir=data_dir, seed=seed
        )
        dev, train = _lessons(readout, texts.dev, seed)
        asked: Readout = READOUTS[readout]()
        started = time.monotonic()
        chosen = [name.strip() for name in controls.split(",") if name.strip()]
        plan = plan_effects(
            loaded,
            found.neurons,
            texts.test,
            masks=[name.strip() for name in masks.split(",") if name.strip()],
            readout=asked,
            controls=chosen,
            n_random=n_random,
            seed=seed,
            dev=dev,
            train=train,
            stats=found.stats,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            folder=out,
            progress=progress,
        )
        predicted = plan.minutes
        console.print(
            f"{len(plan.remaining)} of {len(plan.steps)} masked readings to do: {plan.texts} texts through the model, "
            f"about {predicted:.1f} minutes",
            highlight=False,
        )
        effects = plan.run(loaded, progress=progress)
        minutes = (time.monotonic() - started) / 60
        write_effects(
            out,
            effects,
            screen={"preset": found.preset, "corpora": found.stats.options["corpora"]},
            test=texts.test.counts(),
            left_out=list(texts.left_out),
            minutes={"predicted": round(predicted, 2), "taken": round(minutes, 2)},
        )
        _summarize(effects)
        for note in (*texts.left_out, *effects.warnings):
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"wrote {out / 'effects.csv'}", markup=False, highlight=False, soft_wrap=True)


def _lessons(readout: str, held_out: Corpus, seed: int) -> tuple[Corpus | None, Corpus | None]:
    """The development texts by what the readout uses them for: to calibrate on, to learn from."""
    if readout == "probe":
        return None, held_out
    if readout == "few-shot":
        halves = held_out.split({"train": 0.5, "dev": 0.5}, seed=seed)
        return halves["dev"], halves["train"]
    return held_out, None


def _summarize(effects: Effects) -> None:
    unit = "nats" if effects.measure == "margin" else "share of texts"
    table = Table(
        *("mask", "concept", "neurons", "n", "own change", "random sets", "excess", "95 % interval", "p (Holm)"),
        title=f"primary tests: change of the own {effects.measure} ({unit}) beyond {effects.n_random} random sets",
    )
    for row in effects.primary().itertuples():
        table.add_row(
            *(str(row.mask), str(row.concept), str(row.neurons), str(row.n), f"{row.own:+.3f}"),
            f"{row.random_mean:+.3f} ± {row.random_sd:.3f}",
            *(f"{row.excess:+.3f}", f"{row.low:+.3f} to {row.high:+.3f}", f"{row.p_holm:.3f}"),
        )
    console.print(table)
