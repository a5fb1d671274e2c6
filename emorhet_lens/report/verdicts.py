"""What a measurement of effects establishes, what it does not, and what it cannot tell: the tests put into words.

The rules are fixed here, before any result is known:

- established: the corrected p of the primary test is below 0.05, and both the excess and the own change are harm.
- opposite: the corrected p is below 0.05, and masking helped by both; nobody claimed that beforehand.
- only relative: the corrected p is below 0.05, but the own change does not go the way of the excess, which comes from
  the random sets: a mask that leaves the concept as it was, or helps it less than random ones do, does no harm.
- cannot be told: the unmasked recall is not above guessing (binomial test, one-sided, 5 %), so there was little to
  lose; or there was no test; or the 95 % interval of the excess reaches an effect that would matter without
  the test having established one.
- not established: none of these: the interval rules out an effect that would matter.

An effect that would matter is a fall of the margin by 0.25 nats (the odds of the right label fall by a fifth), or of
recall by a tenth for readouts without margins. Both are conventions. Words about one model, these texts and this way of
asking hold for them only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from scipy import stats

from emorhet_lens.causal.changes import Measure
from emorhet_lens.causal.steps import claims
from emorhet_lens.causal.tables import EffectTables

Word = Literal["established", "opposite", "only relative", "not established", "cannot be told"]
LEVEL = 0.05
MATTERS: Mapping[Measure, float] = MappingProxyType({"margin": 0.25, "accuracy": 0.1})
UNITS: Mapping[Measure, str] = MappingProxyType({"margin": "nats", "accuracy": "of recall"})


@dataclass(frozen=True)
class Verdict:
    """What is known of one concept under one kind of mask.

    Args:
        mask: Kind of mask.
        concept: Whose neurons were masked.
        word: See the module.
        reason: Why, in a sentence.
    """

    mask: str
    concept: str
    word: Word
    reason: str


def verdicts(tables: EffectTables) -> tuple[Verdict, ...]:
    """One verdict a kind of mask whose tests are claims, and concept, in their order.

    Args:
        tables: The effects.
    """
    tests = {(row["mask"], row["concept"]): row for row in tables.primary.to_dict("records")}
    found = []
    for mask in (mask for mask in tables.masks if claims(mask, tables.masks)):
        own = tables.own(mask)
        for concept in tables.concepts:
            if concept in own:
                test, row, chance = tests.get((mask, concept)), own[concept], tables.chance(concept)
                word, reason = judge(test, row["accuracy_base"], int(row["n"]), chance, tables.measure)
                found.append(Verdict(mask, concept, word, reason))
    return tuple(found)


def judge(test: Any | None, recall: float, n: int, chance: float, measure: Measure) -> tuple[Word, str]:
    """Apply the rules to one test.

    Args:
        test: Row of `Effects.primary` with own, excess, low, high and p_holm; nothing where there was no test.
        recall: Unmasked recall of the concept's own texts.
        n: Their number.
        chance: Recall of one who guesses.
        measure: What own and excess are changes of.

    Returns:
        The word, and why.

    >>> test = {"own": -0.4, "excess": -0.5, "low": -0.6, "high": -0.4, "p_holm": 0.001}
    >>> judge(test, 0.5, 100, 1 / 7, "margin")[0]
    'established'
    """
    matters, unit = MATTERS[measure], UNITS[measure]
    if test is None or math.isnan(test["p_holm"]):
        return "cannot be told", "there was no test: no random sets, or sets that do not vary"
    excess, low, high, p = (float(test[name]) for name in ("excess", "low", "high", "p_holm"))
    interval = f"95 % interval {low:+.2f} to {high:+.2f}"
    corrected = "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
    if p < LEVEL:
        return _significant(float(test["own"]), excess, measure, f"{interval}, {corrected} after correction")
    if not above_chance(recall, n, chance):
        return "cannot be told", (
            f"without a mask the model is right on {recall:.2f} of {n} texts, which is not above guessing "
            f"({chance:.2f}): there was little to lose"
        )
    if not low >= -matters:
        alone = "; the single test alone would have passed" if high < 0 else ""
        return "cannot be told", (
            f"excess {excess:+.2f} ({interval}, {corrected}{alone}): a fall by {matters:g} {unit} is neither shown nor "
            "ruled out"
        )
    return (
        "not established",
        f"excess {excess:+.2f} ({interval}, {corrected}): a fall by {matters:g} {unit} is ruled out",
    )


def _significant(own: float, excess: float, measure: Measure, numbers: str) -> tuple[Word, str]:
    """The word for an excess that is no chance: it is the mask's only where the own change goes the same way."""
    unit = UNITS[measure]
    if not (own < 0 if excess < 0 else own > 0):
        done, way = ("does no harm", "raise") if excess < 0 else ("does not help", "lower")
        return "only relative", (
            f"the own {measure} changes by {own:+.2f} {unit}, so masking {done}; random sets {way} it more (excess "
            f"{excess:+.2f}, {numbers})"
        )
    way = "lowers" if excess < 0 else "raises"
    found = f"masking {way} the own {measure} by {abs(excess):.2f} {unit} beyond random sets ({numbers})"
    if excess < 0:
        return "established", found
    return "opposite", f"{found}: the opposite of what needed neurons would show"


def above_chance(recall: float, n: int, chance: float) -> bool:
    """Whether so many right answers are more than a guesser would have, by a one-sided binomial test at 5 %."""
    if n < 1 or math.isnan(recall) or math.isnan(chance):
        return False
    return bool(stats.binomtest(round(recall * n), n, chance, alternative="greater").pvalue < LEVEL)
