"""`emorhet associate` and `emorhet compare` on tiny models in folders."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_models import SPECIAL, WORDS, llama_weights, save_model, word_tokenizer
from typer.testing import CliRunner

from emorhet_lens.association.inputs import texts_by_group
from emorhet_lens.association.tables import AssociationTables
from emorhet_lens.cli.commands import app
from emorhet_lens.errors import CorpusError, ModelError
from emorhet_lens.screening.screen import Screen

RUN = CliRunner()
LABELS = {"emotion": ("anger", "fear", "neutral"), "rhetoric": ("metaphor", "simile", "literal")}
VOCABULARY = (*WORDS, *(label for labels in LABELS.values() for label in labels))


def texts(group: str, part: int, path: Path) -> Path:
    words, labels = list(WORDS), LABELS[group]
    rows = [
        {
            "text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3))
            + f" {labels[n % 2]}"
        }
        | {"label": labels[n % 3], "id": f"{group}{n}"}
        for n in range(60 * part, 60 * part + 60)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, texts of two groups in two parts, screenings of the first parts, one of the second model."""
    folder = tmp_path_factory.mktemp("associate")
    for name, width, layers in (("model", 96, 3), ("other", 64, 2)):
        weights = llama_weights(
            intermediate_size=width,
            num_hidden_layers=layers,
            vocab_size=len(SPECIAL) + len(VOCABULARY),
            max_position_embeddings=128,
        )
        save_model(weights, folder / name)
        word_tokenizer(VOCABULARY).save_pretrained(folder / name)
    for group in LABELS:
        seen = texts(group, 0, folder / f"{group}-seen.jsonl")
        texts(group, 1, folder / f"{group}-new.jsonl")
        for model, out in (("model", group), ("other", f"other-{group}")):
            basics = ["--model", str(folder / model), "--corpus", str(seen), "--group", group, "--top", "0.03"]
            outcome = RUN.invoke(
                app, ["screen", *basics, "--shuffles", "2", "--out", str(folder / out), "--no-progress"]
            )
            assert outcome.exit_code == 0, outcome.output
    return folder


def run(here: Path, out: Path, *more: str) -> Any:
    basics = ["--emotion", str(here / "emotion"), "--rhetoric", str(here / "rhetoric"), "--out", str(out)]
    few = ["--draws", "100", "--shuffles", "4", "--no-progress"]
    return RUN.invoke(app, ["associate", *basics, *few, *more])


def said(outcome: Any) -> str:
    return " ".join(outcome.output.split())


def test_screens_alone_need_no_model(here: Path, tmp_path: Path) -> None:
    outcome = run(here, tmp_path / "out", "--model", "nowhere")
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "out" / "association.csv")
    assert list(zip(table["first"], table["second"], strict=True)) == [
        (e, d) for e in LABELS["emotion"][:2] for d in LABELS["rhetoric"][:2]
    ]
    assert (table["p_holm"] >= table["p"]).all()
    facts = json.loads((tmp_path / "out" / "association.json").read_text(encoding="utf-8"))
    assert facts["options"]["draws"] == 100 and facts["options"]["groups"] == ["emotion", "rhetoric"]
    assert facts["cross_effects"] == {} and "both" in facts["clusters"]
    for name in ("association.png", "survivors.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "out" / "cross_effects.csv").exists()


def test_texts_of_both_groups_give_effects_both_ways_and_the_same_again(here: Path, tmp_path: Path) -> None:
    corpora = ("--corpus", str(here / "rhetoric-new.jsonl"), "--corpus", str(here / "emotion-new.jsonl"))
    more = ("--model", str(here / "model"), *corpora, "--n-random", "2", "--limit", "6", "--min-texts", "4")
    outcome = run(here, tmp_path / "out", *more)
    assert outcome.exit_code == 0, outcome.output
    # Two devices, own and two random sets, one question about emotions; and two emotions, two questions.
    assert "rhetoric masked, emotion read: 6 of 6 masked readings to do" in said(outcome)
    assert "emotion masked, rhetoric read: 12 of 12 masked readings to do" in said(outcome)
    table = pd.read_csv(tmp_path / "out" / "cross_effects.csv")
    families = table.groupby("direction", sort=False)["family"].unique().map(list).to_dict()
    assert families == {
        "rhetoric masked, emotion read": ["primary"],
        "emotion masked, rhetoric read": ["exploratory"],
    }
    assert len(table) == 8 and table["n"].eq(6).all()
    active = pd.read_csv(tmp_path / "out" / "coactivation.csv")
    assert active["texts"].tolist() == ["emotion"] * 4 + ["rhetoric"] * 4
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")}
    assert len(before) == 4
    again = run(here, tmp_path / "out", *more)
    assert said(again).count("0 of") >= 2
    assert {path: path.read_bytes() for path in before} == before
    # Without texts the folder keeps no tables of texts that its facts know nothing of.
    assert run(here, tmp_path / "out").exit_code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.csv")} == {"association.csv", "shared.csv"}


def test_screenings_that_read_texts_in_different_ways(here: Path, tmp_path: Path) -> None:
    """Everything but co-activation, and a note that says why; a study's report gets it with the warnings."""
    basics = ["--model", str(here / "model"), "--corpus", str(here / "emotion-seen.jsonl"), "--group", "emotion"]
    few = ["--top", "0.03", "--shuffles", "2", "--out", str(tmp_path / "asked"), "--no-progress"]
    (tmp_path / "prompt.txt").write_text("review : {text} mood :", encoding="utf-8")
    screened = RUN.invoke(app, ["screen", *basics, *few, "--prompt", str(tmp_path / "prompt.txt")])
    assert screened.exit_code == 0, screened.output
    corpora = ("--corpus", str(here / "rhetoric-new.jsonl"), "--corpus", str(here / "emotion-new.jsonl"))
    more = ("--model", str(here / "model"), *corpora, "--n-random", "2", "--limit", "6", "--min-texts", "4")
    outcome = run(here, tmp_path / "out", *more, "--emotion", str(tmp_path / "asked"))
    assert outcome.exit_code == 0, outcome.output
    why = "no co-activation: the screenings were made with other prompt; screen both in one way"
    assert said(outcome).count(f"note: {why}") == 1
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert {"association.csv", "shared.csv", "association.png", "cross_effects.csv"} <= names
    assert "coactivation.csv" not in names
    assert why in AssociationTables.load(tmp_path / "out").warnings


def test_what_costs_no_pass_is_written_before_the_readings(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ModelError("out of memory")

    more = ("--model", str(here / "model"), "--corpus", str(here / "emotion-new.jsonl"), "--min-texts", "4")
    with monkeypatch.context() as patch:
        patch.setattr("emorhet_lens.association.job.plan_cross_effects", broken)
        outcome = run(here, tmp_path / "out", *more)
    assert outcome.exit_code == 2 and "out of memory" in said(outcome)
    assert run(here, tmp_path / "alone", "--model", "nowhere").exit_code == 0
    table, alone = (tmp_path / name / "association.csv" for name in ("out", "alone"))
    assert table.read_bytes() == alone.read_bytes()
    assert AssociationTables.load(tmp_path / "out").effects is None
    # What an earlier run wrote stays until there is as much again.
    monkeypatch.setattr("emorhet_lens.association.job.plan_cross_effects", broken)
    assert run(here, tmp_path / "out", *more, "--seed", "5").exit_code == 2
    assert table.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("more", [("--limit", "1"), ("--n-random", "1")])
def test_what_cannot_be_correlated_is_refused_before_anything_is_drawn(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, str]
) -> None:
    def drawn(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was drawn")

    monkeypatch.setattr("emorhet_lens.association.job.associate", drawn)
    corpus = ("--corpus", str(here / "emotion-new.jsonl"), "--model", str(here / "model"), "--min-texts", "1")
    outcome = run(here, tmp_path, *corpus, *more)
    assert outcome.exit_code == 2, outcome.output
    assert "too few to correlate over" in said(outcome) or "n_random=1" in said(outcome)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--readout", "guess"], "unknown readout 'guess'"),
        (["--draws", "0"], "draws=0"),
        (["--rhetoric", "{here}/emotion"], "compared by replicate"),
        (["--rhetoric", "{here}/other-rhetoric"], "n_layers"),
        (["--model", "{here}/other", "--corpus", "{here}/emotion-new.jsonl"], "n_layers"),
        (["--model", "{here}/model", "--corpus", "{here}/missing.jsonl"], "fits neither group"),
        (["--model", "{here}/model", "--corpus", "{here}/emotion-seen.jsonl"], "were screened on"),
    ],
)
def test_bad_input(here: Path, tmp_path: Path, more: list[str], message: str) -> None:
    outcome = run(here, tmp_path / "out", *(part.format(here=here) for part in more))
    assert outcome.exit_code == 2
    assert message in said(outcome)


def test_compare(here: Path, tmp_path: Path) -> None:
    outcome = RUN.invoke(
        app, ["compare", str(here / "emotion"), str(here / "other-emotion"), "--out", str(tmp_path / "out")]
    )
    assert outcome.exit_code == 0, outcome.output
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table.loc[table["neurons_1"] > 0, "concept"].tolist() == ["anger", "fear"]
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert facts["names"] == ["emotion", "other-emotion"] and facts["group"] == "emotion"
    assert (tmp_path / "out" / "comparison.png").exists()
    assert "so no effects are compared" in said(outcome)
    outcome = RUN.invoke(app, ["compare", str(here / "emotion"), str(here / "other-rhetoric")])
    assert outcome.exit_code == 2 and "groups differ" in said(outcome)


def without_unknown(screen: Screen) -> Screen:
    """A screening that was told to leave out texts with labels of no concept."""
    return replace(screen, stats=replace(screen.stats, options={**screen.stats.options, "unknown": "drop"}))


def test_each_corpus_is_loaded_as_the_screening_of_its_group_was(here: Path, tmp_path: Path) -> None:
    screens = Screen.load(here / "emotion"), Screen.load(here / "rhetoric")
    path = tmp_path / "figures.jsonl"
    strange = [json.dumps({"text": f"the pun {n}", "label": "pun", "id": f"pun{n}"}) for n in range(20)]
    path.write_text("\n".join([(here / "rhetoric-new.jsonl").read_text(), *strange]), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"figures\.jsonl fits neither group; .*'pun'"):
        texts_by_group(*screens, [str(path)], min_texts=2)
    # The emotions would keep nothing of it, or texts of the rest alone.
    found = texts_by_group(*(without_unknown(one) for one in screens), [str(path)], min_texts=2)
    assert list(found) == ["rhetoric"]
    assert {e.label for part in (found["rhetoric"].dev, found["rhetoric"].test) for e in part} == set(
        LABELS["rhetoric"]
    )
    bare = tmp_path / "bare.jsonl"
    plain = [json.dumps({"text": f"a table {n}", "label": "neutral", "id": f"n{n}"}) for n in range(20)]
    bare.write_text("\n".join([*plain, *strange]), encoding="utf-8")
    with pytest.raises(CorpusError, match="as emotion: no text of a concept; as rhetoric"):
        texts_by_group(*(without_unknown(one) for one in screens), [str(bare)], min_texts=2)


def test_a_corpus_that_fits_both_groups_goes_to_the_one_that_was_screened_on_it(here: Path, tmp_path: Path) -> None:
    screens = tuple(without_unknown(Screen.load(here / group)) for group in LABELS)
    for group, other in (("emotion", "rhetoric"), ("rhetoric", "emotion")):
        path = tmp_path / f"{group}-seen.jsonl"
        parts = [(here / f"{part}-new.jsonl").read_text(encoding="utf-8") for part in (group, other)]
        path.write_text("\n".join(parts), encoding="utf-8")
        assert list(texts_by_group(*screens, [str(path)], min_texts=2)) == [group]
