"""`emorhet induce` on a tiny model in a folder."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import make_folder
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app

RUN = CliRunner()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, texts, and a screening of the first emotions."""
    folder = make_folder(tmp_path_factory.mktemp("induce"))
    basics = ["--model", str(folder / "model"), "--corpus", str(folder / "emotion-first.jsonl"), "--group", "emotion"]
    outcome = RUN.invoke(
        app, ["screen", *basics, "--top", "0.03", "--shuffles", "0", "--out", str(folder / "screen"), "--no-progress"]
    )
    assert outcome.exit_code == 0, outcome.output
    return folder


def induce(here: Path, out: Path, *more: str) -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(out)]
    few = ["--corpus", str(here / "emotion-first-new.jsonl"), "--n-random", "2", "--min-texts", "4", "--limit", "6"]
    return RUN.invoke(app, ["induce", *basics, *few, "--strengths", "1", "--no-progress", *more])


def said(outcome: Any) -> str:
    return " ".join(outcome.output.split())


def test_cost_results_and_going_on(here: Path, tmp_path: Path) -> None:
    only = induce(here, tmp_path, "--cost-only")
    assert only.exit_code == 0, only.output
    # Two concepts: the own set and two draws of three controls, each on the 12 other texts and on six neutral ones.
    texts = 2 * 7 * (12 + 6)
    assert f"14 of 14 steered readings to do: {texts} texts through the model" in said(only)
    assert not (tmp_path / "steering.csv").exists()
    outcome = induce(here, tmp_path)
    assert outcome.exit_code == 0, outcome.output
    assert "induction rate, form contrast at strength 1" in said(outcome)
    table = pd.read_csv(tmp_path / "steering.csv")
    whole = table[table["read"] == "all"]
    assert len(whole) == 14 and whole["n"].eq(12).all() and whole["ppl_ratio"].notna().all()
    assert pd.read_csv(tmp_path / "primary.csv")["concept"].tolist() == ["anger", "fear"]
    signs = pd.read_csv(tmp_path / "signs.csv").set_index("concept")
    assert list(signs.index) == ["anger", "fear"] and signs["mean_negative"].between(0, 1).all()
    facts = json.loads((tmp_path / "steering.json").read_text(encoding="utf-8"))
    assert facts["corpora"] == [str(here / "emotion-first-new.jsonl")] and facts["limit"] == 6
    assert facts["minutes"].keys() == {"predicted", "taken"} and facts["test"]["anger"] == 6
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    sorted(tmp_path.rglob("*.safetensors"))[5].unlink()
    again = induce(here, tmp_path)
    assert "1 of 14 steered readings to do" in said(again)
    assert {path: path.read_bytes() for path in before} == before
    refused = induce(here, tmp_path, "--seed", "1")
    assert refused.exit_code == 2 and "holds a measurement with other" in said(refused)


def test_without_controls_and_primary_strength_nothing_is_tested(here: Path, tmp_path: Path) -> None:
    more = ("--strengths", "-2", "--controls", "", "--forms", "amplify,zheng2026", "--concepts", "fear")
    outcome = induce(here, tmp_path, *more, "--readout", "probe")
    assert outcome.exit_code == 0, outcome.output
    assert "note: no primary family: it needs the form 'contrast' at strength 1" in said(outcome)
    table = pd.read_csv(tmp_path / "steering.csv")
    assert set(table["control"]) == {"own"} and set(table["concept"]) == {"fear"}
    assert set(table["form"]) == {"amplify", "zheng2026"} and table["family"].eq("exploratory").all()
    assert pd.read_csv(tmp_path / "primary.csv").empty


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strengths", "1,two"], "--strengths takes numbers with commas between them, got '1,two'"),
        (["--strengths", "0"], "at 0 nothing is pushed"),
        (["--forms", "gentle"], "--forms takes contrast, zheng2026, quantile, extreme, amplify"),
        (["--controls", "placebo"], "--controls takes random, scaled, noise"),
        (["--n-random", "1"], "n_random=1"),
        (["--readout", "guess"], "unknown readout 'guess'"),
        (["--concepts", "joyfulness"], "unknown concepts ['joyfulness']"),
        (["--corpus", "{here}/emotion-first.jsonl"], "were screened on"),
        (["--corpus", "{here}/rhetoric-first.jsonl"], "unknown label 'metaphor'"),
    ],
)
def test_errors_are_one_message(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = induce(here, tmp_path / "out", *(part.format(here=here) for part in more))
    assert outcome.exit_code == 2, outcome.output
    assert message in said(outcome) and "Traceback" not in outcome.output
    assert not (tmp_path / "out" / "steering.csv").exists()
