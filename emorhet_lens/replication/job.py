"""Measure each screening's neurons on the other's texts and write what replicates: the steps of `emorhet replicate`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.replication.replicate import Replication
from emorhet_lens.screening.screen import Screen
from emorhet_lens.store import write_json, write_text
from emorhet_lens.validation.validate import Validation, plan_validation


@dataclass(frozen=True, eq=False)
class Crossing:
    """The neurons of one screening, to be masked while the other's texts are read.

    Args:
        screened_on: Name of the screening.
        tested_on: Name of the texts.
        validation: The planned measurement.
    """

    screened_on: str
    tested_on: str
    validation: Validation


def plan_crossings(
    model: LensModel,
    screens: tuple[Screen, Screen],
    names: tuple[str, str],
    corpora: tuple[Sequence[str], Sequence[str]],
    folder: Path,
    **options: Any,
) -> Iterator[Crossing]:
    """Both ways, each planned when its turn comes, so that the first can be run before the second is planned.

    Args:
        model: The model of both screenings.
        screens: The screenings.
        names: Their names.
        corpora: The corpora of each, in the same order: the first one's neurons are tested on the second one's texts.
        folder: Gets one folder a way.
        **options: Of `emorhet_lens.validation.validate.plan_validation`, such as readout, n_random and limit.

    Yields:
        The crossings, with the errors of `plan_validation`.
    """
    for screen, other, name, tested in zip(screens, reversed(screens), names, reversed(corpora), strict=True):
        slug = "+".join(Path(part).stem for part in tested)
        place = folder / f"{name}-on-{slug}"
        asked = {"controls": ("random",), "loading": other.stats.loading, **options}
        yield Crossing(name, slug, plan_validation(model, screen, tested, place, **asked))


def write_replication(
    folder: Path,
    found: Replication,
    crossed: Sequence[tuple[Crossing, Effects]],
    corpora: Sequence[Sequence[str]] | None,
) -> None:
    """Write `replication.csv`, `replication.json` and, where effects were measured, `effects.csv`.

    Args:
        folder: Gets the files.
        found: What the two screenings share.
        crossed: What masking did, each way.
        corpora: Of the two screenings; nothing where no effects were measured.
    """
    write_text(folder / "replication.csv", found.to_dataframe().to_csv(index=False))
    if crossed:
        tables = []
        for crossing, effects in crossed:
            table = effects.primary()
            table.insert(0, "tested_on", crossing.tested_on)
            table.insert(0, "screened_on", crossing.screened_on)
            tables.append(table)
        write_text(folder / "effects.csv", pd.concat(tables).to_csv(index=False))
    facts = {"names": list(found.names), "draws": found.draws, "seed": found.seed, "warnings": list(found.warnings)}
    joined = None if corpora is None else [",".join(one) for one in corpora]
    write_json(folder / "replication.json", {**facts, "corpora": joined}, kind="replication")
