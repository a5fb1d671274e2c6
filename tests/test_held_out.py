"""Texts that a screening has not used: by splits, or by leaving out what was screened on."""

import json
from pathlib import Path

import pytest

from emorhet_lens import EMOTIONS, RHETORIC, load_corpus
from emorhet_lens.corpora.held_out import DEV_TEXTS, load_held_out
from emorhet_lens.errors import CorpusError


def write(path: Path, labels: list[str], name: str, n: int) -> None:
    rows = [
        {"id": f"{name}-{label}-{k}", "label": label, "text": f"{name} text {k} about {label}"}
        for label in labels
        for k in range(n)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for part, n in (("train", 80), ("dev", 70), ("test", 30)):
        write(tmp_path / "goemotions" / f"{part}.jsonl", ["anger", "fear", "neutral"], part, n)
    write(tmp_path / "figlang2020_reddit" / "train.jsonl", ["sarcasm", "literal"], "train", 40)
    write(tmp_path / "figlang2020_reddit" / "test.jsonl", ["sarcasm", "literal"], "test", 50)
    return tmp_path


def test_data_sets_give_their_own_splits(data: Path) -> None:
    found = load_held_out(["goemotions"], EMOTIONS, seen=frozenset(), limit=25, data_dir=data)
    assert all(e.id.startswith("dev-") for e in found.dev)
    assert all(e.id.startswith("test-") for e in found.test)
    assert {found.dev.counts()[label] for label in ("anger", "fear", "neutral")} == {DEV_TEXTS}
    assert {found.test.counts()[label] for label in ("anger", "fear", "neutral")} == {25}
    assert found.left_out == ()


def test_without_a_dev_split_the_test_split_is_divided(data: Path) -> None:
    found = load_held_out(["figlang2020_reddit"], RHETORIC, seen=frozenset(), data_dir=data)
    assert all(e.id.startswith("test-") for part in (found.dev, found.test) for e in part)
    assert (len(found.dev), len(found.test)) == (40, 60)
    assert not {e.key for e in found.dev} & {e.key for e in found.test}


def test_built_in_corpora_give_their_own_parts() -> None:
    seen = frozenset(e.key for e in load_corpus("stimuli-rhetoric"))
    found = load_held_out(["stimuli-rhetoric"], RHETORIC, seen=seen, min_texts=1)
    dev, test = (load_corpus("stimuli-rhetoric", split=split) for split in ("dev", "test"))
    assert {e.key for e in found.test} == {e.key for e in test}
    assert {e.key for e in found.dev} <= {e.key for e in dev}


def test_a_file_gives_what_was_not_screened_on(tmp_path: Path) -> None:
    whole = load_corpus("stimuli-rhetoric")
    path = tmp_path / "texts.jsonl"
    fields = ("id", "text", "label", "pair", "topic", "source")
    path.write_text("\n".join(json.dumps({name: getattr(e, name) for name in fields}) for e in whole), encoding="utf-8")
    seen = frozenset(e.key for e in whole.split({"a": 0.5, "b": 0.5}, seed=1)["a"])
    found = load_held_out([str(path)], RHETORIC, seen=seen, min_texts=1)
    keys = {part: {e.key for e in getattr(found, part)} for part in ("dev", "test")}
    assert not (keys["dev"] | keys["test"]) & seen
    # A figure and its literal twin have one job.
    assert not {e.pair for e in found.dev} & {e.pair for e in found.test}


def test_small_cells_are_left_out_and_named(data: Path) -> None:
    write(data / "hypo" / "dev.jsonl", ["hyperbole", "literal"], "dev", 30)
    write(data / "hypo" / "test.jsonl", ["hyperbole", "literal"], "test", 30)
    with (data / "hypo" / "test.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"id": "rare", "label": "metaphor", "text": "a rare bird"}))
    found = load_held_out(["hypo"], RHETORIC, seen=frozenset(), data_dir=data)
    assert found.test.counts()["metaphor"] == 0
    assert found.left_out == ("metaphor in hypo: 1 test texts, fewer than 20; left out",)
    with pytest.raises(CorpusError, match="too few test texts: hyperbole in hypo: 30"):
        load_held_out(["hypo"], RHETORIC, seen=frozenset(), min_texts=31, data_dir=data)


def test_unknown_labels_can_be_dropped(data: Path) -> None:
    write(data / "goemotions" / "test.jsonl", ["anger", "fear", "neutral", "pride"], "test", 30)
    with pytest.raises(CorpusError, match="unknown label 'pride'"):
        load_held_out(["goemotions"], EMOTIONS, seen=frozenset(), data_dir=data)
    found = load_held_out(["goemotions"], EMOTIONS, seen=frozenset(), data_dir=data, unknown="drop")
    assert len(found.test) == 90


def test_the_hub_is_asked_for_the_parts_that_are_needed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(id: str, name: str | None, split: str) -> list[dict[str, object]]:
        asked.append((id, split))
        if id == "ColumbiaNLP/FLUTE":
            return [{"hypothesis": f"text {n}", "type": "Simile", "label": "Entailment"} for n in range(10)]
        return [{"text": f"{split} text {n}", "labels": [17], "id": f"h{n}"} for n in range(30)]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(CorpusError, match="GoEmotions is not in the directory"):
        load_held_out(["GoEmotions"], EMOTIONS, seen=frozenset(), data_dir=data)
    assert asked == []
    found = load_held_out(["GoEmotions"], EMOTIONS, seen=frozenset(), data_dir=data, hub=True)
    assert (found.dev.examples[0].text, found.test.examples[0].text) == ("validation text 0", "test text 0")
    # Without splits, the texts are divided.
    found = load_held_out(["FLUTE"], RHETORIC, seen=frozenset({"FLUTE:1"}), min_texts=1, data_dir=data, hub=True)
    assert len(found.dev) + len(found.test) == 9
    assert [split for _, split in asked] == ["validation", "test", "train"]


def test_nothing_unseen_is_an_error(data: Path) -> None:
    every = frozenset(e.key for e in load_corpus("stimuli-emotion", split="all"))
    with pytest.raises(CorpusError, match="were screened on; screen a part of it"):
        load_held_out(["stimuli-emotion"], EMOTIONS, seen=every)
    with pytest.raises(CorpusError, match="n=0"):
        load_held_out(["goemotions"], EMOTIONS, seen=frozenset(), limit=0, data_dir=data)


def test_draws_are_seeded(data: Path) -> None:
    def keys(seed: int) -> list[str]:
        found = load_held_out(["goemotions"], EMOTIONS, seen=frozenset(), limit=10, data_dir=data, seed=seed)
        return [e.key for e in found.test]

    assert keys(1) == keys(1)
    assert keys(1) != keys(2)


def test_the_same_texts_under_other_names_are_seen(tmp_path: Path) -> None:
    """A copy has other ids and another source; another file of the same name has the same ids and other texts."""
    rows = [{"text": f"a text of {n} words", "label": ("metaphor", "literal")[n % 2]} for n in range(40)]
    for name, part in (("one", rows), ("copy", [{**row, "text": row["text"].upper() + "!"} for row in rows])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in part), encoding="utf-8")
    (tmp_path / "other").mkdir()
    new = [{**row, "text": f"another {row['text']}"} for row in rows]
    (tmp_path / "other" / "one.jsonl").write_text("\n".join(json.dumps(row) for row in new), encoding="utf-8")
    seen = frozenset(example.digest for example in load_corpus(tmp_path / "one.jsonl", group=RHETORIC))
    for known in ("one", "copy"):
        with pytest.raises(CorpusError, match=r"all 40 texts of .* were screened on"):
            load_held_out([str(tmp_path / f"{known}.jsonl")], RHETORIC, seen=seen, min_texts=1)
    found = load_held_out([str(tmp_path / "other" / "one.jsonl")], RHETORIC, seen=seen, min_texts=1)
    assert len(found.dev) + len(found.test) == 40
