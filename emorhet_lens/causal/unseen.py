"""Texts that a screening has not seen and the readout that asks about them: what a job measures its neurons on.

Also how long a job takes beside what was predicted, which is written with all results.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emorhet_lens.corpora.held_out import MIN_TEXTS, HeldOut, load_held_out
from emorhet_lens.readouts.named import lessons_of, readout_named
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.screening.screen import Screen
from emorhet_lens.store import read_json
from emorhet_lens.texts.corpus import Corpus

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Unseen:
    """What a screening's neurons are measured on.

    Args:
        screen: The screening.
        texts: Development and test texts.
        readout: How predictions are read.
        dev: Texts that the readout calibrates on.
        train: Texts that it learns from.
        asked_for: How the texts were chosen: corpora, readout by name, limit, ...
    """

    screen: Screen
    texts: HeldOut
    readout: Readout
    dev: Corpus | None
    train: Corpus | None
    asked_for: Mapping[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of plans that say how is asked: readout, dev and train."""
        return {"readout": self.readout, "dev": self.dev, "train": self.train}

    @property
    def facts(self) -> dict[str, Any]:
        """What is written beside results: the screening, what the test texts are, and what was left out."""
        return {
            "screen": {"preset": self.screen.preset, "corpora": self.screen.stats.options["corpora"]},
            "measured_on": {**self.asked_for, "sha256": self.texts.test.digest},
            "test": self.texts.test.counts(),
            "left_out": list(self.texts.left_out),
        }


def choose_unseen(
    screen: Screen,
    corpora: Sequence[str],
    *,
    readout: str = "zero-shot",
    limit: int | None = 100,
    min_texts: int = MIN_TEXTS,
    data_dir: Path | None = None,
    seed: int = 0,
    loading: Mapping[str, Any] | None = None,
) -> Unseen:
    """Choose texts that a screening has not seen, and give the readout its part of them.

    They are loaded as the screening's were: from the hub, and without labels of no concept, where it was told so.

    Args:
        screen: The screening.
        corpora: Names or files; see `emorhet_lens.corpora.held_out.load_held_out`, for this, limit, min_texts and
            data_dir.
        readout: A name of `emorhet_lens.readouts.named.READOUTS`.
        limit: Most test texts a label and source.
        min_texts: A concept with fewer in a source is left out there.
        data_dir: Folder of named corpora.
        seed: Of all draws.
        loading: How another screening loaded these corpora, see `ActivationStats.loading`.

    Returns:
        The texts and the readout.

    Raises:
        ReadoutError: There is no readout of that name.
        CorpusError: A corpus cannot be loaded, nothing unseen is left, or a concept has too few texts.
    """
    asked = readout_named(readout)
    texts = load_held_out(
        list(corpora),
        screen.stats.group,
        seen=screen.stats.seen,
        limit=limit,
        min_texts=min_texts,
        data_dir=data_dir,
        seed=seed,
        **(screen.stats.loading if loading is None else loading),
    )
    dev, train = lessons_of(readout, texts.dev, seed)
    how = {"corpora": list(corpora), "readout": readout, "limit": limit, "min_texts": min_texts, "seed": seed}
    return Unseen(screen, texts, asked, dev, train, how)


def timed(predicted: float, run: Callable[[], Found], path: Path, kind: str) -> tuple[Found, dict[str, float]]:
    """Do something, and take the time beside what was predicted.

    Args:
        predicted: Minutes that it should take; 0 where everything was done before.
        run: Does it.
        path: The file that keeps these minutes; where nothing was left to do, those in it stay.
        kind: Of the file.

    Returns:
        What came out, and the minutes that were predicted and that it took. Errors are those of `run`.
    """
    started = time.monotonic()
    found = run()
    taken = (time.monotonic() - started) / 60
    kept = read_json(path, kind=kind).get("minutes") if predicted == 0 and path.exists() else None
    return found, kept or {"predicted": round(predicted, 2), "taken": round(taken, 2)}
