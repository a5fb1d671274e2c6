"""What came out of a sweep: one row a ratio, range of layers, dose and concept.

Everything here is exploratory. A sweep looks at many cells without correction, so its best cell is better than it
would be on other texts; what is claimed of a cell has to be measured on texts that did not choose it, with `effects`.
Ranges that were masked in different numbers of neurons cannot be compared by their own change, only beside random sets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.inference import bootstrap_interval
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import OWN
from emorhet_lens.store import write_json, write_text
from emorhet_lens.sweeps.cells import Cell

_NUMBERS = (
    *("recall_base", "recall_change", "recall_low", "recall_high", "margin_change", "margin_low", "margin_high"),
    *("random_mean", "random_sd", "excess", "excess_low", "excess_high", "other_change"),
    *("ppl_ratio", "kl", "random_ppl_ratio", "random_kl", "outside_caliper"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The measured cells.

    Args:
        cells: All cells, those that could not be measured included.
        effects: What came out, by ratio and name of the range.
        doses: Dose by the name of its mask in `effects`.
        concepts: Whose neurons were masked.
        options: How it was measured.
        warnings: What a reader has to know.
    """

    cells: tuple[Cell, ...]
    effects: Mapping[tuple[int | float, str], Effects]
    doses: Mapping[str, int | float]
    concepts: tuple[str, ...]
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Sweep({len(self.cells)} cells of ratio and layers, {len(self.doses)} doses, on "
            f"{', '.join(self.concepts)}; exploratory)"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One row a cell, dose and concept: what `sweep.csv` holds.

        Returns:
            Columns ratio, layers, first_layer, last_layer, dose, concept, needed and candidates (neurons), neurons
            (that were masked; 0 where nothing was measured), ties (candidates left out at the score of the cut), n
            (texts), recall_base, recall_change and margin_change (of the concept's own texts, the latter in nats)
            each with low and high (95 %, bootstrap over texts), measure (`margin`, or `accuracy` for readouts without
            log-probabilities), random_mean and random_sd of it over the random sets, excess with low and high (95 %,
            t), other_change (its mean over the other concepts), ppl_ratio and kl (nats a token) on neutral texts,
            their means over the random sets, outside_caliper (share of random partners that match badly), reason
            (why nothing was measured), family (always `exploratory`).
        """
        return pd.DataFrame(
            [
                self._row(cell, mask, dose, concept)
                for cell in self.cells
                for mask, dose in self.doses.items()
                for concept in self.concepts
            ]
        )

    def _row(self, cell: Cell, mask: str, dose: int | float, concept: str) -> dict[str, Any]:
        measured = concept not in cell.reasons
        place = {
            "ratio": cell.ratio,
            "layers": cell.layers.name,
            "first_layer": cell.layers.first,
            "last_layer": cell.layers.last,
            "dose": dose,
            "concept": concept,
            "needed": cell.needed,
            "candidates": cell.candidates[concept],
            "neurons": cell.needed if measured else 0,
            "ties": cell.ties.get(concept, 0),
        }
        found = self._numbers(cell, mask, concept) if measured else {"n": 0, "measure": ""}
        numbers = {name: found.get(name, math.nan) for name in ("n", "measure", *_NUMBERS)}
        return place | numbers | {"reason": cell.reasons.get(concept, ""), "family": "exploratory"}

    def _numbers(self, cell: Cell, mask: str, concept: str) -> dict[str, Any]:
        effects = self.effects[cell.key]
        own, excess = effects.change(mask, concept, concept), effects.excess_over(mask, concept)
        if own is None or excess is None:
            return {}
        seed = int(self.options["seed"])
        recall, margin = bootstrap_interval(own.correct, seed=seed), bootstrap_interval(own.margin, seed=seed)
        low, high = excess.interval()
        side = effects.side.get((mask, concept, OWN), SideEffect(math.nan, math.nan, 0))
        random = [effects.side.get((mask, concept, draw)) for draw in range(effects.n_random)]
        known = [one for one in random if one is not None]
        balance = cell.matched.balance
        return {
            "n": len(own.margin),
            "measure": effects.measure,
            "recall_base": own.accuracy_base,
            "recall_change": float(own.correct.mean()),
            "recall_low": recall[0],
            "recall_high": recall[1],
            "margin_change": float(own.margin.mean()),
            "margin_low": margin[0],
            "margin_high": margin[1],
            "random_mean": excess.random_mean,
            "random_sd": excess.random_sd,
            "excess": excess.excess,
            "excess_low": low,
            "excess_high": high,
            "other_change": self._others(effects, mask, concept),
            "ppl_ratio": side.ppl_ratio,
            "kl": side.kl,
            "random_ppl_ratio": _mean([one.ppl_ratio for one in known]),
            "random_kl": _mean([one.kl for one in known]),
            "outside_caliper": float(balance.loc[balance["concept"] == concept, "outside_caliper"].iloc[0]),
        }

    def _others(self, effects: Effects, mask: str, concept: str) -> float:
        others = [read for read in effects.reads if read not in (concept, self.options["rest"])]
        changes = [effects.change(mask, concept, read) for read in others]
        return _mean([float(change.of(effects.measure).mean()) for change in changes if change is not None])


def write_sweep(folder: Path, sweep: Sweep, **facts: Any) -> pd.DataFrame:
    """Write `sweep.csv` and `sweep.json`.

    Args:
        folder: Gets the files.
        sweep: What came out.
        **facts: Anything that JSON can hold, for `sweep.json`.

    Returns:
        The table of `sweep.csv`.
    """
    table = sweep.to_dataframe()
    write_text(folder / "sweep.csv", table.to_csv(index=False))
    report = {"family": "exploratory", "options": sweep.options, "warnings": list(sweep.warnings), **facts}
    write_json(folder / "sweep.json", report, kind="sweep")
    return table


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
