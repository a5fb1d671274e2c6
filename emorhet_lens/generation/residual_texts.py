"""Texts for steering by the residual stream: some for the mean difference, others to choose the layer on."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from emorhet_lens.corpora.named import load_corpus, split_names
from emorhet_lens.errors import CorpusError
from emorhet_lens.generation.residual_steering import contrasting_sources
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus, join
from emorhet_lens.texts.splitting import TIES

_LEAST_DEV_TEXTS = 20


def load_residual_texts(
    names: Sequence[str],
    group: ConceptGroup,
    *,
    concepts: Sequence[str] = (),
    limit: int = 100,
    data_dir: Path | None = None,
    hub: bool = False,
    unknown: str = "error",
    seed: int = 0,
) -> tuple[Corpus, Corpus]:
    """Load texts of concepts and of the rest, in two parts that share none.

    Data sets with splits give train and dev; other corpora are divided, three fifths and two, with tied texts in one
    part. Both parts may have been screened on: neither is what is measured.

    Args:
        names: Corpora by name or file, as `load_corpus` takes them.
        group: Of the concepts.
        concepts: What a difference is needed of.
        limit: Most texts a label and source of the difference; a quarter of them, at least 20, choose the layer.
        data_dir: See `load_corpus`, for this, hub and unknown.
        hub: Whether publishers' data sets may be taken from the hub.
        unknown: What a label that is not the group's does.
        seed: Of division and draw.

    Returns:
        Texts of the difference, and development texts.

    Raises:
        CorpusError: A corpus cannot be loaded or is too small to be divided, or one of `concepts` lacks texts.
    """
    parts = []
    for name in names:
        load = partial(load_corpus, name, group=group, data_dir=data_dir, hub=hub, unknown=unknown)
        parts.append(_divided(load, split_names(name, data_dir, hub=hub), seed))
    limits = (limit, max(_LEAST_DEV_TEXTS, limit // 4))
    train, dev = (
        join(own).balanced(most, seed=seed) for own, most in zip(zip(*parts, strict=True), limits, strict=True)
    )
    known, counts = contrasting_sources(train), dev.counts()
    lacking = [c for c in concepts if c not in known or not counts[c] or not counts[group.rest]]
    if lacking:
        raise CorpusError(
            f"{train.name!r} gives no residual difference of {', '.join(lacking)}: it takes texts of each and of "
            f"{group.rest!r} in one source, and development texts of both; add a corpus that has them, or leave these "
            "concepts out"
        )
    return train, dev


def _divided(load: Callable[..., Corpus], splits: tuple[str, ...], seed: int) -> tuple[Corpus, Corpus]:
    if {"train", "dev"} <= set(splits):
        train, dev = (load(split=part) for part in ("train", "dev"))
        return train, dev
    divided = load().split({"train": 0.6, "dev": 0.4}, seed=seed, keep_together=TIES)
    return divided["train"], divided["dev"]
