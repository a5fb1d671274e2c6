"""Votes on a text, and how far those who vote agree.

Models that were trained alike can agree and be wrong together. Kappa is computed before texts are left out: among the
texts that a vote has kept, agreement is high by construction.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from emorhet_lens.errors import SynthesisError


def elect(votes: Sequence[str | None], agree: int) -> str | None:
    """The label that has enough votes.

    Args:
        votes: Of the intended concept and of every labeller; None is no vote.
        agree: Votes needed, more than half of them all, so that no two labels can have them.

    Returns:
        The label, None where none has enough.

    >>> elect(["fear", "fear", None, "anger"], 3), elect(["fear", "anger", "anger", "anger"], 3)
    (None, 'anger')
    """
    label, count = Counter(vote for vote in votes if vote is not None).most_common(1)[0]
    return label if count >= agree else None


def votes_needed(agree: int | None, labellers: int) -> int:
    """The votes that a label needs; the smallest majority by default.

    Raises:
        SynthesisError: There is no labeller, or the number is no majority of the labellers and the intended concept.
    """
    voters = labellers + 1
    least = voters // 2 + 1
    if labellers < 1 or (agree is not None and not least <= agree <= voters):
        raise SynthesisError(
            f"agree={agree} of {voters} votes ({labellers} labellers and the intended concept); there has to be a "
            f"labeller, and {least} to {voters} votes are a majority"
        )
    return least if agree is None else agree


def kappa(votes: Mapping[str, Sequence[str | None]]) -> dict[str, int | float | None]:
    """Fleiss' kappa over the texts that everybody has labelled.

    Args:
        votes: For every voter the labels, in the same order of texts.

    Returns:
        `texts`, and `kappa`: None where nothing can be said, because there are fewer than two voters, no such texts, or
        one label only.
    """
    rows = [row for row in zip(*votes.values(), strict=True) if None not in row]
    if len(votes) < 2 or not rows:
        return {"texts": len(rows), "kappa": None}
    counts, _ = aggregate_raters(np.array(rows, dtype=str))
    # With one label only chance agreement is complete, too: 0 / 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(fleiss_kappa(counts))
    return {"texts": len(rows), "kappa": None if math.isnan(value) else value}
