"""The whole of synthesis: schema, counts, laws, and runs that are killed and taken up again."""

import inspect
import json
import multiprocessing
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from authoring import GENERATOR, LABELLERS, TOPICS, labelled, number, other_label, written
from chat_server import serving
from tiny import tiny_llama

from emorhet_lens import store
from emorhet_lens.errors import CorpusError, SynthesisError
from emorhet_lens.synthesis import Backoff, Endpoint, FunctionWriter, LocalModel, Synthesis, Wording, synthesize
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus_files import read_corpus


def run(out: Path, **changes: Any) -> Synthesis:
    options = {"generator": GENERATOR, "labellers": LABELLERS, "kind": "sentence", "rounds": 2, "per_cell": 2}
    return synthesize(TOPICS, EMOTIONS, out=out, progress=False, **{**options, **changes})


def results(out: Path) -> dict[str, bytes]:
    """Every file by its path, the calls too."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthesis, dict[str, bytes]]:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    return run(out), results(out)


def rows_of(result: Synthesis) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.path.read_text(encoding="utf-8").splitlines()]


def test_the_file_has_the_schema_and_loads(whole) -> None:
    result, _ = whole
    rows = rows_of(result)
    assert rows and all(list(row) == ["topic", "text", "theme", "words", "function", "label"] for row in rows)
    corpus = read_corpus(result.path, group=EMOTIONS)
    assert corpus == result.corpus()
    assert [(e.text, e.label, e.topic) for e in corpus] == [(row["text"], row["label"], row["topic"]) for row in rows]
    assert corpus.sources == ("synthetic-emotion",)


def test_every_row_has_its_votes_and_the_counts_add_up(whole) -> None:
    result, _ = whole
    for row in rows_of(result):
        assert row["words"] in (None, *EMOTIONS.labels)
        assert row["function"] == other_label(row["text"])
        assert Counter((row["theme"], row["words"], row["function"]))[row["label"]] >= 2
    for stage in result.stages:
        assert stage.entered == stage.kept + sum(stage.left_out.values())
    names = ["topics, round 1", "topics, round 2", "sentences", "labels of words", "labels of function"]
    assert [stage.name for stage in result.stages] == [*names, "votes", "duplicates"]
    first, second, sentences, words, function, votes, duplicates = result.stages
    assert first.entered == 3 and second.entered == 3 + first.kept
    assert len(result.topics) == 3 + first.kept + second.kept
    assert sentences.entered == len(result.topics) * 6 * 2
    assert words.entered == function.entered == votes.entered == sentences.kept
    assert duplicates.entered == votes.kept
    # Every kind of malformed answer that the writers give is found.
    assert set(sentences.left_out) == {"empty"}
    assert set(words.left_out) == {"no label", "several labels"}
    assert duplicates.kept == result.kept == len(rows_of(result))
    totals = {name: sum(counts[name] for counts in result.by_theme.values()) for name in result.by_theme["fear"]}
    assert totals == {"asked": sentences.entered, "written": sentences.kept, "agreed": votes.kept, "kept": result.kept}
    table = result.to_dataframe()
    assert table.loc[table["reason"] == "", "texts"].tolist() == [stage.kept for stage in result.stages]
    assert result.share_kept == result.kept / sentences.entered
    facts = json.loads((result.path.parent / "synthesis.json").read_text(encoding="utf-8"))
    assert facts["stages"][-1]["kept"] == result.kept
    assert facts["options"]["agree"] == 2 and facts["options"]["themes"] == list(EMOTIONS.concepts)


def test_topics_double_and_remember_their_origin(tmp_path: Path) -> None:
    def another(prompt: str) -> str:
        topic = prompt.partition("Topic: ")[2].partition("\n")[0]
        return f"{topic}, {number(topic) % 99999}" if prompt.startswith("Say") else written(prompt)

    # The same words are asked for in every round, so a writer that has no chance in it repeats itself.
    result = run(tmp_path / "plain", generator=another)
    assert [stage.kept for stage in result.stages[:2]] == [3, 3]
    assert result.stages[1].left_out == {"known already": 3}

    class Drawing:
        name, parameters = "drawing", {}

        def __call__(self, prompt: str, *, seed: int) -> str:
            topic = prompt.partition("Topic: ")[2].partition("\n")[0]
            return f"{topic}, {seed}" if prompt.startswith("Say") else written(prompt)

    result = run(tmp_path / "drawn", generator=Drawing(), rounds=3, per_cell=1)
    assert [stage.kept for stage in result.stages[:3]] == [3, 6, 12]
    assert Counter(topic.origin for topic in result.topics) == dict.fromkeys(TOPICS, 8)
    assert Counter(topic.round for topic in result.topics) == {0: 3, 1: 3, 2: 6, 3: 12}
    assert all(topic.text.startswith(topic.origin) for topic in result.topics)


def test_dialogues(tmp_path: Path) -> None:
    generator = FunctionWriter("g", lambda prompt: written(prompt, "dialogue"))
    result = run(tmp_path, kind="dialogue", generator=generator)
    for row in rows_of(result):
        assert list(row)[:3] == ["topic", "dialogue", "theme"]
        assert [turn[:3] for turn in row["dialogue"].split("\n")] == ["A: ", "B: "]
    assert set(result.stages[2].left_out) == {"a line of nobody"}
    assert len(result.corpus()) == result.kept


def test_permuting_labellers_changes_nothing_but_columns(whole, tmp_path: Path) -> None:
    result, _ = whole
    swapped = run(tmp_path, labellers=dict(reversed(LABELLERS.items())))
    assert [list(row)[3:5] for row in rows_of(swapped)] == [["function", "words"]] * swapped.kept
    assert rows_of(swapped) == rows_of(result)
    assert swapped.by_theme == result.by_theme and swapped.agreement == result.agreement


def test_rhetoric_has_literal_texts(tmp_path: Path) -> None:
    def write(prompt: str) -> str:
        return f"Text {number(prompt)} is {prompt.split()[0]}, case {number(prompt) // 3}."

    result = synthesize(
        ["tea"],
        RHETORIC,
        generator=write,
        labellers={"reader": lambda text: text.split(" is ")[1].split(",")[0]},
        out=tmp_path,
        kind="sentence",
        rounds=0,
        prompts=Wording(write="{theme} about {topic}"),
        progress=False,
    )
    assert result.corpus().counts() == dict.fromkeys(RHETORIC.labels, 1)
    assert result.calls_made == 10


def test_an_unanimous_vote_against_the_theme_wins(tmp_path: Path) -> None:
    labellers = {name: lambda _: "neutral" for name in "abc"}
    result = run(tmp_path, labellers=labellers, agree=3)
    assert result.kept and {row["label"] for row in rows_of(result)} == {"neutral"}
    assert run(tmp_path, labellers=labellers, agree=4).kept == 0
    with pytest.raises(CorpusError, match="empty"):
        run(tmp_path, labellers=labellers, agree=4).corpus()


class Killed(BaseException):
    """Not an `Exception`, as an interruption is none."""


@pytest.mark.parametrize("workers", [1, 3])
def test_runs_that_are_killed_give_the_same_bytes(whole, tmp_path: Path, workers: int) -> None:
    result, expected = whole
    made: Counter[tuple[str, str, int]] = Counter()
    left = 0

    class Mortal:
        """Writes down every answered call, and dies when its calls are used up."""

        def __init__(self, name: str, answer: Any) -> None:
            self.name, self.answer, self.parameters = name, answer, {}

        def __call__(self, prompt: str, *, seed: int) -> str:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            made[self.name, prompt, seed] += 1
            return self.answer(prompt)

    mortal_label = Mortal("function", other_label)
    options = {
        "generator": Mortal("generator", written),
        "labellers": {"words": Mortal("asked", labelled), "function": lambda text: mortal_label(text, seed=0)},
        "workers": workers,
    }
    draw, kills = random.Random(workers), 0
    while True:
        left = draw.randint(0, 90)
        try:
            again = run(tmp_path, **options)
            break
        except Killed:
            kills += 1
            assert not (tmp_path / "synthetic-emotion.jsonl").exists()
    assert kills >= 3
    assert set(made.values()) == {1}
    assert results(tmp_path) == expected
    assert made.total() == result.calls_made
    assert again.stages == result.stages
    left = 0
    assert run(tmp_path, **options).calls_made == 0
    assert results(tmp_path) == expected


def test_a_larger_run_replays_a_smaller_one(tmp_path: Path) -> None:
    small = run(tmp_path, per_cell=1)
    large = run(tmp_path, per_cell=2)
    fresh = run(tmp_path / "fresh", per_cell=2)
    assert large.path.read_bytes() == fresh.path.read_bytes()
    assert small.calls_made + large.calls_made == fresh.calls_made


def killed_at_its_40th_file(out: Path) -> None:
    """A run in a process of its own, killed where a file has its temporary name and is not yet renamed."""
    before, count = store.Path.replace, 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(self, target)

    store.Path.replace = replace  # type: ignore[method-assign]
    run(out)


def test_a_process_that_is_killed_for_good_loses_only_the_call_at_hand(whole, tmp_path: Path) -> None:
    result, expected = whole
    # A fork, because importing everything anew would take longer than all the other tests.
    process = multiprocessing.get_context("fork").Process(target=killed_at_its_40th_file, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    calls = [path for path in tmp_path.rglob("*.json") if not path.name.startswith(".")]
    assert len(calls) == 39
    again = run(tmp_path)
    assert again.calls_made == result.calls_made - 39
    found = results(tmp_path)
    assert {name: found[name] for name in expected} == expected
    # What is left of the interrupted write is no answer.
    assert [Path(name).name[0] for name in found.keys() - expected.keys()] == ["."]


def test_a_refusal_loses_nothing(whole, tmp_path: Path) -> None:
    waits: list[float] = []

    def reply(body: dict[str, Any]) -> str:
        return written(body["messages"][0]["content"])

    def over_http(url: str, out: Path) -> Synthesis:
        writer = Endpoint("m", base_url=url, api_key="k", backoff=Backoff(sleep=waits.append))
        return run(out, generator=writer, workers=2)

    with serving(reply) as chat:
        expected = over_http(chat.url, tmp_path / "whole")
        answered = chat.answered
    troubles = [None, 500, b"{bad", (429, {"Retry-After": "3"}), None, ("sleep", 0), *[None] * 20, 401]
    with serving(reply, troubles) as chat:
        with pytest.raises(SynthesisError, match="answers 401"):
            over_http(chat.url, tmp_path / "troubled")
        assert len(waits) == 4
        again = over_http(chat.url, tmp_path / "troubled")
        assert sorted(chat.answered) == sorted(answered)
    assert again.path.read_bytes() == expected.path.read_bytes()
    assert rows_of(expected) == rows_of(whole[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": -1}, "rounds=-1"),
        ({"per_cell": 0}, "per_cell=0"),
        ({"workers": 0}, "workers=0"),
        ({"labellers": {}}, "there has to be a labeller"),
        ({"agree": 1}, "are a majority"),
        ({"labellers": {"label": other_label}}, "cannot be called label"),
        ({"themes": ("joy", "happiness")}, "hold one twice"),
        ({"themes": ("boredom",)}, "unknown label 'boredom'"),
        ({"generator": lambda prompt: prompt}, "no name"),
    ],
)
def test_wrong_options_fail_before_any_call(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((SynthesisError, CorpusError), match=message):
        run(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match="kind='poem'; allowed are 'dialogue' and 'sentence'"):
        inspect.unwrap(synthesize)(
            TOPICS, EMOTIONS, generator=GENERATOR, labellers=LABELLERS, out=tmp_path, kind="poem"
        )


def test_local_models_write_by_their_seed(any_host: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    writer = LocalModel(any_host, max_new_tokens=6, temperature=1.5)
    texts = [writer("the dog is", seed=seed) for seed in (1, 1, 2, 3)]
    assert torch.equal(torch.rand(2), expected)
    assert texts[0] == texts[1] and len(set(texts)) > 1
    greedy = LocalModel(any_host, max_new_tokens=6, temperature=0.0)
    assert greedy("the dog is", seed=1) == greedy("the dog is", seed=2)
    assert greedy.parameters["weights"] == writer.parameters["weights"]
    with pytest.raises(SynthesisError, match="do not fit into the context of 48"):
        greedy("the dog " * 30, seed=0)


def test_models_of_transformers_write_what_the_host_writes() -> None:
    host = tiny_llama()
    weights = host.original_model
    with pytest.raises(SynthesisError, match="tokenizer"):
        LocalModel(weights, max_new_tokens=6)
    plain = LocalModel(weights, host.tokenizer, "plain", max_new_tokens=6, temperature=0.0)
    hosted = LocalModel(host, max_new_tokens=6, temperature=0.0)
    for prompt in ("the dog is", "she was angry and"):
        assert plain(prompt, seed=0) == hosted(prompt, seed=0)
    assert LocalModel(tiny_llama(1)).parameters["weights"] != hosted.parameters["weights"]
    for wrong in ({"max_new_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}):
        with pytest.raises(SynthesisError, match="max_new_tokens="):
            LocalModel(host, **wrong)


def test_tables_are_plain(whole) -> None:
    assert isinstance(whole[0].to_dataframe(), pd.DataFrame)
    assert whole[0].to_dataframe().columns.tolist() == ["stage", "entered", "reason", "texts"]
