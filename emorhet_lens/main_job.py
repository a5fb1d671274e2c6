"""The main job: screen the built-in corpora for both groups, and write what came out and a report.

It finds correlates on small corpora; the report says so.
"""

import logging
import time
from pathlib import Path

from emorhet_lens.collect import collect_stats
from emorhet_lens.concepts import EMOTIONS, RHETORIC
from emorhet_lens.corpora import load_corpus
from emorhet_lens.hosts import LensModel
from emorhet_lens.report import GroupReport, gather, write_report
from emorhet_lens.screening import screen

log = logging.getLogger(__name__)

CORPORA = {EMOTIONS.name: "stimuli-emotion", RHETORIC.name: "stimuli-rhetoric"}
"""The corpus that each group is screened on."""

QUICK_TEXTS = 16


def run_all(model: LensModel, out: Path, *, quick: bool = False, seed: int = 0, progress: bool = True) -> Path:
    """Screen both groups and write the results and the report.

    Args:
        model: A model of the host.
        out: Folder; gets one folder a group, as `emorhet screen` writes it, and `report.html`.
        quick: Use 16 texts a label.
        seed: Of sampling, halves, shuffles and random sets.
        progress: Whether to show progress bars.

    Returns:
        The report's path.
    """
    groups: list[GroupReport] = []
    for group, name in CORPORA.items():
        corpus = load_corpus(name)
        corpus = corpus.balanced(QUICK_TEXTS, seed=seed) if quick else corpus
        log.info("%s: screening %d texts of %s", group, len(corpus), name)
        started = time.monotonic()
        checkpoint = out / group / "stats.partial.safetensors"
        stats = collect_stats(model, corpus, seed=seed, progress=progress, checkpoint=checkpoint)
        result = screen(stats, seed=seed)
        result.save(out / group)
        groups.append(gather(model, corpus, result, seed=seed, progress=progress))
        log.info("%s: %.0f s", group, time.monotonic() - started)
    return write_report(out / "report.html", groups)
