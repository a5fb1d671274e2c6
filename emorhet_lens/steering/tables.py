"""A measurement of steering as it was written: the tests, and rates and costs by strength."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.tables import read_table
from emorhet_lens.steering.moved import ALL
from emorhet_lens.steering.steps import CONTROLS
from emorhet_lens.store import read_json


@dataclass(frozen=True, eq=False)
class SteeringTables:
    """What `write_steering` wrote.

    Args:
        table: One row a mask and label of the texts.
        primary: The primary family; no rows where it was not measured.
        options: How it was measured.
        warnings: What a reader has to know.
        minutes: Predicted and taken, where that was recorded.
    """

    table: pd.DataFrame
    primary: pd.DataFrame
    options: Mapping[str, Any]
    warnings: tuple[str, ...]
    minutes: Mapping[str, float] | None = None

    @classmethod
    def load(cls, folder: Path) -> "SteeringTables":
        """Read `steering.csv`, `primary.csv` and `steering.json`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / "steering.json", kind="steering")
        table = read_table(folder / "steering.csv", form=str, control=str, read=str)
        notes = (*facts["warnings"], *facts.get("left_out", ()))
        return cls(table, read_table(folder / "primary.csv"), facts["options"], notes, facts.get("minutes"))

    @property
    def forms(self) -> tuple[str, ...]:
        """How neurons were pushed, in order."""
        return tuple(str(name) for name in self.options["forms"])

    @property
    def controls(self) -> tuple[str, ...]:
        """Controls that were measured, in order."""
        measured = set(self.table["control"])
        return tuple(name for name in CONTROLS if name in measured)

    def rates(self, form: str) -> pd.DataFrame:
        """Induction rates and costs of one form, on the texts of all labels.

        Args:
            form: How neurons were pushed.

        Returns:
            One row a concept and strength: concept, strength, n, base_rate, own (induction rate) with low and high
            (bootstrap over texts), ppl_ratio and kl of the own push; and for every control `c` the mean over its draws
            c, the smallest and largest draw c_low and c_high, and the mean cost c_ppl_ratio and c_kl.
        """
        whole = self.table[(self.table["read"] == ALL) & (self.table["form"] == form)]
        rows = []
        for (concept, strength), part in whole.groupby(["concept", "strength"], sort=False):
            own = part[part["control"] == "own"].iloc[0]
            row = {"concept": concept, "strength": strength, "own": own["change"]}
            row |= {name: own[name] for name in ("n", "base_rate", "low", "high", "ppl_ratio", "kl")}
            for control in self.controls:
                draws = part[part["control"] == control]
                change = draws["change"]
                row |= {control: change.mean(), f"{control}_low": change.min(), f"{control}_high": change.max()}
                row |= {f"{control}_{name}": draws[name].mean() for name in ("ppl_ratio", "kl")}
            rows.append(row)
        table = pd.DataFrame(rows)
        # In the order of the concepts, then of the strengths.
        table["concept"] = pd.Categorical(table["concept"], list(self.options["concepts"]), ordered=True)
        return table.sort_values(["concept", "strength"], ignore_index=True).astype({"concept": str})
