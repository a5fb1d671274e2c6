"""A sweep as it was written: the table, and how it was measured. Everything in it is exploratory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.tables import read_table
from emorhet_lens.store import read_json
from emorhet_lens.sweeps.layer_ranges import THIRDS


@dataclass(frozen=True, eq=False)
class SweepTables:
    """What `write_sweep` wrote.

    Args:
        table: One row a cell, dose and concept.
        options: How it was measured.
        warnings: What a reader has to know.
        minutes: Predicted and taken, where that was recorded.
    """

    table: pd.DataFrame
    options: Mapping[str, Any]
    warnings: tuple[str, ...]
    minutes: Mapping[str, float] | None = None

    @classmethod
    def load(cls, folder: Path) -> "SweepTables":
        """Read `sweep.csv` and `sweep.json`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / "sweep.json", kind="sweep")
        table = read_table(folder / "sweep.csv", layers=str, measure=str, reason=str)
        table = table.fillna({"reason": "", "measure": ""})
        notes = (*facts["warnings"], *facts.get("left_out", ()))
        return cls(table, facts["options"], notes, facts.get("minutes"))

    def lowest_thirds(self) -> pd.DataFrame:
        """In which third of the layers masking lowers a concept most beyond random sets, by count.

        Returns:
            One row a concept with the columns concept, bottom, middle, top (number of ratios and doses at which that
            third has the lowest excess) and of (their number); rows are left out where a third was not measured.
        """
        thirds = self.table[self.table["layers"].isin(THIRDS)]
        rows = []
        for concept, part in thirds.groupby("concept", sort=False):
            cells = part.pivot(index=["ratio", "dose"], columns="layers", values="excess").reindex(columns=list(THIRDS))
            best = cells.dropna().idxmin(axis=1)
            if len(best):
                rows.append(
                    {"concept": concept, **{name: int((best == name).sum()) for name in THIRDS}, "of": len(best)}
                )
        return pd.DataFrame(rows, columns=["concept", *THIRDS, "of"])
