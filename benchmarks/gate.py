"""Does a gate make masking cheaper? Plain and gated attenuation of the concepts' neurons at an equal drop.

python benchmarks/gate.py --screen DIR --corpus goemotions --out results/gate

DIR is what `emorhet screen` wrote; the corpus holds texts that were not screened on and needs EMORHET_DATA. The cost is
said before anything is masked, and a run that was interrupted goes on with the next concept. Writes gate.csv, gate.json
and gate.png. Everything is exploratory: a few concepts of one model on one corpus, intervals over texts only.
"""

import argparse
import time
from pathlib import Path
from typing import get_args

from emorhet_lens import load_model
from emorhet_lens.corpora.held_out import MIN_TEXTS, load_held_out
from emorhet_lens.gates.arms import Kind
from emorhet_lens.gates.comparison import DOSES, plan_gates
from emorhet_lens.gates.outcomes import write_comparison
from emorhet_lens.gates.pictures import write_picture
from emorhet_lens.models import embedded
from emorhet_lens.screening.screen import Screen

SHOWN = ("concept", "target", "drop_plain", "drop_gated", "kl_plain", "kl_gated", "kl_difference", "verdict")


def main() -> None:
    """Compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screen", type=Path, required=True, help="folder that emorhet screen wrote")
    parser.add_argument("--corpus", action="append", help="name or file with unseen texts; repeat for several sources")
    parser.add_argument("--concepts", nargs="+", help="whose neurons; all by default")
    parser.add_argument("--limit", type=int, default=60, help="most test texts a class and source")
    parser.add_argument("--min-texts", type=int, default=MIN_TEXTS, help="a concept with fewer in a source is left out")
    parser.add_argument("--doses", type=float, nargs="+", default=list(DOSES), help="alphas read on development texts")
    parser.add_argument("--mask", choices=get_args(Kind), default="attenuate", help="zero is times the dose")
    parser.add_argument("--target", type=float, help="drop in nats; by default the largest that both masks reach")
    parser.add_argument("--n-random", type=int, default=2, help="gates from matched random sets, as a control")
    parser.add_argument("--model", default=embedded.NAME)
    parser.add_argument("--device", help="cpu, cuda, ...; the host's choice by default")
    parser.add_argument("--data-dir", type=Path, help="folder of named corpora; EMORHET_DATA by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/gate"))
    parser.add_argument("--cost-only", action="store_true", help="say the cost and stop")
    options = parser.parse_args()
    model = load_model(options.model, device=options.device)
    screen = Screen.load(options.screen, model)
    texts = load_held_out(
        options.corpus or ["goemotions"],
        screen.stats.group,
        seen=frozenset(screen.stats.options["ids"]),
        limit=options.limit,
        min_texts=options.min_texts,
        data_dir=options.data_dir,
        seed=options.seed,
    )
    plan = plan_gates(
        model,
        screen.neurons,
        texts.dev,
        texts.test,
        stats=screen.stats,
        concepts=options.concepts,
        mask=options.mask,
        doses=options.doses,
        target=options.target,
        n_random=options.n_random,
        seed=options.seed,
        folder=options.out,
        progress=False,
    )
    left = ", ".join(plan.remaining) or "nothing"
    print(f"to do: {left}; at most {plan.texts} texts through the model, about {plan.minutes:.1f} minutes", flush=True)
    if options.cost_only:
        return
    minutes, started = plan.minutes, time.monotonic()
    found = plan.run(model)
    taken = (time.monotonic() - started) / 60
    table = write_comparison(
        options.out,
        found,
        screen={"preset": screen.preset, "corpora": screen.stats.options["corpora"]},
        test=texts.test.counts(),
        left_out=list(texts.left_out),
        minutes={"predicted": round(minutes, 2), "taken": round(taken, 2)},
    )
    write_picture(options.out, table)
    print(table[list(SHOWN)].to_string(index=False))
    for note in (*texts.left_out, *found.warnings):
        print(f"note: {note}")


if __name__ == "__main__":
    main()
