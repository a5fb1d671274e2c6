"""Does the signal of rhetoric neurons help a model to tell emotions, and the other way round?

Give the folders that `emorhet screen` wrote for both groups, and corpora with unseen texts of both. A device's signal
is injected while emotions are read: one test a device and emotion, Holm over all cells, against matched random sets
that are given as much and choose their dose as well. The reverse is exploratory. What is read is kept, and the same
command goes on where it stopped.

    python benchmarks/cross_signal.py --screen S_emotion --corpus goemotions --rhetoric-screen S_rhetoric \\
        --rhetoric-corpus hypo,lcc_metaphor,sarcasm_sign,figurative_comparisons --device cuda
"""

import argparse
import time
from pathlib import Path
from typing import Any

from emorhet_lens.cli.options import model_of
from emorhet_lens.corpora.held_out import load_held_out
from emorhet_lens.cross_signal.enhance import OMEGAS, plan_enhance
from emorhet_lens.cross_signal.runs import CrossSignalPlan
from emorhet_lens.cross_signal.store import write_cross_signal, write_picture
from emorhet_lens.screening.screen import Screen


def planned(
    model: Any, injected: Screen, read: Screen, corpora: list[str], folder: Path, options: argparse.Namespace
) -> CrossSignalPlan:
    """One direction: the neurons of one screening, texts of the other's group that neither has seen."""
    seen = frozenset((*injected.stats.options["ids"], *read.stats.options["ids"]))
    texts = load_held_out(corpora, read.stats.group, seen=seen, limit=options.limit, seed=options.seed)
    for note in texts.left_out:
        print(f"note: {note}")
    return plan_enhance(
        model,
        injected.neurons,
        texts.test,
        stats=injected.stats,
        dev=texts.dev,
        omegas=options.omegas,
        choice=options.choice,
        form=options.form,
        n_random=options.n_random,
        seed=options.seed,
        primary_family=read.stats.group.name == "emotion",
        folder=folder,
        progress=not options.quiet,
    )


def main() -> None:
    """Plan both directions, say what they cost, and measure them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screen", type=Path, required=True, help="folder of the screening of emotions")
    parser.add_argument("--corpus", required=True, help="names or files of emotion texts, with commas")
    parser.add_argument("--rhetoric-screen", type=Path, required=True, help="folder of the screening of devices")
    parser.add_argument("--rhetoric-corpus", help="texts of devices, with commas; without them no reverse direction")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--device")
    parser.add_argument("--dtype", help="float32, bfloat16 or float16")
    parser.add_argument("--limit", type=int, default=60, help="test texts a label and source")
    parser.add_argument("--omegas", type=float, nargs="+", default=list(OMEGAS))
    parser.add_argument("--choice", default="margin", help="margin or accuracy: by what a dose is chosen")
    parser.add_argument("--form", default="contrast", help="contrast, or zheng2026 for the mean as in the study")
    parser.add_argument("--n-random", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cost-only", action="store_true", help="say what it costs and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--out", type=Path, default=Path("results/cross_signal"))
    options = parser.parse_args()
    model = model_of(options.model, "bridge", options.device, options.dtype)
    emotion, rhetoric = (Screen.load(path, model) for path in (options.screen, options.rhetoric_screen))
    directions = [("rhetoric-to-emotion", rhetoric, emotion, options.corpus)]
    if options.rhetoric_corpus is not None:
        directions.append(("emotion-to-rhetoric", emotion, rhetoric, options.rhetoric_corpus))
    jobs = []
    for name, injected, read, corpora in directions:
        folder = options.out / name
        plan = planned(model, injected, read, corpora.split(","), folder, options)
        print(f"{folder}: {plan.texts} texts through the model, about {plan.minutes:.1f} minutes")
        jobs.append((folder, corpora, plan))
    if options.cost_only:
        return
    for folder, corpora, plan in jobs:
        predicted, started = plan.minutes, time.monotonic()
        found = plan.run(model, progress=not options.quiet)
        write_cross_signal(
            folder,
            found,
            corpora=corpora.split(","),
            limit=options.limit,
            minutes={"predicted": round(predicted, 2), "taken": round((time.monotonic() - started) / 60, 2)},
        )
        write_picture(folder, found)
        columns = ["injected", "read", "n", "omega", "own", "random_mean", "excess", "p_holm", "bias", "accuracy_base"]
        print(found.primary()[[*columns, "accuracy"]].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
