"""The rules that put tests into words, case by case."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emorhet_lens.causal.tables import Asked, EffectTables
from emorhet_lens.readouts.questions import Question
from emorhet_lens.report.verdicts import above_chance, judge, verdicts


def a_test(excess: float, reach: float, p: float, own: float | None = None) -> dict[str, float]:
    own = excess if own is None else own
    return {"own": own, "excess": excess, "low": excess - reach, "high": excess + reach, "p_holm": p}


@pytest.mark.parametrize(
    ("test", "recall", "word", "reason"),
    [
        (a_test(-0.5, 0.1, 0.0004), 0.5, "established", "lowers the own margin by 0.50 nats beyond random sets"),
        (a_test(-0.5, 0.1, 0.04), 0.5, "established", "95 % interval -0.60 to -0.40, p = 0.040 after correction"),
        # What is established stays so, however badly the model knows the concept.
        (a_test(-0.5, 0.1, 0.01), 0.1, "established", "lowers"),
        (a_test(0.5, 0.1, 0.01), 0.5, "opposite", "raises the own margin by 0.50 nats"),
        # The margin rose, only less than under random sets: no harm.
        (
            a_test(-0.45, 0.1, 0.01, own=0.05),
            0.5,
            "only relative",
            "changes by +0.05 nats, so masking does no harm; random sets raise it more (excess -0.45, 95 % interval",
        ),
        (a_test(-0.45, 0.1, 0.01, own=0.0), 0.5, "only relative", "changes by +0.00 nats, so masking does no harm"),
        (
            a_test(0.45, 0.1, 0.01, own=-0.05),
            0.5,
            "only relative",
            "-0.05 nats, so masking does not help; random sets lower",
        ),
        (a_test(0.45, 0.1, 0.01, own=0.0), 0.5, "only relative", "does not help"),
        # Without a significant excess the own change decides nothing.
        (a_test(-0.1, 0.05, 0.07, own=0.05), 0.5, "not established", "a fall by 0.25 nats is ruled out"),
        (
            a_test(-0.02, 0.05, 1.0),
            0.1,
            "cannot be told",
            "right on 0.10 of 100 texts, which is not above guessing (0.14)",
        ),
        (a_test(-0.02, 0.3, 1.0), 0.5, "cannot be told", "a fall by 0.25 nats is neither shown nor ruled out"),
        (a_test(-0.4, 0.3, 0.07), 0.5, "cannot be told", "the single test alone would have passed"),
        (a_test(-0.1, 0.05, 0.07), 0.5, "not established", "a fall by 0.25 nats is ruled out"),
        (a_test(-0.02, 0.05, math.nan), 0.5, "cannot be told", "there was no test"),
        (None, 0.5, "cannot be told", "there was no test"),
    ],
)
def test_rules(test: dict[str, float] | None, recall: float, word: str, reason: str) -> None:
    found, why = judge(test, recall, 100, 1 / 7, "margin")
    assert found == word
    assert reason in why


def test_recall_has_its_own_bound_and_unit() -> None:
    test = a_test(-0.02, 0.15, 1.0)
    assert judge(test, 0.5, 100, 1 / 7, "margin")[0] == "not established"
    word, why = judge(test, 0.5, 100, 1 / 7, "accuracy")
    assert word == "cannot be told"
    assert "a fall by 0.1 of recall" in why


def test_above_chance_is_a_binomial_test() -> None:
    # Of 10 tosses 9 heads have a chance of 11 / 1024, 8 of 56 / 1024.
    assert above_chance(0.9, 10, 0.5)
    assert not above_chance(0.8, 10, 0.5)
    assert not above_chance(math.nan, 10, 0.5)
    assert not above_chance(1.0, 0, 0.5)


@settings(deadline=None)
@given(
    st.floats(-2, 2),
    st.floats(0, 2),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(-2, 2),
)
def test_nothing_is_established_without_a_corrected_test_and_a_harm(
    excess: float, reach: float, p: float, recall: float, own: float
) -> None:
    word, _ = judge(a_test(excess, reach, p, own), recall, 60, 0.5, "margin")
    assert (word == "established") == (p < 0.05 and excess < 0 and own < 0)
    assert (word == "opposite") == (p < 0.05 and excess >= 0 and own > 0)
    assert (word in ("established", "opposite", "only relative")) == (p < 0.05)


def test_every_mask_and_concept_gets_a_verdict() -> None:
    rows = [
        {"mask": mask, "masked": concept, "read": concept, "control": "own", "draw": math.nan, "n": 40}
        | {"accuracy_base": 0.9, "margin_delta": -0.5, "delta": -0.2}
        for mask in ("zero", "adaptive")
        for concept in ("glad", "sad")
    ]
    primary = pd.DataFrame(
        [
            {"mask": "zero", "concept": "glad"} | a_test(-0.5, 0.1, 0.01),
            {"mask": "adaptive", "concept": "glad"} | a_test(-0.01, 0.1, 1.0),
            {"mask": "adaptive", "concept": "sad"} | a_test(-0.5, 0.1, 0.02),
        ]
    )
    asked = (Asked(Question(("glad", "sad", "plain")), 120, 0.9),)
    found = verdicts(EffectTables(pd.DataFrame(rows), primary, asked, 4))
    assert [(one.mask, one.concept, one.word) for one in found] == [
        ("zero", "glad", "established"),
        ("zero", "sad", "cannot be told"),
        ("adaptive", "glad", "not established"),
        ("adaptive", "sad", "established"),
    ]
