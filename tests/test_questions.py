"""Which labels stand against each other, for which texts."""

import inspect

import pytest
from tiny import PAIR_GROUP, texts_corpus

from emorhet_lens.errors import ReadoutError
from emorhet_lens.readouts.questions import Question, questions_for
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import Corpus, join
from emorhet_lens.texts.examples import Example


def rhetoric(*cells, group=RHETORIC):
    """One text for every `(source, label)`."""
    return Corpus("r", group, tuple(Example(f"{i}", f"text {i}", label, s) for i, (s, label) in enumerate(cells)))


def test_emotions_are_told_from_each_other():
    corpus = texts_corpus(("fear", "a"), ("anger", "b"), ("neutral", "c"), ("fear", "d"), group=EMOTIONS)
    assert questions_for(corpus) == (Question(("anger", "fear", "neutral")),)
    assert questions_for(corpus.where(lambda e: e.label != "neutral")) == (Question(("anger", "fear")),)


def test_devices_are_told_from_the_rest_of_their_source():
    corpus = rhetoric(
        ("x", "literal"), ("x", "simile"), ("x", "metaphor"), ("y", "sarcasm"), ("y", "literal"), ("x", "simile")
    )
    assert questions_for(corpus) == (
        Question(("metaphor", "literal"), "x"),
        Question(("simile", "literal"), "x"),
        Question(("sarcasm", "literal"), "y"),
    )
    extended = Corpus("r", RHETORIC.extended("personification"), corpus.examples)
    assert questions_for(extended) == questions_for(corpus)
    assert questions_for(corpus, "all") == (Question(("metaphor", "sarcasm", "simile", "literal")),)


def test_contrast_can_be_chosen_for_other_groups():
    corpus = texts_corpus(("glad", "a"), ("sad", "b"), ("plain", "c"))
    assert questions_for(corpus, "rest") == (Question(("glad", "plain"), "made"), Question(("sad", "plain"), "made"))


def test_texts_of_a_question():
    corpus = rhetoric(("x", "literal"), ("x", "simile"), ("x", "metaphor"), ("y", "simile"), ("y", "literal"))
    chosen = Question(("simile", "literal"), "x").select(corpus, "test")
    assert [example.key for example in chosen] == ["x:0", "x:1"]
    anywhere = Question(("simile", "literal")).select(corpus, "test")
    assert [example.key for example in anywhere] == ["x:0", "x:1", "y:3", "y:4"]


def test_a_question_without_texts():
    corpus = join([texts_corpus(("glad", "a"), ("sad", "b"))])
    with pytest.raises(ReadoutError, match=r"the dev corpus 'texts' has no text for the question .*glad, sad in made"):
        Question(("glad", "plain"), "elsewhere").select(corpus, "dev")


@pytest.mark.parametrize("labels", [("glad",), ("glad", "glad"), ("glad", "sad", "glad"), ()])
def test_a_question_needs_different_labels(labels):
    with pytest.raises(ReadoutError, match="at least two different labels"):
        Question(labels)


@pytest.mark.parametrize("cells", [[("x", "simile"), ("x", "metaphor")], [("x", "literal")]])
def test_a_source_without_contrast(cells):
    corpus = rhetoric(("y", "simile"), ("y", "literal"), *cells)
    with pytest.raises(ReadoutError, match=r"'x' has no texts .*leave this source out"):
        questions_for(corpus)


def test_one_label_is_no_question():
    with pytest.raises(ReadoutError, match="one label only"):
        questions_for(texts_corpus(("glad", "a"), ("glad", "b")))


def test_unknown_contrast():
    with pytest.raises(ReadoutError, match="contrast='some'"):
        inspect.unwrap(questions_for)(texts_corpus(("glad", "a"), ("sad", "b")), "some")


def test_names():
    assert Question(PAIR_GROUP.labels).name == "glad/sad/plain"
