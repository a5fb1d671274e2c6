"""What a report says of the texts that were screened: their lengths, what words give away, and what occurs twice."""

from typing import Any

from emorhet_lens.quality import Quality


def texts_section(quality: Quality) -> dict[str, Any]:
    """The figures of a corpus as the report's template takes them.

    Args:
        quality: From `describe_quality`.

    Returns:
        `rows`, one a source and label with words (median, 5 %, 95 %), recall by words alone and telling words, and one
        more number for devices; facts on duplicates and overlaps in words; notes and warnings.
    """
    told = quality.leakage
    several = len({one.source for one in quality.lengths}) > 1
    rows = []
    for one in quality.lengths:
        device = quality.devices.get(one.label)
        shown = device or told
        rows.append(
            {
                "name": f"{one.source}: {one.label}" if several else one.label,
                "texts": one.texts,
                "median": one.median,
                "low": one.low,
                "high": one.high,
                "recall": None if told is None else told.recalls.get(one.label),
                "device": None if device is None else device.accuracy,
                "words": () if shown is None else shown.words.get(one.label, ()),
            }
        )
    return {
        "rows": rows,
        "leakage": told,
        "devices": bool(quality.devices),
        "duplicates": _duplicates(quality),
        "overlap": [] if quality.overlap is None else quality.overlap.to_dict("records"),
        "notes": quality.notes,
        "warnings": quality.warnings,
    }


def _duplicates(quality: Quality) -> str:
    found = quality.duplicates
    loose = sum(not pair.tied for pair in found.near)
    return (
        f"{found.repeated} texts repeat another one; {len(found.near)} pairs are almost the same (similarity "
        f"{found.threshold:g} or more), {loose} of which were not written as pairs; {len(quality.outliers)} texts are "
        "far longer or shorter than the others."
    )
