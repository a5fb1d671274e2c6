"""Rates, costs and the primary test of steering by hand."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.errors import EffectsError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question
from emorhet_lens.steering.moved import ALL, moved_between
from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.steering.steps import Push

LABELS = ("glad", "sad", "plain")
MODEL = ModelIdentity("by hand", "Hand", "0", False, "float64", 1, 8, (1.0,) * 4)


def answers(*rows: tuple[str, tuple[float, float, float]]) -> Answers:
    """One text a row: its label, and the probabilities of LABELS."""
    log_probs = torch.tensor([p for _, p in rows], dtype=torch.float64).log()
    keys = tuple(f"made:{row}" for row in range(len(rows)))
    return Answers(
        LABELS, keys, tuple(t for t, _ in rows), ("made",) * len(rows), log_probs, log_probs.argmax(1), MODEL
    )


@pytest.fixture
def by_hand():
    base = answers(
        ("glad", (0.8, 0.1, 0.1)), ("sad", (0.2, 0.6, 0.2)), ("sad", (0.5, 0.25, 0.25)), ("plain", (0.2, 0.3, 0.5))
    )
    others = [key for key in base.keys if key != "made:0"]
    pushed = answers(
        ("glad", (1.0, 0.0, 0.0)), ("sad", (0.6, 0.2, 0.2)), ("sad", (0.75, 0.125, 0.125)), ("plain", (0.2, 0.5, 0.3))
    ).where(others)
    steered = {(Push("contrast", 1.0, "glad"), 0): pushed}
    # One of three texts follows in one random set, none in the other.
    some = replace(base.where(others), predicted=torch.tensor([0, 0, 2]))
    steered |= {(Push("contrast", 1.0, "glad", "random", d), 0): a for d, a in enumerate((some, base.where(others)))}
    side = {Push("contrast", 1.0, "glad"): SideEffect(1.5, 0.25, 9)}
    return Steering(
        ("glad",), (Question(LABELS),), (base,), steered, side, {"glad": 3}, pd.DataFrame(), {"seed": 0}, ()
    )


def test_rates_and_costs_by_hand(by_hand):
    table = by_hand.to_dataframe().set_index(["control", "draw", "read"]).sort_index()
    whole = table.loc[("own", slice(None), ALL)].iloc[0]
    # Without the mask the second sad text is taken for glad; under it both are, and plain becomes sad.
    assert (whole["n"], whole["unmoved"]) == (3, 1)
    assert whole["base_rate"] == pytest.approx(1 / 3) and whole["rate"] == pytest.approx(2 / 3)
    assert whole["change"] == pytest.approx(1 / 3)
    odds = [math.log(0.6 / 0.4) - math.log(0.2 / 0.8), math.log(3) - 0.0, 0.0]
    assert whole["log_odds"] == pytest.approx(sum(odds) / 3)
    assert (whole["unmoved_accuracy_base"], whole["unmoved_accuracy"]) == (1, 0)
    assert (whole["ppl_ratio"], whole["kl"]) == (1.5, 0.25)
    sad = table.loc[("own", slice(None), "sad")].iloc[0]
    assert (sad["n"], sad["base_rate"], sad["rate"], sad["unmoved"]) == (2, 0.5, 1, 0)
    assert math.isnan(sad["unmoved_accuracy"]) and math.isnan(sad["ppl_ratio"])
    assert table.loc[("own", slice(None), "plain"), "change"].tolist() == [0]
    primary = by_hand.to_dataframe().query("family == 'primary'")
    assert primary[["control", "read"]].values.tolist() == [["own", ALL]]


def test_the_primary_test_by_hand(by_hand):
    row = by_hand.primary().iloc[0]
    # Random sets change the rate by 1/3 and 0: mean 1/6, sd sqrt(2)/6, standard error of one more sqrt(3)/6.
    assert (row["n"], row["df"]) == (3, 1)
    assert row["own"] == pytest.approx(1 / 3) and row["random_mean"] == pytest.approx(1 / 6)
    assert row["excess"] == pytest.approx(1 / 6)
    t = (1 / 6) / (math.sqrt(2) / 6 * math.sqrt(1.5))
    # With one degree of freedom t is a Cauchy variable.
    assert row["p"] == pytest.approx(1 - 2 * math.atan(t) / math.pi)
    assert row["p_holm"] == row["p"] and row["against"] == "random"


def test_sets_that_write_as_much_have_to_be_exceeded_too(by_hand):
    own = by_hand.steered[Push("contrast", 1.0, "glad"), 0]
    none = by_hand.steered[Push("contrast", 1.0, "glad", "random", 1), 0]

    def beside(*scaled):
        more = {(Push("contrast", 1.0, "glad", "scaled", d), 0): one for d, one in enumerate(scaled)}
        return replace(by_hand, steered={**by_hand.steered, **more}).primary().iloc[0]

    first = by_hand.primary().iloc[0]
    # Scaled sets change the rate by 1/3 and 0, too, and by 1/3 both: then nothing varies and nothing can be told.
    assert beside(own, none)["p"] == pytest.approx(first["p"])
    silent = beside(own, own)
    assert silent["against"] == "scaled" and math.isnan(silent["p"]) and silent["excess"] == 0
    # All texts follow in one scaled set: the own neurons do more than the former and less than the latter.
    every = replace(own, predicted=torch.tensor([0, 0, 0]))
    assert beside(own, every)["p"] == 1


def test_answers_about_other_texts_are_not_compared():
    both = answers(("glad", (0.8, 0.1, 0.1)), ("sad", (0.2, 0.6, 0.2)))
    with pytest.raises(EffectsError, match="different texts"):
        moved_between(both, both.where(["made:1"]), "glad")
