"""Screening: from activation statistics to the neurons that respond selectively to each concept.

`screen` never runs a model. It selects, measures how stable the selection is beyond shuffled labels, and lists in
words what should make a reader doubt it. What it finds are correlates on one corpus: whether they matter is decided
by intervention, with matched random sets beside it.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import ScreenError
from emorhet_lens.models.hosts import LensModel, identify
from emorhet_lens.scorers import SCORERS, entropy, probability, require_references
from emorhet_lens.screening.caveats import caveats
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import Neurons, neurons_from
from emorhet_lens.screening.presets import preset as preset_options
from emorhet_lens.screening.selection import ScreenOptions, Selection, select
from emorhet_lens.screening.stability import Stability, measure_stability
from emorhet_lens.store import read_json, write_json, write_text

STATS_FILE, SCREEN_FILE, NEURONS_FILE = "stats.safetensors", "screen.json", "neurons.csv"


@dataclass(frozen=True, eq=False)
class Screen:
    """The outcome of a screening.

    Args:
        stats: What it was computed from.
        preset: Name of the preset, with a `*` if options were changed.
        options: How neurons were selected.
        selection: What was selected, by index.
        neurons: What was selected, by concept.
        stability: Agreement of halves beyond shuffled labels; nothing where there are too few texts.
        seed: Of the shuffles.
        warnings: In words, what to keep in mind.
    """

    stats: ActivationStats
    preset: str
    options: ScreenOptions
    selection: Selection
    neurons: Neurons
    stability: Stability | None
    seed: int
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        excess = "not measured"
        if self.stability is not None:
            s = self.stability
            excess = f"{s.excess:.3f} [{s.low:.3f}, {s.high:.3f}]"
        return f"Screen(preset={self.preset!r}, excess stability {excess}, {self.neurons!r})"

    def scores(self, scorer: str) -> Float[Tensor, "concept layer neuron"]:
        """Scores of all neurons by any scorer, NaN for a concept without texts.

        Raises:
            ScreenError: There is no such scorer.
        """
        if scorer not in SCORERS:
            raise ScreenError(f"unknown scorer {scorer!r}; there are {', '.join(SCORERS)}")
        stats = self.stats.without_sources() if self.options.allow_missing_rest else self.stats
        return SCORERS[scorer].compute(stats, self.options.against)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a concept and neuron.

        Columns: concept, layer, neuron, rank (from 1), score (of the first scorer), entropy (nats), support (texts of
        the concept in which it fires), and P of every concept as `p_<concept>`.
        """
        table = self.neurons.to_dataframe()
        group = self.stats.group
        concept = [group.concepts.index(name) for name in table["concept"]]
        layer, neuron = table["layer"].tolist(), table["neuron"].tolist()
        stats = self.stats.without_sources() if self.options.allow_missing_rest else self.stats
        table["entropy"] = entropy(stats)[concept, layer, neuron].numpy()
        table["support"] = self.stats.summed("texts_fired")[concept, layer, neuron].numpy()
        rates = probability(stats)[:, layer, neuron]
        for index, name in enumerate(group.concepts):
            table[f"p_{name}"] = rates[index].numpy()
        return table

    def to_dict(self) -> dict[str, Any]:
        """Everything but the tensors, as plain values for JSON."""
        texts, tokens = self.stats.summed("texts").tolist(), self.stats.summed("tokens").tolist()
        labels = self.stats.group.labels
        return {
            "preset": self.preset,
            "options": self.options.to_dict(),
            "seed": self.seed,
            "group": {"name": self.stats.group.name, "concepts": self.stats.group.concepts, "rest": labels[-1]},
            "model": self.stats.model.to_dict(),
            "collected": self.stats.options,
            "totals": {
                "neurons": int(self.stats.output_norm.numel()),
                "candidates": self.selection.candidates,
                "selected": {concept: len(self.neurons.sets[concept]) for concept in self.neurons.concepts},
                "texts": dict(zip(labels, texts, strict=True)),
                "tokens": dict(zip(labels, tokens, strict=True)),
                "sources": self.stats.sources,
            },
            "ties": {name: {"tied": tied, "places": places} for name, (tied, places) in self.selection.ties.items()},
            "stability": None if self.stability is None else self.stability.to_dict(),
            "warnings": self.warnings,
        }

    def save(self, folder: Path | str) -> None:
        """Write `stats.safetensors`, `screen.json` and `neurons.csv` into a folder."""
        folder = Path(folder)
        self.stats.save(folder / STATS_FILE)
        write_text(folder / NEURONS_FILE, self.to_dataframe().to_csv(index=False))
        write_json(folder / SCREEN_FILE, self.to_dict(), kind="screen")

    @classmethod
    def load(cls, folder: Path | str, model: LensModel | None = None) -> "Screen":
        """Read what `save` wrote; the selection is made again from the statistics.

        Args:
            folder: The folder.
            model: The model that the results will be used with, to be checked.

        Raises:
            StoreError: A file is missing or damaged, or the results are of another model.
        """
        folder = Path(folder)
        facts = read_json(folder / SCREEN_FILE, kind="screen")
        stats = ActivationStats.load(folder / STATS_FILE)
        if model is not None:
            stats.model.require_same(identify(model))
        options = ScreenOptions(**{**facts["options"], "scorers": tuple(facts["options"]["scorers"])})
        stability = None if facts["stability"] is None else Stability(**facts["stability"])
        selection = select(stats, options)
        neurons = _named(stats, selection)
        warnings = tuple(facts["warnings"])
        return cls(stats, facts["preset"], options, selection, neurons, stability, facts["seed"], warnings)


def screen(
    stats: ActivationStats, *, preset: str = "default", shuffles: int = 20, seed: int = 0, **changes: Any
) -> Screen:
    """Select the neurons of every concept.

    Args:
        stats: From `collect_stats`.
        preset: Name of a preset, see `emorhet_lens.screening.presets`.
        shuffles: Shuffled labellings for the stability; 0 leaves it out.
        seed: Of the shuffles.
        **changes: Options of `ScreenOptions` that should differ from the preset's.

    Returns:
        The screen.

    Raises:
        ScreenError: The preset or an option is unknown, or a number of shuffles is not 0 and below 2.
        StatsError: A source has no rest class and `allow_missing_rest` is not set.
    """
    options = preset_options(preset)
    if changes:
        known = [field.name for field in fields(ScreenOptions)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ScreenError(f"unknown options {unknown}; there are {', '.join(known)}")
        if "scorers" in changes:
            named = changes["scorers"]
            changes["scorers"] = (named,) if isinstance(named, str) else tuple(named)
        changed = replace(options, **changes)
        preset = preset if changed == options else f"{preset}*"
        options = changed
    if shuffles == 1 or shuffles < 0:
        raise ScreenError(f"shuffles={shuffles}: an interval needs at least 2 shuffles; 0 leaves stability out")
    _check_references(stats, options)
    selection = select(stats, options)
    stability = measure_stability(stats, options, shuffles=shuffles, seed=seed) if shuffles else None
    warnings = caveats(stats, options, selection, stability)
    return Screen(stats, preset, options, selection, _named(stats, selection), stability, seed, warnings)


def _check_references(stats: ActivationStats, options: ScreenOptions) -> None:
    """Contrasts need something to compare with, and several sources need a rest each, whatever the scorer."""
    if options.allow_missing_rest:
        return
    if len(stats.sources) > 1:
        require_references(stats, "rest")
    elif not all(SCORERS[name].whole_neuron for name in options.scorers):
        require_references(stats, options.against)


def _named(stats: ActivationStats, selection: Selection) -> Neurons:
    concepts = stats.group.concepts
    background = Background.of(stats)
    rows = list(
        zip(
            [concepts[index] for index in selection.concept.tolist()],
            selection.layer.tolist(),
            selection.neuron.tolist(),
            selection.score.tolist(),
            strict=True,
        )
    )
    return neurons_from(
        rows,
        concepts,
        model=stats.model,
        site=stats.options["site"],
        background=background.taking([(layer, neuron) for _, layer, neuron, _ in rows]),
    )
