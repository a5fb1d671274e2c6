"""A trade-off as it was written: target rates and fluency by strength, the best fluent strengths, and the texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.tables import read_table
from emorhet_lens.errors import StoreError
from emorhet_lens.store import read_json


@dataclass(frozen=True, eq=False)
class CurveTables:
    """What `Tradeoff.save` wrote.

    Args:
        table: From `Tradeoff.to_dataframe`.
        best: From `Tradeoff.best`.
        texts: From `Tradeoff.texts`; what is missing is an empty word.
        judge: What has to be known of the judge.
        options: How it was done.
        fluent: Bounds up to which texts count as fluent.
        minutes: Predicted and taken, where that was recorded.
    """

    table: pd.DataFrame
    best: pd.DataFrame
    texts: pd.DataFrame
    judge: Mapping[str, Any]
    options: Mapping[str, Any]
    fluent: Mapping[str, float]
    minutes: Mapping[str, float] | None = None

    @classmethod
    def load(cls, folder: Path) -> "CurveTables":
        """Read `tradeoff.csv`, `best.csv`, `texts.csv` and `tradeoff.json`.

        Raises:
            StoreError: One of them is missing or damaged.
        """
        facts = read_json(folder / "tradeoff.json", kind="tradeoff")
        table, best = (read_table(folder / f"{name}.csv") for name in ("tradeoff", "best"))
        texts = _texts(folder / "texts.csv")
        return cls(table, best, texts, facts["judge"], facts["options"], facts["fluent"], facts.get("minutes"))

    @property
    def concepts(self) -> tuple[str, ...]:
        """The targets, in order."""
        return tuple(str(name) for name in self.table["concept"].unique())

    def strength(self, concept: str, method: str) -> float | None:
        """The best fluent strength towards a concept; nothing where there is none."""
        best = self.best
        own = best[(best["concept"] == concept) & (best["method"] == method) & (best["direction"] == "towards")]
        known = own["strength"].dropna()
        return float(known.iloc[0]) if len(known) else None

    def written(self, concept: str, method: str, strength: float) -> pd.DataFrame:
        """The texts of one condition, in the order of the prompts; of no concept at strength 0 those without a push."""
        texts = self.texts
        chosen = (texts["concept"] == concept) & (texts["method"] == method) & (texts["strength"] == strength)
        return texts[chosen]


def _texts(path: Path) -> pd.DataFrame:
    """The texts: an empty one, or one that reads `nan`, stays as it is."""
    words = dict.fromkeys(("concept", "method", "prompt", "text", "verdict"), str)
    try:
        return pd.read_csv(path, dtype=words, keep_default_na=False, na_values={"perplexity": [""]})
    except FileNotFoundError as cause:
        raise StoreError(f"there is no file {path}") from cause
    except (ValueError, pd.errors.ParserError) as cause:
        raise StoreError(f"{path} is damaged ({cause}); write it again") from cause
