"""`emorhet study` on a tiny model in a folder."""

from pathlib import Path
from typing import Any

import pytest
from tiny_study import make_folder, study_of, write_toml
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app

pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
RUN = CliRunner()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("cli-study"))


def run(here: Path, out: Path, study: dict[str, Any], *more: str) -> Any:
    file = write_toml(out.parent / f"{out.name}.toml", study)
    return RUN.invoke(app, ["study", str(file), "--out", str(out), "--no-progress", *more])


def small(here: Path) -> dict[str, Any]:
    """Screening and zero masks."""
    study = study_of(here, "rhetoric")
    [group] = study["groups"]
    del group["sweep"], group["replicate"]
    group["validate"]["masks"] = ["zero"]
    return study


def test_costs_are_said_and_nothing_is_done(here: Path, tmp_path: Path) -> None:
    study = study_of(here, "rhetoric", "emotion")
    unseen = {group: [str(here / f"{group}-first-new.jsonl")] for group in ("rhetoric", "emotion")}
    study["link"] = unseen | {"limit": 6, "min_texts": 4, "n_random": 2}
    outcome = run(here, tmp_path / "out", study, "--cost-only")
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.output.split())
    for stage in ("screen", "validate", "sweep", "screen2", "replicate"):
        assert f"rhetoric │ {stage}" in said and f"emotion │ {stage}" in said
    assert "both │ link" in said and "not measured" not in said
    assert "texts through the model, about" in said
    assert not (tmp_path / "out").exists()


def test_it_runs_ends_with_the_report_and_is_done_the_second_time(here: Path, tmp_path: Path) -> None:
    outcome = run(here, tmp_path / "out", small(here))
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.stdout.split())
    assert said.index("rhetoric │ screen │ 48") < said.index("report.html")
    assert outcome.stdout.rstrip().splitlines()[-1] == str(tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("What is established, what is not, what cannot be told") == 1
    assert "How the adaptive doses were found" not in page
    again = run(here, tmp_path / "out", small(here))
    assert again.exit_code == 0, again.output
    assert " ".join(again.stdout.split()).count("│ done │") == 2
    assert "at most 0 texts" in " ".join(again.stdout.split())
    changed = small(here)
    changed["groups"][0]["validate"]["limit"] = 5
    refused = run(here, tmp_path / "out", changed)
    assert refused.exit_code == 2
    assert "was made with other options: validate.limit (was 6, is 5)" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modle": "x"}, "modle: unknown key"),
        ({"model": "no-such-folder/at-all"}, "no-such-folder"),
        ({"groups": []}, "groups: List should have at least 1 item"),
    ],
)
def test_errors_are_one_message(here: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    outcome = run(here, tmp_path / "out", small(here) | change)
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output
    assert not (tmp_path / "out").exists()
