"""Names of ranges of layers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emorhet_lens.errors import EffectsError
from emorhet_lens.sweeps.layer_ranges import NAMES, THIRDS, LayerRange, layer_range, layer_ranges


@pytest.mark.parametrize(
    ("n_layers", "expected"),
    [
        (3, [(0, 0), (1, 1), (2, 2)]),
        (4, [(0, 0), (1, 2), (3, 3)]),
        (5, [(0, 1), (2, 2), (3, 4)]),
        (30, [(0, 9), (10, 19), (20, 29)]),
        (32, [(0, 10), (11, 20), (21, 31)]),
    ],
)
def test_thirds_by_hand(n_layers: int, expected: list[tuple[int, int]]) -> None:
    assert [(one.first, one.last) for one in layer_ranges(THIRDS, n_layers)] == expected


@given(st.integers(3, 200))
def test_thirds_cover_every_layer_once_and_outer_ones_are_equal(n_layers: int) -> None:
    bottom, middle, top, whole = layer_ranges(NAMES, n_layers)
    assert [layer for one in (bottom, middle, top) for layer in range(one.first, one.last + 1)] == list(range(n_layers))
    assert len(bottom) == len(top)
    assert abs(len(middle) - len(top)) <= 1
    assert (whole.first, whole.last, len(whole)) == (0, n_layers - 1, n_layers)


def test_numbers_are_inclusive_and_named_alike() -> None:
    assert layer_range("0-9", 30) == layer_range(" 00 - 9 ", 30) == LayerRange("0-9", 0, 9)
    assert layer_range("7", 30) == LayerRange("7-7", 7, 7)
    assert layer_range("Top", 30).name == "top"
    held = layer_range("2-4", 10)
    assert [layer for layer in range(10) if layer in held] == [2, 3, 4]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("upper", "unknown layers 'upper'; there are bottom, middle, top, all, and ranges such as 0-5"),
        ("", "unknown layers"),
        ("-1", "unknown layers"),
        ("1-2-3", "unknown layers"),
        ("3-1", "reversed or not in the model, whose layers are 0 to 5"),
        ("4-6", "reversed or not in the model"),
        ("6", "reversed or not in the model"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(EffectsError, match=message):
        layer_range(name, 6)


def test_two_layers_have_no_thirds_but_can_be_named() -> None:
    with pytest.raises(EffectsError, match="2 layers have no thirds"):
        layer_range("top", 2)
    assert [len(one) for one in layer_ranges(["all", "1-1"], 2)] == [2, 1]


@pytest.mark.parametrize("names", [[], ["top", "top"], ["0-1", "00-1"]])
def test_every_range_is_named_once(names: list[str]) -> None:
    with pytest.raises(EffectsError, match="each range once"):
        layer_ranges(names, 6)
