"""An association as it was written: what two groups share, and what masking the one does to the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.association.associate import grid
from emorhet_lens.association.files import ASSOCIATION_FILE, CROSS_FILE, FACTS_FILE
from emorhet_lens.causal.tables import read_table
from emorhet_lens.store import read_json


@dataclass(frozen=True, eq=False)
class AssociationTables:
    """What `write_association` wrote.

    Args:
        table: One row a pair of concepts.
        effects: One row a direction, mask, masked and read concept, with the measure; nothing where no neurons were
            masked.
        options: How it was computed.
        questions: By direction, the labels of each question that was asked.
        warnings: What a reader has to know.
    """

    table: pd.DataFrame
    effects: pd.DataFrame | None
    options: Mapping[str, Any]
    questions: Mapping[str, tuple[tuple[str, ...], ...]]
    warnings: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> "AssociationTables":
        """Read `association.csv`, `association.json` and, where it is there, `cross_effects.csv`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / FACTS_FILE, kind="association")
        ways = facts["cross_effects"]
        # An earlier table may lie beside an association that was made again without effects.
        effects = read_table(folder / CROSS_FILE) if ways else None
        if effects is not None and "measure" not in effects:
            # Earlier versions did not record it, and judged every cell as a margin.
            effects = effects.assign(measure="margin")
        notes = [*facts["warnings"], *(f"{way}: {note}" for way, one in ways.items() for note in one["warnings"])]
        asked = {way: tuple(tuple(labels) for labels in one["questions"]) for way, one in ways.items()}
        return cls(read_table(folder / ASSOCIATION_FILE), effects, facts["options"], asked, tuple(notes))

    def chance(self, way: str, concept: str) -> float:
        """Recall of one who guesses, in the question of a direction about a concept with the fewest labels."""
        return max(1 / len(labels) for labels in self.questions[way] if concept in labels)

    def matrix(self, column: str) -> pd.DataFrame:
        """A column with the first group's concepts as rows and the second's as columns."""
        return grid(self.table, column)
