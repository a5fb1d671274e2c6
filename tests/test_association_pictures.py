"""Pictures of an association: numbers, stars, and what survives."""

import pandas as pd
from two_groups import FEELINGS, FIGURES

from emorhet_lens.association.graph import NOTHING, Edge, graph_figure, survivors
from emorhet_lens.association.pictures import heat_maps, maps_figure


def test_pictures_say_what_survives() -> None:
    rows = [
        {"first": a, "second": b, "excess": 4.5 if (a, b) == ("anger", "metaphor") else -0.25, "rho": 0.5}
        for a in FEELINGS.concepts
        for b in FIGURES.concepts
    ]
    table = pd.DataFrame(rows).assign(shared=5, expected=0.5)
    table["p_holm"] = [
        0.01 if excess > 0 else 0.02 if b == "simile" else 0.9
        for excess, b in zip(table["excess"], table["second"], strict=True)
    ]
    causal = pd.DataFrame(
        [
            {"mask": "zero", "masked": b, "read": a, "excess": -0.5, "p_holm": 0.01 if a == "fear" else 0.5}
            for b in FIGURES.concepts
            for a in FEELINGS.concepts
        ]
    ).assign(family="primary", measure="accuracy")
    edges = survivors(table, [causal, causal.assign(family="exploratory")])
    assert [(edge.first, edge.second, edge.kind) for edge in edges] == [
        ("anger", "metaphor", "overlap"),
        ("fear", "metaphor", "effect"),
        ("fear", "simile", "effect"),
    ]
    assert edges[1].label == "metaphor masked (zero): -0.50"
    maps = heat_maps(table, {"made": table}, [causal])
    assert [one.values.shape for one in maps] == [(2, 2)] * 4
    assert maps[3].title == "zero masks: accuracy beyond random sets"
    assert (
        maps[3].stars is not None and maps[3].stars.loc["simile", "fear"] and not maps[3].stars.loc["simile", "anger"]
    )
    drawn = {text.get_text() for place in maps_figure(maps).axes for text in place.texts}
    assert f"{table['excess'].max():+.2f}*" in drawn and "-0.50*" in drawn and "-0.50" in drawn
    words = [text.get_text() for text in graph_figure(edges, FEELINGS.concepts, FIGURES.concepts).axes[0].texts]
    assert NOTHING not in words and {"anger", "simile", "metaphor masked (zero): -0.50"} <= set(words)


def test_an_empty_graph_says_so() -> None:
    nothing: list[Edge] = []
    words = [text.get_text() for text in graph_figure(nothing, ("anger",), ("simile",)).axes[0].texts]
    assert words == ["anger", "simile", NOTHING]
