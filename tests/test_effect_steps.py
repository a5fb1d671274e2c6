"""Which masked readings there are, counted by hand."""

from inspect import unwrap
from itertools import product

import pytest

from emorhet_lens.causal.steps import OWN, Step, plan_steps
from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.questions import Question

EMOTIONS = (Question(("glad", "sad", "plain")),)
DEVICES = (Question(("glad", "plain"), "a"), Question(("sad", "plain"), "a"), Question(("sad", "plain"), "b"))


def plan(questions, concepts=("glad", "sad"), masks=("zero",), controls=("random", "other"), n_random=2):
    return plan_steps(questions, concepts, masks=masks, controls=controls, n_random=n_random)


def test_one_question_by_hand():
    assert plan(EMOTIONS) == (
        Step("zero", "glad", OWN, 0),
        Step("zero", "glad", 0, 0, only="glad"),
        Step("zero", "glad", 1, 0, only="glad"),
        Step("zero", "sad", OWN, 0),
        Step("zero", "sad", 0, 0, only="sad"),
        Step("zero", "sad", 1, 0, only="sad"),
    )


def test_own_sets_are_read_on_all_questions_and_random_ones_on_those_of_their_concept():
    found = plan(DEVICES)
    assert {(s.masked, s.question) for s in found if s.draw == OWN} == set(product(("glad", "sad"), range(3)))
    random = {(s.masked, s.question, s.draw) for s in found if s.draw != OWN}
    assert random == {("glad", 0, 0), ("glad", 0, 1), *product(["sad"], [1, 2], [0, 1])}
    assert all(s.only == s.masked for s in found if s.draw != OWN)


def test_without_the_other_control_own_sets_are_read_on_their_own_questions():
    found = plan(DEVICES, controls=("random",))
    assert {(s.masked, s.question) for s in found if s.draw == OWN} == {("glad", 0), ("sad", 1), ("sad", 2)}


def test_without_random_sets_their_number_does_not_matter():
    found = plan(EMOTIONS, controls=("other",), n_random=0)
    assert [s.draw for s in found] == [OWN, OWN]
    assert plan(EMOTIONS, controls=(), n_random=0) == found


@pytest.mark.parametrize("n_random", [2, 8])
def test_cost(n_random):
    assert len(plan(EMOTIONS, masks=("zero", "mean", "attenuate"), n_random=n_random)) == 3 * 2 * (1 + n_random)


def test_no_two_steps_share_a_file():
    # Joined by a hyphen, "zero" of "joy-fear" and "zero-joy" of "fear" would be one file.
    found = plan(
        (Question(("joy-fear", "fear", "plain")),),
        concepts=("joy-fear", "fear"),
        masks=("zero", "zero-joy"),
        n_random=12,
    )
    assert len({step.name for step in found}) == len(found) == 2 * 2 * 13
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controls": ("random", "shuffled")}, r"unknown controls \['shuffled'\]; there are random, other"),
        ({"n_random": 1}, "n_random=1 sets cannot show how sets vary"),
        ({"masks": ()}, "no mask"),
        ({"masks": ("zero/2",)}, "zero/2"),
        ({"masks": ("../up",)}, "letters, digits"),
        ({"concepts": ("glad", "a b")}, "a b"),
        ({"concepts": ("glad", "-")}, "letters, digits"),
        ({"masks": ("zero.5",)}, "zero.5"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, message):
    given = {"concepts": ("glad", "sad"), "masks": ("zero",), "controls": ("random", "other"), "n_random": 2, **changes}
    with pytest.raises(EffectsError, match=message):
        # Past the annotations, as the command line calls it.
        unwrap(plan_steps)(EMOTIONS, given.pop("concepts"), **given)
