"""A replication as it was written: what two selections share, and what each one's neurons do on the other's texts."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emorhet_lens.causal.tables import read_table
from emorhet_lens.store import read_json


@dataclass(frozen=True, eq=False)
class ReplicationTables:
    """What `write_replication` wrote.

    Args:
        names: Of the two screenings.
        draws: Matched draws each way.
        shared: One row a pair of concepts.
        effects: The primary tests, each way; nothing where no neurons were masked.
        warnings: What a reader has to know.
    """

    names: tuple[str, str]
    draws: int
    shared: pd.DataFrame
    effects: pd.DataFrame | None
    warnings: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> "ReplicationTables":
        """Read `replication.csv`, `replication.json` and, where it is there, `effects.csv`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / "replication.json", kind="replication")
        first, second = facts["names"]
        # An earlier table may lie beside a comparison that was made again without effects.
        effects = None if facts["corpora"] is None else read_table(folder / "effects.csv")
        shared = read_table(folder / "replication.csv")
        return cls((first, second), int(facts["draws"]), shared, effects, tuple(facts["warnings"]))
