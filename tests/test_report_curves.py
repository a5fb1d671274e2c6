"""What is written under a push, in a report: from tables by hand."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_report import Page
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import StoreError
from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.generation.tradeoff_pictures import write_tradeoff_picture
from emorhet_lens.report.curves import curves_section
from emorhet_lens.report.parts import GroupReport
from emorhet_lens.report.report import write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.store import write_json

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
MINUS = "\N{MINUS SIGN}"
PROMPTS = ("The dog", "The nan", "She", "Rain")


def row(concept: str, method: str, strength: float, rate: float, ratio: float, fluent: bool) -> dict[str, Any]:
    return {
        **{"concept": concept, "method": method, "strength": strength, "n": 4, "target_rate": rate},
        **{"target_low": rate / 2, "target_high": rate / 2 + 0.5, "base_rate": 0.25, "ppl_ratio": ratio},
        **{"fluent": fluent, "repetition": 0.375},
    }


@pytest.fixture
def tables(tmp_path: Path) -> CurveTables:
    """Fear is reached by its neurons at 2 of 2 and 4; anger with broken texts only."""
    rows = []
    for concept, fluent in (("fear", True), ("anger", False)):
        rows += [row(concept, "none", 0, 0.25, 1, True), row(concept, "neurons", -2, 0.0, 1.5, fluent)]
        rows += [row(concept, "neurons", 2, 0.75, 1.25, fluent), row(concept, "neurons", 4, 1.0, 9.5, False)]
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path / "tradeoff.csv", index=False)
    best = []
    for concept in ("fear", "anger"):
        for direction, at in (("towards", 2), ("away", -2)):
            found = table[(table["concept"] == concept) & (table["strength"] == at)].iloc[0].to_dict()
            if concept == "anger":
                found |= dict.fromkeys(("strength", "target_rate", "target_low", "target_high", "ppl_ratio"), math.nan)
            best.append(found | {"direction": direction})
    pd.DataFrame(best).to_csv(tmp_path / "best.csv", index=False)
    texts = [
        {"concept": concept, "method": method, "strength": strength, "prompt": prompt, "text": f"{words} {number}"}
        | {"verdict": verdict, "perplexity": 2.0}
        for concept, method, strength, words, verdict in (
            ("", "none", 0, "is here", "anger"),
            ("fear", "neurons", 2, "is a <b>ghost</b>", "fear"),
            ("fear", "neurons", 4, "ghost ghost", "fear"),
        )
        for number, prompt in enumerate(PROMPTS)
    ]
    # One text reads as what a table holds for nothing, one is empty and one was known to the judge.
    texts[1] |= {"text": "nan"}
    texts[4] |= {"verdict": None}
    texts[5] |= {"text": "", "perplexity": math.nan}
    pd.DataFrame(texts).to_csv(tmp_path / "texts.csv", index=False)
    judge = {"kind": "a judge of words", "n_train": 80, "n_held_out": 20, "sources": ["one", "two"], "accuracy": 0.7}
    judge |= {"chance": 0.25, "low": 0.6, "high": 0.8, "recall": {"fear": 0.77, "anger": 0.5}}
    facts = {
        "judge": judge | {"across": {"two": 0.3, "one": 0.4}},
        "options": {"prompts": PROMPTS, "max_new_tokens": 9, "methods": {"neurons": [-2.0, 2.0, 4.0]}},
        "fluent": {"max_ppl_ratio": 3.0, "max_repetition_above_base": 0.1},
        "minutes": {"predicted": 2.0, "taken": 1.0},
    }
    write_json(tmp_path / "tradeoff.json", facts, kind="tradeoff")
    return CurveTables.load(tmp_path)


def test_tables_of_a_folder(tables: CurveTables, tmp_path: Path) -> None:
    assert tables.concepts == ("fear", "anger")
    assert tables.strength("fear", "neurons") == 2 and tables.strength("anger", "neurons") is None
    plain = tables.written("", "none", 0.0)
    assert plain["text"].tolist() == ["is here 0", "nan", "is here 2", "is here 3"]
    pushed = tables.written("fear", "neurons", 2.0)
    assert pushed["text"].tolist()[1] == "" and pushed["verdict"].tolist() == ["", "fear", "fear", "fear"]
    assert pushed["perplexity"].isna().tolist() == [False, True, False, False]
    (tmp_path / "texts.csv").unlink()
    with pytest.raises(StoreError, match=r"there is no file .*texts\.csv"):
        CurveTables.load(tmp_path)


def test_texts_are_those_of_the_first_prompts(tables: CurveTables) -> None:
    section = curves_section(tables)
    fear, anger = section["examples"]
    assert [prompt for prompt, _, _ in fear["pairs"]] == list(PROMPTS[:3])
    assert [own["text"] for _, _, own in fear["pairs"]] == ["is a <b>ghost</b> 0", "", "is a <b>ghost</b> 2"]
    assert (anger["strength"], anger["pairs"]) == (None, [])
    described = section["picture"].description
    assert "fear, neurons 2: rate 0.75, perplexity 1.25;" in described
    assert "fear, neurons 4: rate 1.00, perplexity 9.50, not fluent" in described
    assert section["across"] == [("one", 0.4), ("two", 0.3)]


def test_a_page(planted: Any, tables: CurveTables, tmp_path: Path) -> None:
    stats = collect_stats(planted.model, planted_corpus(planted, per_label=10), progress=False)
    screened = screen(stats, shuffles=0, top=0.05)
    alone = replace(tables, judge={**tables.judge, "across": {}}, minutes=None)
    groups = [GroupReport(screened, curves=tables), GroupReport(screened, curves=alone), GroupReport(screened)]
    page = Page(write_report(tmp_path / "r.html", groups).read_text(encoding="utf-8"))
    for words, times in (
        ("Writing under a push", 2),
        ("Everything here is exploratory", 2),
        ("balanced accuracy is 0.70 (guessing: 0.25); it finds 77 % of fear, 50 % of anger.", 2),
        ("Trained without a source, it reaches only 0.40 on one and 0.30 on two. Its verdicts", 1),
        ("without steering, where a share of 0.38 of all runs", 2),
        ("fear towards neurons 2 0.75 0.38 0.88 0.25 1.25", 2),
        (f"fear away neurons {MINUS}2 0.00 0.00 0.50 0.25 1.50", 2),
        ("anger towards neurons none is fluent \N{EN DASH} \N{EN DASH}", 2),
        ("The dog is a <b>ghost</b> 0 [not judged]", 2),
        ("Rain is a", 0),
        ("at no strength of its neurons are texts fluent", 2),
        (f"Tried were: neurons {MINUS}2 2 4.", 2),
        ("is the best of several strengths on these very prompts", 2),
        ("Writing took 1.0 minutes, 2.0 were predicted", 1),
    ):
        assert page.text.count(words) == times, words
    assert len(page.attributes("img")) == 3 + 2
    assert all((one["src"] or "").startswith("data:image/svg+xml;base64,") for one in page.attributes("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.attributes("th"))
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids)) and {"group0-curves", "group1-curves"} <= set(ids)
    assert {(attributes["href"] or "")[1:] for attributes in page.attributes("a")} <= set(ids)


def test_a_rate_of_one_can_be_drawn(tables: CurveTables, tmp_path: Path) -> None:
    """Rounding may put the end of an interval a trace below a rate of 1, and above one of 0."""
    table = tables.table.copy()
    table.loc[table["target_rate"] == 1, "target_high"] = 1 - 1e-16
    table.loc[table["target_rate"] == 0, "target_low"] = 1e-17
    assert (table["target_high"] < table["target_rate"]).any() and (table["target_low"] > table["target_rate"]).any()
    write_tradeoff_picture(tmp_path, table)
    assert (tmp_path / "tradeoff.png").read_bytes().startswith(b"\x89PNG")
