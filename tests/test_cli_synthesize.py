"""`emorhet corpora synthesize` against a local server and with a tiny model; a readout as a labeller."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from asking import TEMPLATE, WORDS_OF, splits
from authoring import TOPICS, labelled, written
from chat_server import Chat, serving
from tiny import llama_weights, save_model, tiny_llama
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app
from emorhet_lens.errors import ReadoutError
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.synthesis import readout_labeller
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus_files import read_corpus

RUN = CliRunner()


def reply(body: dict[str, Any]) -> str:
    prompt = body["messages"][0]["content"]
    return labelled(prompt) if body["model"].startswith("label") else written(prompt)


def command(folder: Path, *more: str) -> Any:
    topics = folder / "topics.txt"
    topics.write_text("\n".join(["", *TOPICS, " "]), encoding="utf-8")
    basics = ["--group", "emotion", "--topics", str(topics), "--out", str(folder / "out"), "--kind", "sentence"]
    writers = ["--generator", "openai:big", "--labeller", "openai:label-1", "--labeller", "openai:label-2"]
    return RUN.invoke(app, ["corpora", "synthesize", *basics, *writers, "--no-progress", *more])


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Any:
    with serving(reply) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        yield running


def test_cost_first_then_the_corpus(chat: Chat, tmp_path: Path) -> None:
    outcome = command(tmp_path, "--rounds", "1", "--per-cell", "2", "--agree", "2")
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.output.split())
    # 3 topics become 6; 6 topics, 6 emotions, 2 texts; two labels of each.
    assert "at most 219 calls: 3 for topics, 72 for texts, 144 for labels" in said
    assert said.index("at most") < said.index("votes") < said.index("Fleiss' kappa of labellers:")
    corpus = read_corpus(tmp_path / "out" / "synthetic-emotion.jsonl", group=EMOTIONS)
    row = json.loads((tmp_path / "out" / "synthetic-emotion.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(row) == ["topic", "text", "theme", "openai:label-1", "openai:label-2", "label"]
    assert len(corpus) > 20
    seen = {(body["model"], body["temperature"], body["max_tokens"]) for body in chat.requests}
    assert seen == {("big", 0.8, 80), ("label-1", 0.0, 16), ("label-2", 0.0, 16)}
    made = len(chat.requests)
    again = command(tmp_path, "--rounds", "1", "--per-cell", "2", "--agree", "2")
    assert "0 calls made, the others replayed" in " ".join(again.output.split())
    assert len(chat.requests) == made
    shutil.rmtree(tmp_path / "out" / "calls")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--group", "smell"], "unknown group 'smell'"),
        (["--topics", "no-such-file"], "cannot be read"),
        (["--agree", "1"], "are a majority"),
        (["--labeller", "openai:label-1"], "hold one twice"),
        (["--generator", "no/such/model"], "there is no folder"),
    ],
)
def test_errors_are_one_message(chat: Chat, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = command(tmp_path, *more)
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output
    assert not chat.requests


def test_a_refusal_is_one_message(chat: Chat, tmp_path: Path) -> None:
    chat.plan.append(401)
    outcome = command(tmp_path)
    assert outcome.exit_code == 2
    assert "openai:big answers 401" in " ".join(outcome.output.split())


def test_a_local_model_writes_and_nothing_of_it_is_well_formed(chat: Chat, tmp_path: Path) -> None:
    save_model(llama_weights(max_position_embeddings=256), tmp_path / "model")
    outcome = command(tmp_path, "--generator", str(tmp_path / "model"), "--rounds", "0", "--max-tokens", "8")
    assert outcome.exit_code == 2 and "no text was kept" in outcome.output
    facts = json.loads((tmp_path / "out" / "synthesis.json").read_text(encoding="utf-8"))
    assert facts["options"]["generator"]["name"] == "model"
    assert facts["options"]["generator"]["parameters"]["max_new_tokens"] == 8
    assert facts["stages"][0]["entered"] == 18


def test_a_readout_labels_one_text_as_it_labels_many() -> None:
    model, parts = tiny_llama(), splits(12)
    readout = ZeroShot(TEMPLATE, WORDS_OF)
    test, dev = parts["test"], parts["dev"]
    answers = readout.prepare(model, test, dev=dev, progress=False).read(model, progress=False)
    labels = tuple(dict.fromkeys((*answers.labels,)))
    label = readout_labeller(readout, model, test.group, themes=labels, dev=dev)
    expected = [answers.labels[int(index)] for index in answers.predicted]
    assert len(set(expected)) > 1
    assert [label(example.text) for example in test] == expected
    with pytest.raises(ReadoutError, match="dev"):
        readout_labeller(readout, model, test.group, themes=labels)
