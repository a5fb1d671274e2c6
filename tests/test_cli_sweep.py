"""`emorhet sweep` on a tiny model in a folder."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import SPECIAL, WORDS, llama_weights, save_model, word_tokenizer
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app

RUN = CliRunner()
VOCABULARY = (*WORDS, "metaphor", "simile", "literal")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three layers, two files of texts, and a screening of the first."""
    folder = tmp_path_factory.mktemp("sweep")
    size = len(SPECIAL) + len(VOCABULARY)
    weights = llama_weights(intermediate_size=96, vocab_size=size, max_position_embeddings=128, num_hidden_layers=3)
    save_model(weights, folder / "model")
    word_tokenizer(VOCABULARY).save_pretrained(folder / "model")
    words, labels = list(WORDS), ("metaphor", "simile", "literal")
    for part, offset in (("seen", 0), ("new", 60)):
        rows = [
            {"text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3)) + f" {part}"}
            | {"label": labels[n % 3], "id": f"r{n}"}
            for n in range(offset, offset + 60)
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    basics = ["--model", str(folder / "model"), "--corpus", str(folder / "seen.jsonl"), "--group", "rhetoric"]
    outcome = RUN.invoke(app, ["screen", *basics, "--out", str(folder / "screen"), "--shuffles", "0", "--no-progress"])
    assert outcome.exit_code == 0, outcome.output
    return folder


def sweep(here: Path, out: Path, *more: str) -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(out)]
    few = ["--corpus", str(here / "new.jsonl"), "--n-random", "2", "--min-texts", "5", "--limit", "6", "--no-progress"]
    return RUN.invoke(app, ["sweep", *basics, *few, "--ratios", "0.02,0.05", "--layers", "top,0-1", *more])


def test_results_cost_and_going_on(here: Path, tmp_path: Path) -> None:
    outcome = sweep(here, tmp_path)
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.output.split())
    # Four cells of two concepts: own sets on both questions, two random sets on one each.
    assert "32 of 32 masked readings to do" in said
    assert "note: exploratory" in said
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert len(table) == 8
    assert "note: sarcasm: no test texts" in said
    assert table["neurons"].tolist() == [n for pair in (2, 4, 5, 10) for n in (pair, pair)]
    assert table["ppl_ratio"].notna().all()
    facts = json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))
    assert facts["family"] == "exploratory"
    assert facts["options"]["layers"] == {"top": [2, 2], "0-1": [0, 1]}
    assert facts["minutes"].keys() == {"predicted", "taken"}
    if find_spec("matplotlib"):
        assert (tmp_path / "surface.png").stat().st_size > 5000 < (tmp_path / "curves.png").stat().st_size
    else:
        assert "need matplotlib" in said
    before = (tmp_path / "sweep.csv").read_bytes()
    lost = sorted(tmp_path.rglob("*.safetensors"))[5]
    lost.unlink()
    again = sweep(here, tmp_path)
    assert "1 of 32 masked readings to do" in " ".join(again.output.split())
    assert (tmp_path / "sweep.csv").read_bytes() == before
    refused = sweep(here, tmp_path, "--seed", "1")
    assert refused.exit_code == 2
    assert "holds a measurement with other" in " ".join(refused.output.split())


def test_options(here: Path, tmp_path: Path) -> None:
    more = ("--equal", "--doses", "0.5,1", "--concepts", "simile", "--ratios", "0.05", "--readout", "probe")
    outcome = sweep(here, tmp_path, *more, "--mask", "mean")
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["neurons"].tolist() == [5] * 4
    assert table["dose"].tolist() == [0.5, 1] * 2
    assert set(table["concept"]) == {"simile"}
    options = json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))["options"]
    assert (options["equal"], options["mask"]) == (True, "mean")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ratios", "0.1,half"], "--ratios takes numbers with commas between them, got '0.1,half'"),
        (["--ratios", "2"], "ratios are shares above 0 and at most 1"),
        (["--doses", "0"], "at 0 nothing is masked"),
        (["--layers", "upper"], "unknown layers 'upper'"),
        (["--concepts", "joy"], "unknown concepts ['joy']; there are metaphor"),
        (["--readout", "oracle"], "unknown readout 'oracle'"),
        (["--n-random", "1"], "n_random=1"),
    ],
)
def test_errors_are_one_message(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = sweep(here, tmp_path, *more)
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output
    assert not list(tmp_path.iterdir())
