"""`emorhet steer` on a tiny model in a folder."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import WORDS, llama_weights, save_model
from typer.testing import CliRunner

from emorhet_lens.cli.commands import app
from emorhet_lens.cli.options import model_of
from emorhet_lens.cli.steer import prompts_of, strengths_of
from emorhet_lens.errors import MaskError, PromptError
from emorhet_lens.generation.generate import generate
from emorhet_lens.generation.steered_texts import concept_mask
from emorhet_lens.models.loading import load_model
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import induce

RUN = CliRunner()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a file of prompts, and a screening."""
    folder = tmp_path_factory.mktemp("steer")
    save_model(llama_weights(intermediate_size=96), folder / "model")
    words, labels = list(WORDS), ("metaphor", "simile", "literal")
    rows = [
        {"text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3))}
        | {"label": labels[n % 3], "id": f"r{n}"}
        for n in range(45)
    ]
    (folder / "texts.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    (folder / "prompts.txt").write_text("the dog was angry\n\n  rain \n", encoding="utf-8")
    basics = ["--model", str(folder / "model"), "--corpus", str(folder / "texts.jsonl"), "--group", "rhetoric"]
    extra = ["--out", str(folder / "screen"), "--top", "0.03", "--shuffles", "0", "--no-progress"]
    outcome = RUN.invoke(app, ["screen", *basics, *extra])
    assert outcome.exit_code == 0, outcome.output
    return folder


def steer(here: Path, out: Path, *more: str) -> Any:
    basics = ["--model", str(here / "model"), "--screen", str(here / "screen"), "--out", str(out), "--no-progress"]
    return RUN.invoke(app, ["steer", *basics, "--max-new-tokens", "5", *more])


def test_texts_side_by_side(here: Path, tmp_path: Path) -> None:
    more = ("--concept", "simile=30", "--concept", "metaphor=-20", "--prompt", "the cat", "--prompt")
    outcome = steer(here, tmp_path, *more, str(here / "prompts.txt"))
    assert outcome.exit_code == 0, outcome.output
    facts = json.loads((tmp_path / "generations.json").read_text(encoding="utf-8"))
    assert facts["kind"] == "generations"
    assert facts["options"]["mask"] == "induce simile, contrast * 30 then induce metaphor, contrast * -20"
    prompts = ["the cat", "the dog was angry", "rain"]
    assert [row["prompt"] for row in facts["generations"]] == prompts
    model = load_model(str(here / "model"), device="cpu")
    screen = Screen.load(here / "screen", model)
    mask = induce(screen.neurons, screen.stats, 30, concept="simile").then(
        induce(screen.neurons, screen.stats, -20, concept="metaphor")
    )
    for kind, masks in (("unsteered", None), ("steered", mask)):
        expected = generate(model, prompts, masks=masks, max_new_tokens=5, progress=False)
        assert [row[kind] for row in facts["generations"]] == [one.text for one in expected], kind
    table = pd.read_csv(tmp_path / "generations.csv")
    assert table["changed"].any()
    assert {"steered_perplexity", "unsteered_repetition", "steered_distinct_2"} <= set(table.columns)
    said = " ".join(outcome.output.split())
    assert "unselected" in said
    assert "perplexity" in said


def test_perplexity_is_read_in_batches_of_the_size_that_is_asked_for(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    def counting(*options: Any) -> Any:
        model = model_of(*options)
        model.original_model.model.embed_tokens.register_forward_pre_hook(lambda _, found: rows.append(len(found[0])))
        return model

    monkeypatch.setattr("emorhet_lens.cli.steer.model_of", counting)
    more = ("--concept", "simile=5", "--prompt", str(here / "prompts.txt"), "--prompt", "the cat", "--batch-size", "2")
    outcome = steer(here, tmp_path, *more)
    assert outcome.exit_code == 0, outcome.output
    assert max(rows) == 2
    options = json.loads((tmp_path / "generations.json").read_text(encoding="utf-8"))["options"]
    assert options["batch_size"] == 2


def test_order_does_not_matter_for_shifts(here: Path) -> None:
    model = load_model(str(here / "model"), device="cpu")
    screen = Screen.load(here / "screen", model)
    strengths = {"simile": 30.0, "metaphor": -20.0}
    masks = [
        concept_mask(screen.neurons, screen.stats, dict(order))
        for order in (strengths.items(), reversed(strengths.items()))
    ]
    first, second = (generate(model, ["the dog"], masks=mask, progress=False)[0] for mask in masks)
    assert first.ids == second.ids


def test_options_reach_the_texts(here: Path, tmp_path: Path) -> None:
    more = ("--concept", "simile=5", "--prompt", "rain", "--chat", "--sample", "--temperature", "2", "--seed", "4")
    outcome = steer(here, tmp_path, *more, "--apply-to", "generated", "--neurons", "1", "--form", "amplify")
    assert outcome.exit_code == 0, outcome.output
    options = json.loads((tmp_path / "generations.json").read_text(encoding="utf-8"))["options"]
    assert options["apply_to"] == "generated"
    assert (options["sample"], options["temperature"], options["seed"]) == (True, 2.0, 4)
    assert options["template"] == [{"role": "user", "content": "{text}"}]
    assert options["mask"] == "induce simile, amplify * 5"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--concept", "irony=1", "--prompt", "rain"), "there is no concept 'irony'"),
        (("--concept", "simile", "--prompt", "rain"), "has to be CONCEPT=STRENGTH"),
        (("--concept", "simile=inf", "--prompt", "rain"), "has to be a finite number"),
        (("--concept", "simile=0", "--prompt", "rain"), "changes nothing"),
        (("--concept", "simile=1e300", "--prompt", "rain"), "use a smaller strength"),
        (("--concept", "simile=1", "--prompt", "rain " * 60), "do not fit into the context of 48"),
    ],
)
def test_errors(here: Path, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    outcome = steer(here, tmp_path, *more)
    assert outcome.exit_code == 2
    assert message in " ".join(outcome.output.split())
    assert not (tmp_path / "generations.json").exists()


def test_what_the_options_hold(tmp_path: Path) -> None:
    assert strengths_of(["anger=1.5", " fear = -2"]) == {"anger": 1.5, "fear": -2.0}
    for wrong in ("anger", "=1", "anger=much", "anger=nan"):
        with pytest.raises(MaskError, match="CONCEPT=STRENGTH"):
            strengths_of([wrong])
    with pytest.raises(MaskError, match="given twice"):
        strengths_of(["anger=1", "anger=2"])
    long = "rain " * 2000
    assert prompts_of(["a text", long, ""]) == ["a text", long, ""]
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(PromptError, match="holds no prompt"):
        prompts_of([str(tmp_path / "empty.txt")])
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(PromptError, match="could not be read"):
        prompts_of([str(tmp_path / "bytes.txt")])
