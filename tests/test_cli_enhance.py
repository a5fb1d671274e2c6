"""`emorhet enhance` on a tiny model in a folder."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import LABELS, make_folder
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app

RUN = CliRunner()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, texts, and a screening of each group."""
    folder = make_folder(tmp_path_factory.mktemp("enhance"))
    for group in LABELS:
        basics = ["--model", str(folder / "model"), "--corpus", str(folder / f"{group}-first.jsonl")]
        few = ["--group", group, "--top", "0.03", "--shuffles", "0", "--no-progress"]
        outcome = RUN.invoke(app, ["screen", *basics, *few, "--out", str(folder / group)])
        assert outcome.exit_code == 0, outcome.output
    return folder


def enhance(here: Path, out: Path, *more: str, groups: tuple[str, ...] = ("emotion",)) -> Any:
    screens = ["--screen", str(here / "emotion"), "--rhetoric-screen", str(here / "rhetoric"), "--out", str(out)]
    corpora = [part for group in groups for part in ("--corpus", str(here / f"{group}-first-new.jsonl"))]
    few = ["--n-random", "2", "--min-texts", "4", "--limit", "6", "--omegas", "0.5,1", "--no-progress"]
    return RUN.invoke(app, ["enhance", "--model", str(here / "model"), *screens, *corpora, *few, *more])


def said(outcome: Any) -> str:
    return " ".join(outcome.output.split())


def test_both_directions(here: Path, tmp_path: Path) -> None:
    both = ("rhetoric", "emotion")
    outcome = enhance(here, tmp_path, "--reverse", groups=both)
    assert outcome.exit_code == 0, outcome.output
    assert "rhetoric injected, emotion read (primary family): change of the read concept's own margin" in said(outcome)
    assert "emotion injected, rhetoric read (exploratory)" in said(outcome)
    folder = tmp_path / "rhetoric-to-emotion"
    table = pd.read_csv(folder / "cross_signal.csv")
    assert list(zip(table["injected"], table["read"], strict=True)) == [
        (device, emotion) for device in ("metaphor", "simile") for emotion in ("anger", "fear")
    ]
    assert table["family"].eq("primary").all() and table["n"].eq(6).all() and set(table["omega"]) <= {0.5, 1}
    # Two devices with own and two random sets, each at two doses.
    assert len(pd.read_csv(folder / "ladder.csv")) == 2 * 3 * 2
    facts = json.loads((folder / "cross_signal.json").read_text(encoding="utf-8"))
    assert facts["limit"] == 6 and facts["minutes"].keys() == {"predicted", "taken"}
    other = pd.read_csv(tmp_path / "emotion-to-rhetoric" / "cross_signal.csv")
    assert other["family"].eq("exploratory").all() and set(other["injected"]) == {"anger", "fear"}
    facts = json.loads((tmp_path / "emotion-to-rhetoric" / "cross_signal.json").read_text(encoding="utf-8"))
    assert facts["options"]["primary"] == "none: this direction is exploratory"
    before = (folder / "cross_signal.csv").read_bytes()
    again = enhance(here, tmp_path)
    assert "rhetoric injected, emotion read: 0 texts" in said(again) and "emotion injected" not in said(again)
    assert (folder / "cross_signal.csv").read_bytes() == before
    refused = enhance(here, tmp_path, "--form", "zheng2026")
    assert refused.exit_code == 2 and "holds a measurement with other" in said(refused)


def test_texts_of_devices_without_reverse_are_pointed_out(here: Path, tmp_path: Path) -> None:
    outcome = enhance(here, tmp_path, "--cost-only", groups=("emotion", "rhetoric"))
    assert outcome.exit_code == 0, outcome.output
    assert "note: texts of rhetoric are read with --reverse only" in said(outcome)
    assert "rhetoric injected, emotion read:" in said(outcome) and "emotion injected" not in said(outcome)
    assert not list(tmp_path.rglob("cross_signal.csv"))


@pytest.mark.parametrize(
    ("more", "groups", "message"),
    [
        (["--reverse"], ("emotion",), "emotion injected while rhetoric is read needs texts of rhetoric"),
        ([], ("rhetoric",), "rhetoric injected while emotion is read needs texts of emotion"),
        (["--screen", "{here}/rhetoric", "--rhetoric-screen", "{here}/emotion"], ("emotion",), "exchange them"),
        (["--rhetoric-screen", "{here}/emotion"], ("emotion",), "in both screenings"),
        (["--omegas", "half"], ("emotion",), "--omegas takes numbers"),
        (["--omegas", "0"], ("emotion",), "omegas are finite numbers other than 0"),
        (["--form", "amplify"], ("emotion",), "does not add to activations"),
        (["--n-random", "1"], ("emotion",), "n_random=1"),
        (["--corpus", "{here}/emotion-first.jsonl"], ("emotion",), "were screened on"),
    ],
)
def test_errors_are_one_message(
    here: Path, tmp_path: Path, more: list[str], groups: tuple[str, ...], message: str
) -> None:
    outcome = enhance(here, tmp_path / "out", *(part.format(here=here) for part in more), groups=groups)
    assert outcome.exit_code == 2, outcome.output
    assert message in said(outcome) and "Traceback" not in outcome.output
    assert not (tmp_path / "out").exists()
