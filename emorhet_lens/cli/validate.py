"""`emorhet validate`: do the neurons of a screening matter for their concepts?"""

from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.cli.options import (
    BatchSizeOption,
    DataDirOption,
    DeviceOption,
    DtypeOption,
    HostOption,
    MinTextsOption,
    ModelOption,
    ProgressOption,
    RandomSetsOption,
    ReadoutOption,
    ResumableOption,
    ScreenOption,
    SeedOption,
    TestLimitOption,
    UnseenOption,
    WhereOption,
    console,
    explaining,
    model_of,
    parts_of,
)
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.models import embedded
from emorhet_lens.readouts.named import require_readout
from emorhet_lens.screening.screen import Screen
from emorhet_lens.tuning.dose_search import Search
from emorhet_lens.tuning.tunings import Tunings
from emorhet_lens.validation.validate import Validation, plan_validation


def validate_command(
    screen: ScreenOption,
    corpus: UnseenOption,
    out: ResumableOption,
    model: ModelOption = embedded.NAME,
    masks: Annotated[str, typer.Option(help="Of zero, mean, attenuate and adaptive, with commas.")] = "zero",
    readout: ReadoutOption = "zero-shot",
    controls: Annotated[str, typer.Option(help="Of random and other, with commas.")] = "random,other",
    n_random: RandomSetsOption = 8,
    limit: TestLimitOption = 100,
    min_texts: MinTextsOption = MIN_TEXTS,
    delta: Annotated[float, typer.Option(help="Adaptive masks: how far recall falls on development texts.")] = 0.05,
    search: Annotated[Search, typer.Option(help="Adaptive masks: how the dose is looked for.")] = "ladder",
    where: WhereOption = "all",
    batch_size: BatchSizeOption = None,
    data_dir: DataDirOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    host: HostOption = "bridge",
    progress: ProgressOption = True,
) -> None:
    """Mask each concept's neurons beside matched random sets; writes effects.csv, primary.csv and effects.json.

    With --masks adaptive the dose is tuned on development texts first, for random sets too; writes tuning.json.
    """
    with explaining():
        require_readout(readout)
        loaded = model_of(model, host, device, dtype)
        validation = plan_validation(
            loaded,
            Screen.load(screen, loaded),
            corpus,
            out,
            masks=parts_of(masks),
            readout=readout,
            controls=parts_of(controls),
            n_random=n_random,
            limit=limit,
            min_texts=min_texts,
            where=where,
            batch_size="auto" if batch_size is None else batch_size,
            data_dir=data_dir,
            seed=seed,
            progress=progress,
            delta=delta,
            search=search,
            announce=say_tuning,
        )
        if validation.tunings is not None:
            summarize_tunings(validation.tunings)
        say_cost(validation)
        effects = validation.run(loaded, progress=progress)
        summarize_effects(effects)
        for note in (*validation.unseen.texts.left_out, *effects.warnings):
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"wrote {out / 'effects.csv'}", markup=False, highlight=False, soft_wrap=True)


def say_tuning(texts: int, minutes: float) -> None:
    """Print what tuning and the readings after it cost at most, before any of it is done."""
    console.print(
        f"adaptive masks are tuned first: at most {texts} texts through the model, readings included, about "
        f"{minutes:.1f} minutes",
        highlight=False,
    )


def say_cost(validation: Validation) -> None:
    """Print what is to do, before it is done."""
    plan = validation.plan
    console.print(
        f"{len(plan.remaining)} of {len(plan.steps)} masked readings to do: {plan.texts} texts through the model, "
        f"about {plan.minutes:.1f} minutes",
        highlight=False,
    )


def summarize_tunings(tunings: Tunings) -> None:
    """Print what the feedback loop alone concludes, of the concepts' sets and of random ones."""
    table = Table(
        *("concept", "outcome", "alpha", "tau", "recall before", "at the dose", "random sets", "other concepts' sets"),
        title="the feedback loop alone, on development texts: for how many sets it finds a dose",
    )
    for row in tunings.conclusions().itertuples():
        table.add_row(
            *(str(row.concept), str(row.outcome), f"{row.alpha:.2f}", f"{row.tau:.2f}"),
            *(f"{row.base_recall:.2f}", f"{row.recall:.2f}"),
            *(f"{row.random_reached} of {row.random_sets}", f"{row.other_reached} of {row.other_sets}"),
        )
    console.print(table)


def summarize_effects(effects: Effects) -> None:
    """Print the primary tests."""
    unit = "nats" if effects.measure == "margin" else "share of texts"
    table = Table(
        *("mask", "concept", "neurons", "n", "own change", "random sets", "excess", "95 % interval", "p (Holm)"),
        title=f"primary tests: change of the own {effects.measure} ({unit}) beyond {effects.n_random} random sets",
    )
    tests = effects.primary()
    for row in tests[tests["family"] == "primary"].itertuples():
        table.add_row(
            *(str(row.mask), str(row.concept), str(row.neurons), str(row.n), f"{row.own:+.3f}"),
            f"{row.random_mean:+.3f} ± {row.random_sd:.3f}",
            *(f"{row.excess:+.3f}", f"{row.low:+.3f} to {row.high:+.3f}", f"{row.p_holm:.3f}"),
        )
    console.print(table)
