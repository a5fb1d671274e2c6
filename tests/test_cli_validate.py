"""`emorhet validate` on a tiny model in a folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import SPECIAL, WORDS, llama_weights, save_model, word_tokenizer
from typer.testing import CliRunner

from emorhet_lens import Screen
from emorhet_lens.causal.unseen import choose_unseen
from emorhet_lens.cli.commands import app
from emorhet_lens.errors import CorpusError
from emorhet_lens.versions import VERSION

RUN = CliRunner()
COLUMNS = (
    *("mask", "masked", "read", "control", "n", "accuracy_base", "accuracy_masked", "delta", "ci_low", "ci_high"),
    *("margin_delta", "excess", "p", "p_holm", "p_any", "ppl_ratio", "kl"),
)


VOCABULARY = (*WORDS, "metaphor", "simile", "literal")


def save_named(weights: Any, folder: Path) -> Path:
    """A model whose tokenizer knows the names of the labels."""
    save_model(weights, folder)
    word_tokenizer(VOCABULARY).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, two files of texts, and a screening of the first."""
    folder = tmp_path_factory.mktemp("validate")
    save_named(
        llama_weights(intermediate_size=96, vocab_size=len(SPECIAL) + len(VOCABULARY), max_position_embeddings=128),
        folder / "model",
    )
    words, labels = list(WORDS), ("metaphor", "simile", "literal")
    for part, offset in (("seen", 0), ("new", 60)):
        rows = [
            {"text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3)) + f" {part}"}
            | {"label": labels[n % 3], "id": f"r{n}"}
            for n in range(offset, offset + 60)
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    basics = ["--model", str(folder / "model"), "--corpus", str(folder / "seen.jsonl"), "--group", "rhetoric"]
    outcome = RUN.invoke(
        app, ["screen", *basics, "--out", str(folder / "screen"), "--top", "0.03", "--shuffles", "0", "--no-progress"]
    )
    assert outcome.exit_code == 0, outcome.output
    return folder


def validate(here: Path, out: Path, *more: str) -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(out)]
    defaults = ["--corpus", str(here / "new.jsonl"), "--n-random", "3", "--min-texts", "5", "--no-progress"]
    return RUN.invoke(app, ["validate", *basics, *defaults, *more])


def test_results_and_cost(here: Path, tmp_path: Path) -> None:
    outcome = validate(here, tmp_path / "out", "--masks", "zero,attenuate")
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.output.split())
    # Two concepts, two kinds of mask: own sets on both questions, three random sets on one each.
    assert "20 of 20 masked readings to do" in said
    assert "minutes" in said
    table = pd.read_csv(tmp_path / "out" / "effects.csv")
    assert set(COLUMNS) <= set(table.columns)
    assert set(table["mask"]) == {"zero", "attenuate"}
    assert set(table["control"]) == {"own", "other", "rest", "random"}
    assert (table.loc[table["control"] == "own", "family"] == "primary").all()
    assert table["ppl_ratio"].notna().all()
    primary = pd.read_csv(tmp_path / "out" / "primary.csv")
    assert primary["concept"].tolist() == ["metaphor", "simile"] * 2
    assert (primary["df"] == 2).all()
    facts = json.loads((tmp_path / "out" / "effects.json").read_text(encoding="utf-8"))
    assert facts["minutes"].keys() == {"predicted", "taken"}
    assert "Holm over the concepts" in facts["options"]["primary"]
    assert facts["test"]["metaphor"] == primary["n"][0]


def test_a_second_run_goes_on_and_gives_the_same_bytes(here: Path, tmp_path: Path) -> None:
    assert validate(here, tmp_path / "out").exit_code == 0
    before = (tmp_path / "out" / "effects.csv").read_bytes()
    lost = sorted((tmp_path / "out" / "answers").iterdir())[:2]
    for path in lost:
        path.unlink()
    outcome = validate(here, tmp_path / "out")
    assert "2 of 10 masked readings to do" in " ".join(outcome.output.split())
    assert (tmp_path / "out" / "effects.csv").read_bytes() == before
    outcome = validate(here, tmp_path / "out", "--seed", "1")
    assert outcome.exit_code == 2
    assert "holds a measurement with other" in " ".join(outcome.output.split())


@pytest.mark.parametrize("readout", ["probe", "few-shot", "generated"])
def test_other_readouts(here: Path, tmp_path: Path, readout: str) -> None:
    outcome = validate(here, tmp_path / "out", "--readout", readout, "--limit", "6", "--n-random", "2")
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "out" / "effects.csv")
    assert table["margin_delta"].isna().all() == (readout == "generated")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--masks", "half"], "unknown masks ['half']"),
        (["--masks", "half,adaptive"], "unknown masks ['half']"),
        (["--masks", "adaptive", "--delta", "0"], "delta=0.0 has to be above 0"),
        (["--masks", ""], "no mask"),
        (["--readout", "oracle"], "unknown readout 'oracle'"),
        (["--controls", "placebo"], "unknown controls ['placebo']"),
        (["--n-random", "1"], "n_random=1"),
        (["--n-random", "99"], "too few neurons left"),
        (["--corpus", "no-such"], "no-such"),
        (["--screen", "no-such-folder"], "no-such-folder"),
    ],
)
def test_errors_are_one_message(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = validate(here, tmp_path / "out", *more)
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output


def test_texts_that_were_screened_on_are_never_tested(here: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.jsonl"
    both.write_text("\n".join((here / f"{part}.jsonl").read_text() for part in ("seen", "new")), encoding="utf-8")
    # The same source name as the screened file, so that the ids meet.
    seen = tmp_path / "seen.jsonl"
    seen.write_text(both.read_text(encoding="utf-8"), encoding="utf-8")
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(tmp_path / "out")]
    more = ["--corpus", str(seen), "--n-random", "2", "--min-texts", "5", "--no-progress"]
    outcome = RUN.invoke(app, ["validate", *basics, *more])
    assert outcome.exit_code == 0, outcome.output
    plan = json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))
    used = {key for reading in plan["readings"] for keys in reading["splits"].values() for key in keys}
    screened = json.loads((here / "screen" / "screen.json").read_text(encoding="utf-8"))["collected"]["ids"]
    assert used and not used & set(screened)


def test_a_screen_of_another_model_is_refused(here: Path, tmp_path: Path) -> None:
    weights = llama_weights(3, intermediate_size=96, vocab_size=len(SPECIAL) + len(VOCABULARY))
    other = save_named(weights, tmp_path / "other")
    outcome = validate(here, tmp_path / "out", "--model", str(other))
    assert outcome.exit_code == 2
    assert "not those that made the results" in " ".join(outcome.output.split())


def hub_rows(id: str, name: str | None, split: str) -> list[dict[str, str]]:
    """Ninety texts of known types and two of another one, as `datasets` would give them."""
    types, words = ("Metaphor", "Simile", "CreativeParaphrase"), list(WORDS)
    texts = [" ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(3 + n % 4)) for n in range(92)]
    named = [types[n % 3] if n < 90 else "Pun" for n in range(92)]
    return [{"hypothesis": text, "type": kind, "label": ""} for text, kind in zip(texts, named, strict=True)]


def test_a_screened_corpus_can_be_validated_on_as_it_was_screened(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMORHET_DATA", raising=False)
    monkeypatch.setattr("datasets.load_dataset", hub_rows)
    basics = ["--model", str(here / "model"), "--corpus", "FLUTE", "--no-progress"]
    screened = ["--out", str(tmp_path / "screen"), "--group", "rhetoric", "--limit", "12", "--shuffles", "0"]
    outcome = RUN.invoke(app, ["screen", *basics, *screened, "--hub", "--drop-unknown"])
    assert outcome.exit_code == 0, outcome.output
    collected = json.loads((tmp_path / "screen" / "screen.json").read_text(encoding="utf-8"))["collected"]
    assert (collected["hub"], collected["unknown"]) == (True, "drop")
    more = ["--screen", str(tmp_path / "screen"), "--out", str(tmp_path / "out"), "--n-random", "2", "--min-texts", "5"]
    outcome = RUN.invoke(app, ["validate", *basics, *more])
    assert outcome.exit_code == 0, outcome.output


@pytest.mark.parametrize(
    ("kept", "message"),
    [({}, "FLUTE is not in the directory"), ({"hub": True}, "FLUTE has no label 'Pun'")],
)
def test_a_screen_that_does_not_say_how_texts_were_loaded(
    here: Path, monkeypatch: pytest.MonkeyPatch, kept: dict[str, bool], message: str
) -> None:
    monkeypatch.delenv("EMORHET_DATA", raising=False)
    monkeypatch.setattr("datasets.load_dataset", hub_rows)
    screen = Screen.load(here / "screen")
    options = {name: value for name, value in screen.stats.options.items() if name not in ("hub", "unknown")}
    older = replace(screen, stats=replace(screen.stats, options=options | kept))
    with pytest.raises(CorpusError, match=message):
        choose_unseen(older, ["FLUTE"])


@pytest.mark.parametrize("readout", ["zero-shot", "probe", "generated"])
def test_texts_that_are_too_long_have_to_be_left_out_of_the_corpus(here: Path, tmp_path: Path, readout: str) -> None:
    rows = (here / "new.jsonl").read_text(encoding="utf-8").splitlines()
    long = " ".join(WORDS[n % len(WORDS)] for n in range(200))
    path = tmp_path / "long.jsonl"
    added = [json.dumps({"text": f"{long} {n}", "label": "simile", "id": f"long{n}"}) for n in range(20)]
    path.write_text("\n".join([*rows, *added]), encoding="utf-8")
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(tmp_path / "out")]
    more = ["--corpus", str(path), "--n-random", "2", "--min-texts", "5", "--no-progress", "--readout", readout]
    outcome = RUN.invoke(app, ["validate", *basics, *more])
    assert outcome.exit_code == 2
    said = " ".join(outcome.output.split())
    assert "the context holds 128" in said
    assert "readouts leave no text out and have no such option: give a corpus without this text" in said


def test_adaptive_masks_are_tuned_first_and_again_give_the_same_bytes(here: Path, tmp_path: Path) -> None:
    more = ("--masks", "zero,adaptive", "--limit", "8", "--n-random", "2", "--delta", "0.1")
    outcome = validate(here, tmp_path / "out", *more)
    assert outcome.exit_code == 0, outcome.output
    said = " ".join(outcome.output.split())
    assert said.index("adaptive masks are tuned first: at most") < said.index("masked readings to do")
    assert "the feedback loop alone" in said
    table = pd.read_csv(tmp_path / "out" / "effects.csv")
    assert list(dict.fromkeys(table["mask"])) == ["zero", "adaptive", "same_dose"]
    tuning = json.loads((tmp_path / "out" / "tuning.json").read_text(encoding="utf-8"))
    assert [row["concept"] for row in tuning["conclusions"]] == ["metaphor", "simile"]
    assert tuning["options"]["delta"] == 0.1
    # Own, two random sets and the other concept's, for each concept.
    assert len(tuning["loops"]) == 2 * 4
    used = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.[cj]s*") if path.name != "effects.json"}
    assert len(used) == 6
    lost = sorted((tmp_path / "out" / "tuning").iterdir())[-1]
    lost.unlink()
    assert validate(here, tmp_path / "out", *more).exit_code == 0
    assert {path: path.read_bytes() for path in used} == used
    outcome = validate(here, tmp_path / "out", *more, "--delta", "0.2")
    assert outcome.exit_code == 2
    assert "holds a tuning with other delta" in " ".join(outcome.output.split())
    screened = set(json.loads((here / "screen" / "screen.json").read_text(encoding="utf-8"))["collected"]["ids"])
    splits = [
        {part: set(keys) for part, keys in reading["splits"].items()}
        for name in ("tuning-plan", "plan")
        for reading in json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))["readings"]
    ]
    loop, test = (set.union(*(one["test"] for one in splits[part])) for part in (slice(2), slice(2, None)))
    assert not loop & test and not (loop | test) & screened
    assert all(not one["test"] & one["dev"] for one in splits)


def test_what_it_took_stays_known(here: Path, tmp_path: Path) -> None:
    assert validate(here, tmp_path / "out").exit_code == 0
    path = tmp_path / "out" / "effects.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    measured = facts["measured_on"]
    assert measured["readout"] == "zero-shot" and measured["corpora"] == [str(here / "new.jsonl")]
    assert facts["version"] == VERSION
    path.write_text(json.dumps({**facts, "minutes": {"predicted": 1.5, "taken": 2.5}}), encoding="utf-8")
    assert validate(here, tmp_path / "out").exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["minutes"] == {"predicted": 1.5, "taken": 2.5}


def test_a_copy_of_the_screened_texts_is_refused(here: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.jsonl"
    copy.write_text((here / "seen.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(tmp_path / "out")]
    outcome = RUN.invoke(app, ["validate", *basics, "--corpus", str(copy), "--no-progress"])
    assert outcome.exit_code == 2 and "were screened on" in outcome.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--device", "cuda:99"], "device='cuda:99' cannot be used"),
        (["--out", "{here}/seen.jsonl"], "seen.jsonl"),
    ],
)
def test_machines_and_folders_that_cannot_be_used(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = validate(here, tmp_path / "out", *(part.format(here=here) for part in more))
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.output.replace("\u2502", " ").split()) and "Traceback" not in outcome.output
