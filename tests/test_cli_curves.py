"""`emorhet curves` on a tiny model in a folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import make_folder
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app
from emorhet_lens.errors import CorpusError, MaskError
from emorhet_lens.generation.job import plan_curves_job
from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.models.loading import load_model
from emorhet_lens.screening.screen import Screen

RUN = CliRunner()
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, texts, and a screening of the first emotions."""
    folder = make_folder(tmp_path_factory.mktemp("curves"))
    basics = ["--model", str(folder / "model"), "--corpus", str(folder / "emotion-first.jsonl"), "--group", "emotion"]
    outcome = RUN.invoke(
        app, ["screen", *basics, "--top", "0.03", "--shuffles", "0", "--out", str(folder / "screen"), "--no-progress"]
    )
    assert outcome.exit_code == 0, outcome.output
    return folder


def curves(here: Path, out: Path, *more: str, judge: str = "emotion-second") -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(out)]
    corpora = ["--corpus", str(here / "emotion-first.jsonl"), "--judge-corpus", str(here / f"{judge}.jsonl")]
    few = ["--concepts", "fear", "--strengths", "-2,2", "--residual-strengths", "1", "--limit", "2"]
    few += ["--max-new-tokens", "3", "--n-random", "2", "--texts", "5", "--show", "1"]
    return RUN.invoke(app, ["curves", *basics, *corpora, *few, "--no-progress", *more])


def said(outcome: Any) -> str:
    return " ".join(outcome.output.split())


def test_cost_results_and_going_on(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Drawing takes longer than everything else, and is tested with the trade-off.
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: Path(file).touch())
    only = curves(here, tmp_path, "--cost-only")
    assert only.exit_code == 0, only.output
    # Two strengths of neurons and of random neurons, one of the residual stream, three ways of asking.
    assert "8 of 8 conditions to do: 16 texts to write" in said(only)
    assert "held-out accuracy" in said(only) and "layers of the residual stream: fear" in said(only)
    assert not (tmp_path / "tradeoff.csv").exists()
    outcome = curves(here, tmp_path)
    assert outcome.exit_code == 0, outcome.output
    assert "best strength that leaves texts fluent (exploratory)" in said(outcome)
    names = {"best.csv", "outputs.md", "residual_layers.csv", "texts.csv"}
    names |= {"tradeoff.csv", "tradeoff.json", "tradeoff.png", "generations"}
    assert {path.name for path in tmp_path.iterdir()} == names
    layers = pd.read_csv(tmp_path / "residual_layers.csv")
    assert layers.columns.tolist() == ["concept", "layer", "gain", "gain_of_rest"]
    assert layers["layer"].tolist() == [0, 1, 2]
    outputs = (tmp_path / "outputs.md").read_text(encoding="utf-8")
    assert outputs.count("## ") == 1 and outputs.count("| fear | random neurons |") == 2
    facts = json.loads((tmp_path / "tradeoff.json").read_text(encoding="utf-8"))
    assert facts["corpora"]["judge"] == [str(here / "emotion-second.jsonl")] and facts["family"] == "exploratory"
    assert facts["minutes"].keys() == {"predicted", "taken"}
    tables = CurveTables.load(tmp_path)
    assert tables.concepts == ("fear",) and len(tables.table) == 1 + 8
    assert len(tables.written("", "none", 0.0)) == len(tables.written("fear", "residual", 1.0)) == 2
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    sorted((tmp_path / "generations" / "texts").iterdir())[3].unlink()
    again = curves(here, tmp_path)
    assert "1 of 8 conditions to do: 2 texts" in said(again)
    assert {path: path.read_bytes() for path in before} == before
    refused = curves(here, tmp_path, "--max-new-tokens", "4")
    assert refused.exit_code == 2 and "written with other max_new_tokens" in said(refused)


def test_files_of_prompts(here: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("the dog\n\nthe rain\nthe road\n", encoding="utf-8")
    only = curves(here, tmp_path / "out", "--prompts", str(tmp_path / "mine.txt"), "--limit", "3", "--cost-only")
    assert "8 of 8 conditions to do: 24 texts" in said(only)
    plan = json.loads((tmp_path / "out" / "generations" / "plan.json").read_text(encoding="utf-8"))
    assert plan["prompts"] == ["the dog", "the rain", "the road"]


def unread(*_: Any, **__: Any) -> Any:
    raise AssertionError("something was trained or read")


@pytest.fixture(scope="module")
def deaf(here: Path) -> Any:
    """The model; it refuses to read."""
    model = load_model(str(here / "model"), device="cpu")
    model.original_model.model.embed_tokens.register_forward_pre_hook(unread)
    return model


@pytest.fixture(scope="module")
def began(here: Path) -> Path:
    """A folder in which a measurement was begun."""
    outcome = curves(here, here / "began")
    assert outcome.exit_code == 0, outcome.output
    return here / "began"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strengths", "0"], "the strengths of 'neurons' have to be at least one, finite, distinct and not 0"),
        (["--strengths", "2,2"], "the strengths of 'neurons'"),
        (["--strengths", "nan,1"], "the strengths of 'neurons'"),
        (["--residual-strengths", "0,1"], "the strengths of 'residual'"),
        (["--residual-strengths", "1,inf"], "the strengths of 'residual'"),
        (["--residual-strengths", "1,1"], "the strengths of 'residual'"),
        (["--concepts", "fear,fear"], "each given once"),
        (["--concepts", "fear,joyfulness"], "unknown concepts ['joyfulness']"),
        (["--max-new-tokens", "120"], "do not fit into the context of 128"),
        (["--max-new-tokens", "0"], "max_new_tokens=0"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--max-new-tokens", "4", "--out", "{here}/began"], "written with other max_new_tokens"),
        (["--form", "amplify", "--out", "{here}/began"], "written by another method 'neurons'"),
    ],
)
def test_what_can_be_known_beforehand_costs_no_pass(
    here: Path, began: Path, deaf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], message: str
) -> None:
    monkeypatch.setattr("emorhet_lens.cli.curves.model_of", lambda *_: deaf)
    monkeypatch.setattr("emorhet_lens.generation.job.train_judge", unread)
    before = {path: path.read_bytes() for path in began.rglob("*") if path.is_file()}
    outcome = curves(here, tmp_path / "out", *(part.format(here=here) for part in more))
    assert outcome.exit_code == 2, outcome.output
    assert message in said(outcome)
    assert not (tmp_path / "out").exists()
    assert before == {path: path.read_bytes() for path in began.rglob("*") if path.is_file()}


def test_a_concept_that_cannot_be_steered_costs_no_pass(
    here: Path, deaf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emorhet_lens.generation.job.train_judge", unread)
    whole = Screen.load(here / "screen", deaf)
    none = {part: {**getattr(whole.neurons, part), "fear": ()} for part in ("sets", "scores")}
    bare = replace(whole, neurons=replace(whole.neurons, **none))
    rows = [json.loads(line) for line in (here / "emotion-first.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps(row) for row in rows if row["label"] != "fear"]
    (tmp_path / "angry.jsonl").write_text("\n".join(lines), encoding="utf-8")
    first, second = (str(here / f"emotion-{part}.jsonl") for part in ("first", "second"))
    options: Any = {"concepts": ["anger", "fear"], "progress": False}
    with pytest.raises(MaskError, match="no neurons of 'fear' to push"):
        plan_curves_job(deaf, bare, [first], [second], tmp_path / "out", **options)
    with pytest.raises(CorpusError, match="gives no residual difference of fear: it takes texts of each and"):
        plan_curves_job(deaf, whole, [str(tmp_path / "angry.jsonl")], [second], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strengths", "1,two"], "--strengths takes numbers with commas between them, got '1,two'"),
        (["--concepts", "joyfulness"], "unknown concepts ['joyfulness']; name some of anger, disgust"),
        (["--prompts", "{here}/none.txt"], "there is no file of prompts"),
        (["--prompts", "{here}/twice.txt"], "a prompt is given twice"),
        (["--prompts", "{here}/held.txt"], "holds 1 of the prompts that are to be judged"),
        (["--judge-corpus", "{here}/emotion-first.jsonl"], "emotion-first was screened on"),
        (["--corpus", "{here}/emotion-second.jsonl"], "emotion-second gives the residual difference"),
    ],
)
def test_errors_are_one_message(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    first = json.loads((here / "emotion-second.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
    (here / "twice.txt").write_text("the dog\nthe dog\n", encoding="utf-8")
    (here / "held.txt").write_text(f"the dog\n{first.upper()}!\n", encoding="utf-8")
    outcome = curves(here, tmp_path / "out", *(part.format(here=here) for part in more))
    assert outcome.exit_code == 2, outcome.output
    assert message in said(outcome) and "Traceback" not in outcome.output
    assert not (tmp_path / "out" / "tradeoff.csv").exists()


def test_there_is_no_judge_without_a_corpus(here: Path, tmp_path: Path) -> None:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(tmp_path)]
    outcome = RUN.invoke(app, ["curves", *basics, "--corpus", "x", "--concepts", "anger"])
    assert outcome.exit_code == 2 and "--judge-corpus" in outcome.output


def test_texts_are_loaded_as_the_screening_was(here: Path, tmp_path: Path) -> None:
    strange = json.dumps({"text": "the pun", "label": "pun", "id": "pun"})
    for part in ("first", "second"):
        rows = (here / f"emotion-{part}.jsonl").read_text(encoding="utf-8")
        (tmp_path / f"emotion-{part}.jsonl").write_text(f"{rows}\n{strange}", encoding="utf-8")
    model = load_model(str(here / "model"), device="cpu")
    screen = Screen.load(here / "screen", model)
    corpora: Any = [[str(tmp_path / f"emotion-{part}.jsonl")] for part in ("first", "second")]
    options: Any = {"concepts": ["fear"], "texts": 5, "max_new_tokens": 2, "progress": False}
    with pytest.raises(CorpusError, match="'pun'"):
        plan_curves_job(model, screen, *corpora, tmp_path / "out", **options)
    told = replace(screen, stats=replace(screen.stats, options={**screen.stats.options, "unknown": "drop"}))
    assert plan_curves_job(model, told, *corpora, tmp_path / "out", **options).plan.methods
