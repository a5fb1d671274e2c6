"""What a synthesis gave: the file with the corpus, counts by stage, agreement."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.synthesis.counts import Stage
from emorhet_lens.synthesis.topics import Topic
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.corpus_files import read_corpus


@dataclass(frozen=True)
class Synthesis:
    """A synthetic corpus and how it came about.

    Args:
        path: The corpus: JSON lines in EmoPrism's schema.
        group: Its concept group.
        topics: What the texts are about.
        stages: Counts, in the order of the stages.
        by_theme: For every intended concept the texts that were asked for, written well-formed, given some label by
            majority, and kept in the end.
        agreement: Fleiss' kappa over the well-formed texts, see `emorhet_lens.synthesis.voting.kappa`: of the
            labellers, and of them and the intended concept.
        options: How it was made.
        calls_made: Calls of this run; the others were replayed.
    """

    path: Path
    group: ConceptGroup
    topics: tuple[Topic, ...]
    stages: tuple[Stage, ...]
    by_theme: Mapping[str, Mapping[str, int]]
    agreement: Mapping[str, Mapping[str, int | float | None]]
    options: Mapping[str, Any]
    calls_made: int

    def corpus(self) -> Corpus:
        """The corpus, as `read_corpus` reads it.

        Raises:
            CorpusError: No text was kept.
        """
        return read_corpus(self.path, group=self.group)

    @property
    def kept(self) -> int:
        """Number of texts of the corpus."""
        return self.stages[-1].kept

    @property
    def share_kept(self) -> float:
        """Of the texts that were asked for."""
        return self.kept / sum(counts["asked"] for counts in self.by_theme.values())

    def to_dataframe(self) -> pd.DataFrame:
        """Counts. Columns: stage, entered, reason (blank for what was kept), texts."""
        rows: list[tuple[str, int, str, int]] = []
        for stage in self.stages:
            rows.append((stage.name, stage.entered, "", stage.kept))
            rows += [(stage.name, stage.entered, reason, n) for reason, n in sorted(stage.left_out.items())]
        return pd.DataFrame(rows, columns=["stage", "entered", "reason", "texts"])

    def to_json(self) -> dict[str, Any]:
        """Everything but the texts and what depends on the run, so that a replayed run gives the same."""
        return {
            "options": dict(self.options),
            "stages": [stage.to_json() for stage in self.stages],
            "by_theme": {theme: dict(counts) for theme, counts in self.by_theme.items()},
            "agreement": {who: dict(found) for who, found in self.agreement.items()},
            "topics": [vars(topic) for topic in self.topics],
        }
