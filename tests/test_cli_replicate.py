"""`emorhet replicate` on a tiny model in a folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import SPECIAL, WORDS, llama_weights, save_model, word_tokenizer
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app
from emorhet_lens.errors import CorpusError
from emorhet_lens.models.loading import load_model
from emorhet_lens.replication.job import plan_crossings
from emorhet_lens.screening.screen import Screen

RUN = CliRunner()
VOCABULARY = (*WORDS, "metaphor", "simile", "literal")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, two corpora of two files each, and a screening of each corpus."""
    folder = tmp_path_factory.mktemp("replicate")
    size = len(SPECIAL) + len(VOCABULARY)
    weights = llama_weights(intermediate_size=96, vocab_size=size, max_position_embeddings=128)
    save_model(weights, folder / "model")
    word_tokenizer(VOCABULARY).save_pretrained(folder / "model")
    words, labels = list(WORDS), ("metaphor", "simile", "literal")
    for number, name in enumerate(("one", "two", "one-new", "two-new")):
        rows = [
            {"text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3)) + f" {name}"}
            | {"label": labels[n % 3], "id": f"r{n}"}
            for n in range(60 * number, 60 * number + 60)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    for name in ("one", "two"):
        basics = ["--model", str(folder / "model"), "--corpus", str(folder / f"{name}.jsonl"), "--group", "rhetoric"]
        outcome = RUN.invoke(
            app, ["screen", *basics, "--out", str(folder / name), "--top", "0.03", "--shuffles", "0", "--no-progress"]
        )
        assert outcome.exit_code == 0, outcome.output
    return folder


def run(here: Path, out: Path, *more: str) -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "one"), "--screen", str(here / "two")]
    return RUN.invoke(app, ["replicate", *basics, "--out", str(out), "--draws", "50", "--no-progress", *more])


def test_selection_side(here: Path, tmp_path: Path) -> None:
    outcome = run(here, tmp_path / "out")
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "out" / "replication.csv")
    assert len(table) == 4
    assert table.loc[table["family"] == "primary", "first"].tolist() == ["metaphor", "simile"]
    facts = json.loads((tmp_path / "out" / "replication.json").read_text(encoding="utf-8"))
    assert facts["names"] == ["one", "two"] and facts["corpora"] is None
    assert not (tmp_path / "out" / "effects.csv").exists()


def test_causal_side_crosses_the_corpora_and_goes_on(here: Path, tmp_path: Path) -> None:
    more = (
        "--corpus",
        str(here / "one-new.jsonl"),
        "--corpus",
        str(here / "two-new.jsonl"),
        "--n-random",
        "2",
        "--min-texts",
        "5",
    )
    outcome = run(here, tmp_path / "out", *more, "--limit", "6")
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "out" / "effects.csv")
    assert table["screened_on"].tolist() == ["one", "one", "two", "two"]
    assert table["tested_on"].tolist() == ["two-new", "two-new", "one-new", "one-new"]
    assert table["n"].eq(6).all()
    before = (tmp_path / "out" / "effects.csv").read_bytes()
    again = run(here, tmp_path / "out", *more, "--limit", "6")
    assert " ".join(again.output.split()).count("0 of 6 masked readings to do") == 2
    assert (tmp_path / "out" / "effects.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--screen", "third"], "got 3; give --screen twice"),
        (["--corpus", "one-new.jsonl"], "got 1; give --corpus twice"),
        (["--draws", "0"], "draws=0"),
    ],
)
def test_bad_input(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = run(here, tmp_path / "out", *more)
    assert outcome.exit_code == 2
    assert message in " ".join(outcome.output.split())


def test_each_corpus_is_loaded_as_its_own_screening_was(here: Path, tmp_path: Path) -> None:
    model = load_model(str(here / "model"), device="cpu")
    one, two = (Screen.load(here / name, model) for name in ("one", "two"))
    told = replace(two, stats=replace(two.stats, options={**two.stats.options, "unknown": "drop"}))
    path = tmp_path / "two-new.jsonl"
    strange = json.dumps({"text": "the pun", "label": "pun", "id": "pun"})
    path.write_text((here / "two-new.jsonl").read_text(encoding="utf-8") + "\n" + strange, encoding="utf-8")
    corpora = ([str(here / "one-new.jsonl")], [str(path)])
    options = {"n_random": 2, "min_texts": 2, "progress": False}
    with pytest.raises(CorpusError, match="'pun'"):
        next(plan_crossings(model, (one, two), ("one", "two"), corpora, tmp_path / "out", **options))
    crossing = next(plan_crossings(model, (one, told), ("one", "two"), corpora, tmp_path / "out", **options))
    assert (crossing.screened_on, crossing.tested_on) == ("one", "two-new")
