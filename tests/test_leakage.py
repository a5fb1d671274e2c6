"""What single words give away: planted words, none, twins, and other corpora."""

import random
from dataclasses import replace

import pytest

from emorhet_lens.corpora import load_corpus
from emorhet_lens.errors import CorpusError
from emorhet_lens.quality import device_leakage, leakage, learning_curve, outside_leakage
from emorhet_lens.quality.word_classifier import out_of_fold
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC, ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

LABELS = ("fear", "anger", "neutral")
WORDS = [f"word{i}" for i in range(200)]


def corpus(n: int = 60, *, planted: bool = False, seed: int = 0, name: str = "c", topics: int = 10) -> Corpus:
    """Random words, labels in turn; if planted, each text holds a word that gives its label away."""
    draw = random.Random(seed)
    examples = []
    for i in range(n):
        label = LABELS[i % 3]
        words = [*draw.choices(WORDS, k=4), *([f"give{label}"] if planted else [])]
        topic = f"t{i // 3 % topics}"
        examples.append(Example(f"{i:04}", " ".join(words), label, name, topic=topic))
    return Corpus(name, EMOTIONS, tuple(examples))


def shuffled(made: Corpus, seed: int) -> Corpus:
    mixed = list(made.examples)
    random.Random(seed).shuffle(mixed)
    return replace(made, examples=tuple(mixed))


def test_one_word_that_gives_the_label_away_is_found():
    found = leakage(corpus(planted=True), by="topic")
    assert found.accuracy == 1.0
    assert found.above_chance == 1.0
    assert found.recalls == dict.fromkeys(("anger", "fear", "neutral"), 1.0)
    assert {label: words[0] for label, words in found.words.items()} == {label: f"give{label}" for label in LABELS}
    assert found.design == "10 folds, topics as a whole, 3 repeats"
    table = found.to_dataframe()
    assert table["label"].tolist() == ["anger", "fear", "neutral"]
    assert table["words"][0].split()[0] == "giveanger"


def test_labels_at_random_are_told_at_chance():
    found = leakage(corpus(240), repeats=2)
    assert found.chance == pytest.approx(1 / 3)
    # Guesses have sqrt(3 * (2/9) / 80) / 3.
    assert found.spread == pytest.approx((3 * (2 / 9) / 80) ** 0.5 / 3)
    assert abs(found.accuracy - found.chance) < 4 * found.spread
    assert len(found.repeats) == 2


def test_the_order_of_the_texts_does_not_matter_and_the_seed_does():
    made = corpus(90)
    found = leakage(made, folds=4, at_most=20, seed=5)
    assert leakage(shuffled(made, 1), folds=4, at_most=20, seed=5) == found
    assert leakage(made, folds=4, at_most=20, seed=6) != found
    assert found.texts == 60


def test_words_of_the_topic_do_not_help_where_topics_are_held_out():
    # A topic has one label, so its word tells the label only if the topic was seen.
    made = corpus(120, topics=40)
    kept = tuple(replace(e, text=f"{e.topic}word", label=LABELS[int((e.topic or "")[1:]) % 2], id=e.id) for e in made)
    made = replace(made, examples=tuple(replace(e, text=f"{e.text} number{i}") for i, e in enumerate(kept)))
    assert leakage(made, folds=5, repeats=1).accuracy == 1.0
    assert leakage(made, by="topic", folds=5, repeats=1).accuracy < 0.7


def test_a_block_is_never_on_both_sides():
    # Every block has its own word and label; a classifier that had seen it would always be right.
    blocks = [i // 4 for i in range(40)]
    labels = ["even" if block % 2 == 0 else "odd" for block in blocks]
    texts = [f"block{block}" for block in blocks]
    told = out_of_fold(texts, labels, list(range(40)), folds=5, seed=0)
    assert told == labels
    apart = out_of_fold(texts, labels, blocks, folds=5, seed=0)
    assert sum(a == b for a, b in zip(apart, labels, strict=True)) < 32


def test_copies_are_held_out_together():
    made = corpus(30)
    same = tuple(replace(e, text=f"copy{int(e.id) // 6 * 6 + int(e.id) % 3}") for e in made)
    # Each text is there twice with one label; held out one by one, the copy would tell it.
    assert leakage(replace(made, examples=same), folds=5, repeats=1).accuracy < 0.8


def test_what_cannot_be_measured_is_refused():
    made = corpus(12)
    untied = replace(made, examples=tuple(replace(e, topic=None) for e in made))
    with pytest.raises(CorpusError, match="no text of 'c' has a topic"):
        leakage(untied, by="topic")
    with pytest.raises(CorpusError, match="what can be held out is 'pair', 'topic', or None"):
        leakage(made, by="source")  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="needs two labels"):
        leakage(made.where(lambda e: e.label == "fear"))
    with pytest.raises(CorpusError, match="fear occurs in one text only"):
        leakage(made.where(lambda e: e.label != "fear" or e.id == "0000"))
    with pytest.raises(CorpusError, match="folds start at 2"):
        leakage(made, folds=1)


def test_more_texts_tell_more():
    # A label's texts hold one of five telling words each.
    draw = random.Random(3)
    examples = tuple(replace(e, text=f"{e.text} {e.label}{draw.randrange(5)}") for e in corpus(240, seed=1))
    curve = learning_curve(replace(corpus(240), examples=examples), sizes=(2, 10, 60, 10_000), folds=4, repeats=2)
    assert curve["size"].tolist() == [2, 10, 60]
    assert curve["accuracy"].is_monotonic_increasing
    assert curve["accuracy"].iloc[0] < 0.6 < 0.9 < curve["accuracy"].iloc[-1]
    assert ((curve["low"] <= curve["accuracy"]) & (curve["accuracy"] <= curve["high"])).all()
    with pytest.raises(CorpusError, match="largest label of 'c' has 4"):
        learning_curve(corpus(12), sizes=(5,))


def pairs(device: str, telling: str, n: int = 20, *, tied: bool = True) -> tuple[Example, ...]:
    """Texts of a device and as many literal ones: twins that share all words but one, or texts of their own."""
    draw = random.Random(device)
    made = []
    for i in range(n):
        words, pair = " ".join(draw.choices(WORDS, k=4)), f"{device}{i}" if tied else None
        # Without a pair they share no words either.
        own = words if tied else " ".join(draw.choices(WORDS, k=4))
        made.append(Example(f"{device}{i}f", f"{words} {telling}", device, "s", pair=pair))
        made.append(Example(f"{device}{i}l", f"{own} {draw.choice(WORDS)}", "literal", "s", pair=pair))
    return tuple(made)


def test_a_device_is_compared_with_its_own_twins():
    made = Corpus("c", RHETORIC, (*pairs("simile", "like"), *pairs("metaphor", "word0")))
    found = device_leakage(made, folds=5, repeats=1)
    assert list(found) == ["metaphor", "simile"]
    assert found["simile"].accuracy == 1.0
    assert found["metaphor"].words["metaphor"][0] == "word0"
    assert found["simile"].texts == found["metaphor"].texts == 40
    assert found["simile"].words["simile"][0] == "like"
    assert found["simile"].design.startswith("5 folds, pairs as a whole")
    assert device_leakage(shuffled(made, 2), folds=5, repeats=1) == found


def test_without_twins_the_literal_texts_of_the_source_are_taken():
    elsewhere = replace(pairs("sarcasm", "so")[1], source="t")
    made = Corpus("c", RHETORIC, (*pairs("simile", "like", tied=False), elsewhere))
    found = device_leakage(made, folds=5, repeats=1)
    assert found["simile"].texts == 40
    assert found["simile"].accuracy > 0.9
    assert "texts" in found["simile"].design


def test_a_device_with_too_few_texts_is_left_out():
    few = pairs("hyperbole", "ever", n=1)
    made = Corpus("c", RHETORIC, (*pairs("simile", "like"), *few))
    assert list(device_leakage(made, folds=5, repeats=1)) == ["simile"]
    with pytest.raises(CorpusError, match="no concept of 'c' has two texts"):
        device_leakage(Corpus("c", RHETORIC, few))


def test_words_learnt_elsewhere():
    judged, other, none = corpus(planted=True), corpus(90, planted=True, seed=7, name="o"), corpus(90, seed=8, name="n")
    found = outside_leakage(judged, [other])
    assert found.accuracy == 1.0
    assert found.texts == 60
    assert found.design == "trained on 90 texts of o"
    assert outside_leakage(judged, [none]).accuracy < 0.6
    assert outside_leakage(judged, [none, other]) != found
    reordered = replace(outside_leakage(judged, [other, none]), design="")
    assert reordered == replace(outside_leakage(judged, [none, other]), design="")


def test_texts_of_the_corpus_itself_do_not_train():
    judged, other = corpus(30), corpus(90, planted=True, seed=7, name="o")
    with pytest.raises(CorpusError, match="both have none"):
        outside_leakage(judged, [judged])
    both = Corpus("o", EMOTIONS, (*other, *(replace(e, source="copied") for e in judged)))
    assert outside_leakage(judged, [both]) == outside_leakage(judged, [other])


def test_only_labels_of_both_sides_count():
    judged = corpus(planted=True)
    other = corpus(90, planted=True, seed=7, name="o").where(lambda e: e.label != "anger")
    found = outside_leakage(judged, [other])
    assert list(found.recalls) == ["fear", "neutral"]
    assert (found.texts, found.chance) == (40, 0.5)


def test_two_labels_have_words_on_both_sides():
    group = ConceptGroup("two", ("glad",), "plain")
    made = Corpus(
        "c",
        group,
        tuple(Example(str(i), f"{'sun' if i % 2 else 'box'} n{i}", group.labels[i % 2], "s") for i in range(20)),
    )
    words = leakage(made, folds=5, repeats=1).words
    assert (words["glad"][0], words["plain"][0]) == ("box", "sun")


def test_built_in_pairs_are_told_from_their_twins_by_few_words():
    found = device_leakage(load_corpus("stimuli-rhetoric"), folds=5, repeats=1)
    assert list(found) == list(RHETORIC.concepts)
    assert max(one.accuracy for one in found.values()) < 0.75
