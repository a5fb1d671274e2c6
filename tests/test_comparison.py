"""Two models side by side: depths, counts, and which effects of masks both show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import planted_corpus, planted_model

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.comparison.compare import compare, finding
from emorhet_lens.comparison.pictures import comparison_figure, write_picture
from emorhet_lens.errors import ScreenError, StoreError
from emorhet_lens.screening.screen import Screen, screen
from emorhet_lens.store import write_json
from emorhet_lens.texts.concepts import ConceptGroup

COLUMNS = ["mask", "concept", "own", "excess", "p_holm"]


def primary(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame([("zero", concept, 2 * excess, excess, p) for concept, excess, p in rows], columns=COLUMNS)


@pytest.fixture(scope="module")
def made() -> tuple[Screen, Screen]:
    """A model of two layers and one of four, screened on texts of their own words."""
    found = []
    for n_layers, seed in ((2, 0), (4, 1)):
        planted = planted_model(n_layers=n_layers, seed=seed)
        stats = collect_stats(planted.model, planted_corpus(planted, per_label=14), progress=False)
        found.append(screen(stats, top=0.06, shuffles=4))
    return found[0], found[1]


@pytest.fixture
def folders(made: tuple[Screen, Screen], tmp_path: Path) -> tuple[Path, Path]:
    for name, one in zip(("small", "large"), made, strict=True):
        one.save(tmp_path / name)
        (tmp_path / name / "effects").mkdir()
    tables = (
        primary(("anger", -1.0, 0.01), ("fear", -0.5, 0.04), ("happiness", -0.1, 0.6)),
        primary(("anger", -0.7, 0.02), ("fear", 0.4, 0.03), ("happiness", -0.9, 0.001)),
    )
    for name, table in zip(("small", "large"), tables, strict=True):
        table.to_csv(tmp_path / name / "effects" / "primary.csv", index=False)
    return tmp_path / "small", tmp_path / "large"


def test_depths_and_counts_by_hand(folders: tuple[Path, Path], made: tuple[Screen, Screen]) -> None:
    found = compare(*folders)
    table = found.concepts.set_index("concept")
    assert list(table.index) == ["anger", "fear", "happiness"]
    for number, (one, layers) in enumerate(zip(made, (2, 4), strict=True), 1):
        own = one.neurons.sets["fear"]
        assert table.loc["fear", f"neurons_{number}"] == len(own)
        assert table.loc["fear", f"share_{number}"] == len(own) / (layers * 40)
        depths = [(layer + 0.5) / layers for layer, _ in own]
        assert table.loc["fear", f"depth_{number}"] == np.median(depths)
    assert found.names == ("small", "large")
    assert found.screens["layers"].tolist() == [2, 4]
    stability = made[0].stability
    assert stability is not None and found.screens["stability_excess"][0] == stability.excess
    assert found.facts["preset"] == "default*" and found.warnings == ()


def test_which_findings_replicate(folders: tuple[Path, Path]) -> None:
    found = compare(*folders)
    assert dict(zip(found.effects["concept"], found.effects["finding"], strict=True)) == {
        "anger": "in both",
        "fear": "signs differ",
        "happiness": "only in the second",
    }
    assert found.effects.loc[0, ["own_1", "excess_1", "p_holm_2"]].tolist() == [-2.0, -1.0, 0.02]
    assert "1 of 3 effects in both" in repr(found)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((-1.0, 0.01), (-1.0, 0.2), "only in the first"),
        ((-1.0, 0.3), (-1.0, 0.2), "in neither"),
        ((1.0, 0.01), (2.0, 0.02), "in both"),
        ((1.0, 0.01), (2.0, float("nan")), "not measured in both"),
        ((1.0, 0.01), None, "not measured in both"),
        ((1.0, 0.05), (1.0, 0.049), "only in the second"),
    ],
)
def test_findings(first: tuple[float, float], second: tuple[float, float] | None, expected: str) -> None:
    rows = [
        None if one is None else pd.Series(dict(zip(("own", "excess", "p_holm"), (one[0], *one), strict=True)))
        for one in (first, second)
    ]
    assert finding(rows[0], rows[1]) == expected


def test_a_set_that_random_sets_outdo_is_no_finding() -> None:
    moved, still = (pd.Series({"own": own, "excess": -1.0, "p_holm": 0.01}) for own in (-0.5, 0.5))
    assert finding(moved, still) == "only in the first"


def test_the_other_way_round(folders: tuple[Path, Path]) -> None:
    there, back = compare(*folders), compare(*reversed(folders))
    assert there.concepts["depth_1"].tolist() == back.concepts["depth_2"].tolist()
    assert there.concepts["depth_distance"].tolist() == back.concepts["depth_distance"].tolist()
    assert back.effects["finding"].tolist() == ["in both", "signs differ", "only in the first"]


def test_without_effects_the_rest_is_compared_and_said(folders: tuple[Path, Path]) -> None:
    (folders[1] / "effects" / "primary.csv").unlink()
    found = compare(*folders)
    assert set(found.effects["finding"]) == {"not measured in both"}
    assert found.warnings == ("large: no primary.csv in effects, validate, ../validate, so no effects are compared",)
    (folders[0] / "effects" / "primary.csv").unlink()
    assert compare(*folders).effects.empty


def test_the_picture_shows_both(folders: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare(*folders)
    figure = comparison_figure(found)
    assert len(figure.axes) == 2
    points = [line for line in figure.axes[1].lines if line.get_marker() == "D"]
    filled = [line.get_xdata()[0] for line in points if line.get_markerfacecolor() != "white"]
    assert sorted(filled) == [-1.0, -0.9, -0.7, -0.5, 0.4]
    assert len(points) == 6
    write_picture(tmp_path / "comparison.png", found)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert len(comparison_figure(replace(found, effects=found.effects.iloc[:0])).axes) == 1


def test_bad_input(folders: tuple[Path, Path], made: tuple[Screen, Screen], tmp_path: Path) -> None:
    with pytest.raises(ScreenError, match="replicate for two corpora"):
        compare(folders[0], folders[0])
    other = screen(made[1].stats, top=0.1, shuffles=0)
    other.save(tmp_path / "more")
    with pytest.raises(ScreenError, match="presets differ"):
        compare(folders[0], tmp_path / "more")
    group = ConceptGroup("other", made[1].stats.group.concepts, "plain")
    stats = made[1].stats
    cells = tuple(replace(cell, label="plain" if cell.label == "neutral" else cell.label) for cell in stats.cells)
    screen(replace(stats, group=group, cells=cells), top=0.06, shuffles=0).save(tmp_path / "group")
    with pytest.raises(ScreenError, match="groups differ"):
        compare(folders[0], tmp_path / "group")
    with pytest.raises(StoreError, match="no file"):
        compare(folders[0], tmp_path / "nowhere")
    (folders[1] / "effects" / "primary.csv").write_text("mask,concept\nzero,anger\n", encoding="utf-8")
    with pytest.raises(StoreError, match="no column own, excess, p_holm"):
        compare(*folders)


def test_only_claims_are_compared_and_other_ways_of_measuring_are_said(folders: tuple[Path, Path]) -> None:
    for number, folder in enumerate(folders):
        path = folder / "effects" / "primary.csv"
        table = pd.read_csv(path).assign(family="primary")
        more = table.assign(mask="same_dose", family="exploratory")
        pd.concat([table, more]).to_csv(path, index=False)
        facts = {"measured_on": {"corpora": ["goemotions"], "readout": ("zero-shot", "probe")[number], "sha256": "x"}}
        write_json(folder / "effects" / "effects.json", facts, kind="effects")
    found = compare(*folders)
    assert set(found.effects["mask"]) == {"zero"}
    [warning] = found.warnings
    assert "different ways: corpora ['goemotions'], readout zero-shot; and" in warning and "readout probe" in warning


def test_effects_of_a_study_are_found(folders: tuple[Path, Path]) -> None:
    expected = compare(*folders).effects
    (folders[0] / "effects").rename(folders[0] / "validate")
    (folders[1] / "effects").rename(folders[1].parent / "validate")
    # Of the second screening the folder beside it; the first one's own folder comes first.
    pd.testing.assert_frame_equal(compare(*folders).effects, expected)
