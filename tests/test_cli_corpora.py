"""`emorhet corpora`: the list, and what is said and measured about one."""

import json
import re

import pytest
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app
from emorhet_lens.corpora import known

RUN = CliRunner()
LABELS = ("fear", "joy", "neutral")
WORDS = ["river", "stone", "window", "letter", "garden", "market", "winter", "candle", "bridge", "ladder"]


@pytest.fixture
def data(tmp_path, monkeypatch):
    for split, count in (("train", 30), ("dev", 9)):
        rows = [
            {"id": f"{split}-{n}", "label": LABELS[n % 3], "text": " ".join([split, *WORDS[n % 7 :], f"item{n}"])}
            for n in range(count)
        ]
        if split == "dev":
            rows[0]["text"] = "train " + " ".join([*WORDS, "item0"])
        file = tmp_path / "meld" / f"{split}.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("EMORHET_DATA", str(tmp_path))
    return tmp_path


def said(*arguments: str, code: int = 0) -> str:
    """What a command says, without line breaks and table borders."""
    outcome = RUN.invoke(app, ["corpora", *arguments])
    assert outcome.exit_code == code, outcome.output
    return " ".join(re.sub("[│┃]", " ", outcome.output).split())


def test_the_list_says_what_is_known_and_what_is_here(data):
    (data / "mine").mkdir()
    (data / "mine" / "train.jsonl").write_text('{"text": "t", "label": "l"}\n')
    lines = [line.replace("│", " ").split() for line in RUN.invoke(app, ["corpora", "list"]).output.splitlines()]
    rows = {line[0]: line[1:] for line in lines if line}
    assert set(known()) <= set(rows)
    assert rows["meld"][:4] == ["emotion", "13,533", "train,", "dev"]
    assert rows["stimuli-emotion"][:3] == ["emotion", "707", "train,"]
    assert rows["MELD"][2] == "no" and rows["mine"][:3] == ["not", "known", "train"]


def test_a_description_has_facts_counts_and_figures(data):
    text = said("describe", "meld", "--split", "dev")
    for fact in ("Poria et al. 2019", "GPL-3.0", "declare-lab/MELD", "happiness = joy", "made with video"):
        assert fact in text
    assert "texts train dev" in text and "happiness 10 3" in text and "disgust 0 0" in text and "all 30 9" in text
    assert "measured on meld-dev" in text
    for measure in ("balance", "words", "exact duplicates", "near duplicates", "overlap"):
        assert measure in text
    assert "note: 1 of the" in text, "the text that train and dev share is pointed out"


def test_a_file_and_the_built_in_corpora_are_described(data, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text((data / "meld" / "train.jsonl").read_text())
    assert "measured on mine" in said("describe", str(path), "--group", "emotion")
    assert "personification" in said("describe", "stimuli-rhetoric")


def test_what_cannot_be_described_says_why(data, tmp_path):
    assert "declare-lab/MELD" in said("describe", "MELD", code=2)
    assert "'meld' has no split 'test'; it has train, dev" in said("describe", "meld", "--split", "test", code=2)
    assert "has no split 'late'" in said("describe", "stimuli-emotion", "--split", "late", code=2)
    assert "unknown group 'moods'; there are emotion, rhetoric" in said("describe", "meld", "--group", "moods", code=2)
    assert "no corpus and no file 'nothing'" in said("describe", "nothing", code=2)


def test_extended_groups_are_known(tmp_path):
    file = tmp_path / "pineapple" / "train.jsonl"
    file.parent.mkdir()
    file.write_text(
        "".join(json.dumps({"id": w, "text": f"The {w} sighed.", "label": "personification"}) + "\n" for w in WORDS)
    )
    assert "personification 10" in said("describe", "pineapple", "--data-dir", str(tmp_path))
