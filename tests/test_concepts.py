import copy
import pickle

import pytest

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, GROUPS, RHETORIC, ConceptGroup


def test_the_built_in_groups_keep_their_order():
    assert EMOTIONS.labels == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert RHETORIC.labels == ("metaphor", "hyperbole", "sarcasm", "simile", "literal")
    assert dict(GROUPS) == {"emotion": EMOTIONS, "rhetoric": RHETORIC}


@pytest.mark.parametrize(
    ("group", "spelled", "own"),
    [
        (EMOTIONS, "anger", "anger"),
        (EMOTIONS, " Joy\n", "happiness"),
        (EMOTIONS, "NEUTRAL", "neutral"),
        (RHETORIC, "Irony", "sarcasm"),
        (ConceptGroup("own", ("Awe", "PRIDE"), rest="None", aliases={"Wonder": "Awe"}), "wonder", "Awe"),
        (ConceptGroup("own", ("Awe", "PRIDE"), rest="None"), "pride", "PRIDE"),
        (ConceptGroup("own", ("Awe",), rest="None", aliases={"awe": "Awe"}), "AWE", "Awe"),
    ],
)
def test_canonical_minds_neither_case_nor_space(group, spelled, own):
    assert group.canonical(spelled) == own


def test_an_unknown_label_is_named_with_what_is_allowed():
    with pytest.raises(CorpusError, match=r"'calm'.*'emotion'.*anger, .*neutral.*aliases joy.*extend the group"):
        EMOTIONS.canonical("calm")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"concepts": ()}, "distinct concepts"),
        ({"concepts": ("a", "a")}, "distinct concepts"),
        ({"concepts": ("a", "A")}, "distinct concepts"),
        ({"concepts": ("a", "rest")}, "distinct concepts"),
        ({"concepts": ("a", " ")}, "distinct concepts"),
        ({"concepts": ("a",), "aliases": {"x": "y"}}, r"aliases lead to \['y'\]"),
        ({"concepts": ("a", "b"), "aliases": {"A": "b"}}, r"\['a'\] are labels"),
    ],
)
def test_an_ambiguous_group_is_refused(options, complaint):
    with pytest.raises(CorpusError, match=complaint):
        ConceptGroup(name="g", rest="rest", **options)


def test_extended_puts_concepts_at_the_end_and_keeps_the_rest():
    group = RHETORIC.extended("personification")
    assert group.labels == ("metaphor", "hyperbole", "sarcasm", "simile", "personification", "literal")
    assert group.canonical("irony") == "sarcasm"
    with pytest.raises(CorpusError, match="distinct concepts"):
        RHETORIC.extended("simile")


def test_a_concept_takes_the_place_of_an_alias_of_its_name():
    assert RHETORIC.extended("irony").canonical("Irony") == "irony"


def test_groups_are_equal_by_content_hashable_read_only_and_can_be_copied():
    twin = ConceptGroup("emotion", EMOTIONS.concepts, "neutral", {"joy": "happiness"})
    assert twin == EMOTIONS and hash(twin) == hash(EMOTIONS)
    assert pickle.loads(pickle.dumps(EMOTIONS)) == EMOTIONS == copy.deepcopy(EMOTIONS)
    with pytest.raises(TypeError):
        EMOTIONS.aliases["rage"] = "anger"


def test_a_group_does_not_follow_later_changes_of_the_given_aliases():
    aliases = {"x": "a"}
    group = ConceptGroup("g", ("a",), "rest", aliases)
    aliases["y"] = "a"
    assert dict(group.aliases) == {"x": "a"}
