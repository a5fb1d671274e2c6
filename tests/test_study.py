"""A study on a tiny model: its stages, what they cost, interruption, and changes that are refused."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import make_folder, study_of

from emorhet_lens.errors import CorpusError, EffectsError, EmorhetError, StoreError
from emorhet_lens.models.loading import load_model
from emorhet_lens.screening.screen import Screen
from emorhet_lens.study.run import plan_study, run_study
from emorhet_lens.study.schema import Study

pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
STAGES = ["rhetoric/screen", "rhetoric/validate", "rhetoric/sweep", "rhetoric/screen2", "rhetoric/replicate"]


@pytest.fixture(scope="module", autouse=True)
def described_once() -> Iterator[None]:
    """Describing texts takes longer than everything else here; the same texts are described once."""
    from emorhet_lens.quality import describe_quality

    known: dict[str, Any] = {}

    def describe(corpus: Any, seed: int = 0) -> Any:
        if corpus.digest not in known:
            known[corpus.digest] = describe_quality(corpus, seed=seed)
        return known[corpus.digest]

    with pytest.MonkeyPatch.context() as patch:
        for module in ("screening.job", "study.run"):
            patch.setattr(f"emorhet_lens.{module}.describe_quality", describe)
        yield


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def model(here: Path) -> Any:
    return load_model(str(here / "model"), device="cpu")


@pytest.fixture(scope="module")
def raw(here: Path) -> dict[str, Any]:
    study = study_of(here, "rhetoric")
    study["groups"][0]["validate"]["masks"] = ["adaptive"]
    study["groups"][0]["sweep"] |= {"ratios": [0.02], "layers": ["bottom", "top"]}
    study["groups"][0]["replicate"] |= {
        "effects": True, "tested": [str(here / "rhetoric-first.jsonl")], "limit": 4, "min_texts": 1, "n_random": 2,
    }  # fmt: skip
    # The texts of the screening are all of their files, so that effects on them need others.
    study["groups"][0]["limit"] = 10
    return study


@pytest.fixture(scope="module")
def done(here: Path, model: Any, raw: dict[str, Any]) -> Path:
    """A study that ran through."""
    run_study(plan_study(Study.model_validate(raw), here / "out"), model, progress=False)
    return here / "out"


def without_report(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("emorhet_lens.study.run._reported", lambda *_: None)
    patch.setattr("emorhet_lens.study.run.write_report", lambda path, *_, **__: path)


def tables(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}


def test_every_stage_writes_what_its_command_writes(done: Path) -> None:
    found = {path.relative_to(done).as_posix() for path in done.rglob("*") if path.is_file()}
    assert {"report.html"} | {
        f"rhetoric/{name}"
        for name in (
            *("screen/screen.json", "screen2/screen.json", "validate/primary.csv", "validate/tuning.json"),
            *("sweep/sweep.csv", "sweep/surface.png", "replicate/replication.csv", "replicate/effects.csv"),
        )
    } <= found
    primary = pd.read_csv(done / "rhetoric" / "validate" / "primary.csv")
    assert primary["mask"].unique().tolist() == ["adaptive", "same_dose"]
    assert primary["n"].eq(6).all()
    assert len(pd.read_csv(done / "rhetoric" / "sweep" / "sweep.csv")) == 2
    crossed = pd.read_csv(done / "rhetoric" / "replicate" / "effects.csv")
    assert set(crossed["screened_on"]) == set(crossed["tested_on"]) == {"rhetoric-first", "rhetoric-second"}
    for title in STAGES:
        note = json.loads((done / title / "stage.json").read_text(encoding="utf-8"))
        assert note["done"] is True and note["minutes"] > 0


def test_what_is_predicted_is_what_is_read(here: Path, model: Any, raw: dict[str, Any], done: Path) -> None:
    costs = {cost.stage.title: cost.texts for cost in plan_study(Study.model_validate(raw), here / "new").costs}
    assert list(costs) == STAGES
    assert costs["rhetoric/screen"] == costs["rhetoric/screen2"] == 30
    folder = done / "rhetoric"

    def read(part: str) -> int:
        files = [path for path in folder.glob(f"{part}/**/answers/*.safetensors")]
        return sum(_rows(path) for path in files)

    # Masked readings, and 6 (or 4) neutral texts with each of three sets, for two kinds of
    # mask and two concepts, for two cells, and both ways for two concepts.
    loops = json.loads((folder / "validate" / "tuning.json").read_text(encoding="utf-8"))["loops"]
    assert len(loops) == 2 * 4
    sizes = json.loads((folder / "validate" / "tuning.json").read_text(encoding="utf-8"))["options"]["texts"]
    neutral = _neutral(folder / "validate")
    most = sum(6 * (sizes[loop["concept"]] + neutral) for loop in loops)
    assert costs["rhetoric/validate"] == most + read("validate") + 2 * 2 * 3 * 6
    assert costs["rhetoric/sweep"] == read("sweep") + 2 * 3 * 6
    assert costs["rhetoric/replicate"] == read("replicate") + 2 * 2 * 3 * 4


def _rows(path: Path) -> int:
    from emorhet_lens.readouts.answers import Answers

    return len(Answers.load(path))


def _neutral(folder: Path) -> int:
    """Literal texts in the half of the development texts that the loop reads."""
    from emorhet_lens.causal.inputs import neutral_texts
    from emorhet_lens.corpora.held_out import load_held_out
    from emorhet_lens.texts.concepts import RHETORIC

    corpus = str(folder.parent.parent.parent / "rhetoric-first-new.jsonl")
    dev = load_held_out([corpus], RHETORIC, seen=frozenset(), limit=6, min_texts=4).dev
    found = neutral_texts(dev.split({"loop": 0.5, "lessons": 0.5}, seed=0)["loop"], 0, 16)
    return 0 if found is None else len(found)


def test_interrupted_anywhere_it_goes_on_to_the_same_numbers(
    here: Path, model: Any, raw: dict[str, Any], done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emorhet_lens.causal.store import EffectFiles
    from emorhet_lens.tuning.store import TuningFiles

    out = here / "broken"
    saved: list[str] = []

    def breaking(kind: type, after: int) -> Any:
        save = kind.save

        def interrupted(self: Any, *args: Any) -> None:
            save(self, *args)
            saved.append(kind.__name__)
            if len(saved) == after:
                raise KeyboardInterrupt

        return interrupted

    for kind, after in ((TuningFiles, 3), (EffectFiles, 4), (EffectFiles, 18)):
        saved.clear()
        with monkeypatch.context() as patch:
            patch.setattr(kind, "save", breaking(kind, after))
            with pytest.raises(KeyboardInterrupt):
                run_study(plan_study(Study.model_validate(raw), out), model, progress=False)
    plan = plan_study(Study.model_validate(raw), out)
    assert [cost.done for cost in plan.costs] == [True, True, False, False, False]
    assert not (out / "report.html").exists()
    without_report(monkeypatch)
    run_study(plan, model, progress=False)
    assert tables(out) == tables(done)
    assert (out / "rhetoric" / "validate" / "tuning.json").read_bytes() == (
        done / "rhetoric" / "validate" / "tuning.json"
    ).read_bytes()


def test_what_is_done_is_not_done_again(
    model: Any, raw: dict[str, Any], done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import emorhet_lens.study.run as study

    monkeypatch.setattr(study, "STEPS", {})
    without_report(monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file() and path.suffix != ".html"}
    plan = plan_study(Study.model_validate(raw), done)
    assert all(cost.done and cost.texts == 0 for cost in plan.costs)
    assert plan.seconds(model) == {}
    run_study(plan, model, progress=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("section", "change", "stage", "words"),
    [
        (None, {"limit": 11}, "rhetoric/screen", "screen.limit (was 10, is 11)"),
        ("validate", {"delta": 0.1}, "rhetoric/validate", "validate.delta (was 0.05, is 0.1)"),
        ("sweep", {"ratios": [0.05]}, "rhetoric/sweep", "sweep.ratios (was [0.02], is [0.05])"),
        ("replicate", {"draws": 21}, "rhetoric/replicate", "replicate.draws (was 20, is 21)"),
    ],
)
def test_changed_options_are_refused_with_what_to_do(
    raw: dict[str, Any], done: Path, section: str | None, change: dict[str, Any], stage: str, words: str
) -> None:
    other = copy.deepcopy(raw)
    group = other["groups"][0]
    (group if section is None else group[section]).update(change)
    with pytest.raises(StoreError) as caught:
        plan_study(Study.model_validate(other), done)
    assert f"the stage {stage} in {done / stage} was made with other options: {words}" in str(caught.value)
    assert f"delete {done / stage}" in str(caught.value)


def test_layers_that_the_model_does_not_have_are_found_before_anything_is_done(
    here: Path, model: Any, raw: dict[str, Any], done: Path
) -> None:
    other = copy.deepcopy(raw)
    other["groups"][0]["sweep"]["layers"] = ["1-9"]
    plan = plan_study(Study.model_validate(other), here / "deep")
    with pytest.raises(EffectsError, match="1-9"):
        run_study(plan, model, progress=False)
    assert not (here / "deep").exists()
    # A sweep that is done is not asked.
    plan_study(Study.model_validate(raw), done).require_layers(model)


def test_a_group_that_is_only_replicated_has_its_time(here: Path, model: Any, raw: dict[str, Any]) -> None:
    other = copy.deepcopy(raw)
    for name in ("validate", "sweep"):
        del other["groups"][0][name]
    assert plan_study(Study.model_validate(other), here / "crossed").seconds(model)["rhetoric"] > 0


def test_device_and_later_sections_are_no_change(raw: dict[str, Any], done: Path) -> None:
    other = copy.deepcopy(raw) | {"device": "cuda"}
    # What is measured on the second screening does not change the screening itself.
    other["groups"][0]["replicate"]["draws"] = 20
    del other["groups"][0]["sweep"]
    assert all(cost.done for cost in plan_study(Study.model_validate(other), done).costs)


def test_a_seed_is_part_of_every_stage(raw: dict[str, Any], done: Path) -> None:
    with pytest.raises(StoreError, match=r"screen .*seed \(was 0, is 1\)"):
        plan_study(Study.model_validate(raw | {"seed": 1}), done)


def test_corpora_are_looked_for_before_the_model_is(tmp_path: Path, raw: dict[str, Any]) -> None:
    other = copy.deepcopy(raw) | {"model": "no-such-model"}
    assert plan_study(Study.model_validate(other), tmp_path).costs[0].texts == 30
    other["groups"][0]["sweep"]["corpora"] = ["no-such-corpus"]
    with pytest.raises(CorpusError, match="no-such-corpus"):
        plan_study(Study.model_validate(other), tmp_path)
    assert not list(tmp_path.iterdir())


def test_labels_of_no_concept_can_be_left_out_everywhere(
    here: Path, model: Any, raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = json.dumps({"text": "the pun", "label": "pun", "id": "pun"})
    for path in here.glob("rhetoric-*.jsonl"):
        (tmp_path / path.name).write_text(f"{path.read_text(encoding='utf-8')}\n{strange}", encoding="utf-8")
    other = json.loads(json.dumps(raw).replace(f"{here}/rhetoric", f"{tmp_path}/rhetoric"))
    with pytest.raises(CorpusError, match="'pun'"):
        plan_study(Study.model_validate(other), tmp_path / "out")
    other["groups"][0]["drop_unknown"] = True
    plans = [plan_study(Study.model_validate(one), tmp_path / "out") for one in (other, raw)]
    counted, expected = ({cost.stage.name: cost.texts for cost in plan.costs} for plan in plans)
    assert counted == expected and counted.keys() >= {"screen", "validate", "sweep", "replicate"}
    without_report(monkeypatch)
    for section in ("validate", "sweep", "replicate"):
        del other["groups"][0][section]
    run_study(plan_study(Study.model_validate(other), tmp_path / "out"), model, progress=False)
    # What follows loads its texts as the screening says.
    assert Screen.load(tmp_path / "out" / "rhetoric" / "screen").stats.loading == {"hub": False, "unknown": "drop"}


def test_texts_that_have_changed_are_noticed(here: Path, raw: dict[str, Any], done: Path, tmp_path: Path) -> None:
    path = here / "rhetoric-first.jsonl"
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before.replace("metaphor", "simile", 1), encoding="utf-8")
        with pytest.raises(StoreError, match="the texts of rhetoric/screen are not those that"):
            plan_study(Study.model_validate(raw), done)
    finally:
        path.write_text(before, encoding="utf-8")
    plan_study(Study.model_validate(raw), done)


def test_a_report_that_could_not_be_drawn_is_refused_first(
    model: Any, raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emorhet_lens.report.report.find_spec", lambda _: None)
    study = Study.model_validate({**raw, "groups": [{**raw["groups"][0], "sweep": None}]})
    plan = plan_study(study, tmp_path / "out")
    with pytest.raises(EmorhetError, match="a report needs matplotlib and circuitsvis, not installed here"):
        run_study(plan, model, progress=False)
    assert not (tmp_path / "out").exists()
