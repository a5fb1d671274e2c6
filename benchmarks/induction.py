"""How far a model follows when its concept neurons are pushed: induction rates, controls and costs, for both groups.

Give the folders that `emorhet screen` wrote, and corpora with unseen texts. For every concept texts that do not have it
are pushed towards it by its own neurons, by matched random sets, by these sets writing as much, and by noise. The
primary family (strength 1, the default form, Holm over the concepts of a group) is read first. What is read is kept,
and the same command goes on where it stopped. `signs.csv` says how many neurons each form pushes down.

    python benchmarks/induction.py --screen S_emotion --corpus goemotions --screen S_rhetoric \\
        --corpus hypo,lcc_metaphor,sarcasm_sign,figurative_comparisons --device cuda
"""

import argparse
import time
from pathlib import Path
from typing import Any

from emorhet_lens.cli.options import model_of
from emorhet_lens.corpora.held_out import load_held_out
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import FORMS, sign_shares
from emorhet_lens.steering.pictures import write_picture
from emorhet_lens.steering.runs import SteeringPlan
from emorhet_lens.steering.steer import STRENGTHS, plan_steer
from emorhet_lens.steering.steps import CONTROLS
from emorhet_lens.steering.store import write_steering
from emorhet_lens.store import write_text


def planned(model: Any, screen: Screen, corpora: list[str], folder: Path, options: argparse.Namespace) -> SteeringPlan:
    """The measurement of one screening, on texts that it has not seen."""
    seen = frozenset(screen.stats.options["ids"])
    texts = load_held_out(corpora, screen.stats.group, seen=seen, limit=options.limit, seed=options.seed)
    for note in texts.left_out:
        print(f"note: {note}")
    return plan_steer(
        model,
        screen.neurons,
        texts.test,
        stats=screen.stats,
        dev=texts.dev,
        strengths=options.strengths,
        forms=options.forms.split(","),
        controls=[control for control in options.controls.split(",") if control],
        n_random=options.n_random,
        seed=options.seed,
        folder=folder,
        progress=not options.quiet,
    )


def main() -> None:
    """Plan all screenings, say what they cost, and measure them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screen", type=Path, action="append", required=True, help="folder of a screening; repeat")
    parser.add_argument("--corpus", action="append", required=True, help="names or files, with commas; one a screen")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--device")
    parser.add_argument("--dtype", help="float32, bfloat16 or float16")
    parser.add_argument("--limit", type=int, default=60, help="test texts a label and source")
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--forms", default="contrast,zheng2026", help=f"of {', '.join(FORMS)}")
    parser.add_argument("--controls", default=",".join(CONTROLS), help=f"of {', '.join(CONTROLS)}")
    parser.add_argument("--n-random", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cost-only", action="store_true", help="say what it costs and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--out", type=Path, default=Path("results/induction"))
    options = parser.parse_args()
    if len(options.screen) != len(options.corpus):
        parser.error("give one --corpus for every --screen")
    model = model_of(options.model, "bridge", options.device, options.dtype)
    jobs = []
    for path, corpora in zip(options.screen, options.corpus, strict=True):
        screen = Screen.load(path, model)
        folder = options.out / screen.stats.group.name
        plan = planned(model, screen, corpora.split(","), folder, options)
        print(f"{folder}: {len(plan.remaining)} of {len(plan.steps)} readings to do, {plan.texts} texts through the "
              f"model, about {plan.minutes:.1f} minutes")  # fmt: skip
        jobs.append((screen, corpora, folder, plan))
    if options.cost_only:
        return
    for screen, corpora, folder, plan in jobs:
        predicted, started = plan.minutes, time.monotonic()
        steering = plan.run(model, progress=not options.quiet)
        write_steering(
            folder,
            steering,
            corpora=corpora.split(","),
            limit=options.limit,
            minutes={"predicted": round(predicted, 2), "taken": round((time.monotonic() - started) / 60, 2)},
        )
        write_text(folder / "signs.csv", sign_shares(plan.neurons, screen.stats).to_csv(index=False))
        write_picture(folder, steering.to_dataframe())
        print(steering.primary().round(3).to_string(index=False))
        for warning in steering.warnings:
            print(f"note: {warning}")


if __name__ == "__main__":
    main()
