"""What a push establishes, what it does not, and what it cannot tell: rules for tests that look for a rise.

They are fixed here, before any result is known, like those of `emorhet_lens.report.verdicts`:

- established: the corrected p is below 0.05, and both the excess over matched random sets and the own change are above
  zero.
- only relative: the corrected p is below 0.05 and the excess is above zero, but the own change is not: nothing rose,
  and random sets fell further.
- opposite: the corrected p is below 0.05 and the excess is below zero.
- cannot be told: there was no test, or the 95 % interval of the excess reaches a rise that would matter without the
  test having established one.
- not established: the interval rules out a rise that would matter.

A rise that would matter is a tenth of the texts for induction, and 0.25 nats of the own margin for injections. Both are
conventions.
"""

import math
from collections.abc import Mapping
from typing import Any

from emorhet_lens.report.verdicts import LEVEL, Word

MATTERS_RATE = 0.1


def judge_gain(test: Mapping[str, Any], *, matters: float, unit: str) -> tuple[Word, str]:
    """Apply the rules to one test.

    Args:
        test: With own, excess, low, high and p_holm; with against where the random sets are of several kinds.
        matters: Which rise would matter.
        unit: Of the excess, for the reason.

    Returns:
        The word, and why.

    >>> test = {"own": 0.3, "excess": 0.3, "low": 0.2, "high": 0.4, "p_holm": 0.001}
    >>> judge_gain(test, matters=0.1, unit="of the texts")[0]
    'established'
    """
    excess, low, high, p = (float(test[name]) for name in ("excess", "low", "high", "p_holm"))
    if math.isnan(p):
        return "cannot be told", "there was no test: the random sets changed nothing, or all as much"
    corrected = "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
    beside = "random sets that write as much" if test.get("against") == "scaled" else "random sets"
    said = f"{excess:+.3f} {unit} beyond {beside} (95 % interval {low:+.3f} to {high:+.3f}, {corrected})"
    if p < LEVEL:
        if excess < 0:
            return "opposite", f"{said}: less than random sets"
        if not (own := float(test["own"])) > 0:
            return "only relative", f"{said}: the own change is {own:+.3f}, which is no rise; random sets lower it more"
        small = f"; a rise by {matters:g} is ruled out, so it is small" if high < matters else ""
        return "established", f"{said}{small}"
    if high < matters:
        return "not established", f"{said}: a rise by {matters:g} is ruled out"
    return "cannot be told", f"{said}: a rise by {matters:g} is neither shown nor ruled out"
