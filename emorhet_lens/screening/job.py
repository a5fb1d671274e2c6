"""Screen corpora by their names and write the results: the steps of `emorhet screen` for other callers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.corpora import load_corpus
from emorhet_lens.errors import ScreenError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.models.sites import Site
from emorhet_lens.passes.batches import Tokens
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.quality import describe_quality
from emorhet_lens.screening.presets import LEE2025_PROMPT
from emorhet_lens.screening.presets import preset as preset_options
from emorhet_lens.screening.screen import Screen, screen
from emorhet_lens.texts.concepts import GROUPS
from emorhet_lens.texts.corpus import Corpus, join


def load_texts(
    names: Sequence[str],
    group: str,
    *,
    extra: Sequence[str] = (),
    split: str | None = None,
    data_dir: Path | None = None,
    hub: bool = False,
    limit: int | None = None,
    seed: int = 0,
    drop_unknown: bool = False,
) -> Corpus:
    """The texts of several corpora of one group.

    Args:
        names: Names or files, see `load_corpus`, for these and the next options.
        group: Name of the concept group.
        extra: Further concepts of the group.
        split: Of corpora with splits; train by default.
        data_dir: Folder of named corpora.
        hub: Whether publishers' data sets may be taken from the hub.
        limit: Most texts a label and source.
        seed: Of the draw.
        drop_unknown: Whether texts with labels of no concept are left out rather than an error.

    Returns:
        One corpus that keeps the sources apart.

    Raises:
        ScreenError: The group is unknown.
        CorpusError: A corpus cannot be loaded.
    """
    if group not in GROUPS:
        raise ScreenError(f"unknown group {group!r}; there are {', '.join(GROUPS)}")
    chosen = GROUPS[group].extended(*extra)
    unknown: Literal["error", "drop"] = "drop" if drop_unknown else "error"
    return join(
        [
            load_corpus(
                name,
                split=split,
                group=chosen,
                data_dir=data_dir,
                hub=hub,
                limit_per_label=limit,
                seed=seed,
                unknown=unknown,
            )
            for name in names
        ]
    )


def require_options(preset: str, changes: Mapping[str, Any]) -> None:
    """Refuse a preset or an option before the pass that would be lost to it.

    Args:
        preset: Name of the preset.
        changes: Options that differ from it.

    Raises:
        ScreenError: One of them cannot be used.
    """
    replace(preset_options(preset), **changes)


def screen_texts(
    model: LensModel,
    texts: Corpus,
    folder: Path,
    *,
    preset: str = "default",
    changes: Mapping[str, Any] | None = None,
    site: Site = "post",
    tokens: Tokens | None = None,
    prompt: Path | None = None,
    batch_size: BatchSize = "auto",
    long_texts: Literal["error", "skip"] = "error",
    hub: bool = False,
    drop_unknown: bool = False,
    shuffles: int = 20,
    seed: int = 0,
    progress: bool = True,
) -> Screen:
    """One pass over the texts, the selection, and what the texts make one doubt, written into a folder.

    Args:
        model: The model, in evaluation mode.
        texts: From `load_texts`.
        folder: Gets `stats.safetensors`, `screen.json` and `neurons.csv`. A pass that was interrupted, or after which
            the screening was refused or interrupted, goes on from it.
        preset: Name of a preset.
        changes: Options of `ScreenOptions` that should differ from the preset's.
        site: See `collect_stats`, for this and the next.
        tokens: The text's own by default; the last one with the preset `lee2025`.
        prompt: File with a template; the preset `lee2025` has its own for emotions.
        batch_size: Texts a batch, or `"auto"`.
        long_texts: Whether a text longer than the context is an error or is left out.
        hub: As `load_texts` was told, for this and the next; kept, so that unseen texts are loaded alike.
        drop_unknown: See hub.
        shuffles: Shuffled labellings for the stability.
        seed: Of halves, null cells and shuffles.
        progress: Whether to show a progress bar.

    Returns:
        The screening, with the errors of `collect_stats` and `screen`.
    """
    changed = dict(changes or {})
    chosen: Any = prompt
    if preset == "lee2025":
        tokens = tokens or "last"
        if prompt is None and texts.group.name == "emotion":
            chosen = LEE2025_PROMPT
    checkpoint = folder / "stats.partial.safetensors"
    stats = collect_stats(
        model,
        texts,
        site=site,
        tokens=tokens or "text",
        prompt=chosen,
        batch_size=batch_size,
        long_texts=long_texts,
        seed=seed,
        progress=progress,
        checkpoint=checkpoint,
        # Whatever the screening may refuse, the pass is not lost.
        keep_checkpoint=True,
    )
    stats = replace(stats, options={**stats.options, "hub": hub, "unknown": "drop" if drop_unknown else "error"})
    result = screen(stats, preset=preset, shuffles=shuffles, seed=seed, **changed)
    result = replace(result, warnings=(*result.warnings, *describe_quality(texts, seed=seed).warnings))
    result.save(folder)
    checkpoint.unlink()
    return result
