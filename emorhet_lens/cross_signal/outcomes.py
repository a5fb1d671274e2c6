"""What came out when the signal of one group's neurons was injected while another group's concepts were read.

The primary family is fixed in advance: for every injected concept (a rhetorical device) and every read concept (an
emotion) one test of the change of the read concept's own margin on test texts, the injected neurons minus matched
random sets that are given as much, Holm-corrected over all cells. The dose is chosen on development texts, for
random sets too, by the same rule: a set that may choose its dose and one that may not are not alike. All other numbers
are exploratory, and everything is where the injected group is not the one that was fixed in advance.

A margin also rises where the model says the concept to every text. `bias` is how much it does so on the texts
of other labels; only a margin that rises by more makes the concept easier to tell.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.causal.changes import Change, Measure
from emorhet_lens.causal.inference import Excess, bootstrap_interval, excess_over_random, holm, paired_p
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.steering.moved import join_moved, moved_between

TEST = "test"
"""The `mask` of the steps that read test texts."""


@dataclass(frozen=True, eq=False, repr=False)
class CrossSignal:
    """Everything that was read, with and without the injection.

    Args:
        effects: The answers on test texts, with the injections as masks named `TEST`.
        omegas: The chosen dose by injected concept and draw.
        ladder: What the doses were chosen by: one row an injected concept, draw and dose, with the score on
            development texts.
        read: The concepts whose texts are read.
        primary_family: Whether the tests are the primary family; otherwise everything is exploratory.
    """

    effects: Effects
    omegas: Mapping[tuple[str, int], float]
    ladder: pd.DataFrame
    read: tuple[str, ...]
    primary_family: bool

    def __repr__(self) -> str:
        kind = "primary" if self.primary_family else "exploratory"
        return (
            f"CrossSignal({', '.join(self.injected)} injected, {', '.join(self.read)} read; {self.effects.n_random} "
            f"random sets; {kind})"
        )

    @property
    def injected(self) -> tuple[str, ...]:
        """The concepts whose neurons' signal was injected."""
        return self.effects.concepts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader has to know."""
        return self.effects.warnings

    def change(self, injected: str, read: str, draw: int = OWN) -> Change | None:
        """What an injection did to the texts of one concept; nothing where that was not read.

        Args:
            injected: Whose neurons.
            read: Label of the texts.
            draw: Which random set stands in for them; the concept's own by default.
        """
        return self.effects.change(TEST, injected, read, draw)

    def bias(self, injected: str, read: str, draw: int = OWN) -> float:
        """Mean change of the log odds of a concept on the texts of other labels, in nats; NaN where not read."""
        found = []
        for number, before in enumerate(self.effects.base):
            answers = self._answers(injected, draw, number)
            if answers is not None and read in answers.labels:
                others = [key for key, target in zip(answers.keys, answers.targets, strict=True) if target != read]
                if others:
                    found.append(moved_between(before.where(others), answers.where(others), read))
        return float(join_moved(found).log_odds.mean()) if found else math.nan

    def excess(self, injected: str, read: str, measure: Measure | None = None) -> Excess | None:
        """The change of a cell beyond that of random sets; nothing where that was not read.

        Args:
            injected: Whose neurons.
            read: Label of the texts.
            measure: `"margin"`, or `"accuracy"`, which is exploratory; by default that of the primary tests.
        """
        measure = self.effects.measure if measure is None else measure
        own = self.change(injected, read)
        draws = [self.change(injected, read, draw) for draw in range(self.effects.n_random)]
        random = [float(change.of(measure).mean()) for change in draws if change is not None]
        return None if own is None or not random else excess_over_random(float(own.of(measure).mean()), random)

    def primary(self) -> pd.DataFrame:
        """One row a cell: what `cross_signal.csv` holds.

        Returns:
            Columns injected, read, family, neurons, n (texts), omega, accuracy_base, accuracy, accuracy_excess and
            accuracy_p (beyond random sets, exploratory), own (mean change of the own margin, nats) with own_low and
            own_high (bootstrap over texts), p_any (paired test of this injection alone), random_mean, random_sd,
            excess, low and high (95 %, uncorrected), df, p, p_holm (over all cells), bias (see `bias`).
        """
        cells = [(injected, read) for injected in self.injected for read in self.read]
        found = {cell: self.excess(*cell) for cell in cells}
        corrected = holm([math.nan if one is None else one.p for one in found.values()])
        rows = []
        for (cell, one), p_holm in zip(found.items(), corrected, strict=True):
            change = self.change(*cell)
            if one is not None and change is not None:
                rows.append(self._row(cell, change, one, p_holm))
        return pd.DataFrame(rows)

    def to_dataframe(self) -> pd.DataFrame:
        """One row an injected concept, draw and read label, the rest included: what `draws.csv` holds.

        Returns:
            Columns injected, draw (nothing for the concept's own neurons), read, omega, n, accuracy_base, accuracy,
            margin (mean change of the own margin, nats), bias.
        """
        rows: list[dict[str, Any]] = []
        for injected in self.injected:
            for draw in (OWN, *range(self.effects.n_random)):
                for read in self.effects.reads:
                    change = self.change(injected, read, draw)
                    if change is not None:
                        rows.append(
                            {"injected": injected, "draw": None if draw == OWN else draw, "read": read}
                            | {"omega": self.omegas[injected, draw], "n": len(change.margin)}
                            | {"accuracy_base": change.accuracy_base, "accuracy": change.accuracy_masked}
                            | {"margin": float(change.margin.mean()), "bias": self.bias(injected, read, draw)}
                        )
        return pd.DataFrame(rows)

    def matrix(self, column: str = "excess") -> pd.DataFrame:
        """A column of `primary` as injected concepts (rows) by read concepts (columns); NaN where not read."""
        table = self.primary().pivot(index="injected", columns="read", values=column)
        return table.reindex(index=list(self.injected), columns=list(self.read))

    def _answers(self, injected: str, draw: int, number: int) -> Answers | None:
        return self.effects.masked.get(Step(TEST, injected, draw, number))

    def _row(self, cell: tuple[str, str], change: Change, found: Excess, p_holm: float) -> dict[str, Any]:
        injected, read = cell
        values = change.of(self.effects.measure)
        own_low, own_high = bootstrap_interval(values, seed=int(self.effects.options["seed"]))
        low, high = found.interval()
        share = self.excess(injected, read, "accuracy")
        return {
            "injected": injected,
            "read": read,
            "family": "primary" if self.primary_family else "exploratory",
            "neurons": self.effects.sizes[injected],
            "n": len(values),
            "omega": self.omegas[injected, OWN],
            "accuracy_base": change.accuracy_base,
            "accuracy": change.accuracy_masked,
            "accuracy_excess": math.nan if share is None else share.excess,
            "accuracy_p": math.nan if share is None else share.p,
            "own": found.own,
            "own_low": own_low,
            "own_high": own_high,
            "p_any": paired_p(values),
            "random_mean": found.random_mean,
            "random_sd": found.random_sd,
            "excess": found.excess,
            "low": low,
            "high": high,
            "df": found.df,
            "p": found.p,
            "p_holm": p_holm,
            "bias": self.bias(injected, read),
        }
