import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from emorhet_lens.corpora import facts, known, load_corpus, names, split_names
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC

BUILT_IN = ("stimuli-emotion", "stimuli-rhetoric")


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """A directory of small data sets that the environment variable names."""
    root = tmp_path / "data"
    contents = {
        "meld/test": [("test-1", "fear"), ("test-2", "joy")],
        "meld/train": [(f"train-{i}", label) for i, label in enumerate(["fear", "anger"] * 20)],
        "meld/extra": [("extra-1", "fear")],
        "hypo/train": [("hypo-12-hyperbole", "hyperbole"), ("hypo-12-paraphrase", "literal"), ("hypo-3-x", "literal")],
        "figqa/dev": [("dev-q270-r168-fig", "simile"), ("dev-q270-r168-lit1", "literal")],
        "figqa/train": [("train-qX2474-r6407-fig", "simile"), ("train-q2474-r1-lit1", "literal")],
        "sarcasm_sign/dev": [("dev-110-lit", "literal"), ("dev-110-sarc", "sarcasm")],
        "sarcasm_sign/train": [("train-110-lit", "literal"), ("train-11-sarc", "sarcasm")],
        "pineapple/train": [("pers-1", "personification")],
        "mine/train": [("1", "fear"), ("2", "calm")],
    }
    for name, rows in contents.items():
        file = root / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps({"id": i, "text": f"text {i}", "label": label}) + "\n" for i, label in rows))
    (root / "notes").mkdir()
    (root / "README.md").write_text("no data set")
    monkeypatch.setenv("EMORHET_DATA", str(root))
    return root


def test_names_are_the_built_in_ones_and_the_folders_with_splits(data, monkeypatch):
    folders = ("figqa", "hypo", "meld", "mine", "pineapple", "sarcasm_sign")
    assert names() == (*BUILT_IN, *folders)
    monkeypatch.delenv("EMORHET_DATA")
    assert names() == BUILT_IN
    assert names(data) == names(str(data)) == (*BUILT_IN, *folders)


@pytest.mark.parametrize(("name", "group"), zip(BUILT_IN, (EMOTIONS, RHETORIC), strict=True))
def test_built_in_corpora_need_no_data(name, group, monkeypatch):
    monkeypatch.setenv("EMORHET_DATA", "/nowhere")
    corpus = load_corpus(name)
    assert corpus.name == f"{name}-train" and corpus.sources == (name,) and corpus.group is group
    assert corpus.digest == load_corpus(name, split="train").digest
    assert set(load_corpus(name, limit_per_label=3).counts().values()) == {3}
    assert load_corpus(name, group=group.extended("awe")).counts()["awe"] == 0
    with pytest.raises(CorpusError, match=f"'{name}' has no split 'late'; it has train, dev, test, all"):
        load_corpus(name, split="late")


def test_a_folder_is_loaded_by_its_exact_name(data):
    train = load_corpus("meld")
    assert train.name == "meld-train" and train.sources == ("meld",) and train.group is EMOTIONS
    assert len(train) == 40 and all(e.pair is None for e in train)
    test = load_corpus("meld", split="test", data_dir=data)
    assert [(e.key, e.label, e.source_label) for e in test] == [
        ("meld:test-1", "fear", None), ("meld:test-2", "happiness", "joy")
    ]  # fmt: skip
    assert (
        load_corpus("meld", limit_per_label=4, seed=1).digest == load_corpus("meld", limit_per_label=4, seed=1).digest
    )
    assert load_corpus("meld", limit_per_label=4, seed=1).digest != load_corpus("meld", limit_per_label=4).digest


@pytest.mark.parametrize(
    ("name", "split", "pairs"),
    [
        ("hypo", "train", ["hypo-12", "hypo-12", "hypo-3"]),
        ("figqa", "dev", ["q270", "q270"]),
        ("figqa", "train", ["qX2474", "q2474"]),
        ("sarcasm_sign", "dev", ["dev-110", "dev-110"]),
        ("sarcasm_sign", "train", ["train-110", "train-11"]),
    ],
)
def test_pairs_come_from_ids(data, name, split, pairs):
    assert [e.pair for e in load_corpus(name, split=split)] == pairs


def test_labels_outside_the_group(data):
    mine = data / "mine" / "train.jsonl"
    with pytest.raises(CorpusError, match=r"which concepts 'mine' labels is not known; pass group=EMOTIONS"):
        load_corpus("mine")
    with pytest.raises(CorpusError, match=f"{mine}, row 2: unknown label 'calm'"):
        load_corpus("mine", group=EMOTIONS)
    assert [e.id for e in load_corpus("mine", group=EMOTIONS, unknown="drop")] == ["1"]
    with pytest.raises(
        CorpusError, match=r"'pineapple' labels personification.*RHETORIC\.extended\('personification'\)"
    ):
        load_corpus("pineapple")
    assert load_corpus("pineapple", group=RHETORIC.extended("personification")).counts()["personification"] == 1


def test_what_a_known_folder_was_made_from_is_said_where_it_is_not_there(data):
    with pytest.raises(CorpusError, match=r"'moh'; .*; moh was made from RuiMao1988/.*: Mohammad, Shutova & Turney"):
        load_corpus("moh")


def test_splits_are_named_in_their_order(data):
    assert split_names("meld") == ("train", "test", "extra")
    assert split_names("stimuli-emotion") == ("train", "dev", "test")
    assert split_names("away") == ()


def test_what_is_not_there_is_answered_with_what_is(data, monkeypatch):
    with pytest.raises(CorpusError, match=r"'meld' has no split 'dev'; it has train, test, extra$"):
        load_corpus("meld", split="dev")
    for absent in ("Meld", "meld/train", "notes", "../data/meld"):
        with pytest.raises(
            CorpusError, match=rf"no corpus and no file '{absent}'; .* stimuli-emotion, .* meld, [^;]*$"
        ):
            load_corpus(absent)
    monkeypatch.delenv("EMORHET_DATA")
    with pytest.raises(CorpusError, match=r"'meld'; the corpora are .*rhetoric; .* set EMORHET_DATA .* pass data_dir"):
        load_corpus("meld")
    monkeypatch.setenv("EMORHET_DATA", str(data / "absent"))
    with pytest.raises(CorpusError, match=r"EMORHET_DATA is .*absent, which is no directory"):
        load_corpus("meld")
    with pytest.raises(CorpusError, match=r"data_dir is .*away, which is no directory"):
        names(data / "away")


def test_a_file_is_loaded_by_its_path(data):
    path = data / "meld" / "test.jsonl"
    corpus = load_corpus(path, group=EMOTIONS)
    assert corpus.digest == load_corpus(str(path), group=EMOTIONS, split="all").digest
    assert corpus.name == "test" and corpus.sources == ("test",)
    with pytest.raises(CorpusError, match=r"test\.jsonl does not say which concepts it labels; pass group=EMOTIONS"):
        load_corpus(path)
    with pytest.raises(CorpusError, match=r"test\.jsonl has no split 'dev'"):
        load_corpus(path, group=EMOTIONS, split="dev")


# --- the data sets themselves

DATA = os.environ.get("EMORHET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EMORHET_DATA does not name the directory of data sets")

# In a process of its own, without the type checks of these tests: there are more than 100,000 rows.
MEASURE = """
import json, sys
from emorhet_lens.texts.concepts import RHETORIC
from emorhet_lens.corpora import load_corpus
measured = {}
for name, split in json.loads(sys.argv[1]):
    group = RHETORIC.extended("personification") if name == "pineapple" else None
    corpus = load_corpus(name, split=split, group=group)
    pairs = [(e.pair, e.label) for e in corpus if e.pair]
    labels = sorted({(e.label, e.source_label) for e in corpus})
    measured[f"{name}/{split}"] = {
        "counts": corpus.counts(), "sources": corpus.sources, "pairs": pairs, "labels": labels,
    }
json.dump(measured, sys.stdout)
"""


def documented() -> dict[str, dict[str, int]]:
    """Label counts of every `folder/split`, from the tables of the data's own description."""
    counts, name = {}, ""
    for line in (Path(DATA) / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[3].isdecimal():
            name = cells[0].strip("`") or name
            counts[f"{name}/{cells[2]}"] = {label: int(n) for label, n in re.findall(r"(\w+) (\d+)", cells[4])}
            assert sum(counts[f"{name}/{cells[2]}"].values()) == int(cells[3])
    return counts


@pytest.fixture(scope="module")
def measured() -> dict:
    wanted = json.dumps([key.split("/") for key in documented()])
    done = subprocess.run([sys.executable, "-c", MEASURE, wanted], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@needs_data
def test_every_folder_and_split_is_documented():
    splits = {f"{name}/{file.stem}" for name in names()[2:] for file in (Path(DATA) / name).glob("*.jsonl")}
    assert splits == set(documented())


@needs_data
def test_every_split_has_the_documented_counts(measured):
    found = {key: {label: n for label, n in split["counts"].items() if n} for key, split in measured.items()}
    assert found == documented()
    assert all(split["sources"] == [key.split("/")[0]] for key, split in measured.items())


@needs_data
def test_facts_state_the_rows_of_every_folder():
    rows: dict[str, dict[str, int]] = {}
    for key, counts in documented().items():
        name, split = key.split("/")
        rows.setdefault(name, {})[split] = sum(counts.values())
    assert rows == {name: dict(facts(name).rows) for name in known() if facts(name).form == "folder"}


@needs_data
def test_mappings_say_what_became_of_the_source_labels(measured):
    for key, split in measured.items():
        name = key.split("/")[0]
        classes = {source: label for label, of in facts(name).mapping.items() for source in of}
        if name == "figurative_comparisons":  # There the label is a matter of three ratings.
            assert set(classes.values()) == {label for label, _ in split["labels"]} == {"simile", "literal"}
            continue
        for label, source_label in split["labels"]:
            parts = source_label.split(",") if name == "goemotions" else [source_label]
            for part in parts:
                told = max((s for s in classes if part == s or part.startswith(s + ";")), key=len)
                assert classes[told] == label, (key, source_label)


@needs_data
def test_pairs_are_found_where_they_exist_and_do_not_cross_splits(measured):
    owners: dict[str, dict[str, set[str]]] = {}
    for key, split in measured.items():
        name = key.split("/")[0]
        rows = sum(split["counts"].values())
        assert len(split["pairs"]) == (rows if name in ("hypo", "figqa", "sarcasm_sign") else 0)
        for pair, _ in split["pairs"]:
            owners.setdefault(name, {}).setdefault(pair, set()).add(key)
    assert set(owners) == {"hypo", "figqa", "sarcasm_sign"}
    assert all(len(splits) == 1 for pairs in owners.values() for splits in pairs.values())


@needs_data
def test_pairs_hold_what_was_written_together(measured):
    for key, split in measured.items():
        labels: dict[str, Counter[str]] = {}
        for pair, label in split["pairs"]:
            labels.setdefault(pair, Counter())[label] += 1
        if key.startswith("sarcasm_sign/"):
            assert all(found == {"sarcasm": 1, "literal": 1} for found in labels.values())
        if key.startswith("hypo/"):
            assert all(found["hyperbole"] == 1 and 2 <= found.total() <= 3 for found in labels.values())
        if key.startswith("figqa/"):
            assert all(found.total() <= 4 and found["literal"] <= 2 for found in labels.values())
