"""The sections of a report that are made from tables: by hand, without a model but for the screening around them."""

import base64
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_report import Page
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.tables import Asked, EffectTables
from emorhet_lens.errors import StoreError
from emorhet_lens.readouts.questions import Question
from emorhet_lens.replication.tables import ReplicationTables
from emorhet_lens.report.effects import effects_section
from emorhet_lens.report.measurements import replication_section, sweep_section, tuning_section
from emorhet_lens.report.parts import GroupReport
from emorhet_lens.report.report import write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.store import write_json
from emorhet_lens.sweeps.tables import SweepTables
from emorhet_lens.validation.tuning_pictures import traces_picture
from emorhet_lens.validation.tuning_record import TuningRecord

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
CONCEPTS = ("anger", "fear")


def effect_rows(mask: str, own: dict[str, float], cost: float) -> list[dict[str, Any]]:
    rows = []
    for masked in CONCEPTS:
        for draw in (math.nan, 0.0, 1.0):
            for read in CONCEPTS if math.isnan(draw) else (masked,):
                control = "random" if draw == draw else "own" if read == masked else "other"
                change = own[masked] if control == "own" else 0.1 * draw if control == "random" else 0.25
                rows.append(
                    {"mask": mask, "masked": masked, "read": read, "control": control, "draw": draw, "n": 40}
                    | {"accuracy_base": 0.9, "accuracy_masked": 0.5, "delta": -0.4, "margin_delta": change}
                    | {"ppl_ratio": cost if control == "own" else 1.0 + draw, "kl": 0.5}
                )
    return rows


def primary_row(mask: str, concept: str, excess: float, p: float) -> dict[str, Any]:
    change = {"own": excess + 0.05, "random_mean": 0.05, "random_sd": 0.07, "excess": excess}
    test = {"low": excess - 0.1, "high": excess + 0.1, "df": 1, "p": p / 2, "p_holm": p}
    # Of fear's two comparisons under adaptive masks the one at the same dose is the weaker.
    against = "same_dose" if (mask, concept) == ("adaptive", "fear") else mask
    return {"mask": mask, "concept": concept, "neurons": 7, "n": 40, "against": against} | change | test


@pytest.fixture
def tables() -> EffectTables:
    """Zero masks establish fear, adaptive ones both."""
    rows = [
        row
        for mask, own in (("zero", (-0.01, -0.6)), ("adaptive", (-0.5, -0.7)), ("same_dose", (-0.5, -0.7)))
        for row in effect_rows(mask, dict(zip(CONCEPTS, own, strict=True)), cost=1.25)
    ]
    primary = [
        primary_row(mask, concept, excess, p)
        for mask, excesses in (("zero", (-0.02, -0.6)), ("adaptive", (-0.5, -0.7)), ("same_dose", (-0.5, -0.7)))
        for concept, excess, p in zip(CONCEPTS, excesses, (1.0 if mask == "zero" else 0.03, 0.01), strict=True)
    ]
    asked = (Asked(Question((*CONCEPTS, "neutral")), 120, 0.8),)
    return EffectTables(pd.DataFrame(rows), pd.DataFrame(primary), asked, 2, ("a <b>note</b>",))


@pytest.fixture
def record(tmp_path: Path) -> TuningRecord:
    def loop(concept: str, name: str, recalls: list[float], outcome: str) -> dict[str, Any]:
        steps = len(recalls)
        trace = [
            {"alpha": (k + 1) / steps, "tau": (k + 1) / steps, "neurons": k + 1, "recall": recall, "margin": "nan"}
            | {"ppl_ratio": 1.0, "kl": 0.0}
            for k, recall in enumerate(recalls)
        ]
        return {"concept": concept, "name": name, "outcome": outcome, "alpha": 1.0, "tau": 1.0, "trace": trace}

    loops = [
        loop("anger", "own", [0.8, 0.6], "reached"),
        loop("anger", "random0", [0.8, 0.7], "reached"),
        loop("anger", "random1", [0.8, 0.8], "not reached"),
        loop("fear", "own", [0.5, 0.5], "not reached"),
        loop("fear", "random0", [0.5, 0.5], "not reached"),
        loop("fear", "random1", [0.5, 0.5], "not reached"),
    ]
    conclusions = [
        {"concept": concept, "neurons": 7, "texts": 10, "base_recall": base, "target": base - 0.05, "outcome": outcome}
        | {"alpha": 1.0, "tau": 1.0, "masked": 7, "recall": recall, "random_reached": reached, "random_sets": 2}
        | {"random_recall": None, "other_reached": 0, "other_sets": 1}
        for concept, base, outcome, recall, reached in (
            ("anger", 0.8, "reached", 0.6, 1),
            ("fear", 0.5, "not reached", 0.5, 0),
        )
    ]
    options = {"delta": 0.05, "budget": {"ppl_ratio": 1.5, "kl": 0.25}}
    write_json(
        tmp_path / "tuning.json", {"conclusions": conclusions, "options": options, "loops": loops}, kind="tuning"
    )
    return TuningRecord.load(tmp_path)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepTables:
    rows = [
        {"ratio": ratio, "layers": layers, "dose": 1.0, "concept": "anger", "measure": "margin", "excess": excess}
        | {"excess_low": excess - 1, "excess_high": excess + 1, "margin_change": excess, "margin_low": excess - 1}
        | {"margin_high": excess + 1, "random_mean": 0.0, "ppl_ratio": 1.0, "random_ppl_ratio": 1.0, "reason": ""}
        for ratio, values in ((0.01, (-0.1, 0.0, -0.3)), (0.02, (-0.5, 0.0, -0.4)), (0.05, (-0.5, math.nan, -0.9)))
        for layers, excess in zip(("bottom", "middle", "top"), values, strict=True)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "sweep.csv", index=False)
    facts = {"options": {"mask": "zero"}, "warnings": ["exploratory"], "left_out": ["fear: few"]}
    write_json(tmp_path / "sweep.json", facts | {"minutes": {"predicted": 2.0, "taken": 3.0}}, kind="sweep")
    return SweepTables.load(tmp_path)


@pytest.fixture
def replication(tmp_path: Path) -> ReplicationTables:
    shared = [
        {"first": a, "second": b, "family": "primary" if a == b else "exploratory", "n_first": 7, "n_second": 7}
        | {"shared": 3, "expected": 0.5, "sd": 0.2, "jaccard": 0.3, "p": 0.01, "p_holm": 0.02 if a == b else math.nan}
        for a in CONCEPTS
        for b in CONCEPTS
    ]
    pd.DataFrame(shared).to_csv(tmp_path / "replication.csv", index=False)
    crossed = [{"screened_on": "one", "tested_on": "two"} | primary_row("zero", "anger", -0.4, 0.02)]
    pd.DataFrame(crossed).to_csv(tmp_path / "effects.csv", index=False)
    facts = {"names": ["one", "two"], "draws": 50, "warnings": ["2 texts are in both corpora"], "corpora": ["1", "2"]}
    write_json(tmp_path / "replication.json", facts, kind="replication")
    return ReplicationTables.load(tmp_path)


def written_in(picture: Any) -> list[str]:
    content = base64.b64decode(picture.source.partition(",")[2])
    return [text for one in ET.fromstring(content).iter() if one.tag.endswith("}text") for text in one.itertext()]


def test_effects_of_every_kind_of_mask(tables: EffectTables) -> None:
    section = effects_section(tables)
    assert [kind["mask"] for kind in section["kinds"]] == ["zero", "adaptive", "same_dose"]
    assert [kind["established"] for kind in section["kinds"]] == [["fear"], ["anger", "fear"], []]
    assert [kind["matrix"] is None for kind in section["kinds"]] == [False, False, True]
    assert "two kinds of random sets" in section["kinds"][1]["what"]
    assert [kind["claims"] for kind in section["kinds"]] == [True, True, False]
    assert [kind["two"] for kind in section["kinds"]] == [False, True, False]
    first = section["kinds"][0]["rows"][0]
    assert (first["ppl_ratio"], first["random_ppl_ratio"], first["recall_masked"]) == (1.25, 1.5, 0.5)
    assert "anger -0.01, random sets +0.00 to +0.10" in section["kinds"][0]["excess"].description
    assert "fear masked: anger +0.25, fear -0.60" in section["kinds"][0]["matrix"].description


def test_words_compare_zero_and_adaptive(tables: EffectTables) -> None:
    words = effects_section(tables)["words"]
    # The same dose is no claim of its own.
    assert words["masks"] == ["zero", "adaptive"]
    assert words["concepts"]["anger"]["zero"].word == "not established"
    assert words["concepts"]["anger"]["adaptive"].word == "established"
    assert words["only_adaptive"] == [("anger", "not established")] and words["compared"]
    alone = replace(tables, table=tables.table[tables.table["mask"] == "zero"])
    assert not effects_section(alone)["words"]["compared"]


def test_the_words_and_the_tests_agree_that_no_harm_is_none(tables: EffectTables) -> None:
    """The own margin rose, and only less than under random sets."""
    helped = tables.primary.assign(own=tables.primary["own"].where(tables.primary["concept"] != "fear", 0.05))
    section = effects_section(replace(tables, primary=helped))
    assert [kind["established"] for kind in section["kinds"]] == [[], ["anger"], []]
    assert section["words"]["established"] == {"zero": [], "adaptive": ["anger"]}
    said = section["words"]["concepts"]["fear"]
    assert said["zero"].word == said["adaptive"].word == "only relative"
    assert "+0.05 nats, so masking does no harm; random sets raise it more (excess -0.60" in said["zero"].reason


def test_what_the_loop_alone_concludes(record: TuningRecord) -> None:
    section = tuning_section(record)
    assert section["own_reached"] == ["anger"]
    assert (section["random_reached"], section["random_sets"], section["random_share"]) == (1, 4, 0.25)
    assert math.isnan(section["rows"][0]["random_recall"])


def test_traces_are_read_whole_and_drawn(record: TuningRecord) -> None:
    assert len(record.traces) == 12
    own = record.traces[(record.traces["concept"] == "anger") & (record.traces["set"] == "own")]
    assert own["recall"].tolist() == [0.8, 0.6]
    assert own["taken"].tolist() == [False, True]
    assert own["margin"].isna().all()
    picture = traces_picture(record)
    said = "anger: recall 0.80 without a mask, target 0.75, 0.60 at alpha 1.00 (reached); 1 of 2 random sets reach"
    assert said in picture.description
    assert {"anger", "fear", "recall", "dose (alpha)"} <= set(written_in(picture))
    assert picture == traces_picture(record)


def test_no_tuning_is_no_record_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    assert TuningRecord.find(tmp_path) is None
    (tmp_path / "tuning.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        TuningRecord.find(tmp_path)


def test_the_lowest_third_by_count(sweep: SweepTables) -> None:
    # At 5 % the middle third was not measured, so that row decides nothing.
    assert sweep.lowest_thirds().to_dict("records") == [
        {"concept": "anger", "bottom": 1, "middle": 0, "top": 1, "of": 2}
    ]
    section = sweep_section(sweep)
    assert (section["measured"], section["cells"]) == (8, 9)
    assert "anger: lowest excess -0.90, layers top at 5 %" in section["pictures"][0].description
    assert all(picture.source.startswith("data:image/png;base64,") for picture in section["pictures"])
    assert section["warnings"] == ("exploratory", "fear: few")
    assert section == sweep_section(sweep)


def test_a_sweep_in_which_nothing_was_measured_has_no_pictures(sweep: SweepTables) -> None:
    empty = replace(sweep, table=sweep.table.assign(excess=math.nan))
    section = sweep_section(empty)
    assert section["pictures"] == [] and section["thirds"] == []


def test_replication_shows_the_primary_family(replication: ReplicationTables, tmp_path: Path) -> None:
    section = replication_section(replication)
    assert [row["first"] for row in section["shared"]] == ["anger", "fear"]
    assert [row["concept"] for row in section["effects"]] == ["anger"]
    facts = json.loads((tmp_path / "replication.json").read_text(encoding="utf-8"))
    (tmp_path / "replication.json").write_text(json.dumps(facts | {"corpora": None}), encoding="utf-8")
    assert ReplicationTables.load(tmp_path).effects is None
    (tmp_path / "replication.csv").unlink()
    with pytest.raises(StoreError, match=r"there is no file .*replication\.csv"):
        ReplicationTables.load(tmp_path)


def test_tables_of_effects_are_the_same_from_a_folder(tables: EffectTables, tmp_path: Path) -> None:
    tables.table.to_csv(tmp_path / "effects.csv", index=False)
    tables.primary.to_csv(tmp_path / "primary.csv", index=False)
    question = {"question": [*CONCEPTS, "neutral"], "source": None, "n": 120, "accuracy": 0.8}
    facts = {"options": {"n_random": 2}, "questions": [question], "warnings": ["a <b>note</b>"], "left_out": []}
    write_json(tmp_path / "effects.json", facts, kind="effects")
    found = EffectTables.load(tmp_path)
    pd.testing.assert_frame_equal(found.table, tables.table)
    pd.testing.assert_frame_equal(found.primary, tables.primary)
    assert (found.asked, found.n_random, found.warnings) == (tables.asked, tables.n_random, tables.warnings)
    assert (found.masks, found.concepts, found.measure) == (tables.masks, CONCEPTS, "margin")
    assert found.chance("anger") == 1 / 3
    assert list(found.matrix("zero").columns) == [*CONCEPTS, "neutral"]


def test_accuracy_is_the_measure_without_margins(tables: EffectTables) -> None:
    blind = replace(tables, table=tables.table.assign(margin_delta=math.nan))
    assert (blind.measure, blind.unit) == ("accuracy", "share of texts")
    assert blind.changes("zero")[0] == {"anger": -0.4, "fear": -0.4}


@pytest.fixture(scope="module")
def screened(planted: Any) -> Any:
    stats = collect_stats(planted.model, planted_corpus(planted, per_label=10), progress=False)
    return screen(stats, shuffles=0, top=0.05)


def test_a_report_of_everything(
    screened: Any,
    tables: EffectTables,
    record: TuningRecord,
    sweep: SweepTables,
    replication: ReplicationTables,
    tmp_path: Path,
) -> None:
    group = GroupReport(screened, effects=tables, tuning=record, sweep=sweep, replication=replication)
    page = Page(write_report(tmp_path / "r.html", [group]).read_text(encoding="utf-8"))
    for words in (
        "What is established, what is not, what cannot be told",
        "Established under adaptive masks and not under zero masks: anger (zero masks: not established).",
        "harm beyond random sets is established for fear and not for the other concepts",
        "The same loop reached the target for 1 of 4 random sets (25 %)",
        "masking lowers it most in the bottom third in 1, in the middle third in 0 and in the top third in 1",
        "the concept's dose",
        "It carries no claim of its own",
        "The sweep took 3.0 minutes, 2.0 were predicted",
        "A second screening on two was compared with the first on one",
        "a <b>note</b>",
        "Only relative means that the concept differs",
    ):
        assert words in page.text
    assert "No effects" not in page.text
    assert page.text.index("What is established") < page.text.index("Do they matter?")
    # Layers, an excess a kind of mask, two matrices, traces, surface and curves.
    assert len(page.attributes("img")) == 1 + 3 + 2 + 1 + 2
    assert all(len(attributes["alt"] or "") > 20 for attributes in page.attributes("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.attributes("th"))
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert all((attributes["href"] or "")[1:] in ids for attributes in page.attributes("a"))


def test_whatever_changed_the_model_is_an_effect(
    screened: Any, record: TuningRecord, sweep: SweepTables, replication: ReplicationTables, tmp_path: Path
) -> None:
    unmasked = replace(replication, effects=None)
    for part, changed in (
        ({"sweep": sweep}, True),
        ({"replication": replication}, True),
        ({"tuning": record}, True),
        ({"replication": unmasked}, False),
        ({}, False),
    ):
        page = Page(write_report(tmp_path / "r.html", [GroupReport(screened, **part)]).read_text(encoding="utf-8"))
        assert ("Effects hold for this way of asking" in page.text) == changed, part
        assert ("Nothing here was changed in the model" in page.text) == (not changed), part
        assert ("No effects" in page.text) == (not changed), part


def test_what_was_not_measured_has_no_section(screened: Any, tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "r.html", [GroupReport(screened)]).read_text(encoding="utf-8"))
    for words in ("What is established", "Do they matter?", "adaptive doses", "which layers?", "other texts?"):
        assert words not in page.text
