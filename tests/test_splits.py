"""No text has two jobs, and a split that is needed has to be there with all its labels."""

from dataclasses import replace

import pytest
from asking import splits
from tiny import PAIR_GROUP

from emorhet_lens.errors import CorpusError, ReadoutError
from emorhet_lens.passes.passes import Passes
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.splits import choose_splits, describe_run
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

PARTS = splits(9)
TEST, DEV, TRAIN = (PARTS[name] for name in ("test", "dev", "train"))


def with_one(corpus, **changes):
    return Corpus(corpus.name, corpus.group, (replace(corpus.examples[0], **changes), *corpus.examples[1:]))


def test_the_question_is_that_of_the_test_split():
    chosen = choose_splits(TEST.where(lambda e: e.label != "sad"), DEV, None, None)
    assert chosen.question == Question(("glad", "plain"))
    dev = chosen.require("dev", "a test")
    assert dev.counts() == {"glad": 3, "sad": 0, "plain": 3}


def test_texts_of_the_question_only():
    chosen = choose_splits(TEST, DEV, TRAIN, Question(("sad", "plain"), "made"))
    assert {example.label for example in chosen.test} == {"sad", "plain"}
    assert len(chosen.test) == 6


def test_keys_of_all_used_splits_are_kept():
    chosen = choose_splits(TEST, DEV, TRAIN, None)
    options = describe_run(chosen, Passes(4), dev=DEV)
    assert options["splits"] == {"test": [e.key for e in TEST], "dev": [e.key for e in DEV]}
    assert options["sha256"] == {"test": TEST.digest, "dev": DEV.digest}
    assert options["batch_size"] == 4
    assert options["question"] == {"labels": ["glad", "sad", "plain"], "source": None}


@pytest.mark.parametrize("part", ["dev", "train"])
def test_the_same_text_twice(part):
    text = TEST.examples[4].text.upper() + "!"
    parts = {"dev": DEV, "train": TRAIN} | {part: with_one(PARTS[part], text=text)}
    with pytest.raises(CorpusError, match=f"'test' and .* in '{part}' are the same text"):
        choose_splits(TEST, parts["dev"], parts["train"], None)


@pytest.mark.parametrize("part", ["dev", "train"])
def test_the_same_key_twice(part):
    parts = {"dev": DEV, "train": TRAIN} | {part: with_one(PARTS[part], id=TEST.examples[4].id)}
    with pytest.raises(ReadoutError, match=f"'test' and '{part}' share 1 keys, for example 'made:004'"):
        choose_splits(TEST, parts["dev"], parts["train"], None)


def test_dev_and_train_share_nothing_either():
    with pytest.raises(CorpusError, match="the same text"):
        choose_splits(TEST, DEV, with_one(TRAIN, text=DEV.examples[0].text), None)
    with pytest.raises(ReadoutError, match="'dev' and 'train' share 1 keys"):
        choose_splits(TEST, DEV, with_one(TRAIN, id=DEV.examples[0].id), None)


def test_other_groups_are_refused():
    other = Corpus("other", ConceptGroup("two", (*PAIR_GROUP.concepts, "odd"), "plain"), DEV.examples)
    with pytest.raises(ReadoutError, match="odd"):
        choose_splits(TEST, other, None, None)


def test_several_questions_are_refused():
    group = ConceptGroup("rhetoric", PAIR_GROUP.concepts, "plain")
    with pytest.raises(ReadoutError, match=r"2 questions \(glad/plain in made, sad/plain in made\).*prepare_all"):
        choose_splits(Corpus("r", group, TEST.examples), None, None, None)


def test_a_missing_split():
    with pytest.raises(ReadoutError, match="a test needs a train split"):
        choose_splits(TEST, DEV, None, None).require("train", "a test")


def test_a_missing_label():
    chosen = choose_splits(TEST, DEV.where(lambda e: e.label == "glad"), None, None)
    with pytest.raises(ReadoutError, match="no text of sad, plain"):
        chosen.require("dev", "a test")
