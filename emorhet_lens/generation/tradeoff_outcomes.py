"""What a trade-off found: how often the judge sees the target in a text, and how the text reads.

A target rate counts verdicts of a judge of words, so it rises as well where the model only names the concept. Intervals
are over prompts, with the neurons, the random sets and the judge taken as given. Everything here is exploratory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from emorhet_lens.generation.fluency import distinct, repetition
from emorhet_lens.generation.judge import Judge
from emorhet_lens.generation.tradeoff_store import BASE, Condition, Written
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.store import write_json, write_text

MAX_RATIO = 3.0
"""Perplexity over that without steering, up to which texts count as fluent.

Greedy text surprises its own model least, so that any other text, a good one too, is above 1."""
MAX_REPETITION = 0.1
"""How much the share of repeated runs may grow in texts that count as fluent."""


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Texts of every condition, judged.

    Args:
        concepts: The targets.
        written: The texts by condition, those without steering among them.
        verdicts: The judge's label of every text, nothing where it was trained on that very text.
        judge: What has to be known of the judge, from `Judge.to_dict`.
        model: The model that wrote.
        options: How it was done.
    """

    concepts: tuple[str, ...]
    written: Mapping[Condition, Written]
    verdicts: Mapping[Condition, tuple[str | None, ...]]
    judge: dict[str, Any]
    model: ModelIdentity
    options: dict[str, Any]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a concept, method and strength; the method `none` is no steering.

        Columns: concept, method, strength, n (judged texts), target_rate with its 95 % interval (target_low,
        target_high; Wilson), base_rate (without steering), perplexity (geometric mean; of the model without steering,
        given the plain prompt), ppl_ratio (over that without steering, prompt by prompt), repetition (mean share of
        repeated runs of four words), distinct_1 and distinct_2 (over all texts), ended and empty (shares), known (texts
        left out because the judge was trained on them), fluent (see `MAX_RATIO` and `MAX_REPETITION`).
        """
        rows = []
        for concept in self.concepts:
            base = self._row(concept, BASE)
            own = [base, *(self._row(concept, c) for c in self.written if c.concept == concept)]
            for row in own:
                row["base_rate"] = base["target_rate"]
                calm = row["repetition"] <= base["repetition"] + MAX_REPETITION
                row["fluent"] = bool(row["ppl_ratio"] <= MAX_RATIO and calm)
            rows += own
        return pd.DataFrame(rows).sort_values(["concept", "method", "strength"], key=self._order, ignore_index=True)

    def best(self) -> pd.DataFrame:
        """What every method reaches with fluent texts.

        Returns:
            One row a concept, direction (`towards` or `away`) and method: strength, target_rate, target_low,
            target_high, base_rate, ppl_ratio. The strength is chosen on these very texts, so the rate is too good by
            some; NaN where no strength leaves texts fluent.
        """
        table, rows = self.to_dataframe(), []
        names = ["strength", "target_rate", "target_low", "target_high", "base_rate", "ppl_ratio"]
        for (concept, method), part in table[table["method"] != "none"].groupby(["concept", "method"], sort=False):
            for direction, side in (("towards", 1), ("away", -1)):
                tried = part[np.sign(part["strength"]) == side]
                fluent = tried[tried["fluent"] & tried["target_rate"].notna()]
                if len(tried):
                    found: dict[str, Any] = dict.fromkeys(names, math.nan)
                    if len(fluent):
                        found = fluent.loc[(side * fluent["target_rate"]).idxmax(), names].to_dict()
                    rows.append({"concept": concept, "direction": direction, "method": method} | found)
        return pd.DataFrame(rows, columns=["concept", "direction", "method", *names])

    def texts(self) -> pd.DataFrame:
        """Every text, unselected: concept, method, strength, prompt, text, verdict, perplexity, repetition, ended."""
        return pd.DataFrame(
            [
                {"concept": c.concept, "method": c.method, "strength": c.strength, "prompt": bare.prompt}
                | {"text": text.text, "verdict": verdict, "perplexity": float(np.exp(nats))}
                | {"repetition": repetition(text.text), "ended": text.ended}
                for c, written in self.written.items()
                for text, nats, verdict, bare in zip(
                    written.texts, written.nats, self.verdicts[c], self.written[BASE].texts, strict=True
                )
            ]
        )

    def save(self, folder: Path | str, **more: Any) -> None:
        """Write `tradeoff.csv`, `best.csv`, `texts.csv` and `tradeoff.json` into a folder.

        Args:
            folder: Where to.
            **more: Further facts for `tradeoff.json`.
        """
        folder = Path(folder)
        for name, table in (("tradeoff", self.to_dataframe()), ("best", self.best()), ("texts", self.texts())):
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
        fluent = {"max_ppl_ratio": MAX_RATIO, "max_repetition_above_base": MAX_REPETITION}
        facts = {"judge": self.judge, "options": self.options, "fluent": fluent, "family": "exploratory"}
        write_json(folder / "tradeoff.json", {"model": self.model.to_dict(), **facts, **more}, kind="tradeoff")

    def _row(self, concept: str, condition: Condition) -> dict[str, Any]:
        written, bare = self.written[condition], self.written[BASE]
        known = [verdict for verdict in self.verdicts[condition] if verdict is not None]
        hits, n = sum(verdict == concept for verdict in known), len(known)
        low, high = proportion_confint(hits, n, method="wilson") if n else (math.nan, math.nan)
        texts, change = [text.text for text in written.texts], np.subtract(written.nats, bare.nats)
        return {
            **{"concept": concept, "method": condition.method, "strength": condition.strength, "n": n},
            **{"target_rate": hits / n if n else math.nan, "target_low": float(low), "target_high": float(high)},
            "base_rate": math.nan,
            "perplexity": _geometric(np.array(written.nats)),
            "ppl_ratio": _geometric(change),
            "repetition": float(np.mean([repetition(text) for text in texts])),
            **{f"distinct_{k}": distinct(texts, k) for k in (1, 2)},
            "ended": float(np.mean([text.ended for text in written.texts])),
            "empty": float(np.mean([not text.strip() for text in texts])),
            "known": len(texts) - n,
        }

    def _order(self, column: Any) -> Any:
        """Concepts and methods as they were given, strengths by size."""
        given = {"concept": self.concepts, "method": tuple(dict.fromkeys(["none", *(c.method for c in self.written)]))}
        places = given.get(str(column.name))
        return column if places is None else column.map(places.index)


def judged(judge: Judge, written: Written) -> tuple[str | None, ...]:
    """The judge's labels of texts, nothing where it was trained on that very text."""
    fair = [text.text for text in written.texts if not judge.knows(text.text)]
    verdicts = iter(judge.predict(fair))
    return tuple(None if judge.knows(text.text) else next(verdicts) for text in written.texts)


def _geometric(nats: np.ndarray) -> float:
    """exp of the mean over texts that are not empty."""
    there = nats[np.isfinite(nats)]
    return float(np.exp(there.mean())) if len(there) else math.nan
