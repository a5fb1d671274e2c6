"""The scorers by name, and the means to add one."""

from emorhet_lens.scorers.contrasts import (
    auroc,
    difference,
    difference_scaled,
    difference_signed,
    mean_z,
    mutual_information,
    rate_z,
    require_references,
    standardized,
)
from emorhet_lens.scorers.firing import entropy, entropy_corrected, frequency, normalized, probability
from emorhet_lens.scorers.registry import SCORERS, Against, Scorer, Scores, register_scorer

__all__ = [
    "SCORERS",
    "Against",
    "Scorer",
    "Scores",
    "auroc",
    "difference",
    "difference_scaled",
    "difference_signed",
    "entropy",
    "entropy_corrected",
    "frequency",
    "mean_z",
    "mutual_information",
    "normalized",
    "probability",
    "rate_z",
    "register_scorer",
    "require_references",
    "standardized",
]
