"""Sufficient statistics of neuron activations, by concept and source: what screening is computed from.

Tokens of one text are not independent. Beside the sums over tokens there are therefore sums over *texts* of the
text's firing rate and mean activation, and every test statistic uses those.

Each text is counted in two cells. Its true cell is (source, label, half); the two halves measure how stable a
screening is. Its null cell is a random share of its source's texts that ignores labels; from the null cells
labellings at random are put together, which show what the same screening finds where there is nothing.

These are summaries of correlations on one corpus. They say nothing about what a neuron does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.sums import Cell, Extremes, Sums
from emorhet_lens.errors import StatsError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.store import read_tensors, write_tensors
from emorhet_lens.texts.concepts import ConceptGroup


@dataclass(frozen=True, eq=False)
class ActivationStats:
    """What one pass over a corpus leaves.

    Args:
        group: The concepts.
        model: Which model.
        options: Site, counted tokens, prompt, seed, batch plan, ids: everything that made the numbers.
        cells: The true cells, sorted.
        sums: Their sums.
        extremes: Their extremes.
        null_cells: The null cells, sorted.
        null_sums: Their sums.
        output_norm: Length of every neuron's output weights.
    """

    group: ConceptGroup
    model: ModelIdentity
    options: dict[str, Any]
    cells: tuple[Cell, ...]
    sums: Sums
    extremes: Extremes
    null_cells: tuple[Cell, ...]
    null_sums: Sums
    output_norm: Float[Tensor, "layer neuron"]

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, in alphabetical order."""
        return tuple(dict.fromkeys(cell.source for cell in self.cells))

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and neurons a layer."""
        layers, neurons = self.output_norm.shape
        return layers, neurons

    @property
    def seen(self) -> frozenset[str]:
        """The digests of the texts; their keys where statistics of an earlier version do not hold them."""
        return frozenset(self.options.get("texts") or self.options["ids"])

    @property
    def loading(self) -> dict[str, Any]:
        """How `load_corpus` was told to load the texts; its defaults where `emorhet screen` did not write it down."""
        return {"hub": self.options.get("hub", False), "unknown": self.options.get("unknown", "error")}

    def by_label(self, source: str | None = None) -> Sums:
        """Sums by label: one row a concept, then the rest.

        Args:
            source: Only this source; all of them by default.

        Returns:
            Sums whose first axis is the concept axis with the rest as its last row.
        """
        return self.sums.pool([self._row(cell, source) for cell in self.cells], len(self.group.labels))

    def summed(self, statistic: str, source: str | None = None) -> Tensor:
        """One statistic by label: one row a concept, then the rest.

        Args:
            statistic: Name of a field of `Sums`.
            source: Only this source; all of them by default.

        Returns:
            `[label layer neuron]`, or `[label]` for `texts` and `tokens`.
        """
        values: Tensor = getattr(self.sums, statistic)
        pooled = torch.zeros((len(self.group.labels), *values.shape[1:]), dtype=values.dtype)
        for cell, own in zip(self.cells, values, strict=True):
            row = self._row(cell, source)
            if row >= 0:
                pooled[row] += own
        return pooled

    def half(self, part: int) -> "ActivationStats":
        """Only the texts of one half (0 or 1), with the sums shared, not copied."""
        cells = tuple(cell if cell.part == part else replace(cell, label=None) for cell in self.cells)
        return replace(self, cells=cells)

    def without_sources(self) -> "ActivationStats":
        """The same texts as if they came from one source."""
        return replace(
            self,
            cells=tuple(replace(cell, source="all") for cell in self.cells),
            null_cells=tuple(replace(cell, source="all") for cell in self.null_cells),
        )

    def relabelled(self, labels: Sequence[tuple[str, int]]) -> "ActivationStats":
        """The null cells under labels that were dealt to them; extremes are not kept for null cells.

        Args:
            labels: Label and half of every null cell.

        Returns:
            Statistics whose cells are the null cells, with the sums shared, not copied.
        """
        cells = tuple(
            Cell(cell.source, label, half) for cell, (label, half) in zip(self.null_cells, labels, strict=True)
        )
        return replace(self, cells=cells, sums=self.null_sums)

    def extremes_by_label(self) -> Extremes:
        """Extremes by label over all sources: one row a concept, then the rest."""
        result = Extremes.empty(len(self.group.labels), *self.shape)
        for index, cell in enumerate(self.cells):
            row = self._row(cell, None)
            if row >= 0:
                one = Extremes(*(getattr(self.extremes, f.name)[[index]] for f in fields(Extremes)))
                result = result.join(one.spread([row], len(self.group.labels)))
        return result

    def mean_magnitude(self) -> Float[Tensor, "layer neuron"]:
        """Mean of |x| over all counted tokens."""
        # |x| = 2 max(x, 0) - x
        total = 2 * self.sums.positive_total - self.sums.total
        return total.sum(0) / self.sums.tokens.sum()

    def firing_rate(self) -> Float[Tensor, "layer neuron"]:
        """Share of all counted tokens on which a neuron fires."""
        return self.sums.firings.sum(0).double() / self.sums.tokens.sum()

    def __add__(self, other: "ActivationStats") -> "ActivationStats":
        """The statistics of both corpora together.

        Raises:
            StatsError: They are of different groups, models, sites, tokens or prompts, or share texts.
        """
        self._require_mergeable(other)
        cells = tuple(sorted({*self.cells, *other.cells}, key=_cell_order))
        null_cells = tuple(sorted({*self.null_cells, *other.null_cells}, key=_cell_order))
        places = [[cells.index(cell) for cell in stats.cells] for stats in (self, other)]
        null_places = [[null_cells.index(cell) for cell in stats.null_cells] for stats in (self, other)]
        mine, theirs = self.options, other.options
        # The batches name their texts by the place among the ids, which moves.
        moved = [[index + len(mine["ids"]) for index in batch] for batch in theirs["plan"]]
        lists = {key: [*mine[key], *theirs[key]] for key in ("corpora", "ids", "skipped")}
        # Digests of one part alone would hide the other's texts.
        lists["texts"] = [*mine["texts"], *theirs["texts"]] if mine.get("texts") and theirs.get("texts") else []
        # What one of them needed to be loaded, both need.
        one, two = self.loading, other.loading
        loading = {"hub": one["hub"] or two["hub"], "unknown": min(one["unknown"], two["unknown"])}
        return replace(
            self,
            options={**mine, **loading, **lists, "plan": [*mine["plan"], *moved]},
            cells=cells,
            sums=self.sums.pool(places[0], len(cells)) + other.sums.pool(places[1], len(cells)),
            extremes=self.extremes.spread(places[0], len(cells)).join(other.extremes.spread(places[1], len(cells))),
            null_cells=null_cells,
            null_sums=self.null_sums.pool(null_places[0], len(null_cells))
            + other.null_sums.pool(null_places[1], len(null_cells)),
        )

    def save(self, path: Path | str) -> None:
        """Write everything into one safetensors file."""
        tensors = {"output_norm": self.output_norm}
        for prefix in ("sums", "extremes", "null_sums"):
            part = getattr(self, prefix)
            tensors |= {f"{prefix}.{field.name}": getattr(part, field.name) for field in fields(part)}
        facts = {
            "group": {
                "name": self.group.name,
                "concepts": self.group.concepts,
                "rest": self.group.rest,
                "aliases": dict(self.group.aliases),
            },
            "model": self.model.to_dict(),
            "options": self.options,
            "cells": [vars(cell) for cell in self.cells],
            "null_cells": [vars(cell) for cell in self.null_cells],
        }
        write_tensors(Path(path), tensors, facts, kind="activation-stats")

    @classmethod
    def load(cls, path: Path | str) -> "ActivationStats":
        """Read what `save` wrote.

        Raises:
            StoreError: The file is missing, truncated, or holds something else.
        """
        tensors, facts = read_tensors(Path(path), kind="activation-stats")

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith(prefix + ".")}

        return cls(
            group=ConceptGroup(**{**facts["group"], "concepts": tuple(facts["group"]["concepts"])}),
            model=ModelIdentity.from_dict(facts["model"]),
            options=facts["options"],
            cells=tuple(Cell(**cell) for cell in facts["cells"]),
            sums=Sums(**part("sums")),
            extremes=Extremes(**part("extremes")),
            null_cells=tuple(Cell(**cell) for cell in facts["null_cells"]),
            null_sums=Sums(**part("null_sums")),
            output_norm=tensors["output_norm"],
        )

    def _row(self, cell: Cell, source: str | None) -> int:
        if cell.label is None or (source is not None and cell.source != source):
            return -1
        return self.group.labels.index(cell.label)

    def _require_mergeable(self, other: "ActivationStats") -> None:
        if self.group.labels != other.group.labels:
            raise StatsError(f"statistics of {self.group.labels} and of {other.group.labels} cannot be added")
        self.model.require_same(other.model)
        for option in ("site", "tokens", "prompt", "frame", "prepend_bos"):
            # Statistics of earlier versions know no frame.
            mine, theirs = self.options.get(option), other.options.get(option)
            if mine != theirs:
                raise StatsError(
                    f"statistics with {option}={mine!r} and {option}={theirs!r} cannot be added; collect both with the "
                    "same options"
                )
        shared = set(self.options["ids"]) & set(other.options["ids"])
        if shared:
            raise StatsError(f"{len(shared)} texts are in both, for example {sorted(shared)[0]!r}; count each once")


def _cell_order(cell: Cell) -> tuple[str, str, int]:
    return cell.source, cell.label or "", cell.part
