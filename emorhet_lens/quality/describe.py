"""All that is measured of a corpus at once: balance, lengths, duplicates, what words give away, overlap of splits.

None of these figures proves a corpus free of confounds; they show some that are common.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import concerns
from emorhet_lens.quality.device_leakage import device_leakage
from emorhet_lens.quality.duplicates import Duplicates, find_duplicates
from emorhet_lens.quality.leakage import Leakage, leakage
from emorhet_lens.quality.lengths import LengthOutlier, Lengths, length_outliers, lengths_by_label
from emorhet_lens.quality.overlap import overlaps
from emorhet_lens.texts.concepts import RHETORIC
from emorhet_lens.texts.corpus import Corpus

AT_MOST = 200
"""Texts a label that leakage is measured on, so that it takes seconds."""

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Quality:
    """The figures of a corpus.

    Args:
        corpus: Its name.
        counts: Texts of every label, zeros included.
        balance: Texts of the smallest label that occurs, as a share of those of the largest.
        lengths: Words by source and label.
        outliers: Texts that are far longer or shorter than the others of their source.
        duplicates: Exact and near.
        leakage: How far single words tell the labels; None where there are too few texts.
        devices: For rhetoric: how far single words tell each device from its literal texts.
        overlap: Texts that splits share, see `overlaps`; None without splits.
        notes: What could not be measured, and why.
        warnings: In words, what a reader should worry about; thresholds in `emorhet_lens.quality.concerns`.
    """

    corpus: str
    counts: Mapping[str, int]
    balance: float
    lengths: tuple[Lengths, ...]
    outliers: tuple[LengthOutlier, ...]
    duplicates: Duplicates
    leakage: Leakage | None
    devices: Mapping[str, Leakage]
    overlap: pd.DataFrame | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a figure.

        Columns: measure ("texts", "balance", "words", "length outliers", "exact duplicates", "near duplicates",
        "leakage", "leakage by class", "leakage by device", "overlap"), part (a label, device or split, or "all"),
        value (a number), note (in words, what belongs to it).
        """
        rows: list[tuple[str, str, float, str]] = [("texts", label, n, "") for label, n in self.counts.items()]
        rows.append(("balance", "all", self.balance, "smallest label / largest label"))
        several = len({one.source for one in self.lengths}) > 1
        rows += [
            (
                "words",
                f"{one.source}: {one.label}" if several else one.label,
                one.median,
                f"median; 5-95 %: {one.low:.0f} to {one.high:.0f}",
            )
            for one in self.lengths
        ]
        rows.append(("length outliers", "all", len(self.outliers), ", ".join(one.key for one in self.outliers[:3])))
        found = self.duplicates
        conflicting = f"{len(found.conflicting)} with different labels"
        rows.append(("exact duplicates", "all", found.repeated, f"texts that repeat another; {conflicting}"))
        loose = sum(not pair.tied for pair in found.near)
        similar = f"pairs of similarity {found.threshold:g} or more; {loose} of them not written as pairs"
        rows.append(("near duplicates", "all", len(found.near), similar))
        if self.leakage is not None:
            told = self.leakage
            rows.append(
                ("leakage", "all", told.accuracy, f"balanced accuracy, chance {told.chance:.2f}; {told.design}")
            )
            for label, recall in told.recalls.items():
                rows.append(("leakage by class", label, recall, f"recall; {', '.join(told.words[label])}"))
        for device, one in self.devices.items():
            words = ", ".join(one.words[device])
            rows.append(("leakage by device", device, one.accuracy, f"balanced accuracy, chance 0.50; {words}"))
        for row in [] if self.overlap is None else self.overlap.to_dict("records"):
            shared = f"share of texts; {row['exact']} the same, {row['near']} almost"
            rows.append(("overlap", f"{row['part']} in {row['other']}", row["share"], shared))
        return pd.DataFrame(rows, columns=["measure", "part", "value", "note"])


def describe_quality(corpus: Corpus, *, splits: Mapping[str, Corpus] | None = None, seed: int = 0) -> Quality:
    """Measure what can make the labels of a corpus tell something else than their concepts.

    Leakage is measured on at most 200 texts a label, with topics held out as a whole, or pairs where there are no
    topics; 12,000 sentences take seconds in all.

    Args:
        corpus: The texts.
        splits: Splits by name, the corpus itself among them if it is one, to look for texts that they share.
        seed: Of the folds and the texts of leakage.

    Returns:
        The figures; the same whatever the order of the texts, except that sources keep theirs.
    """
    lengths, outliers, duplicates = lengths_by_label(corpus), length_outliers(corpus), find_duplicates(corpus)
    notes: list[str] = []
    told: Leakage | None = None
    devices: dict[str, Leakage] = {}
    try:
        told = leakage(corpus, by=_tie(corpus), folds=FOLDS, seed=seed, at_most=AT_MOST)
    except CorpusError as error:
        notes.append(f"leakage was not measured: {error}")
    # Extended groups keep the name.
    if corpus.group.name == RHETORIC.name:
        try:
            devices = device_leakage(corpus, folds=FOLDS, seed=seed, at_most=AT_MOST)
        except CorpusError as error:
            notes.append(f"devices were not compared with literal texts: {error}")
        few = [name for name in corpus.group.concepts if corpus.counts()[name] and name not in devices]
        if few and devices:
            notes.append(f"not compared with literal texts, since there are too few beside them: {', '.join(few)}")
    shared = overlaps(splits) if splits else None
    present = [count for count in corpus.counts().values() if count]
    return Quality(
        corpus=corpus.name,
        counts=corpus.counts(),
        balance=min(present) / max(present),
        lengths=lengths,
        outliers=outliers,
        duplicates=duplicates,
        leakage=told,
        devices=devices,
        overlap=shared,
        notes=tuple(notes),
        warnings=(
            *concerns.of_counts(corpus.counts()),
            *concerns.of_lengths(lengths, outliers),
            *concerns.of_duplicates(duplicates),
            *concerns.of_leakage(told, devices),
            *concerns.of_overlap(shared),
        ),
    )


def _tie(corpus: Corpus) -> str | None:
    """Topics if there are any, since words of topics should not count; else pairs."""
    if any(example.topic is not None for example in corpus):
        return "topic"
    return "pair" if any(example.pair is not None for example in corpus) else None
