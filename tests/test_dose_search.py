"""The search for a dose, on response curves that are known: no model is run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_masks import unchecked

from emorhet_lens.errors import EffectsError
from emorhet_lens.tuning.dose_search import Budget, DoseSearch, Trial
from emorhet_lens.tuning.doses import Dose, dose_at, ladder

CURVES = st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([1.0, 1.4, 1.6])), min_size=6, max_size=6)


def trial(dose, recall, ppl_ratio=1.0, kl=0.0):
    return Trial(dose, 3, recall, -1.0, ppl_ratio, kl)


def run(search, respond):
    trials = []
    while (dose := search.next_dose(trials)) is not None:
        trials.append(respond(dose))
    return trials, search.conclude(trials)


def test_the_ladder_stops_at_the_first_dose_that_is_enough():
    recalls = iter([0.9, 0.85, 0.8, 0.1])
    trials, found = run(DoseSearch(0.8), lambda dose: trial(dose, next(recalls)))
    assert [one.dose for one in trials] == list(ladder(6)[:3])
    assert found == ("reached", 2)


def test_rounding_does_not_hide_a_target_that_is_met():
    # 0.6 - 0.05 is a little below 0.55.
    assert DoseSearch(0.6 - 0.05).reached_by(trial(Dose(1, 1), 0.55))


def test_the_ladder_stops_at_the_budget_and_goes_one_step_back():
    cost = iter([1.1, 1.4, 1.51, 1.0])
    trials, found = run(DoseSearch(0.5), lambda dose: trial(dose, 0.9, next(cost)))
    assert len(trials) == 3
    assert found == ("budget", 1)
    # A dose beyond the budget does not count, even if it reaches the target.
    trials, found = run(DoseSearch(0.5), lambda dose: trial(dose, 0.2, kl=0.3))
    assert (len(trials), found) == (1, ("budget", 0))


def test_the_ladder_ends_at_its_highest_dose():
    trials, found = run(DoseSearch(0.5, steps=4), lambda dose: trial(dose, 0.9))
    assert [one.dose for one in trials] == list(ladder(4))
    assert found == ("not reached", 3)


def test_what_was_not_measured_costs_nothing():
    _, found = run(DoseSearch(0.5), lambda dose: trial(dose, 0.9, math.nan, math.nan))
    assert found == ("not reached", 5)
    assert Budget().exceeded_by(trial(Dose(1, 1), 0.9, math.inf))


def test_bisection_by_hand():
    trials, found = run(DoseSearch(0.5, kind="bisection"), lambda dose: trial(dose, 0.9 - 0.64 * dose.alpha))
    # Recall is 0.5 at 0.625.
    assert [one.dose.alpha for one in trials] == [1, 0.5, 0.75, 0.625, 0.5625, 0.59375]
    assert found == ("reached", 3)
    assert trials[1].dose == dose_at(0.5)
    trials, found = run(DoseSearch(0.2, kind="bisection"), lambda dose: trial(dose, 0.9))
    assert (len(trials), found) == (1, ("not reached", 0))
    trials, found = run(DoseSearch(0.2, kind="bisection", steps=3), lambda dose: trial(dose, 0.9, 1 + dose.alpha))
    assert [one.dose.alpha for one in trials] == [1, 0.5, 0.75]
    assert found == ("budget", 1)


@given(CURVES, st.sampled_from(["ladder", "bisection"]))
def test_laws(curve, kind):
    search = DoseSearch(0.5, kind=kind)
    trials, (outcome, index) = run(search, lambda dose: trial(dose, *curve[min(5, int(dose.alpha * 6 - 1e-9))]))
    over = [search.budget.exceeded_by(one) for one in trials]
    assert 1 <= len(trials) <= 6
    if kind == "ladder":
        assert sum(over) <= 1 and not any(over[:-1])
    assert not over[index] or all(over)
    assert (outcome == "reached") == any(
        search.reached_by(one) and not spent for one, spent in zip(trials, over, strict=True)
    )
    assert search.next_dose(trials) is None
    # A search that was interrupted after any step tries the same dose next.
    for done in range(len(trials)):
        assert search.next_dose([Trial.from_json(one.to_json()) for one in trials[:done]]) == trials[done].dose


@pytest.mark.parametrize("number", [math.nan, math.inf, 0.1 + 0.2])
def test_trials_survive_json(number):
    before = trial(Dose(1 / 3, 0.28), number, kl=number)
    assert repr(Trial.from_json(before.to_json())) == repr(before)


def test_refusals():
    with pytest.raises(EffectsError, match="'dive' is unknown"):
        unchecked(DoseSearch, target=0.5, budget=Budget(), kind="dive", steps=6)
    with pytest.raises(EffectsError, match="steps=0"):
        DoseSearch(0.5, steps=0)
    for cost in ({"ppl_ratio": 0.9}, {"kl": -1}, {"kl": math.nan}):
        with pytest.raises(EffectsError, match="allow at least"):
            Budget(**cost)
