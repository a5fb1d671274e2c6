"""What has to be known about data sets that are kept as one folder each, with a file a split."""

import re
from types import MappingProxyType

from emorhet_lens.concepts import EMOTIONS, RHETORIC, ConceptGroup

SPLITS = ("train", "dev", "test")
"""The order in which splits are named; others follow."""

EMOTION_SETS = (
    "carer",
    "crowd_envent",
    "crowd_envent_masked",
    "crowdflower",
    "dailydialog_reccon",
    "emorynlp",
    "goemotions",
    "meld",
)

RHETORIC_SETS = (
    "figlang2020_reddit",
    "figqa",
    "figurative_comparisons",
    "hypo",
    "lcc_metaphor",
    "moh",
    "mustard",
    "sarcasm_sign",
    "sarcasm_v2",
    "simile_probing",
)

EXTENDED = MappingProxyType({"pineapple": "personification"})
"""Data sets that need a concept besides those of `RHETORIC`, which the caller has to ask for."""

PAIRS = MappingProxyType(
    {
        "hypo": re.compile(r"hypo-\d+"),
        "figqa": re.compile(r"(?<=-)q[A-Z]?\d+"),
        # The numbers start anew in every split.
        "sarcasm_sign": re.compile(r"[a-z]+-\d+"),
    }
)
"""The part of an id that texts share which were written to match each other."""


def group_of(folder: str) -> ConceptGroup | None:
    """The group of a data set's labels; None where it is not known, or is not built in."""
    if folder in EMOTION_SETS:
        return EMOTIONS
    return RHETORIC if folder in RHETORIC_SETS else None


def pair_of(folder: str, id: str) -> str | None:
    """The pair that an example of a data set belongs to, as its id tells; None where ids do not."""
    found = PAIRS[folder].search(id) if folder in PAIRS else None
    return found.group() if found else None
