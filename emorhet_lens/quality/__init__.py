"""Figures that show what a corpus' labels may tell besides their concepts: lengths, duplicates, words, overlap."""

from emorhet_lens.quality.agreement import Agreement, corpus_agreement, label_agreement
from emorhet_lens.quality.describe import Quality, describe_quality
from emorhet_lens.quality.device_leakage import device_leakage
from emorhet_lens.quality.duplicates import Duplicates, NearPair, find_duplicates
from emorhet_lens.quality.leakage import Leakage, leakage
from emorhet_lens.quality.learning_curve import learning_curve
from emorhet_lens.quality.lengths import LengthOutlier, Lengths, length_outliers, lengths_by_label
from emorhet_lens.quality.near import near_pairs
from emorhet_lens.quality.outside_leakage import outside_leakage
from emorhet_lens.quality.overlap import overlaps

__all__ = [
    "Agreement",
    "Duplicates",
    "Leakage",
    "LengthOutlier",
    "Lengths",
    "NearPair",
    "Quality",
    "corpus_agreement",
    "describe_quality",
    "device_leakage",
    "find_duplicates",
    "label_agreement",
    "leakage",
    "learning_curve",
    "length_outliers",
    "lengths_by_label",
    "near_pairs",
    "outside_leakage",
    "overlaps",
]
