"""A cross-signal measurement as it was written: one direction, all of its cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import grid
from emorhet_lens.causal.tables import read_table
from emorhet_lens.store import read_json


@dataclass(frozen=True, eq=False)
class CrossSignalTables:
    """What `write_cross_signal` wrote.

    Args:
        table: One row an injected and a read concept.
        options: How it was measured.
        warnings: What a reader has to know.
        minutes: Predicted and taken, where that was recorded.
    """

    table: pd.DataFrame
    options: Mapping[str, Any]
    warnings: tuple[str, ...]
    minutes: Mapping[str, float] | None = None

    @classmethod
    def load(cls, folder: Path) -> "CrossSignalTables":
        """Read `cross_signal.csv` and `cross_signal.json`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / "cross_signal.json", kind="cross-signal")
        notes = (*facts["warnings"], *facts.get("left_out", ()))
        return cls(read_table(folder / "cross_signal.csv"), facts["options"], notes, facts.get("minutes"))

    @property
    def is_primary(self) -> bool:
        """Whether this is the direction that was fixed in advance."""
        return bool((self.table["family"] == "primary").all())

    def matrix(self, column: str) -> pd.DataFrame:
        """A column as injected concepts (rows) by read concepts (columns)."""
        return grid(self.table.rename(columns={"injected": "first", "read": "second"}), column)
