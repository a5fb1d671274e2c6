"""What feedback loops did, as tables read from the file that a validation wrote.

Traces describe a search on a few development texts. Their end was looked for, so they prove nothing by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.store import read_json
from emorhet_lens.tuning.dose_search import Trial
from emorhet_lens.validation.adaptive import TUNING_FILE


@dataclass(frozen=True, eq=False)
class TuningRecord:
    """The loops of one validation.

    Args:
        conclusions: From `Tunings.conclusions`: what the loop alone concludes, of own and of random sets.
        traces: From `Tunings.to_dataframe`: one row a step of every loop, by concept and set.
        options: How they were tuned: delta, search, steps, budget, ...
    """

    conclusions: pd.DataFrame
    traces: pd.DataFrame
    options: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> "TuningRecord":
        """Read `tuning.json`.

        Raises:
            StoreError: It is missing or damaged.
        """
        facts = read_json(folder / TUNING_FILE, kind="tuning")
        conclusions = pd.DataFrame(facts["conclusions"]).astype({"recall": float, "random_recall": float})
        rows = [
            {"concept": loop["concept"], "set": loop["name"]}
            | Trial.from_json(step).row()
            | {"taken": (step["alpha"], step["tau"]) == (loop["alpha"], loop["tau"])}
            for loop in facts["loops"]
            for step in loop["trace"]
        ]
        return cls(conclusions, pd.DataFrame(rows), facts["options"])

    @classmethod
    def find(cls, folder: Path) -> "TuningRecord | None":
        """`load` where something was tuned, or nothing."""
        return cls.load(folder) if (folder / TUNING_FILE).is_file() else None
