"""Tables from made answers, worked out by hand."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny import tiny_llama

from emorhet_lens.causal.inference import excess_over_random, holm
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import OWN, Step
from emorhet_lens.errors import EffectsError
from emorhet_lens.models.hosts import identify
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question

LABELS = ("glad", "sad", "plain")
QUESTIONS = (Question(LABELS),)
TARGETS = ("glad", "glad", "sad", "sad", "plain", "plain")
MODEL = None


@pytest.fixture(scope="module", autouse=True)
def model():
    global MODEL
    MODEL = identify(tiny_llama())


def made(margins, targets=TARGETS, labels=LABELS, only=None):
    """Answers of given margins; the own label is predicted where the margin is above 0, else the next label."""
    rows = [(f"k{i}", t, m) for i, (t, m) in enumerate(zip(targets, margins, strict=True)) if only in (None, t)]
    log_probs, predicted = [], []
    for _, target, margin in rows:
        own = 1 / (1 + math.exp(-margin))
        column = labels.index(target)
        others = (1 - own) / (len(labels) - 1)
        log_probs.append([math.log(own if i == column else others) for i in range(len(labels))])
        predicted.append(column if margin > 0 else (column + 1) % len(labels))
    return Answers(
        labels,
        tuple(key for key, _, _ in rows),
        tuple(target for _, target, _ in rows),
        ("s",) * len(rows),
        torch.tensor(log_probs, dtype=torch.float64),
        torch.tensor(predicted),
        MODEL,
    )


BASE = (1.0, 2.0, 1.0, -1.0, 3.0, 1.0)
GLAD = (-1.0, 1.0, 1.5, -0.5, 3.0, 0.0)
SAD = (1.0, 2.5, -1.0, -2.0, 2.0, 1.0)
GLAD_RANDOM = ((1.75, 2.25), (0.25, 1.75), (1.25, 1.75))
SAD_RANDOM = ((0.0, -1.0), (1.0, -2.0), (0.0, -2.5))


def effects(questions=QUESTIONS, **changes):
    masked = {
        Step("zero", "glad", OWN, 0): made(GLAD),
        Step("zero", "sad", OWN, 0): made(SAD),
        **{
            Step("zero", "glad", k, 0, only="glad"): made((*two, 0, 0, 0, 0), only="glad")
            for k, two in enumerate(GLAD_RANDOM)
        },
        **{
            Step("zero", "sad", k, 0, only="sad"): made((0, 0, *two, 0, 0), only="sad")
            for k, two in enumerate(SAD_RANDOM)
        },
    }
    fields = {
        "concepts": ("glad", "sad"),
        "masks": ("zero",),
        "questions": questions,
        "base": (made(BASE),),
        "masked": masked,
        "side": {("zero", "glad", OWN): SideEffect(1.5, 0.25, 9)},
        "sizes": {"glad": 4, "sad": 5},
        "balance": pd.DataFrame(),
        "options": {"seed": 0, "rest": "plain"},
    }
    return Effects(**{**fields, **changes})


def test_changes_by_hand():
    found = effects().change("zero", "glad", "glad")
    assert found.margin.tolist() == pytest.approx([-2.0, -1.0])
    assert found.correct.tolist() == [-1.0, 0.0]
    assert (found.accuracy_base, found.accuracy_masked) == (1.0, 0.5)
    other = effects().change("zero", "glad", "sad")
    assert other.margin.tolist() == pytest.approx([0.5, 0.5])
    assert (other.accuracy_base, other.accuracy_masked) == (0.5, 0.5)
    assert effects().change("zero", "glad", "glad", 0).margin.tolist() == pytest.approx([0.75, 0.25])


def test_what_was_not_read_is_nothing():
    assert effects().change("mean", "glad", "glad") is None
    assert effects().change("zero", "glad", "sad", 0) is None
    assert effects().change("zero", "glad", "glad", 7) is None
    assert effects().excess("mean", "glad") is None


def test_matrix_by_hand():
    expected = pd.DataFrame({"glad": [-1.5, 0.25], "sad": [0.5, -1.5], "plain": [-0.5, -0.5]}, index=["glad", "sad"])
    pd.testing.assert_frame_equal(effects().matrix("zero"), expected)
    accuracy = pd.DataFrame({"glad": [-0.5, 0.0], "sad": [0.0, -0.5], "plain": [-0.5, 0.0]}, index=["glad", "sad"])
    pd.testing.assert_frame_equal(effects().matrix("zero", "accuracy"), accuracy)


def test_primary_by_hand():
    found = effects().primary().set_index("concept")
    # Random means for glad 0.5, -0.5, 0: mean 0, sd 0.5; own -1.5; t = -1.5 / (0.5 * sqrt(4 / 3)).
    glad = found.loc["glad"]
    assert (glad["own"], glad["random_mean"], glad["random_sd"]) == pytest.approx((-1.5, 0.0, 0.5))
    assert glad["excess"] == pytest.approx(-1.5)
    t2 = 27 / 4
    assert glad["p"] == pytest.approx(1 - math.sqrt(t2 / (2 + t2)))
    # For sad -0.5, -0.5, -1.25: mean -0.75, sd sqrt(0.1875).
    sad = found.loc["sad"]
    assert (sad["own"], sad["random_mean"]) == pytest.approx((-1.5, -0.75))
    assert sad["random_sd"] == pytest.approx(math.sqrt(0.1875))
    assert found["p_holm"].tolist() == pytest.approx(holm(found["p"].tolist()))
    assert found["n"].tolist() == [2, 2]
    assert found["neurons"].tolist() == [4, 5]
    assert found["df"].tolist() == [2, 2]


def test_the_long_table():
    table = effects().to_dataframe()
    assert len(table) == 2 * 3 + 2 * 3
    counted = table["control"].value_counts().to_dict()
    assert counted == {"random": 6, "own": 2, "other": 2, "rest": 2}
    needed = (
        "mask masked read control n accuracy_base accuracy_masked delta ci_low ci_high margin_delta excess p p_holm"
    )
    assert {*needed.split(), "p_any", "ppl_ratio", "kl", "specificity"} <= set(table.columns)
    own = table[(table["masked"] == "glad") & (table["control"] == "own")].iloc[0]
    assert (own["delta"], own["margin_delta"], own["n"]) == pytest.approx((-0.5, -1.5, 2))
    assert (own["accuracy_base"], own["accuracy_masked"]) == (1.0, 0.5)
    assert (own["ppl_ratio"], own["kl"]) == (1.5, 0.25)
    # Own -1.5, the texts of the only other concept +0.5; texts of the rest do not count.
    assert own["specificity"] == pytest.approx(-2.0)
    assert -1 <= own["ci_low"] <= -0.5 <= own["ci_high"] <= 0
    tested = table[table["family"] == "primary"]
    assert tested["control"].tolist() == ["own", "own"]
    assert table[table["family"] == "exploratory"][["excess", "p", "p_holm", "specificity"]].isna().all(axis=None)
    # Changes 0.75 and 0.25: mean 0.5, standard error 0.25, and with one degree of freedom P(|T| > t) is an angle.
    random = table[(table["masked"] == "glad") & (table["draw"] == 0)].iloc[0]
    assert random["p_any"] == pytest.approx(1 - 2 / math.pi * math.atan(2))


def test_order_of_concepts_does_not_matter():
    mine, turned = effects(), effects(concepts=("sad", "glad"))
    for name in ("primary", "to_dataframe"):
        a, b = getattr(mine, name)(), getattr(turned, name)()
        keys = [key for key in ("mask", "concept", "masked", "read", "draw") if key in a]
        pd.testing.assert_frame_equal(
            a.sort_values(keys, ignore_index=True), b.sort_values(keys, ignore_index=True), check_exact=True
        )


def test_answers_to_the_same_texts_in_another_order_are_refused():
    order = [5, 4, 3, 2, 1, 0]
    answers = made(BASE)
    turned = replace(
        answers,
        keys=tuple(answers.keys[i] for i in order),
        targets=tuple(answers.targets[i] for i in order),
        log_probs=answers.log_probs[order],
        predicted=answers.predicted[order],
    )
    with pytest.raises(EffectsError, match="different texts"):
        effects(base=(turned,)).change("zero", "sad", "sad")


def test_several_questions_are_put_together_and_a_text_counts_once():
    first, second = Question(("glad", "plain"), "a"), Question(("sad", "plain"), "a")
    # The plain text k1 stands in both questions, k2 in the second only.
    one, two = ("glad", "plain"), ("sad", "plain", "plain")
    base = (made((1.0, 1.0), one, first.labels), made((2.0, 2.0, 1.0), two, second.labels))
    masked = {
        Step("zero", "glad", OWN, 0): made((0.0, 1.5), one, first.labels),
        Step("zero", "glad", OWN, 1): made((2.0, 3.0, -1.0), two, second.labels),
    }
    found = effects(questions=(first, second), base=base, masked=masked, concepts=("glad",))
    assert found.reads == ("glad", "plain", "sad")
    plain = found.change("zero", "glad", "plain")
    assert plain.margin.tolist() == pytest.approx([0.75, -2.0])
    assert plain.correct.tolist() == pytest.approx([0.0, -1.0])
    assert (plain.accuracy_base, plain.accuracy_masked) == pytest.approx((1.0, 0.5))
    assert found.change("zero", "glad", "glad").margin.tolist() == pytest.approx([-1.0])
    assert found.matrix("zero").loc["glad"].tolist() == pytest.approx([-1.0, -0.625, 0.0])


def test_without_random_sets_nothing_is_tested():
    masked = {step: answers for step, answers in effects().masked.items() if step.draw == OWN}
    found = effects(masked=masked)
    assert found.n_random == 0
    assert found.primary().empty
    table = found.to_dataframe()
    assert set(table["family"]) == {"exploratory"}
    assert table["p"].isna().all()


def test_a_concept_without_random_sets_counts_in_the_family():
    masked = {s: a for s, a in effects().masked.items() if s.draw == OWN or s.masked == "glad"}
    found = effects(masked=masked).primary()
    assert found["concept"].tolist() == ["glad"]
    assert found["p_holm"].iloc[0] == pytest.approx(2 * found["p"].iloc[0])


def test_a_concept_without_neurons_is_no_rest():
    masked = {step: answers for step, answers in effects().masked.items() if step.masked == "glad"}
    table = effects(concepts=("glad",), masked=masked).to_dataframe().set_index(["read", "control"])
    assert ("sad", "other") in table.index and ("plain", "rest") in table.index
    assert table.loc[("glad", "own"), "specificity"].item() == pytest.approx(-2.0)


def test_readouts_without_log_probabilities_are_tested_by_accuracy():
    def silent(answers):
        return replace(answers, log_probs=torch.full_like(answers.log_probs, torch.nan))

    mine = effects()
    found = effects(base=(silent(made(BASE)),), masked={step: silent(answers) for step, answers in mine.masked.items()})
    assert (mine.measure, found.measure) == ("margin", "accuracy")
    row = found.primary().set_index("concept").loc["sad"]
    # Both answers to sad texts were "sad", then wrong twice: -0.5; random sets changed 0.5 texts, 0, and 0.5.
    expected = excess_over_random(-0.5, [-0.5, 0.0, -0.5])
    assert (row["own"], row["excess"], row["p"]) == pytest.approx((-0.5, expected.excess, expected.p))
    table = found.to_dataframe()
    assert table["margin_delta"].isna().all()
    assert table["delta"].notna().all()


def test_it_says_what_it_holds():
    assert repr(effects()) == "Effects(zero on glad, sad; 3 random sets a concept)"


def test_a_tuned_set_has_to_exceed_random_sets_at_their_doses_and_at_its_own():
    wide, narrow = GLAD_RANDOM, ((1.0, 2.0), (1.25, 1.75), (0.75, 2.5))

    def tuned(adaptive, same):
        steps = {Step(mask, "glad", OWN, 0): made(GLAD) for mask in ("adaptive", "same_dose")}
        for mask, random in (("adaptive", adaptive), ("same_dose", same)):
            steps |= {
                Step(mask, "glad", k, 0, only="glad"): made((*two, 0, 0, 0, 0), only="glad")
                for k, two in enumerate(random)
            }
        return effects(concepts=("glad",), masks=("adaptive", "same_dose"), masked=steps, side={}, sizes={"glad": 4})

    for found, weaker in ((tuned(wide, narrow), "adaptive"), (tuned(narrow, wide), "same_dose")):
        tests = {kind: found.excess_over(kind, "glad").p for kind in ("adaptive", "same_dose")}
        assert tests[weaker] == max(tests.values()) > min(tests.values())
        rows = found.primary().set_index("mask")
        assert rows.loc["adaptive", "p"] == tests[weaker] and rows.loc["adaptive", "against"] == weaker
        # By itself a kind of mask is what it was.
        assert rows.loc["same_dose", "p"] == tests["same_dose"] and rows.loc["same_dose", "against"] == "same_dose"
        assert rows["family"].to_dict() == {"adaptive": "primary", "same_dose": "exploratory"}
        own = found.to_dataframe().query("control == 'own'").set_index("mask")["family"]
        assert own.to_dict() == rows["family"].to_dict()
    # More harm than random sets at their doses, less than those at its own dose: nothing is shown.
    below = ((-5.0, -5.5), (-5.5, -4.5), (-5.0, -5.0))
    for found in (tuned(wide, below), tuned(below, wide)):
        signs = {kind: found.excess_over(kind, "glad").excess > 0 for kind in ("adaptive", "same_dose")}
        assert len(set(signs.values())) == 2
        assert found.excess("adaptive", "glad")[1].p == 1
        assert found.excess("same_dose", "glad")[1].p == found.excess_over("same_dose", "glad").p
    silent = tuned(wide, ((1.0, 2.0),) * 3)
    assert math.isnan(silent.excess("adaptive", "glad")[1].p)
    assert silent.excess("adaptive", "glad")[0] == "same_dose"
