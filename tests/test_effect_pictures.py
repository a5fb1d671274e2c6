"""Pictures of effects: what they say in words and in numbers."""

import base64
import xml.etree.ElementTree as ET
from dataclasses import replace

import pandas as pd
import pytest
import torch

from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.pictures import excess_picture, matrix_picture
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
LABELS = ("glad", "sad", "plain")
MODEL = ModelIdentity("by hand", "Hand", "0", False, "float64", 1, 8, (1.0,) * 4)


def words(picture) -> list[str]:
    kind, _, content = picture.source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    elements = ET.fromstring(base64.b64decode(content)).iter()
    return [text for element in elements if element.tag.endswith("}text") for text in element.itertext()]


def answers(*rows: tuple[str, float]) -> Answers:
    """One text a row, with its label and the margin of that label; the other labels share what is left."""
    log_probs = torch.zeros(len(rows), len(LABELS), dtype=torch.float64)
    for row, (label, margin) in enumerate(rows):
        own = torch.tensor(margin, dtype=torch.float64).sigmoid()
        log_probs[row] = ((1 - own) / 2).log()
        log_probs[row, LABELS.index(label)] = own.log()
    keys = tuple(f"made:{label}{row}" for row, (label, _) in enumerate(rows))
    targets = tuple(label for label, _ in rows)
    return Answers(LABELS, keys, targets, ("made",) * len(rows), log_probs, log_probs.argmax(1), MODEL)


@pytest.fixture
def effects() -> Effects:
    base = answers(("glad", 1.0), ("sad", 1.0), ("plain", 1.0))
    masked = {
        Step("zero", "glad", OWN, 0): answers(("glad", -1.0), ("sad", 1.5), ("plain", 1.0)),
        Step("zero", "sad", OWN, 0): answers(("glad", 1.25), ("sad", 0.5), ("plain", 1.0)),
    }
    for draw, change in enumerate((-0.5, 0.25)):
        masked[Step("zero", "glad", draw, 0, "glad")] = answers(("glad", 1 + change)).where(["made:glad0"])
        sad = answers(("glad", 0.0), ("sad", 1 + change)).where(["made:sad1"])
        masked[Step("zero", "sad", draw, 0, "sad")] = sad
    sizes = {"glad": 3, "sad": 2}
    return Effects(("glad", "sad"), ("zero",), (Question(LABELS),), (base,), masked, {}, sizes, pd.DataFrame(), {})


def test_matrix_says_its_numbers(effects):
    picture = matrix_picture(effects.matrix("zero"))
    assert picture.description == (
        "Mean change in nats. glad masked: glad -2.00, sad +0.50, plain +0.00; sad masked: glad +0.25, sad -0.50, "
        "plain +0.00."
    )
    drawn = {word.replace("\N{MINUS SIGN}", "-") for word in words(picture)}
    assert {"-2.00", "+0.50", "+0.25", "-0.50", "masked", "read", *LABELS} <= drawn


def test_cells_that_were_not_read_stay_empty(effects):
    table = effects.matrix("zero")
    table.loc["glad", "sad"] = float("nan")
    picture = matrix_picture(table)
    assert "sad +0.50" not in picture.description
    assert "+0.50" not in words(picture)
    assert matrix_picture(table * float("nan")).description == "Mean change in nats. glad masked: ; sad masked: ."


def test_own_change_beside_random_sets(effects):
    picture = excess_picture(EffectTables.of(effects), "zero")
    assert picture.description == (
        "Change of the own margin: glad -2.00, random sets -0.50 to +0.25; sad -0.50, random sets -0.50 to +0.25."
    )
    assert {"glad", "sad", "change of the own margin, nats"} <= set(words(picture))
    alone = replace(effects, masked={step: a for step, a in effects.masked.items() if step.draw == OWN})
    picture = excess_picture(EffectTables.of(alone), "zero")
    assert picture.description == "Change of the own margin: glad -2.00; sad -0.50."


def test_pictures_are_the_same_bytes(effects):
    assert matrix_picture(effects.matrix("zero")) == matrix_picture(effects.matrix("zero"))
    assert excess_picture(EffectTables.of(effects), "zero") == excess_picture(EffectTables.of(effects), "zero")
