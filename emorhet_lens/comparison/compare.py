"""Which findings of one model does another model show, too?

Neurons of two models have nothing to do with each other, so what is compared is what can be said of both: how many
neurons each concept has, how deep they lie as a share of the model's layers, how stable the selection is beyond
shuffled labels, and which effects of masks were found. That a finding is missing in a second model is no evidence
against it: each test has its own power. That both have it is evidence, if the texts were well chosen; models trained on
like texts may share an artefact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from emorhet_lens.errors import ScreenError, StoreError
from emorhet_lens.screening.screen import Screen
from emorhet_lens.store import read_json

LEVEL = 0.05
PLACES = ("effects", "validate", "../validate")
"""Where the effects of a screening may be: beside it as the README and `run` write them, or in a study."""
PRIMARY, FACTS = "primary.csv", "effects.json"
_NEEDED = ("mask", "concept", "own", "excess", "p_holm")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models side by side.

    Args:
        names: Of the two folders, or of the models.
        concepts: One row a concept: concept; neurons_1, share_1 (of all neurons of the model), depth_1, depth_low_1 and
            depth_high_1 (median and quartiles of (layer + 0.5) / layers), and the same ending in 2; depth_distance
            (Wasserstein, as a share of the depth).
        effects: One row a kind of mask and concept: mask, concept, own_1, excess_1, p_holm_1 and the same ending in 2,
            and `finding`, see `finding`. Empty where neither folder holds effects.
        screens: One row a model: name, model, layers, neurons, texts, stability, stability_excess, low and high.
        facts: Group and preset.
        warnings: In words, what to keep in mind.
    """

    names: tuple[str, str]
    concepts: pd.DataFrame
    effects: pd.DataFrame
    screens: pd.DataFrame
    facts: dict[str, Any]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        both = int((self.effects["finding"] == "in both").sum()) if len(self.effects) else 0
        return f"Comparison({self.names[0]!r}, {self.names[1]!r}; {both} of {len(self.effects)} effects in both)"


def compare(first: Path | str, second: Path | str, *, names: tuple[str, str] | None = None) -> Comparison:
    """Compare the results of two models.

    Args:
        first: Folder that `Screen.save` or `emorhet screen` wrote, with the effects that were measured on it, if any,
            in a folder `effects` or `validate` of it, or in `validate` beside it.
        second: The same of another model, for the same group and preset.
        names: For tables; the names of the folders by default.

    Returns:
        The comparison.

    Raises:
        ScreenError: Group, preset or site differ, or both are of the same model.
        StoreError: A file is missing or damaged.
    """
    folders = Path(first), Path(second)
    screens = [Screen.load(folder) for folder in folders]
    _require_comparable(*screens)
    called = names or _names(folders)
    table = pd.DataFrame([_concept(concept, screens) for concept in screens[0].stats.group.concepts])
    places = [_effects_folder(folder) for folder in folders]
    measured = [None if place is None else _primary(place / PRIMARY) for place in places]
    effects = _effects(*measured)
    warnings = []
    for name, found in zip(called, measured, strict=True):
        if found is None:
            warnings.append(f"{name}: no {PRIMARY} in {', '.join(PLACES)}, so no effects are compared")
    asked = [_asked(place) for place in places if place is not None]
    if len(asked) == 2 and asked[0] != asked[1]:
        words = [", ".join(f"{name} {value}" for name, value in one.items()) for one in asked]
        warnings.append(f"effects were measured in different ways: {words[0]}; and {words[1]}")
    corpora = [[corpus["name"] for corpus in one.stats.options["corpora"]] for one in screens]
    if corpora[0] != corpora[1]:
        warnings.append(f"screened on different corpora, {'+'.join(corpora[0])} and {'+'.join(corpora[1])}")
    if any(one.stability is None for one in screens):
        warnings.append("stability was not measured in both")
    return Comparison(
        called,
        table,
        effects,
        pd.DataFrame([_screen(name, one) for name, one in zip(called, screens, strict=True)]),
        {"group": screens[0].stats.group.name, "preset": screens[0].preset, "corpora": corpora},
        tuple(warnings),
    )


def finding(first: pd.Series | None, second: pd.Series | None) -> str:
    """What two models say of the effect of one mask on one concept.

    Args:
        first: Row of `primary.csv` with `own`, `excess` and `p_holm`; nothing where it was not measured.
        second: The same of the other model.

    Returns:
        `"in both"` (both significant after Holm's correction, with one sign), `"signs differ"` (both significant),
        `"only in the first"`, `"only in the second"`, `"in neither"`, or `"not measured in both"`. A significant
        excess does not count where the own change goes the other way: then only the random sets moved.
    """
    if first is None or second is None or first.isna().any() or second.isna().any():
        return "not measured in both"
    found = [bool(row["p_holm"] < LEVEL and row["own"] * row["excess"] > 0) for row in (first, second)]
    if all(found):
        return "in both" if first["excess"] * second["excess"] > 0 else "signs differ"
    return "only in the first" if found[0] else "only in the second" if found[1] else "in neither"


def _require_comparable(first: Screen, second: Screen) -> None:
    a, b = first.stats, second.stats
    if a.group.labels != b.group.labels:
        raise ScreenError(
            f"the groups differ: {a.group.name} ({', '.join(a.group.labels)}) and {b.group.name} "
            f"({', '.join(b.group.labels)}); compare screenings of one group"
        )
    if first.options != second.options or first.preset != second.preset:
        raise ScreenError(
            f"the presets differ: {first.preset!r} and {second.preset!r}, or their options do; screen both in one way"
        )
    if a.options["site"] != b.options["site"]:
        raise ScreenError(f"the sites differ: {a.options['site']!r} and {b.options['site']!r}; screen both at one site")
    try:
        a.model.require_same(b.model)
    except StoreError:
        return
    raise ScreenError(
        f"both screenings are of the model {a.model.name!r}; compare is for two models, and replicate for two corpora"
    )


def _depths(screen: Screen, concept: str) -> list[float]:
    layers = screen.stats.model.n_layers
    return [(layer + 0.5) / layers for layer, _ in screen.neurons.sets[concept]]


def _concept(concept: str, screens: Sequence[Screen]) -> dict[str, Any]:
    row: dict[str, Any] = {"concept": concept}
    depths = [_depths(screen, concept) for screen in screens]
    for number, (screen, found) in enumerate(zip(screens, depths, strict=True), 1):
        quartiles = np.quantile(found, [0.25, 0.5, 0.75]).tolist() if found else [float("nan")] * 3
        row |= {f"neurons_{number}": len(found), f"share_{number}": len(found) / screen.stats.output_norm.numel()}
        names = (f"depth_low_{number}", f"depth_{number}", f"depth_high_{number}")
        row |= dict(zip(names, quartiles, strict=True))
    row["depth_distance"] = float(wasserstein_distance(*depths)) if all(depths) else float("nan")
    return row


def _screen(name: str, screen: Screen) -> dict[str, Any]:
    layers, neurons = screen.stats.shape
    row = {"name": name, "model": screen.stats.model.name, "layers": layers, "neurons": layers * neurons}
    s, nothing = screen.stability, float("nan")
    values = (nothing,) * 4 if s is None else (s.jaccard, s.excess, s.low, s.high)
    row |= {"texts": int(screen.stats.sums.texts.sum())}
    return row | dict(zip(("stability", "stability_excess", "low", "high"), values, strict=True))


def _effects_folder(screen: Path) -> Path | None:
    """Where the effects of a screening are, if anywhere."""
    return next((screen / place for place in PLACES if (screen / place / PRIMARY).is_file()), None)


def _asked(folder: Path) -> dict[str, Any]:
    """On what and how effects were measured, as far as the folder says."""
    path = folder / FACTS
    facts = read_json(path, kind="effects").get("measured_on", {}) if path.is_file() else {}
    return {name: value for name, value in facts.items() if name != "sha256"}


def _primary(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as cause:
        raise StoreError(f"{path} is damaged ({cause}); measure the effects again") from cause
    missing = [column for column in _NEEDED if column not in table.columns]
    if missing:
        raise StoreError(f"{path} has no column {', '.join(missing)}; measure the effects again")
    # Rows that claim nothing have no finding to compare.
    claimed = table[table["family"] == "primary"] if "family" in table.columns else table
    return claimed[list(_NEEDED)]


def _effects(first: pd.DataFrame | None, second: pd.DataFrame | None) -> pd.DataFrame:
    sides = [pd.DataFrame(columns=list(_NEEDED)) if one is None else one for one in (first, second)]
    rows_of = [{(row["mask"], row["concept"]): row for _, row in one.iterrows()} for one in sides]
    rows = []
    for key in dict.fromkeys([*rows_of[0], *rows_of[1]]):
        found = [one.get(key) for one in rows_of]
        row: dict[str, Any] = dict(zip(("mask", "concept"), key, strict=True))
        for number, values in enumerate(found, 1):
            row |= {f"{n}_{number}": float("nan") if values is None else float(values[n]) for n in _NEEDED[2:]}
        rows.append(row | {"finding": finding(*found)})
    names = [f"{name}_{number}" for number in (1, 2) for name in _NEEDED[2:]]
    return pd.DataFrame(rows, columns=["mask", "concept", *names, "finding"])


def _names(folders: tuple[Path, Path]) -> tuple[str, str]:
    first, second = (folder.resolve().name for folder in folders)
    return (first, second) if first != second else (f"{first} 1", f"{second} 2")
