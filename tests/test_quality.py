"""All figures of a corpus at once, and the warnings that they lead to."""

import random
from dataclasses import replace

import pytest

from emorhet_lens.corpora import load_corpus
from emorhet_lens.quality import describe_quality
from emorhet_lens.report.texts import texts_section
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example

WORDS = [f"word{i}" for i in range(300)]


def corpus(n: int = 60, *, telling: bool = False, seed: int = 0) -> Corpus:
    draw = random.Random(seed)
    examples = []
    for i in range(n):
        label = EMOTIONS.concepts[i % 2]
        text = " ".join([*draw.choices(WORDS, k=3 + i // 2 % 3), *([label, f"{label}ly"] if telling else [])])
        examples.append(Example(f"{i:03}", text, label, "s"))
    return Corpus("c", EMOTIONS, tuple(examples))


def test_a_corpus_without_faults_has_no_warnings():
    found = describe_quality(corpus())
    assert found.warnings == found.notes == ()
    assert found.balance == 1
    assert found.devices == {}
    assert found.overlap is None


def test_each_fault_is_warned_about_in_words():
    clean = corpus(80)
    unbalanced = replace(clean, examples=clean.examples[0::2] + clean.examples[1:20:2])
    assert "anger has 40 texts, disgust 10" in describe_quality(unbalanced).warnings[0]
    longer = tuple(replace(e, text=f"{e.text} {e.text}z" if e.label == "anger" else e.text) for e in clean)
    [warning, *_] = describe_quality(replace(clean, examples=longer)).warnings
    assert warning.startswith("in s texts of anger are longer (median 8 words) than those of disgust (4)")
    outlying = replace(clean.examples[0], text=" ".join(WORDS))
    [warning] = describe_quality(replace(clean, examples=(outlying, *clean.examples[1:]))).warnings
    assert warning.startswith("1 of 80 texts are far longer or shorter than the others, s:000 most of all (300 words)")
    twice = replace(clean.examples[0], id="again", label="disgust", text=clean.examples[0].text.upper())
    [warning] = describe_quality(replace(clean, examples=(*clean.examples, twice))).warnings
    assert warning.startswith(
        "1 texts occur more than once, 1 of them with different labels, for example s:000 and s:again"
    )
    almost = replace(twice, text=f"{twice.text} too")
    [warning] = describe_quality(replace(clean, examples=(*clean.examples, almost))).warnings
    assert warning.startswith("1 pairs of texts are almost the same (similarity 0.8 or more), 1 of them with different")
    [warning] = describe_quality(corpus(telling=True)).warnings
    assert warning.startswith("single words tell the labels: balanced accuracy 1.00 (chance 0.50), best for anger")
    assert "“anger”" in warning


def test_near_duplicates_that_were_written_as_pairs_are_no_concern():
    made = corpus(60)
    twins = tuple(
        Example(f"t{e.id}", f"{e.text}s", EMOTIONS.concepts[i % 2 - 1], "s", pair=e.id) for i, e in enumerate(made)
    )
    tied = replace(made, examples=(*(replace(e, pair=e.id) for e in made), *twins))
    found = describe_quality(tied)
    assert len(found.duplicates.near) == 60
    assert not [warning for warning in found.warnings if "almost the same" in warning]


def test_splits_that_share_texts_are_warned_about_once():
    made = corpus(60)
    parts = {"train": made, "test": replace(made, examples=made.examples[:6]), "dev": corpus(10, seed=9)}
    found = describe_quality(made, splits=parts)
    [warning] = found.warnings
    assert warning.startswith("6 of the 60 texts of train also stand in test, and 0 more almost")
    table = found.to_dataframe()
    rows = table[table["measure"] == "overlap"].set_index("part")
    assert rows.loc["train in test", "value"] == pytest.approx(0.1)
    assert rows.loc["test in train", "value"] == 1
    assert rows.loc["dev in train", "value"] == 0


def test_the_table_holds_every_figure_once():
    table = describe_quality(corpus(telling=True)).to_dataframe()
    assert list(table.columns) == ["measure", "part", "value", "note"]
    assert not table.duplicated(["measure", "part"]).any()
    value = table.set_index(["measure", "part"])["value"]
    assert value["texts", "anger"] == 30
    assert value["texts", "neutral"] == 0
    assert value["words", "anger"] == 6
    assert value["leakage", "all"] == value["leakage by class", "disgust"] == 1


def test_few_texts_are_described_without_leakage():
    found = describe_quality(corpus(1))
    assert found.leakage is None
    assert found.notes == ("leakage was not measured: leakage needs two labels or more, 'c' has anger",)
    assert found.to_dataframe()["value"].notna().all()
    assert texts_section(found)["rows"][0]["recall"] is None


def test_the_order_of_the_texts_does_not_matter():
    made = corpus(60, seed=2)
    mixed = list(made.examples)
    random.Random(0).shuffle(mixed)
    one, other = (describe_quality(c).to_dataframe() for c in (made, replace(made, examples=tuple(mixed))))
    assert one.equals(other)


def test_devices_are_compared_with_literal_texts():
    found = describe_quality(load_corpus("stimuli-rhetoric"))
    assert list(found.devices) == list(RHETORIC.concepts)
    assert "topics as a whole" in found.leakage.design
    section = texts_section(found)
    by_label = {row["name"]: row for row in section["rows"]}
    assert by_label["simile"]["device"] == found.devices["simile"].accuracy
    assert by_label["literal"]["device"] is None
    assert by_label["literal"]["words"] == found.leakage.words["literal"]


def test_devices_without_enough_literal_texts_are_named():
    whole = load_corpus("stimuli-rhetoric")
    first = next(e.pair for e in whole if e.label == "simile")
    found = describe_quality(whole.where(lambda e: not (e.pair or "").startswith("rhe-simile") or e.pair == first))
    assert "simile" not in found.devices
    assert list(found.devices) == ["metaphor", "hyperbole", "sarcasm"]
    assert found.leakage is None
    assert found.notes[0].startswith("leakage was not measured: in ")
    assert found.notes[1] == "not compared with literal texts, since there are too few beside them: simile"
    assert texts_section(found)["rows"][0]["words"] == found.devices["metaphor"].words["metaphor"]
