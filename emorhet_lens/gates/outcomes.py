"""What came out of comparing a plain mask with the same mask behind a gate, at doses of equal effect.

A mask that does less costs less, so costs are compared where both lower the concept's margin equally, on development
texts; whether they do so on test texts stands beside. All of it is exploratory and nothing is corrected. Intervals
are bootstrap intervals over texts with the set of neurons taken as given, paired where they are of a difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from emorhet_lens.causal.inference import bootstrap_interval
from emorhet_lens.errors import EffectsError
from emorhet_lens.gates.arms import GATED, PLAIN, ConceptGates
from emorhet_lens.store import write_json, write_text


@dataclass(frozen=True, eq=False, repr=False)
class GateComparison:
    """What came out, concept by concept.

    Args:
        found: One value a concept.
        options: How it was measured.
        warnings: What a reader has to know.
    """

    found: tuple[ConceptGates, ...]
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{one.concept}: {self._verdict(one)}" for one in self.found)
        return f"GateComparison({verdicts}; exploratory)"

    def to_dataframe(self) -> pd.DataFrame:
        """One row a concept: what `gate.csv` holds.

        Returns:
            Columns concept, neurons, n (test texts), n_neutral (neutral texts), target (nats), alpha_plain,
            alpha_gated, shut (share of the gate's layers after which it stays shut); drop_plain, drop_gated and
            drop_difference (fall of the own margin of test texts, nats), kl_plain, kl_gated and kl_difference (nats a
            token on neutral texts), log_ppl_plain, log_ppl_gated and log_ppl_difference, all of them means over texts
            with low and high (95 %), differences gated minus plain; ppl_plain and ppl_gated (geometric means of the
            perplexity ratio); random_gates, random_calibrated, random_reached, and random_kl_difference (mean over
            the calibrated ones: the mask behind a random set's gate minus the plain one); verdict, and family (always
            `exploratory`). NaN where nothing was measured.
        """
        return pd.DataFrame([self._row(one) for one in self.found])

    def _row(self, one: ConceptGates) -> dict[str, Any]:
        plain, gated = one.arm(PLAIN), one.arm(GATED)
        row: dict[str, Any] = {
            "concept": one.concept,
            "neurons": one.neurons,
            "n": len(plain.drops),
            "n_neutral": len(plain.kl),
            "target": one.target,
            "alpha_plain": plain.alpha,
            "alpha_gated": gated.alpha,
            "shut": gated.shut,
        }
        for what, field in (("drop", "drops"), ("kl", "kl"), ("log_ppl", "log_ppl")):
            for name, values in self._three(getattr(plain, field), getattr(gated, field)).items():
                low, high = self._interval(values)
                row |= {f"{what}_{name}": _mean(values), f"{what}_{name}_low": low, f"{what}_{name}_high": high}
        row |= {f"ppl_{name}": math.exp(row[f"log_ppl_{name}"]) for name in (PLAIN, GATED)}
        calibrated = [arm for arm in one.random if not arm.reason]
        costs = [_mean(arm.kl) - _mean(plain.kl) for arm in calibrated]
        return row | {
            "random_gates": len(one.random),
            "random_calibrated": len(calibrated),
            "random_reached": sum(arm.reached for arm in calibrated),
            "random_kl_difference": _mean(costs),
            "verdict": self._verdict(one),
            "family": "exploratory",
        }

    def _verdict(self, one: ConceptGates) -> str:
        plain, gated = one.arm(PLAIN), one.arm(GATED)
        for arm in (plain, gated):
            if arm.reason:
                return f"not measured: {arm.reason}"
        if not one.target > 0:
            return "not compared: at no dose do both lower the margin of development texts"
        short = [arm.name for arm in (plain, gated) if not arm.reached]
        if short:
            return f"not compared: {' and '.join(short)} did not reach the drop on development texts"
        if not self._interval(plain.drops)[0] > 0:
            return "not compared: no certain drop on test texts"
        low, high = self._interval(self._three(plain.kl, gated.kl)["difference"])
        cost = "cheaper" if high < 0 else "dearer" if low > 0 else "no certain difference in cost"
        low, high = self._interval(self._three(plain.drops, gated.drops)["difference"])
        unequal = ", but its drop is smaller" if high < 0 else ", but its drop is larger" if low > 0 else ""
        return f"{cost}{unequal}"

    def _three(self, plain: Sequence[float], gated: Sequence[float]) -> dict[str, list[float]]:
        both = zip(plain, gated, strict=True) if plain and gated else ()
        return {PLAIN: list(plain), GATED: list(gated), "difference": [b - a for a, b in both]}

    def _interval(self, values: Sequence[float]) -> tuple[float, float]:
        return bootstrap_interval(torch.tensor(values, dtype=torch.float64), seed=int(self.options["seed"]))


def write_comparison(folder: Path, comparison: GateComparison, **facts: Any) -> pd.DataFrame:
    """Write `gate.csv`, and `gate.json` with all that was read.

    Args:
        folder: Gets the files.
        comparison: What came out.
        **facts: Anything that JSON can hold, for `gate.json`.

    Returns:
        The table.
    """
    if not comparison.found:
        raise EffectsError("nothing was compared, so there is nothing to write")
    table = comparison.to_dataframe()
    write_text(folder / "gate.csv", table.to_csv(index=False))
    lean = {name: value for name, value in comparison.options.items() if name != "readings"}
    concepts = [one.to_json() for one in comparison.found]
    report = {"options": lean, "concepts": concepts, "warnings": list(comparison.warnings), **facts}
    write_json(folder / "gate.json", report, kind="gate-comparison")
    return table


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
