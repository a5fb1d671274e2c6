"""Induction, and what two groups share, in a report: from tables by hand, and the rules of the words."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_report import Page
from tiny import planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.association.tables import AssociationTables
from emorhet_lens.cross_signal.tables import CrossSignalTables
from emorhet_lens.errors import StoreError
from emorhet_lens.report.gains import judge_gain
from emorhet_lens.report.induction import induction_section
from emorhet_lens.report.link import LinkReport, link_section
from emorhet_lens.report.parts import GroupReport
from emorhet_lens.report.report import write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.steering.tables import SteeringTables
from emorhet_lens.store import write_json

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
EMOTIONS, DEVICES = ("fear", "anger"), ("irony", "simile")
MINUS = "\N{MINUS SIGN}"


def outcome_of(excess: float, p: float, reach: float = 0.02) -> dict[str, float]:
    """A test without the own change, which the rows have."""
    return {"excess": excess, "low": excess - reach, "high": excess + reach, "p": p / 4, "p_holm": p}


@pytest.mark.parametrize(
    ("test", "word", "said"),
    [
        # Nothing rose; random sets only fell further.
        (
            {**outcome_of(0.008, 0.01, reach=0.004), "own": -0.007},
            "only relative",
            "p = 0.010): the own change is -0.007, which is no rise; random sets lower it more",
        ),
        ({**outcome_of(0.3, 0.01), "own": 0.0}, "only relative", "the own change is +0.000, which is no rise"),
        ({**outcome_of(0.3, 0.01), "own": 0.001}, "established", "+0.300 of the texts beyond random sets"),
        # A rise that is less than random sets'.
        ({**outcome_of(-0.3, 0.01), "own": 0.1}, "opposite", "less than random sets"),
        (
            outcome_of(0.3, 0.01),
            "established",
            "+0.300 of the texts beyond random sets (95 % interval +0.280 to +0.320, p",
        ),
        (outcome_of(0.05, 0.0004), "established", "p below 0.001); a rise by 0.1 is ruled out, so it is small"),
        (outcome_of(-0.3, 0.01), "opposite", "less than random sets"),
        (outcome_of(0.05, 0.2), "not established", "a rise by 0.1 is ruled out"),
        (outcome_of(0.05, 0.05), "not established", "p = 0.050"),
        (outcome_of(0.05, 0.2, reach=0.05), "cannot be told", "neither shown nor ruled out"),
        (outcome_of(0.3, math.nan), "cannot be told", "there was no test"),
    ],
)
def test_words_of_a_rise(test: dict[str, float], word: str, said: str) -> None:
    found = judge_gain({"own": test["excess"], **test}, matters=0.1, unit="of the texts")
    assert found[0] == word and said in found[1]


@pytest.fixture
def pushed(tmp_path: Path) -> SteeringTables:
    """Fear follows beyond all controls, anger does not; only the former's costs were measured."""
    rows = [
        {"form": form, "strength": strength, "concept": concept, "control": control, "draw": draw, "read": read}
        | {"n": 20, "base_rate": 0.1, "rate": 0.1 + change, "change": change, "low": change - 0.1, "high": change + 0.1}
        | {"ppl_ratio": ratio if concept == "fear" else math.nan, "kl": 0.5}
        for form in ("contrast", "amplify")
        for strength in (4.0, 1.0)
        for concept, own in (("fear", 0.3), ("anger", 0.0))
        for control, draw, change, ratio in (
            ("own", None, own * strength, 1.25),
            ("random", 0, 0.0, 1.0),
            ("random", 1, 0.1, 1.5),
            ("noise", 0, -0.05, 2.0),
        )
        for read in ("all", "fear")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "steering.csv", index=False)
    primary = [
        {"concept": concept, "neurons": 7, "n": 20, "base_rate": 0.1, "own": own, "random_mean": 0.05}
        | outcome_of(own, p)
        for concept, own, p in (("fear", 0.3, 0.01), ("anger", 0.0, 1.0))
    ]
    pd.DataFrame(primary).to_csv(tmp_path / "primary.csv", index=False)
    options = {"forms": ["contrast", "amplify"], "concepts": list(EMOTIONS), "n_random": 2}
    facts = {"options": options, "warnings": ["a <b>push</b>"], "left_out": ["joy: few"]}
    write_json(tmp_path / "steering.json", facts | {"minutes": {"predicted": 2.0, "taken": 3.0}}, kind="steering")
    return SteeringTables.load(tmp_path)


def test_rates_by_concept_and_strength(pushed: SteeringTables, tmp_path: Path) -> None:
    rates = pushed.rates("contrast")
    places = list(zip(rates["concept"], rates["strength"], strict=True))
    assert places == [("fear", 1), ("fear", 4), ("anger", 1), ("anger", 4)]
    first = rates.iloc[0]
    assert (first["own"], first["low"], first["high"], first["n"]) == pytest.approx((0.3, 0.2, 0.4, 20))
    assert (first["random"], first["random_low"], first["random_high"]) == pytest.approx((0.05, 0, 0.1))
    assert (first["ppl_ratio"], first["random_ppl_ratio"], first["noise_ppl_ratio"]) == (1.25, 1.25, 2)
    assert pushed.controls == ("random", "noise") and pushed.warnings == ("a <b>push</b>", "joy: few")
    (tmp_path / "primary.csv").unlink()
    with pytest.raises(StoreError, match=r"there is no file .*primary\.csv"):
        SteeringTables.load(tmp_path)


def test_induction_in_words(pushed: SteeringTables) -> None:
    section = induction_section(pushed)
    assert [(one["concept"], one["word"]) for one in section["words"]] == [
        ("fear", "established"),
        ("anger", "not established"),
    ]
    assert section["established"] == ["fear"]
    # Noise does less than fear's neurons; there is no scaled control to speak of.
    assert section["words"][0]["beside"] == "noise that writes as much -0.050 on average"
    assert "one of them as many" not in section["words"][1]["beside"]
    described = section["forms"][0]["picture"].description
    assert "fear at 4: +1.20, random +0.05, noise -0.05" in described
    alone = replace(pushed, primary=pushed.primary.head(0))
    assert induction_section(alone)["words"] == []
    # Fewer texts follow than without a push, and yet more than under random sets.
    fewer = induction_section(replace(pushed, primary=pushed.primary.assign(own=-0.007)))
    assert fewer["words"][0]["word"] == "only relative" and fewer["established"] == []


@pytest.fixture
def association(tmp_path: Path) -> AssociationTables:
    rows = [
        {"first": emotion, "second": device, "n_first": 7, "n_second": 6, "shared": 4, "expected": 0.5, "sd": 0.4}
        | {"excess": 3.5 if survives else -0.5, "p": 0.01, "p_holm": 0.04 if survives else 1.0, "rho": 0.25}
        | {"rho_first_p": 0.5, "rho_second_p": 0.25, "layer_distance": 1.5, "layer_expected": 1.0, "layer_p": 0.75}
        for emotion in EMOTIONS
        for device in DEVICES
        if (survives := (emotion, device) == ("fear", "irony")) is not None
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "association.csv", index=False)
    cells = []
    for way, masked, read, family in (
        ("devices masked", DEVICES, EMOTIONS, "primary"),
        ("emotions masked", EMOTIONS, DEVICES, "exploratory"),
    ):
        for one in masked:
            for other in read:
                found = (
                    outcome_of(-0.6, 0.01)
                    if (one, other) in (("irony", "fear"), ("fear", "irony"))
                    else outcome_of(0, 1)
                )
                cells.append(
                    {"mask": "zero", "masked": one, "read": other, "neurons": 7, "n": 40, "base": 0.9, "own": -0.5}
                    | {"random_mean": 0.1, "random_sd": 0.1, "df": 7, "accuracy_change": 0.0}
                    | found
                    | {"family": family, "direction": way}
                )
    pd.DataFrame(cells).to_csv(tmp_path / "cross_effects.csv", index=False)
    ways = {
        way: {
            "questions": [["fear", "anger", "neutral"], ["irony", "literal"], ["simile", "literal"]],
            "warnings": [note],
        }
        for way, note in (("devices masked", "one note"), ("emotions masked", "another"))
    }
    facts = {"options": {"groups": ["emotion", "rhetoric"], "draws": 50}, "cross_effects": ways, "warnings": ["few"]}
    write_json(tmp_path / "association.json", facts, kind="association")
    return AssociationTables.load(tmp_path)


def signal(folder: Path, family: str, injected: tuple[str, ...], read: tuple[str, ...]) -> CrossSignalTables:
    """The first cell gains; its concept is said more often of every text."""
    rows = [
        {"injected": one, "read": other, "family": family, "neurons": 7, "n": 40, "omega": 0.5, "accuracy_base": 0.5}
        | {"accuracy": 0.6, "own": 0.4, "random_mean": 0.1, "bias": 0.5}
        | (outcome_of(0.3, 0.02) if (one, other) == (injected[0], read[0]) else outcome_of(0.0, 1.0))
        for one in injected
        for other in read
    ]
    folder.mkdir()
    pd.DataFrame(rows).to_csv(folder / "cross_signal.csv", index=False)
    facts = {"options": {"omegas": [0.5, 1.0], "n_random": 8}, "warnings": [f"{family} note"]}
    write_json(folder / "cross_signal.json", facts, kind="cross-signal")
    return CrossSignalTables.load(folder)


@pytest.fixture
def link(association: AssociationTables, tmp_path: Path) -> LinkReport:
    ways = (("primary", DEVICES, EMOTIONS), ("exploratory", EMOTIONS, DEVICES))
    return LinkReport(association, tuple(signal(tmp_path / family, family, *sides) for family, *sides in ways))


def test_what_survives(link: LinkReport) -> None:
    section = link_section(link)
    assert [(row["first"], row["second"]) for row in section["kept"]] == [("fear", "irony")]
    assert "fear, irony +3.50*; fear, simile -0.50;" in section["picture"].description
    primary, other = section["effects"]
    assert (primary["primary"], other["primary"]) == (True, False)
    assert primary["words"] == [("established", 1), ("not established", 3)]
    assert [(row["masked"], row["read"]) for row in primary["kept"]] == [("irony", "fear")]
    assert "irony, fear -0.60*" in primary["picture"].description
    first, reverse = section["signals"]
    assert (first["primary"], reverse["primary"]) == (True, False)
    assert first["words"] == [("established", 1), ("not established", 3)]
    assert [row["told_apart"] for row in first["kept"]] == [False]
    assert section["warnings"][0] == "few" and "emotions masked: another" in section["warnings"]
    assert link.association.chance("devices masked", "fear") == 1 / 3
    assert link.association.chance("emotions masked", "irony") == 1 / 2


def test_an_association_without_effects_changed_nothing(link: LinkReport, tmp_path: Path) -> None:
    facts = {"options": {"groups": ["a", "b"], "draws": 5}, "cross_effects": {}, "warnings": []}
    write_json(tmp_path / "association.json", facts, kind="association")
    lone = LinkReport(AssociationTables.load(tmp_path))
    # A table of an earlier run lies beside it.
    assert lone.association.effects is None and (tmp_path / "cross_effects.csv").exists()
    assert lone.changed == frozenset() and link.changed == {*EMOTIONS, *DEVICES}
    # Of injections in the fixed direction alone only the devices' neurons were changed.
    assert replace(link, association=lone.association, signals=link.signals[:1]).changed == frozenset(DEVICES)
    assert link_section(lone)["effects"] == link_section(lone)["signals"] == []


def test_effects_on_recall_are_judged_as_recall(link: LinkReport, tmp_path: Path) -> None:
    path = tmp_path / "cross_effects.csv"
    table = pd.read_csv(path)
    cell = (table["masked"] == "simile") & (table["read"] == "anger")
    for name, value in (("low", -0.15), ("high", 0.15)):
        table.loc[cell, name] = value
    table.to_csv(path, index=False)
    # What was written without a measure is of margins, of which a fall by 0.15 is small.
    old = AssociationTables.load(tmp_path)
    assert old.effects is not None and set(old.effects["measure"]) == {"margin"}
    [primary, _] = link_section(LinkReport(old))["effects"]
    assert (primary["words"], primary["matters"]) == ([("established", 1), ("not established", 3)], "0.25 nats")
    assert "own margin in nats beyond random sets" in primary["picture"].description
    table.assign(measure="accuracy").to_csv(path, index=False)
    [primary, _] = link_section(LinkReport(AssociationTables.load(tmp_path)))["effects"]
    assert primary["words"] == [("established", 1), ("not established", 2), ("cannot be told", 1)]
    assert primary["matters"] == "0.10 of recall"
    assert "concept's recall beyond random sets" in primary["picture"].description


def test_a_cell_whose_own_change_is_no_harm_is_not_established(link: LinkReport) -> None:
    effects = link.association.effects
    assert effects is not None
    helped = replace(link.association, effects=effects.assign(own=0.05))
    section = link_section(replace(link, association=helped))
    assert section["effects"][0]["words"] == [("only relative", 1), ("not established", 3)]
    assert [row["word"] for row in section["effects"][0]["kept"]] == ["only relative"]


@pytest.fixture(scope="module")
def screened(planted: Any) -> Any:
    stats = collect_stats(planted.model, planted_corpus(planted, per_label=10), progress=False)
    return screen(stats, shuffles=0, top=0.05)


def test_a_page_with_both(screened: Any, pushed: SteeringTables, link: LinkReport, tmp_path: Path) -> None:
    group = GroupReport(screened, induction=pushed)
    path = write_report(tmp_path / "r.html", [group, GroupReport(screened)], link=link)
    page = Page(path.read_text(encoding="utf-8"))
    for words in (
        "established for fear and not for the other concepts",
        "The own neurons move a share of +0.300 of 20 texts; noise that writes as much " + MINUS + "0.050 on average.",
        "Form: amplify",
        "a <b>push</b>",
        "The pushed readings took 3.0 minutes, 2.0 were predicted",
        "are established for fear and irony (4, by chance 0.5), 1 of 4 pairs",
        "Change of the read concept's own margin in nats beyond matched random sets, in 4 cells: 1 established, 3 not",
        "a fall by 0.25 nats is ruled out",
        "p (Holm) verdict irony fear 40",
        "in 4 cells, of which 1 survive correction. This direction was not fixed in advance",
        "Signal of rhetoric injected while emotion is read",
        "the model says it more often and does not tell it better",
        "What these numbers do not prove: sharing neurons is not doing the same for both",
        "Effects hold for this way of asking",
    ):
        assert words in page.text, words
    # The second group's neurons were masked and injected for what both share.
    assert "No effects" not in page.text
    # Of the second group nothing was pushed; what both share stands once.
    assert (
        page.text.count("Induction: do texts follow a push?") == page.text.count("What emotion and rhetoric share") == 1
    )
    # Layers of two groups, rates of two forms, overlaps, masks and injections both ways.
    assert len(page.attributes("img")) == 2 + 2 + 1 + 2 + 2
    assert all(len(attributes["alt"] or "") > 20 for attributes in page.attributes("img"))
    assert all((one["src"] or "").startswith("data:image/svg+xml;base64,") for one in page.attributes("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.attributes("th"))
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {(attributes["href"] or "")[1:] for attributes in page.attributes("a")} <= set(ids)


def test_a_group_that_the_link_only_read_has_no_effects(screened: Any, link: LinkReport, tmp_path: Path) -> None:
    """Devices were injected while emotions were read, and devices masked, which lowered recall."""
    assert link.association.effects is not None
    masked = link.association.effects[link.association.effects["family"] == "primary"].assign(measure="accuracy")
    one_way = LinkReport(replace(link.association, effects=masked), link.signals[:1])
    page = Page(write_report(tmp_path / "r.html", [GroupReport(screened)], link=one_way).read_text(encoding="utf-8"))
    for words in (
        "Effects hold for this way of asking",
        "No effects of planted. These neurons were neither masked nor pushed",
        "Change of the read concept's recall beyond matched random sets, in 4 cells",
        "a fall by 0.10 of recall is ruled out",
        "a rise by 0.25 nats is ruled out",
    ):
        assert words in page.text, words


def test_without_a_primary_test_and_survivors_the_page_says_so(
    screened: Any, pushed: SteeringTables, link: LinkReport, tmp_path: Path
) -> None:
    quiet = replace(link.association, table=link.association.table.assign(p_holm=1.0), effects=None)
    group = GroupReport(screened, induction=replace(pushed, primary=pushed.primary.head(0), minutes=None))
    path = write_report(tmp_path / "r.html", [group], link=LinkReport(quiet))
    page = Page(path.read_text(encoding="utf-8"))
    assert "There is no primary test" in page.text
    assert "For none of 4 pairs are more shared neurons than in 50 matched draws each way established" in page.text
    assert "masked, " not in page.text and "whether injecting" not in page.text
