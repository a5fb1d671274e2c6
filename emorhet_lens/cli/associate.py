"""`emorhet associate`: what do the neurons of emotions and of rhetorical devices have in common?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from emorhet_lens.association.associate import LEVEL, Association
from emorhet_lens.association.cross_effects import CrossEffects, Family
from emorhet_lens.association.files import ASSOCIATION_FILE
from emorhet_lens.association.inputs import require_groups, texts_by_group
from emorhet_lens.association.job import plan_association_job
from emorhet_lens.causal.inputs import NEEDS_STATS
from emorhet_lens.causal.runs import EffectPlan
from emorhet_lens.cli.options import (
    DeviceOption,
    DtypeOption,
    HostOption,
    ModelOption,
    OutOption,
    ProgressOption,
    ReadoutOption,
    SeedOption,
    choices_of,
    console,
    explaining,
    model_of,
    say_notes,
)
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.models import embedded
from emorhet_lens.readouts.named import require_readout
from emorhet_lens.screening.screen import Screen


def associate_command(
    emotion: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote for emotions.")],
    rhetoric: Annotated[Path, typer.Option(help="Folder that emorhet screen wrote for rhetorical devices.")],
    out: OutOption,
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="Unseen texts of either group, for co-activation and effects; repeat for several."),
    ] = None,
    model: ModelOption = embedded.NAME,
    draws: Annotated[int, typer.Option(help="Matched random draws each way.")] = 1000,
    shuffles: Annotated[int, typer.Option(min=0, help="Shuffled labellings, for profiles and clusters.")] = 40,
    masks: Annotated[str, typer.Option(help="Of zero, mean and attenuate, with commas.")] = "zero",
    readout: ReadoutOption = "zero-shot",
    n_random: Annotated[int, typer.Option(help="Matched random sets a concept, with --corpus.")] = 8,
    limit: Annotated[int, typer.Option(help="Most test texts a class and source.")] = 100,
    min_texts: Annotated[int, typer.Option(help="A concept with fewer in a source is left out there.")] = MIN_TEXTS,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of named corpora; EMORHET_DATA by default.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Shared neurons, profiles, layers and clusters of two screenings; writes association.csv, .json and pictures.

    With --corpus also co-activation on these texts, unless the screenings read texts in different ways, and effects:
    devices masked while emotions are read, and back.
    """
    with explaining():
        require_readout(readout)
        named = choices_of(masks, ("zero", *NEEDS_STATS), "masks")
        loaded = model_of(model, host, device, dtype) if corpus else None
        screens = Screen.load(emotion, loaded), Screen.load(rhetoric, loaded)
        require_groups(*screens)
        choices: dict[str, Any] = {"limit": limit, "min_texts": min_texts, "data_dir": data_dir, "seed": seed}
        job = plan_association_job(
            loaded,
            screens,
            texts_by_group(*screens, corpus, **choices) if corpus else {},
            out,
            draws=draws,
            shuffles=shuffles,
            masks=named,
            readout=readout,
            n_random=n_random,
            seed=seed,
            facts={"corpora": corpus},
            progress=progress,
        )
        summarize_association(job.found)
        say_cost(job.plans)
        causal, notes = job.run(loaded, progress=progress)
        for way, found in causal.items():
            summarize_effects(way, found)
        say_notes(notes, out / ASSOCIATION_FILE)


def say_cost(plans: Mapping[str, tuple[EffectPlan, Family]]) -> None:
    """Print what is to do, before it is done."""
    for way, (plan, _) in plans.items():
        console.print(
            f"{way}: {len(plan.remaining)} of {len(plan.steps)} masked readings to do: {plan.texts} texts through the "
            f"model, about {plan.minutes:.1f} minutes",
            highlight=False,
        )


def summarize_association(found: Association) -> None:
    """Print the overlaps that are beyond matched draws, or that there is none."""
    table = found.to_dataframe()
    kept = table[table["p_holm"] < LEVEL]
    shown = Table(
        *("concepts", "neurons", "shared", "of draws like them", "p (Holm)", "correlation of profiles"),
        title=f"{len(kept)} of {len(table)} overlaps beyond {found.options['draws']} matched draws each way",
    )
    for row in kept.itertuples():
        shown.add_row(
            *(f"{row.first}, {row.second}", f"{row.n_first}, {row.n_second}", str(row.shared)),
            *(f"{row.expected:.1f} ± {row.sd:.1f}", f"{row.p_holm:.3f}", f"{row.rho:+.2f}"),
        )
    console.print(shown)


def summarize_effects(way: str, found: CrossEffects) -> None:
    """Print the cells that survive correction."""
    table = found.to_dataframe()
    kept = table[table["p_holm"] < LEVEL]
    shown = Table(
        *("mask", "masked", "read", "own change", "random sets", "excess", "p (Holm)"),
        title=f"{way} ({found.family}): {len(kept)} of {len(table)} cells survive correction",
    )
    for row in kept.itertuples():
        shown.add_row(
            *(str(row.mask), str(row.masked), str(row.read), f"{row.own:+.3f}"),
            *(f"{row.random_mean:+.3f} ± {row.random_sd:.3f}", f"{row.excess:+.3f}", f"{row.p_holm:.3f}"),
        )
    console.print(shown)
