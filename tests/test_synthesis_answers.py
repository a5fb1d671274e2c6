"""What is read of an answer, votes and agreement, and which texts are duplicates: worked out by hand."""

import pytest

from emorhet_lens.errors import PromptError, SynthesisError
from emorhet_lens.synthesis.answers import Malformed, read_given_label, read_label, read_text, read_topic
from emorhet_lens.synthesis.counts import predict_calls
from emorhet_lens.synthesis.distinct import distinct
from emorhet_lens.synthesis.topics import base_topics_of
from emorhet_lens.synthesis.voting import elect, kappa, votes_needed
from emorhet_lens.synthesis.wording import Wording
from emorhet_lens.synthesis.writers import FunctionWriter, Writer, as_writer
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC, ConceptGroup
from emorhet_lens.texts.examples import Example


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (' "It rained." \n', "It rained."),
        ("“It rained!”", "It rained!"),
        ('"No," she said. "Yes."', '"No," she said. "Yes."'),
        ('He said "no."', 'He said "no."'),
        ("It ran\u2026", "It ran\u2026"),
        (" \n\t", Malformed("empty")),
        ('""', Malformed("empty")),
        ("One.\nTwo.", Malformed("several lines")),
        ("It rained and then the", Malformed("unfinished")),
        ("word " * 60 + "more.", Malformed("too long")),
        ("Half \ud83d a sign.", Malformed("broken characters")),
        ("Half \ufffd a sign.", Malformed("broken characters")),
    ],
)
def test_sentences(answer: str, found: str | Malformed) -> None:
    assert read_text(answer, "sentence") == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("A: Hi.\n\n  B:  Oh: you!\nA: Me.", "A: Hi.\nB: Oh: you!\nA: Me."),
        ("", Malformed("empty")),
        ("They talk.", Malformed("no turns")),
        ("Sure!\nA: Hi.\nB: Oh.", Malformed("a line of nobody")),
        ("A: Hi.\nC: Oh.", Malformed("a line of nobody")),
        ("A: Hi.\nB:", Malformed("an empty turn")),
        ("A: Hi.\nA: Oh.", Malformed("one speaker")),
        ("A: Hi.\nB: and then", Malformed("unfinished")),
        ("A: Hi.\nB: " + "so " * 400 + "long.", Malformed("too long")),
    ],
)
def test_dialogues(answer: str, found: str | Malformed) -> None:
    assert read_text(answer, "dialogue") == found


def test_topics() -> None:
    assert read_topic(" “tea at five” ") == "tea at five"
    assert read_topic("tea\ncoffee") == Malformed("several lines")
    assert read_topic("tea " * 31) == Malformed("too long")
    assert [topic.text for topic in base_topics_of([" tea  time ", "rain"])] == ["tea time", "rain"]
    for wrong, message in (([], "0 base topics"), (["tea", " "], "1 of them blank"), (["tea", "Tea!"], "occur twice")):
        with pytest.raises(SynthesisError, match=message):
            base_topics_of(wrong)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("Anger", "anger"),
        ("The emotion is JOY, happiness.", "happiness"),
        ("fear, not anger", Malformed("several labels")),
        ("fearful", Malformed("no label")),
        ("dis-gust", Malformed("no label")),
        ("", Malformed("no label")),
        ("neutral", "neutral"),
    ],
)
def test_labels(answer: str, found: str | Malformed) -> None:
    assert read_label(answer, EMOTIONS) == found


def test_longer_labels_hide_shorter_ones() -> None:
    group = ConceptGroup("g", ("anger", "mild anger", "c++"), "none")
    assert read_label("Mild anger.", group) == "mild anger"
    assert read_label("C++!", group) == "c++"


def test_labels_of_functions() -> None:
    assert read_given_label("Irony", RHETORIC) == "sarcasm"
    assert read_given_label("LABEL_3", RHETORIC) == Malformed("unknown label")
    assert read_given_label(None, RHETORIC) == Malformed("no label")


def test_votes() -> None:
    assert elect(("fear", "fear", "fear", "anger"), 3) == "fear"
    assert elect(("fear", "anger", "anger", "anger"), 3) == "anger"
    assert elect(("fear", "fear", "anger", "anger"), 3) is None
    assert elect(("fear", None, None, "fear"), 3) is None
    assert elect(("fear", None, None, None), 3) is None
    assert [votes_needed(None, k) for k in (1, 2, 3, 4)] == [2, 2, 3, 3]
    assert votes_needed(4, 3) == 4
    # Two of four votes could elect two labels.
    for agree, labellers in ((2, 3), (5, 3), (None, 0), (0, 1)):
        with pytest.raises(SynthesisError, match="are a majority"):
            votes_needed(agree, labellers)


def test_kappa_by_hand() -> None:
    votes = {"one": ["a", "a", "b", "b", None], "two": ["a", "b", "b", "b", "a"]}
    # Pairs agree in 3 of 4 texts; 3 of 8 labels are a: (0.75 - 34/64) / (1 - 34/64).
    assert kappa(votes) == {"texts": 4, "kappa": pytest.approx((0.75 - 34 / 64) / (30 / 64))}
    swapped = {"two": votes["two"], "one": votes["one"]}
    assert kappa(swapped) == kappa(votes)
    assert kappa({"one": ["a", "a"], "two": ["a", "a"]}) == {"texts": 2, "kappa": None}
    assert kappa({"one": ["a", "b"]}) == {"texts": 2, "kappa": None}
    assert kappa({"one": ["a"], "two": [None]}) == {"texts": 0, "kappa": None}


def test_duplicates() -> None:
    long = "the cat sat on the mat and looked at the rain for a very long time"
    texts = [
        ("It rained.", "sadness"),
        ("it RAINED", "sadness"),
        (long, "fear"),
        (long + " x", "fear"),
        (long + " xy", "anger"),
        ("Both.", "fear"),
        ("both", "anger"),
        ("Both!", "fear"),
        ("Alone.", "fear"),
    ]
    kept, stage = distinct([Example(str(i), text, label, "") for i, (text, label) in enumerate(texts)])
    assert kept == [0, 2, 4, 8]
    assert stage.left_out == {"same text": 1, "same text, other label": 3, "nearly the same": 1}
    assert (stage.entered, stage.kept) == (9, 4)
    assert distinct([]) == ([], type(stage)("duplicates", 0, {}, 0))


def test_predicted_calls_of_study_a() -> None:
    calls = predict_calls(315, 6, rounds=4, per_cell=10, labellers=3)
    assert (calls.topics, calls.texts, calls.labels, calls.total) == (4725, 302_400, 907_200, 1_214_325)


def test_prompts() -> None:
    wording = Wording(write="{topic} as {theme}: {manner} {else}", manners={"fear": "{text} {topic}"})
    # What looks like a mark in a topic or a text is none.
    assert wording.text("sentence", "{theme}", "fear") == "{theme} as fear: {text} {topic} {else}"
    assert Wording().question("{options}", ("a", "b")).endswith("Text:\n{options}")
    assert "a, b" in Wording().question("x", ("a", "b"))
    assert "simile" in Wording().text("dialogue", "tea", "simile")
    assert "shows disgust without naming it" in Wording().text("sentence", "tea", "disgust")
    for wrong, name in (({"expand": "x"}, "expand"), ({"write": "{topic}"}, "write"), ({"label": "{text}"}, "label")):
        with pytest.raises(PromptError, match=name):
            Wording(**wrong)


def test_generators_need_a_name() -> None:
    def named(prompt: str) -> str:
        return prompt * 2

    assert (as_writer(named).name, as_writer(named)("a", seed=3)) == ("named", "aa")
    writer = FunctionWriter("w", named)
    assert as_writer(writer) is writer
    assert isinstance(writer, Writer) and not isinstance(named, Writer)
    with pytest.raises(SynthesisError, match="no name to keep its answers under"):
        as_writer(lambda prompt: prompt)
