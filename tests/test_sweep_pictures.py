"""Pictures of a sweep: which numbers are drawn, and where."""

import pandas as pd
import pytest

from emorhet_lens.sweeps.pictures import curves_figure, surface_figure, write_pictures

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
NUMBERS = ("margin", "recall")


@pytest.fixture
def table() -> pd.DataFrame:
    """Two concepts, two ranges, three ratios; the last cell of the first concept was not measured."""
    rows = []
    for concept, scale in (("anger", 1.0), ("fear", 0.1)):
        for ratio in (0.01, 0.002, 0.05):
            for layers, change in (("bottom", -1.0), ("all", -2.0)):
                own = scale * change * ratio / 0.01
                place = {"ratio": ratio, "layers": layers, "dose": 1.0, "concept": concept, "measure": "margin"}
                numbers = {"random_mean": 0.1, "excess": own - 0.1, "excess_low": own - 0.6, "excess_high": own + 0.4}
                changes = {f"{name}_{end}": own + d for name in NUMBERS for end, d in _ENDS.items()}
                rows.append(place | numbers | changes | {"ppl_ratio": 1 + ratio, "random_ppl_ratio": 1.0})
    known = pd.DataFrame(rows)
    lost = (known["concept"] == "anger") & (known["ratio"] == 0.05) & (known["layers"] == "all")
    known.loc[lost, known.columns[5:]] = float("nan")
    return known


_ENDS = {"change": 0.0, "low": -0.2, "high": 0.3}


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_every_cell_of_the_surface_says_its_number(table: pd.DataFrame) -> None:
    anger, fear, *rest = surface_figure(table).axes
    assert [axes.get_title() for axes in (anger, fear)] == ["anger", "fear"]
    # Rows are ranges in their order, columns ratios from small to large.
    assert words(anger) == ["-0.30", "-1.10", "-5.10", "-0.50", "-2.10", "-"]
    assert words(fear) == ["-0.12", "-0.20", "-0.60", "-0.14", "-0.30", "-1.10"]
    assert [label.get_text() for label in anger.get_xticklabels()] == ["0.2 %", "1 %", "5 %"]
    assert [label.get_text() for label in anger.get_yticklabels()] == ["bottom", "all"]
    bold = [text.get_text() for text in anger.texts if text.get_fontweight() == "bold"]
    # Upper ends: 0.2, -0.6, -4.6, 0.0, -1.6.
    assert bold == ["-1.10", "-5.10", "-2.10"]
    # One scale for all panels, with 0 in the middle.
    assert anger.images[0].get_clim() == fear.images[0].get_clim() == (-5.1, 5.1)
    assert [axes.get_ylabel() for axes in rest] == ["change of the own margin\nminus random sets, nats"]


def test_curves_are_sorted_by_ratio_beside_their_random_sets_and_cost(table: pd.DataFrame) -> None:
    figure = curves_figure(table)
    anger, cost, fear, _ = figure.axes
    assert [axes.get_title(loc="left") for axes in (anger, fear)] == ["anger", "fear"]
    zero, bottom, random, *_ = anger.lines
    assert list(zero.get_ydata()) == [0, 0]
    assert list(bottom.get_xdata()) == [0.002, 0.01, 0.05]
    assert bottom.get_ydata() == pytest.approx([-0.2, -1, -5])
    assert (random.get_linestyle(), list(random.get_ydata())) == ("--", [0.1, 0.1, 0.1])
    band = anger.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == pytest.approx((-5.2, 0.1))
    assert cost.lines[1].get_ydata() == pytest.approx([1.002, 1.01, 1.05])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["bottom", "all"]


def test_doses_are_panels_of_their_own(table: pd.DataFrame) -> None:
    both = pd.concat([table, table.assign(dose=0.5, excess=float("nan"))])
    titles = [axes.get_title() for axes in surface_figure(both).axes]
    assert [t for t in titles if t] == ["anger, dose 1", "anger, dose 0.5", "fear, dose 1", "fear, dose 0.5"]


def test_nothing_measured_still_draws(table: pd.DataFrame, tmp_path) -> None:
    bare = table.assign(measure="", **dict.fromkeys(table.columns[5:], float("nan")))
    assert set(words(surface_figure(bare).axes[0])) == {"-"}
    assert "not measured" in words(curves_figure(bare).axes[1])
    files = write_pictures(tmp_path, bare)
    assert [path.read_bytes()[:8] for path in files] == [b"\x89PNG\r\n\x1a\n"] * 2


def test_accuracy_has_its_own_name(table: pd.DataFrame) -> None:
    shares = table.assign(measure="accuracy")
    assert "own accuracy, share of texts" in {axes.get_ylabel() for axes in curves_figure(shares).axes}
