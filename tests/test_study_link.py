"""A study with the sections `induce` and `link` on a tiny model: what they cost, what they write, and going on."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from test_report import Page
from tiny_study import LABELS, make_folder, study_of

from emorhet_lens.causal.store import EffectFiles
from emorhet_lens.errors import CorpusError, StoreError, StudyError
from emorhet_lens.models.loading import load_model
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.study.run import plan_study, run_study
from emorhet_lens.study.schema import Study

pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
STAGES = ["rhetoric/screen", "rhetoric/induce", "emotion/screen", "both/link"]
TEXTS, DRAWS = 6, 2


@pytest.fixture(scope="module", autouse=True)
def undescribed() -> Iterator[None]:
    """Describing texts takes longer than everything else here, and is not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emorhet_lens.study.run.describe_quality", lambda *_, **__: None)
        patch.setattr("emorhet_lens.screening.job.describe_quality", _nothing)
        yield


def _nothing(*_: Any, **__: Any) -> Any:
    return SimpleNamespace(warnings=())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("study-link"))


@pytest.fixture(scope="module")
def model(here: Path) -> Any:
    return load_model(str(here / "model"), device="cpu")


@pytest.fixture(scope="module")
def raw(here: Path) -> dict[str, Any]:
    study = study_of(here, "rhetoric", "emotion")
    few = {"limit": TEXTS, "min_texts": 4, "n_random": DRAWS}
    for group in study["groups"]:
        for section in ("validate", "sweep", "replicate"):
            del group[section]
    unseen = {name: [str(here / f"{name}-first-new.jsonl")] for name in LABELS}
    study["groups"][0]["induce"] = few | {
        "corpora": unseen["rhetoric"], "strengths": [1], "controls": ["random", "scaled"],
    }  # fmt: skip
    study["link"] = few | unseen | {"draws": 20, "shuffles": 0, "omegas": [1], "reverse": True}
    return study


@pytest.fixture(scope="module")
def done(here: Path, model: Any, raw: dict[str, Any]) -> Path:
    """A study that ran through."""
    run_study(plan_study(Study.model_validate(raw), here / "out"), model, progress=False)
    return here / "out"


def read(folder: Path) -> int:
    """Texts that went through the model under masks and pushes, by what was kept of them."""
    return sum(len(Answers.load(path)) for path in folder.rglob("answers/*.safetensors"))


def test_both_sections_write_what_their_commands_write(done: Path) -> None:
    for name in (
        *("rhetoric/induce/steering.csv", "rhetoric/induce/signs.csv", "rhetoric/induce/steering.png"),
        *("link/association/association.csv", "link/association/cross_effects.csv", "link/association/survivors.png"),
        *("link/cross_signal/rhetoric-to-emotion/cross_signal.csv", "link/stage.json", "report.html"),
    ):
        assert (done / name).exists(), name
    families = {
        way: pd.read_csv(done / "link" / "cross_signal" / way / "cross_signal.csv")["family"].unique().tolist()
        for way in ("rhetoric-to-emotion", "emotion-to-rhetoric")
    }
    assert families == {"rhetoric-to-emotion": ["primary"], "emotion-to-rhetoric": ["exploratory"]}


def test_what_is_predicted_is_what_is_read(here: Path, raw: dict[str, Any], done: Path) -> None:
    costs = {cost.stage.title: cost.texts for cost in plan_study(Study.model_validate(raw), here / "new").costs}
    assert list(costs) == STAGES
    # Neutral texts under the push of two concepts' own sets and of the draws of two controls.
    side = 2 * TEXTS * (1 + 2 * DRAWS)
    assert costs["rhetoric/induce"] == read(done / "rhetoric" / "induce") + side
    # Both ways two concepts' own and random sets; every test text once for co-activation.
    side = 2 * 2 * (1 + DRAWS) * TEXTS
    assert costs["both/link"] == read(done / "link") + side + 2 * 3 * TEXTS


def test_the_report_says_both(done: Path) -> None:
    page = Page((done / "report.html").read_text(encoding="utf-8"))
    for words in (
        "Induction: do texts follow a push?",
        "What emotion and rhetoric share",
        "Rhetoric masked, emotion read: zero masks",
        "Emotion masked, rhetoric read: zero masks (exploratory)",
        "Signal of rhetoric injected while emotion is read",
        "Signal of emotion injected while rhetoric is read (exploratory)",
    ):
        assert page.text.count(words) == 1, words
    # Something was changed in the model.
    assert "No effects." not in page.text
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert all((attributes["href"] or "")[1:] in ids for attributes in page.attributes("a"))


def test_interrupted_it_goes_on_to_the_same_numbers(
    here: Path, model: Any, raw: dict[str, Any], done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = EffectFiles.save
    # Pictures are drawn from the tables, and these are compared.
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: Path(file).touch())
    # As it was when the last direction began.
    shutil.copytree(done, here / "broken", ignore=shutil.ignore_patterns("emotion-to-rhetoric", "report.html"))
    (here / "broken" / "link" / "stage.json").unlink()

    def interrupted(self: Any, *args: Any) -> None:
        save(self, *args)
        if self.folder.name == "emotion-to-rhetoric":
            raise KeyboardInterrupt

    plan = plan_study(Study.model_validate(raw), here / "broken")
    with monkeypatch.context() as patch:
        patch.setattr(EffectFiles, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_study(plan, model, progress=False)
    again = plan_study(Study.model_validate(raw), here / "broken")
    assert [cost.done for cost in again.costs] == [True, True, True, False]
    assert again.seconds(model).keys() == {"both"}
    monkeypatch.setattr("emorhet_lens.study.run._reported", lambda *_: None)
    monkeypatch.setattr("emorhet_lens.study.run.write_report", lambda path, *_, **__: path)
    run_study(again, model, progress=False)
    for path in done.rglob("*.csv"):
        assert (here / "broken" / path.relative_to(done)).read_bytes() == path.read_bytes()
    assert all(cost.done for cost in plan_study(Study.model_validate(raw), here / "broken").costs)


@pytest.mark.parametrize(
    ("change", "stage", "words"),
    [
        (("groups", 0, "induce", "strengths", [2]), "rhetoric/induce", "induce.strengths (was [1.0], is [2.0])"),
        (("link", "reverse", False), "link", "link.reverse (was True, is False)"),
        # What a screening was made with is part of what is made of it.
        (("groups", 1, "limit", 11), "emotion/screen", "screen.limit (was 200, is 11)"),
    ],
)
def test_changed_options_are_refused(
    raw: dict[str, Any], done: Path, change: tuple[Any, ...], stage: str, words: str
) -> None:
    other = copy.deepcopy(raw)
    place: Any = other
    for key in change[:-2]:
        place = place[key]
    place[change[-2]] = change[-1]
    with pytest.raises(StoreError) as caught:
        plan_study(Study.model_validate(other), done)
    assert words in str(caught.value) and str(done / stage) in str(caught.value)


def test_without_effects_and_injections_only_texts_are_compared(
    tmp_path: Path, raw: dict[str, Any], done: Path
) -> None:
    lean = copy.deepcopy(raw)
    lean["link"] |= {"effects": False, "cross_signal": False, "reverse": False}
    cost = plan_study(Study.model_validate(lean), tmp_path).costs[-1]
    assert (cost.stage.title, cost.texts) == ("both/link", 2 * 3 * TEXTS)
    with pytest.raises(StudyError, match="no single group"):
        cost.stage.of_group()


def test_seen_texts_are_not_read_again(tmp_path: Path, here: Path, raw: dict[str, Any]) -> None:
    other = copy.deepcopy(raw)
    other["link"]["emotion"] = [str(here / "emotion-first.jsonl")]
    with pytest.raises(CorpusError, match="were screened on"):
        plan_study(Study.model_validate(other), tmp_path)
