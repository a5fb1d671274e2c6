"""Texts for measuring effects that the screening has not seen: a development part and a test part.

Unseen means other texts, whatever their ids, up to case and punctuation. Texts of one source stay alike in register and
topic; what holds on them may hold there only.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emorhet_lens.corpora.named import load_corpus, split_names
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus, join
from emorhet_lens.texts.splitting import TIES

MIN_TEXTS = 20
DEV_TEXTS = 50


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Unseen texts by their job.

    Args:
        dev: To calibrate on.
        test: To measure effects on.
        left_out: In words, what was left out as too little.
    """

    dev: Corpus
    test: Corpus
    left_out: tuple[str, ...] = ()


def load_held_out(
    names: list[str],
    group: ConceptGroup,
    *,
    seen: frozenset[str],
    limit: int | None = 100,
    min_texts: int = MIN_TEXTS,
    data_dir: Path | None = None,
    hub: bool = False,
    unknown: str = "error",
    seed: int = 0,
) -> HeldOut:
    """Load texts that a screening has not used.

    Data sets with splits give their dev and test splits. Of other corpora the unseen texts are divided, two fifths to
    calibrate on and the rest to test on, with tied texts in one part.

    Args:
        names: Corpora by name or file, as `load_corpus` takes them.
        group: Of the screening.
        seen: Digests of the texts that were screened on, or their keys.
        limit: Most test texts a label and source.
        min_texts: A concept with fewer test texts in a source is left out there, with a note.
        data_dir: See `load_corpus`, for this, hub and unknown.
        hub: Whether publishers' data sets may be taken from the hub.
        unknown: What a label that is not the group's does.
        seed: Of all draws.

    Returns:
        Both parts.

    Raises:
        CorpusError: A corpus cannot be loaded, nothing unseen is left, or `limit` is not positive.
    """
    devs: list[Corpus] = []
    tests: list[Corpus] = []
    for name in names:
        load = partial(load_corpus, name, group=group, data_dir=data_dir, hub=hub, unknown=unknown)
        dev, test = _parts(load, split_names(name, data_dir, hub=hub), seen, seed)
        devs.append(dev.balanced(DEV_TEXTS, seed=seed))
        tests.append(test)
    # Before the limit: who asks for few texts gets few.
    test, notes = _without_small(join(tests), min_texts)
    return HeldOut(join(devs), test if limit is None else test.balanced(limit, seed=seed), notes)


def _parts(
    load: Callable[..., Corpus], splits: tuple[str, ...], seen: frozenset[str], seed: int
) -> tuple[Corpus, Corpus]:
    if {"dev", "test"} <= set(splits):
        dev, test = (_unseen(load(split=part), seen) for part in ("dev", "test"))
        return dev, test
    whole = load(split="test") if splits else load()
    divided = _unseen(whole, seen).split({"dev": 0.4, "test": 0.6}, seed=seed, keep_together=TIES)
    return divided["dev"], divided["test"]


def _unseen(corpus: Corpus, seen: frozenset[str]) -> Corpus:
    known = set(corpus.among(seen))
    if len(known) == len(corpus):
        raise CorpusError(
            f"all {len(corpus)} texts of {corpus.name!r} were screened on; screen a part of it, or give another corpus"
        )
    return corpus.where(lambda example: example not in known)


def _without_small(corpus: Corpus, min_texts: int) -> tuple[Corpus, tuple[str, ...]]:
    counts = Counter((example.source, example.label) for example in corpus)
    small = {cell for cell, n in counts.items() if n < min_texts and cell[1] != corpus.group.rest}
    if not small:
        return corpus, ()
    notes = tuple(
        f"{label} in {source}: {counts[source, label]} test texts, fewer than {min_texts}; left out"
        for source, label in sorted(small)
    )
    if len(small) == sum(label != corpus.group.rest for _, label in counts):
        raise CorpusError(f"too few test texts: {'; '.join(notes)}; give more, or lower the bound")
    return corpus.where(lambda example: (example.source, example.label) not in small), notes
