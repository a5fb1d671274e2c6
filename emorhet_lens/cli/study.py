"""`emorhet study`: everything from screening to report, from one file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emorhet_lens.cli.options import (
    DataDirOption,
    DeviceOption,
    ProgressOption,
    ResumableOption,
    console,
    explaining,
    model_of,
)
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.study.file import load_study
from emorhet_lens.study.run import StudyPlan, plan_study, run_study


def study_command(
    file: Annotated[Path, typer.Argument(help="The study, TOML or YAML.", metavar="STUDY")],
    out: ResumableOption,
    cost_only: Annotated[bool, typer.Option("--cost-only", help="Say what it costs and stop.")] = False,
    data_dir: DataDirOption = None,
    device: DeviceOption = None,
    progress: ProgressOption = True,
) -> None:
    """Screen, validate, sweep, induce, write, replicate and link as one file says; ends with the path of the report.

    Every stage has its folder and is not done again once it is done; an interrupted study goes on where it stopped.
    """
    with explaining():
        study = load_study(file)
        plan = plan_study(study, out, data_dir=data_dir)
        model = model_of(study.model, study.host, device or study.device, study.dtype)
        say_costs(plan, model)
        if not cost_only:
            report = run_study(plan, model, progress=progress)
            console.print(str(report), markup=False, highlight=False, soft_wrap=True)


def say_costs(plan: StudyPlan, model: LensModel) -> None:
    """Print what every stage costs, before anything is done.

    Args:
        plan: The study.
        model: Reads a few texts, for the minutes.
    """
    plan.require_layers(model)
    seconds = plan.seconds(model)
    table = Table(
        "group",
        "stage",
        "texts at most",
        "minutes",
        title="what is to do; unmasked readings and the report come on top",
    )
    total, minutes = 0, 0.0
    for cost in plan.costs:
        group, known = cost.stage.owner, cost.stage.owner in seconds
        texts = cost.of(model)
        took = texts * seconds.get(group, 0.0) / 60
        total, minutes = total + texts, minutes + took
        table.add_row(
            *(group, cost.stage.name, "done" if cost.done else f"{texts:,}"),
            "" if cost.done else f"{took:.1f}" if known else "not measured",
        )
    console.print(table)
    console.print(
        f"at most {total:,} texts through the model, about {minutes:.1f} minutes at the speed measured just now; "
        "loops that end early and texts shorter than those measured need less",
        highlight=False,
    )
    if unknown := sorted({cost.stage.owner for cost in plan.costs if not cost.done} - seconds.keys()):
        console.print(f"the minutes leave out {', '.join(unknown)}, whose texts are not asked about", highlight=False)
    if any(cost.stage.name == "curves" and not cost.done for cost in plan.costs):
        console.print(
            "curves: every token that is written counts as a text, though it takes much less; a text that ends early "
            "has fewer",
            highlight=False,
        )
