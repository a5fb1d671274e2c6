"""How often the tests of effects find something where there is nothing, and where there is: whole families, simulated.

Run it with `make null`. A null family is a model of random weights, texts of random words, and matched random sets
passed off as the neurons of concepts, all through `effects`. A planted family is a model whose answers come from known
neurons, which are claimed for some concepts and matched random sets for the others. The seeds are 0, 1, 2, ...; none
is left out. The numbers hold for these models; sets of a large model can vary in another way.

With `--adaptive` null families only, whose masks come from the feedback loop, run on the claims and on the random sets
alike: how often the loop alone finds a dose, and how often the test of tuned masks is significant, beside its halves
alone: against loop-matched random sets, and against random sets at the claim's own dose.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import torch
from scipy import stats
from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from answering import Family, adaptive_null_family, null_family, planted_family  # noqa: E402

from emorhet_lens.causal.inference import holm, paired_p  # noqa: E402

LEVEL = 0.05
R = 8


def null_rows(seed: int) -> list[dict[str, Any]]:
    """The tests of one null family with sets as large as the default screen selects of the embedded model."""
    return rows_of(null_family(seed), seed)


def small_rows(seed: int) -> list[dict[str, Any]]:
    """The tests of one null family with sets of eight neurons, few enough for single ones to decide."""
    return rows_of(null_family(seed, d_mlp=256, size=8), seed)


def planted_rows(seed: int) -> list[dict[str, Any]]:
    """The tests of one planted family, under zero masks."""
    return rows_of(planted_family(seed), seed)


def adaptive_rows(seed: int) -> list[dict[str, Any]]:
    """The tests of one null family with tuned masks, and what the loop alone concludes."""
    family, tunings = adaptive_null_family(seed)
    loop = tunings.conclusions().set_index("concept")[["outcome", "random_reached", "random_sets"]]
    rows = rows_of(family, seed)
    # The first half of the test alone, as a kind of mask of its own; the second, `same_dose`, is one already.
    alone = {concept: family.effects.excess_over("adaptive", concept).p for concept in family.effects.concepts}
    corrected = dict(zip(alone, holm(list(alone.values())), strict=True))
    rows += [
        row | {"mask": "loop_matched", "p": alone[row["concept"]], "p_holm": corrected[row["concept"]]}
        for row in rows
        if row["mask"] == "adaptive"
    ]
    return [row | loop.loc[row["concept"]].to_dict() for row in rows]


def rows_of(family: Family, seed: int) -> list[dict[str, Any]]:
    """One row a mask and concept: its test, its place among the random sets, and their paired tests."""
    effects, rows = family.effects, []
    for test in effects.primary().to_dict("records"):
        mask, concept = test["mask"], test["concept"]
        changes = [effects.change(mask, concept, concept, draw) for draw in range(R)]
        random = np.array([float(change.margin.mean()) for change in changes])
        matrix = effects.matrix(mask).loc[concept]
        rows.append(
            {"seed": seed, "mask": mask, "concept": concept, "planted": concept in family.planted}
            | {name: test[name] for name in ("own", "p", "p_holm")}
            | {"specificity": test["own"] - matrix.drop(concept).mean()}
            | {"p_any": [paired_p(change.margin) for change in changes], "rank": int((random < test["own"]).sum())}
            | {"standardized": ((random - random.mean()) / random.std(ddof=1)).tolist()}
        )
    return rows


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """What one kind of claims under one mask gave."""
    families = rows.groupby("seed")
    ranks = np.bincount(rows["rank"], minlength=R + 1)
    paired = np.concatenate(rows["p_any"].to_list())
    return {
        "families": families.ngroups,
        "tests": len(rows),
        "families_with_a_rejection": int((families["p_holm"].min() < LEVEL).sum()),
        "share_p_below_0.05": float((rows["p"] < LEVEL).mean()),
        "share_p_holm_below_0.05": float((rows["p_holm"] < LEVEL).mean()),
        "p_deciles": np.histogram(rows["p"], 10, (0, 1))[0].tolist(),
        "ks_p": float(stats.kstest(rows["p"], "uniform").pvalue),
        "ks_p_one_test_a_family": float(stats.kstest(families["p"].first(), "uniform").pvalue),
        "rank_among_random": ranks.tolist(),
        "rank_chi_square_p": float(stats.chisquare(ranks).pvalue),
        "kurtosis_of_random": float(stats.kurtosis(np.concatenate(rows["standardized"].to_list()))),
        "kurtosis_if_normal": 3 * (R - 1) / (R + 1) - 3,
        "share_p_any_of_random_sets_below_0.05": float((paired < LEVEL).mean()),
        "mean_change": float(rows["own"].mean()),
        "mean_specificity": float(rows["specificity"].mean()),
    }


def simulate(one: Callable[[int], list[dict[str, Any]]], n: int, workers: int) -> tuple[pd.DataFrame, float]:
    """All families of a kind, and the seconds they took."""
    started = time.perf_counter()
    # Spawned, since threads of torch do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=prepare_worker) as pool:
        found = [row for rows in tqdm(pool.map(one, range(n), chunksize=5), total=n, desc=one.__name__) for row in rows]
    return pd.DataFrame(found), time.perf_counter() - started


def prepare_worker() -> None:
    """One thread a process, and what was imported is not looked through again by every garbage collection."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    gc.freeze()


def adaptive_report(rows: pd.DataFrame, seconds: float) -> dict[str, Any]:
    """What null families with the loop inside gave, for each kind of mask."""
    own = rows[rows["mask"] == "adaptive"]
    families = own["seed"].nunique()
    return {
        "bound": int(stats.binom.ppf(0.99, families, LEVEL)),
        "random_sets": R,
        "loop_alone": {
            "claims_reached": float((own["outcome"] == "reached").mean()),
            "random_sets_reached": float(own["random_reached"].sum() / own["random_sets"].sum()),
            "families_with_a_claim_reached": int(
                own.groupby("seed")["outcome"].agg(lambda o: "reached" in set(o)).sum()
            ),
        },
        "test": summary(own),
        "loop_matched_alone": summary(rows[rows["mask"] == "loop_matched"]),
        "same_dose_alone": summary(rows[rows["mask"] == "same_dose"]),
        "seconds": round(seconds),
    }


def write(path: Path, report: dict[str, Any]) -> None:
    """Keep a report, and print it."""
    text = json.dumps(report, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=200)
    parser.add_argument("--planted", type=int, help="planted families; a quarter of the null families by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--adaptive", action="store_true", help="null families with the feedback loop inside")
    parser.add_argument("--out", type=Path, help="results/null_families.json or null_families_adaptive.json")
    options = parser.parse_args()
    name = "null_families_adaptive.json" if options.adaptive else "null_families.json"
    out = ROOT / "results" / name if options.out is None else options.out
    if options.adaptive:
        write(out, adaptive_report(*simulate(adaptive_rows, options.families, options.workers)))
        return
    planted_n = max(2, options.families // 4) if options.planted is None else options.planted
    null, null_seconds = simulate(null_rows, options.families, options.workers)
    small, small_seconds = simulate(small_rows, options.families, options.workers)
    planted, planted_seconds = simulate(planted_rows, planted_n, options.workers)
    report = {
        "bound": int(stats.binom.ppf(0.99, options.families, LEVEL)),
        "random_sets": R,
        "null": summary(null),
        "null_sets_of_eight": summary(small),
        "planted": summary(planted[planted["planted"]]),
        "not_planted": summary(planted[~planted["planted"]]),
        "seconds": {
            "null": round(null_seconds),
            "null_sets_of_eight": round(small_seconds),
            "planted": round(planted_seconds),
        },
    }
    write(out, report)


if __name__ == "__main__":
    main()
