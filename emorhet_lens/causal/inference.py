"""The tests and intervals of effects, by scipy and statsmodels.

The claim that a set of neurons matters is its excess over matched random sets. A paired test of one mask over examples
says only that the mask did something, which random sets pass too. Intervals over examples take the set of neurons as
given; none of these numbers says what another corpus or another way of asking would give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.multitest import multipletests
from torch import Tensor

from emorhet_lens.errors import EffectsError


@dataclass(frozen=True)
class Excess:
    """The change under a set's mask minus that under matched random sets, and its test.

    Args:
        own: Change under the set's mask.
        random_mean: Mean change under the random sets.
        random_sd: Standard deviation among them.
        excess: The difference.
        se: Its standard error.
        df: Degrees of freedom.
        p: Two-sided; NaN where the random sets do not vary, so that there is nothing to test against.
    """

    own: float
    random_mean: float
    random_sd: float
    excess: float
    se: float
    df: int
    p: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the excess, not corrected for the number of concepts; NaN where the random sets do not vary."""
        if not self.se > 0:
            return math.nan, math.nan
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.se
        return self.excess - reach, self.excess + reach


def excess_over_random(own: float, random: Sequence[float]) -> Excess:
    """Is a set's change one that a matched random set could have had?

    Under the null hypothesis the set is one more draw, so with R random sets
    t = (own - mean) / (sd * sqrt(1 + 1/R)) has R - 1 degrees of freedom, if the changes of random sets are normal.

    Args:
        own: Change under the set's mask.
        random: Change under each of the R random sets, at least 2.

    Returns:
        The excess and its two-sided test.

    Raises:
        EffectsError: There are fewer than two random sets.
    """
    if len(random) < 2:
        raise EffectsError(f"{len(random)} random sets cannot show how sets vary; draw at least 2 (8 by default)")
    # Rounding gives equal numbers a standard deviation above zero, and with it a p-value of zero.
    mean, sd = float(np.mean(random)), float(np.std(random, ddof=1)) if np.ptp(random) != 0 else 0.0
    excess, se, df = own - mean, sd * math.sqrt(1 + 1 / len(random)), len(random) - 1
    p = float(2 * stats.t.sf(abs(excess / se), df)) if se > 0 else math.nan
    return Excess(own, mean, sd, excess, se, df, p)


def weaker(found: Sequence[tuple[str, Excess]]) -> tuple[str, Excess] | None:
    """Of several comparisons that a set has to pass, the one that decides.

    Args:
        found: Comparisons by name.

    Returns:
        The one with the largest p, NaN before all; nothing if there is none. Where one says that the set does more and
        another that it does less, they contradict each other, and p is 1.
    """
    largest = max(found, key=lambda one: math.inf if math.isnan(one[1].p) else one[1].p, default=None)
    if largest is None or math.isnan(largest[1].p) or len({one.excess > 0 for _, one in found if one.excess}) < 2:
        return largest
    return largest[0], replace(largest[1], p=1.0)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction over one family; a test that could not be made (NaN) stays NaN and counts as one.

    Args:
        p: Raw p-values.

    Returns:
        Corrected p-values, in the same order.
    """
    if not p:
        return []
    known = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    corrected = multipletests(known, method="holm")[1]
    return [math.nan if math.isnan(raw) else float(value) for raw, value in zip(p, corrected, strict=True)]


def paired_p(change: Float[Tensor, " example"]) -> float:
    """Paired t-test over examples of one mask: `p_any`, whether the mask did anything.

    Args:
        change: Masked minus unmasked, example by example.

    Returns:
        Two-sided p; NaN for fewer than two examples or changes that are all equal.
    """
    values = change.numpy()
    if len(values) < 2 or np.ptp(values) == 0:
        return math.nan
    return float(stats.ttest_1samp(values, 0.0).pvalue)


def bootstrap_interval(change: Float[Tensor, " example"], *, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of a mean by bootstrap over examples.

    Args:
        change: One number an example.
        seed: Of the resampling.
        level: Of the interval.

    Returns:
        Low and high end; both NaN for fewer than two examples, both the mean where all are equal.
    """
    values = change.numpy()
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=1999, confidence_level=level, method="percentile",
        rng=np.random.default_rng([seed, 5]),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
