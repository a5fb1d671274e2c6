"""A study with the section `curves` on a tiny model: what it costs, what it writes, and what is refused beforehand."""

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_study import make_folder, study_of

from emorhet_lens.cli.study import say_costs
from emorhet_lens.errors import CorpusError, EffectsError, EmorhetError, StoreError, StudyError
from emorhet_lens.generation.openings import OPENINGS
from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.models.loading import load_model
from emorhet_lens.study.curves_step import run_curves
from emorhet_lens.study.run import plan_study, run_study
from emorhet_lens.study.schema import Study
from emorhet_lens.study.stages import Stage

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
PROMPTS, NEW, LAYERS = 2, 3, 3


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Describing and drawing take longer than everything else here, and are not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emorhet_lens.screening.job.describe_quality", lambda *_, **__: SimpleNamespace(warnings=()))
        patch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: Path(file).touch())
        patch.setattr("emorhet_lens.study.run._reported", lambda plan, group, *_: plan.folder_of(group, "curves"))
        patch.setattr("emorhet_lens.study.run.write_report", lambda _, groups, **__: groups[0])
        yield


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("study-curves"))


@pytest.fixture(scope="module")
def model(here: Path) -> Any:
    return load_model(str(here / "model"), device="cpu")


@pytest.fixture(scope="module")
def raw(here: Path) -> dict[str, Any]:
    study = study_of(here, "emotion")
    [group] = study["groups"]
    for section in ("validate", "sweep", "replicate"):
        del group[section]
    group["curves"] = {
        "concepts": ["fear"], "judge": [str(here / "emotion-second.jsonl")], "strengths": [-2, 2],
        "residual_strengths": [1], "limit": PROMPTS, "max_new_tokens": NEW, "n_random": 2, "texts": 5,
    }  # fmt: skip
    return study


def changed(raw: dict[str, Any], **options: Any) -> dict[str, Any]:
    other = copy.deepcopy(raw)
    other["groups"][0]["curves"] |= options
    return other


def test_no_more_is_run_than_was_said_and_it_is_run_once(here: Path, model: Any, raw: dict[str, Any]) -> None:
    plan = plan_study(Study.model_validate(raw), here / "out")
    screened, cost = plan.costs
    assert cost.stage.title == "emotion/curves" and not screened.layered
    # Three labels of 5 texts; 16 texts of fear and of the rest are 2/5 of 32, and may choose the layer once without and
    # three times with a shift; a prompt under nine conditions takes a pass a token, and is read once more.
    chosen = cost.layered
    assert 11 <= chosen <= 15 and cost.of(model) == cost.texts + LAYERS * chosen
    assert cost.texts == 15 + chosen + 9 * PROMPTS * (NEW + 1)
    rows: dict[str, int] = {"screen": 0, "curves": 0}

    def count(_: Any, inputs: Any) -> None:
        rows["screen" if not (here / "out" / "emotion" / "curves").exists() else "curves"] += len(inputs[0])

    hook = model.original_model.model.embed_tokens.register_forward_pre_hook(count)
    try:
        folder = run_study(plan, model, progress=False)
        first = dict(rows)
        again = plan_study(Study.model_validate(raw), here / "out")
        run_study(again, model, progress=False)
    finally:
        hook.remove()
    assert 0.5 * cost.of(model) < first["curves"] <= cost.of(model)
    assert rows == first and [(one.done, one.of(model)) for one in again.costs] == [(True, 0)] * 2
    tables = CurveTables.load(Path(folder))
    assert tuple(tables.options["prompts"]) == OPENINGS[:PROMPTS]
    assert set(tables.table["method"]) == {"none", "neurons", "random neurons", "residual", "prompt"}
    with pytest.raises(StoreError, match=r"curves\.max_new_tokens \(was 3, is 4\)"):
        plan_study(Study.model_validate(changed(raw, max_new_tokens=4)), here / "out")
    # A screening does not depend on what is measured with it.
    without = copy.deepcopy(raw)
    del without["groups"][0]["curves"]
    (only,) = plan_study(Study.model_validate(without), here / "out").costs
    assert only.done
    broken = Stage(Study.model_validate(without).groups[0], "curves", here / "out", {})
    with pytest.raises(StudyError, match="the section curves is missing"):
        run_curves(plan, broken, model, False)


def test_the_costs_say_what_a_token_counts(
    tmp_path: Path, model: Any, raw: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_study(Study.model_validate(raw), tmp_path)
    say_costs(plan, model)
    said = " ".join(capsys.readouterr().out.split())
    assert "curves: every token that is written counts as a text" in said
    assert f"at most {sum(cost.of(model) for cost in plan.costs):,} texts" in said


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"judge": ["{here}/emotion-second.jsonl"], "concepts": ["joy"]}, ValueError, r"curves\.concepts: unknown"),
        ({"judge": ["{here}/emotion-first.jsonl"]}, ValueError, r"curves\.judge: .* are screened"),
        ({"judge": []}, ValueError, "at least 1 item"),
        ({"concepts": ["disgust"]}, EffectsError, "has no texts of disgust"),
        ({"corpora": ["{here}/emotion-second.jsonl"]}, CorpusError, "gives the residual difference"),
        ({"judge": ["{here}/sub/emotion-first.jsonl"]}, CorpusError, "emotion-first was screened on"),
        ({"prompts": ["the dog", "{held}"]}, CorpusError, "holds 1 of the prompts"),
        ({"judge": ["{here}/rhetoric-first.jsonl"]}, EmorhetError, "unknown label 'metaphor'"),
    ],
)
def test_what_is_refused_before_a_model_is_loaded(
    here: Path, tmp_path: Path, raw: dict[str, Any], options: dict[str, list[str]], error: Any, message: str
) -> None:
    text = (here / "emotion-first.jsonl").read_text(encoding="utf-8")
    (here / "sub").mkdir(exist_ok=True)
    (here / "sub" / "emotion-first.jsonl").write_text(text, encoding="utf-8")
    held = (here / "emotion-second.jsonl").read_text(encoding="utf-8").split('"text": "')[1].split('"')[0]
    filled = {name: [one.format(here=here, held=held) for one in values] for name, values in options.items()}
    with pytest.raises(error, match=message):
        plan_study(Study.model_validate(changed(raw, **filled)), tmp_path)
