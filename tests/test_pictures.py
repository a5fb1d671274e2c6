"""Pictures of a report: what they say, and that they are still, small and the same every time."""

import base64
import sys
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from emorhet_lens.errors import EmorhetError
from emorhet_lens.pictures import layer_picture, stability_picture
from emorhet_lens.screening.stability import Stability

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
HISTOGRAM = pd.DataFrame({"glad": [0, 3, 1], "cost $x$": [0, 0, 0], "sad": [12, 0, 0]})
STABLE = Stability(0.25, 0.05, 0.01, 0.2, 0.17, 0.23, 20)


def svg_of(picture) -> ET.Element:
    kind, _, content = picture.source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    return ET.fromstring(base64.b64decode(content))


def words(picture) -> list[str]:
    return [text for element in svg_of(picture).iter() if element.tag.endswith("}text") for text in element.itertext()]


def test_counts_by_layer():
    picture = layer_picture(HISTOGRAM)
    # Layers, the concepts as they are spelled, and the counts that are not zero.
    assert sorted(words(picture)) == sorted(["0", "1", "2", "layer", "glad", "cost $x$", "sad", "3", "1", "12"])
    assert picture.description == (
        "Number of selected neurons by layer. glad 4, most of them (3) in layer 1; "
        "sad 12, most of them (12) in layer 0."
    )


def test_nothing_selected():
    assert layer_picture(HISTOGRAM * 0).description == "Number of selected neurons by layer. None was selected."


def test_stability_with_its_interval():
    picture = stability_picture(STABLE)
    # One more shuffled labelling: 0.25 - 0.23 to 0.25 - 0.17.
    assert picture.description == (
        "Agreement of the two halves: 0.250 with the true labels; 0.050 with shuffled labels, 95 % interval 0.020 to "
        "0.080."
    )
    assert {"true labels", "shuffled labels"} <= set(words(picture))


@pytest.mark.parametrize("draw", [lambda: layer_picture(HISTOGRAM), lambda: stability_picture(STABLE)])
def test_pictures_follow_the_reader_and_are_repeatable(draw):
    picture = draw()
    written = base64.b64decode(picture.source.partition(",")[2]).decode()
    assert "prefers-color-scheme:dark" in written
    assert "currentColor" in written
    # No colour that is legible on one background only.
    assert "#000000" not in written
    assert "#ffffff" not in written
    assert picture == draw()
    assert len(picture.source) < 60_000


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EmorhetError, match=r'pip install "emorhet-lens\[show\]"'):
        stability_picture(STABLE)
