"""Effects as tables, from a measurement or from the folder that holds one: what a report and its words need.

Only means, intervals and tests are here; the answers text by text stay in the folder.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.changes import Measure
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.errors import StoreError
from emorhet_lens.readouts.questions import Question
from emorhet_lens.store import read_json


@dataclass(frozen=True)
class Asked:
    """How a question was answered without a mask.

    Args:
        question: The question.
        n: Number of texts.
        accuracy: Share of right answers.
    """

    question: Question
    n: int
    accuracy: float

    @property
    def chance(self) -> float:
        """Share of right answers of one who guesses."""
        return 1 / len(self.question.labels)


@dataclass(frozen=True, eq=False)
class EffectTables:
    """What masking did, in numbers.

    Args:
        table: From `Effects.to_dataframe`.
        primary: From `Effects.primary`.
        asked: The questions.
        n_random: Random sets a concept.
        warnings: What a reader has to know.
        minutes: Predicted and taken, where that was recorded.
    """

    table: pd.DataFrame
    primary: pd.DataFrame
    asked: tuple[Asked, ...]
    n_random: int
    warnings: tuple[str, ...] = ()
    minutes: Mapping[str, float] | None = None

    @classmethod
    def of(cls, effects: Effects) -> "EffectTables":
        """The tables of a measurement."""
        asked = tuple(
            Asked(question, len(base), base.accuracy())
            for question, base in zip(effects.questions, effects.base, strict=True)
        )
        return cls(effects.to_dataframe(), effects.primary(), asked, effects.n_random, effects.warnings)

    @classmethod
    def load(cls, folder: Path) -> "EffectTables":
        """The tables that `write_effects` wrote.

        Raises:
            StoreError: A file is missing or damaged.
        """
        facts = read_json(folder / "effects.json", kind="effects")
        asked = tuple(
            Asked(Question(tuple(one["question"]), one["source"]), int(one["n"]), float(one["accuracy"]))
            for one in facts["questions"]
        )
        notes = (*facts["warnings"], *facts.get("left_out", ()))
        table, primary = (read_table(folder / f"{name}.csv") for name in ("effects", "primary"))
        return cls(table, primary, asked, int(facts["options"]["n_random"]), notes, facts.get("minutes"))

    @property
    def measure(self) -> Measure:
        """The primary measure: the margin, or accuracy for readouts that give no log-probabilities."""
        return "accuracy" if bool(self.table["margin_delta"].isna().all()) else "margin"

    @property
    def unit(self) -> str:
        """Of the primary measure."""
        return "nats" if self.measure == "margin" else "share of texts"

    @property
    def masks(self) -> tuple[str, ...]:
        """Kinds of mask, in order."""
        return tuple(str(name) for name in self.table["mask"].unique())

    @property
    def concepts(self) -> tuple[str, ...]:
        """Whose neurons were masked."""
        return tuple(str(name) for name in self.table["masked"].unique())

    def chance(self, concept: str) -> float:
        """Recall of one who guesses, in the question about the concept with the fewest labels."""
        return max((one.chance for one in self.asked if concept in one.question.labels), default=math.nan)

    def own(self, mask: str) -> dict[str, dict[str, Any]]:
        """By concept, its row of `table` for its own texts under its own mask."""
        rows = self.table[(self.table["mask"] == mask) & (self.table["control"] == "own")]
        return {
            str(row["masked"]): {str(name): value for name, value in row.items()} for row in rows.to_dict("records")
        }

    def random(self, mask: str, concept: str) -> pd.DataFrame:
        """The rows of a concept's random sets on its own texts."""
        table = self.table
        return table[(table["mask"] == mask) & (table["masked"] == concept) & (table["control"] == "random")]

    def changes(self, mask: str) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Mean change of the measure by concept: under the own mask, and under each random set."""
        own = {concept: float(row[self._column]) for concept, row in self.own(mask).items()}
        return own, {concept: self.random(mask, concept)[self._column].tolist() for concept in own}

    def matrix(self, mask: str) -> pd.DataFrame:
        """Mean change of every label's texts (columns) when each concept (rows) is masked; NaN where not read."""
        rows = self.table[(self.table["mask"] == mask) & self.table["draw"].isna()]
        reads = list(dict.fromkeys(label for one in self.asked for label in one.question.labels))
        return rows.pivot(index="masked", columns="read", values=self._column).reindex(
            index=list(rows["masked"].unique()), columns=reads
        )

    @property
    def _column(self) -> str:
        return "margin_delta" if self.measure == "margin" else "delta"


def read_table(path: Path, **types: Any) -> pd.DataFrame:
    """Read a table of results, numbers to the last digit.

    Args:
        path: A CSV file.
        **types: Of columns that would be guessed wrong.

    Raises:
        StoreError: It is missing, or no such table.
    """
    try:
        return pd.read_csv(path, float_precision="round_trip", dtype=types or None)
    except FileNotFoundError as cause:
        raise StoreError(f"there is no file {path}") from cause
    except (ValueError, pd.errors.ParserError) as cause:
        raise StoreError(f"{path} is damaged ({cause}); write it again") from cause
