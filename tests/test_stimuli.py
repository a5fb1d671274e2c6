"""The shipped sentences: balanced, matched, and free of the words that would give their emotion away."""

import re
from collections import Counter, defaultdict

import pytest

from emorhet_lens.corpora import load_corpus, split_names
from emorhet_lens.quality import device_leakage, leakage
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import require_disjoint

NAMED = {
    "anger": (
        "anger angry angri mad madden madder madly furious fury furi rage raging enrag annoy irritat outrag livid "
        "fuming fume irate wrath resent infuriat exasperat hostil indignan aggravat seeth hate hatred hatef bitter "
        "temper vex incens"
    ),
    "disgust": (
        "disgust gross grossed grossly revolt nauseat nausea nauseous repuls repell repugn yuck yucky icky sicken "
        "sick vile foul loath abhor detest distaste eww queasy abomin putrid obscene"
    ),
    "fear": (
        "fear afraid scare scari scary terror terrif terrify frighten fright panic anxi dread worri worry nervous "
        "horror horrif horrify alarmed apprehens petrif uneas tense creepy spook phobi frantic"
    ),
    "happiness": (
        "happy happi joy delight cheer glad pleas thrill excit wonder elat ecsta bliss merry jolly overjoy content "
        "enjoy euphor jubil thankful grateful lucky lovely"
    ),
    "sadness": (
        "sad sadly sadness sadden sorrow grief griev unhappy unhappi miser heartbr depress mourn gloom melanchol "
        "despair despond lonely lonel tearful weep wept cry cried crying sob upset dismal hopeless bereav woe"
    ),
    "surprise": (
        "surpris astonish astound amaz shock stun startl unexpect sudden flabbergast dumbfound incredul bewilder "
        "unforeseen speechless gobsmack stagger"
    ),
}
"""Beginnings of words that name an emotion or are near to its name."""


DEVICES = RHETORIC.extended("personification")
COMPARATORS = ("like", "as if", "as though", "the way", "than", "resembl")


@pytest.fixture(scope="module")
def emotion():
    return load_corpus("stimuli-emotion", split="all")


@pytest.fixture(scope="module")
def rhetoric():
    return load_corpus("stimuli-rhetoric", split="all", group=DEVICES)


@pytest.fixture(scope="module")
def pairs(rhetoric):
    found = defaultdict(list)
    for example in rhetoric:
        found[example.pair].append(example)
    return found


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def giveaways(text: str, beginnings: set[str]) -> set[str]:
    return {word for word in words(text) if any(word.startswith(beginning) for beginning in beginnings)}


def test_every_label_has_at_least_a_hundred_sentences(emotion, rhetoric):
    assert min(emotion.counts().values()) >= 100
    assert len(set(emotion.counts().values())) == 1
    figures = [rhetoric.counts()[device] for device in DEVICES.concepts]
    assert min(figures) >= 100 and len(set(figures)) == 1
    assert rhetoric.counts()["literal"] == sum(figures)


def test_ids_and_texts_are_unique(emotion, rhetoric):
    both = (*emotion, *rhetoric)
    assert len({e.id for e in both}) == len({e.normalized for e in both}) == len(both)


def test_every_topic_comes_once_with_every_emotion(emotion):
    labels = defaultdict(list)
    for example in emotion:
        labels[example.topic].append(example.label)
    assert None not in labels
    assert all(sorted(found) == sorted(EMOTIONS.labels) for found in labels.values())


def test_the_search_for_giveaways_finds_whole_words_by_their_beginning():
    assert giveaways("Angrily, he was raging; storage?", {"angri", "raging", "rage"}) == {"angrily", "raging"}


@pytest.mark.parametrize("label", EMOTIONS.concepts)
def test_no_sentence_names_its_own_emotion(emotion, label):
    beginnings = set(NAMED[label].split())
    named = {e.id: giveaways(e.text, beginnings) for e in emotion if e.label == label}
    assert {id: found for id, found in named.items() if found} == {}


def test_no_neutral_sentence_names_any_emotion(emotion):
    # Not the beginning "mad", which "made" has.
    beginnings = {beginning for named in NAMED.values() for beginning in named.split()} - {"mad"}
    named = {e.id: giveaways(e.text, beginnings) for e in emotion if e.label == "neutral"}
    assert {id: found for id, found in named.items() if found} == {}


def test_every_figure_has_one_literal_twin_on_the_same_topic(pairs):
    assert None not in pairs
    for pair in pairs.values():
        assert len(pair) == 2 and len({e.topic for e in pair}) == 1
        assert sorted(e.label == "literal" for e in pair) == [False, True]


def test_every_device_is_used_on_every_topic_alike(pairs):
    topics = defaultdict(Counter)
    for pair in pairs.values():
        (figure,) = (e for e in pair if e.label != "literal")
        topics[figure.label][figure.topic] += 1
    assert set(topics) == set(DEVICES.concepts)
    assert all(counts == topics["metaphor"] for counts in topics.values())


def test_emotions_do_not_differ_in_length(emotion):
    lengths = defaultdict(list)
    for example in emotion:
        lengths[example.label].append(len(words(example.text)))
    means = {label: sum(found) / len(found) for label, found in lengths.items()}
    assert max(means.values()) / min(means.values()) < 1.15, means


@pytest.mark.parametrize("device", DEVICES.concepts)
def test_figures_are_as_long_as_their_twins(pairs, device):
    lengths = []
    for pair in pairs.values():
        figure, twin = sorted(pair, key=lambda e: e.label == "literal")
        if figure.label == device:
            lengths.append((len(figure.text.split()), len(twin.text.split())))
    assert max(abs(figure - twin) for figure, twin in lengths) <= 3
    assert sum(figure for figure, _ in lengths) == pytest.approx(sum(twin for _, twin in lengths), rel=0.05)


def test_single_words_tell_the_emotions_apart_by_little(emotion):
    assert leakage(emotion, by="topic").accuracy <= 0.40


def test_single_words_hardly_tell_a_figure_from_its_twin(rhetoric):
    found = device_leakage(rhetoric)
    assert set(found) == set(DEVICES.concepts)
    assert max(one.accuracy for one in found.values()) <= 0.65, found


def test_comparators_vary_and_are_in_literal_sentences_too(rhetoric):
    similes = [e.text.lower() for e in rhetoric if e.label == "simile"]
    literal = [e.text.lower() for e in rhetoric if e.label == "literal"]
    used = {word: sum(word in text for text in similes) for word in COMPARATORS}
    assert all(used.values()), used
    assert max(used.values()) < 0.65 * len(similes), used
    assert sum(" like " in text for text in literal) >= 40
    assert sum(" as " in text for text in literal) >= 40


@pytest.mark.parametrize(("name", "group"), [("stimuli-emotion", EMOTIONS), ("stimuli-rhetoric", DEVICES)])
def test_parts_are_fixed_and_share_no_topic(name, group):
    parts = {part: load_corpus(name, split=part, group=group) for part in split_names(name)}
    assert list(parts) == ["train", "dev", "test"]
    assert sum(map(len, parts.values())) == len(load_corpus(name, split="all", group=group))
    topics = {part: {e.topic for e in corpus} for part, corpus in parts.items()}
    assert not (topics["train"] & topics["dev"] or topics["train"] & topics["test"] or topics["dev"] & topics["test"])
    require_disjoint(**parts)
    shares = {part: len(corpus) / sum(map(len, parts.values())) for part, corpus in parts.items()}
    assert shares == pytest.approx({"train": 0.6, "dev": 0.15, "test": 0.25}, abs=0.01)
    for corpus in parts.values():
        counts = [count for label, count in corpus.counts().items() if label != "literal"]
        assert len(set(counts)) == 1


def test_pairs_of_a_device_that_the_group_lacks_are_left_out_whole(rhetoric, caplog):
    with caplog.at_level("INFO"):
        found = load_corpus("stimuli-rhetoric", split="all")
    assert found.group == RHETORIC
    without = {e.pair for e in rhetoric if e.label == "personification"}
    assert {e.key for e in found} == {e.key for e in rhetoric if e.pair not in without}
    assert "100 pairs of personification are left out" in caplog.text
    assert load_corpus("stimuli-rhetoric").name == "stimuli-rhetoric-train"
