"""The main job: screen the built-in corpora for both groups, mask what was found, and write a report.

The built-in corpora are small and the job is meant to take minutes: the neurons are correlates on a few texts, and the
effects, with few texts and few random sets, have wide intervals. The report says so; `emorhet validate` measures more.
"""

import logging
import time
from dataclasses import replace
from pathlib import Path

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.plan import plan_effects
from emorhet_lens.causal.store import write_effects
from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.corpora import load_corpus, split_names
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.quality import describe_quality
from emorhet_lens.report.parts import GroupReport, gather
from emorhet_lens.report.report import require_report, write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import Corpus

log = logging.getLogger(__name__)

CORPORA = {EMOTIONS.name: "stimuli-emotion", RHETORIC.name: "stimuli-rhetoric"}
"""The corpus of each group: its parts train, dev and test are for screening, calibration and effects."""

QUICK_TEXTS = 16
DEV_TEXTS = 10
TEST_TEXTS = 5
N_RANDOM = 4
QUICK_TEST_TEXTS = 3
QUICK_N_RANDOM = 3


def run_all(model: LensModel, out: Path, *, quick: bool = False, seed: int = 0, progress: bool = True) -> Path:
    """Screen both groups, mask their neurons, and write the results and the report.

    Args:
        model: A model of the host.
        out: Folder; gets one folder a group, as `emorhet screen` and `emorhet validate` write it, and `report.html`.
        quick: Use 16 texts a label for the screening, and 3 texts a label and 3 random sets for the effects.
        seed: Of sampling, halves, shuffles and random sets.
        progress: Whether to show progress bars.

    Returns:
        The report's path.
    """
    require_report()
    groups: list[GroupReport] = []
    for group, name in CORPORA.items():
        parts = {split: load_corpus(name, split=split) for split in split_names(name)}
        train = parts["train"].balanced(QUICK_TEXTS, seed=seed) if quick else parts["train"]
        dev = parts["dev"].balanced(DEV_TEXTS, seed=seed)
        test = parts["test"].balanced(QUICK_TEST_TEXTS if quick else TEST_TEXTS, seed=seed)
        log.info("%s: screening %d texts of %s", group, len(train), name)
        started = time.monotonic()
        checkpoint = out / group / "stats.partial.safetensors"
        stats = collect_stats(model, train, seed=seed, progress=progress, checkpoint=checkpoint)
        result = screen(stats, seed=seed)
        result.save(out / group)
        found = gather(model, train, result, seed=seed, progress=progress)
        found = replace(found, quality=describe_quality(train, splits={**parts, "train": train}, seed=seed))
        log.info("%s: %.0f s; masking the neurons, %d test texts", group, time.monotonic() - started, len(test))
        groups.append(_with_effects(model, found, dev, test, out / group / "effects", quick, seed, progress))
        log.info("%s: %.0f s", group, time.monotonic() - started)
    return write_report(out / "report.html", groups)


def _with_effects(
    model: LensModel,
    found: GroupReport,
    dev: Corpus,
    test: Corpus,
    folder: Path,
    quick: bool,
    seed: int,
    progress: bool,
) -> GroupReport:
    stats = found.screen.stats
    plan = plan_effects(
        model,
        found.screen.neurons,
        test,
        dev=dev,
        stats=stats,
        n_random=QUICK_N_RANDOM if quick else N_RANDOM,
        seed=seed,
        folder=folder,
        # Another run into the same folder takes the place of the last one, as its screening does.
        stale="replace",
        progress=progress,
    )
    log.info("%d texts under masks, about %.1f minutes", plan.texts, plan.minutes)
    effects = plan.run(model, progress=progress)
    write_effects(folder, effects, test=test.counts())
    return replace(found, effects=EffectTables.of(effects))
