"""What a reader of a corpus' figures should worry about, in words, and from which figure on.

The thresholds are rules of thumb. A corpus without any of these warnings can still be confounded by what is not
measured: register, authors, how its texts were chosen.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from emorhet_lens.quality.duplicates import Duplicates
from emorhet_lens.quality.leakage import Leakage
from emorhet_lens.quality.lengths import LengthOutlier, Lengths

BALANCE = 0.5
"""Warn where the smallest label has less than this share of the texts of the largest."""

LENGTH_RATIO = 1.25
"""Warn where the median length of a label is so many times that of another one of its source."""

OUTLIERS = 0.01
"""Warn where a greater share of the texts are outliers by length."""

LEAKAGE = 0.25
"""Warn where words tell labels so far above chance (0 is guessing, 1 knowing) and beyond two spreads of guesses."""


def of_counts(counts: Mapping[str, int]) -> list[str]:
    """Labels without texts do not count here: the screening warns about them."""
    found = {label: count for label, count in counts.items() if count}
    least, most = min(found, key=lambda label: found[label]), max(found, key=lambda label: found[label])
    if found[least] >= BALANCE * found[most]:
        return []
    return [f"labels are unbalanced: {most} has {found[most]} texts, {least} {found[least]}; see Corpus.balanced"]


def of_lengths(lengths: Sequence[Lengths], outliers: Sequence[LengthOutlier]) -> list[str]:
    """Labels that differ in length within a source, and outliers if they are many."""
    warned = []
    for source in dict.fromkeys(one.source for one in lengths):
        medians = {one.label: one.median for one in lengths if one.source == source}
        short, long = min(medians, key=lambda label: medians[label]), max(medians, key=lambda label: medians[label])
        if medians[long] >= LENGTH_RATIO * medians[short]:
            warned.append(
                f"in {source} texts of {long} are longer (median {medians[long]:g} words) than those of {short} "
                f"({medians[short]:g}); Corpus.matched draws texts of like lengths"
            )
    total = sum(one.texts for one in lengths)
    if len(outliers) > OUTLIERS * total:
        warned.append(
            f"{len(outliers)} of {total} texts are far longer or shorter than the others, {outliers[0].key} most of "
            f"all ({outliers[0].words} words)"
        )
    return warned


def of_duplicates(duplicates: Duplicates) -> list[str]:
    """Texts that occur twice; near duplicates that were written as pairs are no concern."""
    warned = []
    if duplicates.exact:
        conflict = f", {len(duplicates.conflicting)} of them with different labels" if duplicates.conflicting else ""
        warned.append(
            f"{len(duplicates.exact)} texts occur more than once{conflict}, for example "
            f"{' and '.join((duplicates.conflicting or duplicates.exact)[0][:2])}; leave {duplicates.repeated} out"
        )
    loose = [pair for pair in duplicates.near if not pair.tied]
    if loose:
        closest = max(loose, key=lambda pair: pair.similarity)
        differing = sum(not pair.same_label for pair in loose)
        conflict = f", {differing} of them with different labels" if differing else ""
        warned.append(
            f"{len(loose)} pairs of texts are almost the same (similarity {duplicates.threshold:g} or more){conflict}, "
            f"for example {closest.first} and {closest.second}; a split may separate them"
        )
    return warned


def of_leakage(leakage: Leakage | None, devices: Mapping[str, Leakage]) -> list[str]:
    """Words that tell labels. Where devices are compared with their literal texts, only that counts."""
    warned = []
    if leakage is not None and not devices and _leaks(leakage):
        best = max(leakage.recalls, key=lambda label: leakage.recalls[label])
        warned.append(
            f"single words tell the labels: balanced accuracy {leakage.accuracy:.2f} (chance {leakage.chance:.2f}), "
            f"best for {best} ({leakage.recalls[best]:.2f}; {_quoted(leakage.words[best])}); neurons for these words "
            "would pass for neurons of the concepts"
        )
    for device, one in devices.items():
        if _leaks(one):
            warned.append(
                f"single words tell {device} from literal text: balanced accuracy {one.accuracy:.2f} (chance "
                f"{one.chance:.2f}; {_quoted(one.words[device])}); neurons for these words would pass for neurons of it"
            )
    return warned


_HELD_OUT = "what holds there was not held out"
_NEARLY = "look at them before you call them held out"


def of_overlap(overlap: pd.DataFrame | None) -> list[str]:
    """Splits of which one holds texts of the other, each pair of splits once."""
    warned: list[str] = []
    seen: set[frozenset[str]] = set()
    for row in [] if overlap is None else overlap.to_dict("records"):
        parts = frozenset((str(row["part"]), str(row["other"])))
        if (row["exact"] or row["near"]) and parts not in seen:
            seen.add(parts)
            warned.append(
                f"{row['exact']} of the {row['texts']} texts of {row['part']} also stand in {row['other']}, and "
                f"{row['near']} more almost; {_HELD_OUT if row['exact'] else _NEARLY}"
            )
    return warned


def _leaks(leakage: Leakage) -> bool:
    beyond = leakage.accuracy - leakage.chance > 2 * leakage.spread
    return beyond and leakage.above_chance > LEAKAGE


def _quoted(words: Sequence[str]) -> str:
    return "most telling " + ", ".join(f"“{word}”" for word in words[:3])
