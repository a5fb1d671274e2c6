"""The file of a study: what it may hold, and complaints that name the key and what is allowed."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tiny_study import study_of, write_toml

from emorhet_lens.errors import StudyError
from emorhet_lens.study.file import load_study
from emorhet_lens.study.schema import Study

SMALL = '[[groups]]\nname = "emotion"\ncorpora = ["mine.jsonl"]\n'


def written(folder: Path, text: str, name: str = "study.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_study_screens_only(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, SMALL))
    [group] = study.groups
    assert (study.model, study.host, study.device, study.dtype, study.seed) == (
        "smollm2-135m-instruct", "bridge", None, None, 0,
    )  # fmt: skip
    assert (group.name, group.corpora, group.limit, group.preset) == ("emotion", ("mine.jsonl",), 200, "default")
    assert group.validation is group.sweep is group.replication is None
    assert group.changes == {}


def test_sections_and_their_defaults(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, f"{SMALL}top = 0.01\n[groups.validate]\n[groups.sweep]\ndoses = [1, 0.5]\n"))
    [group] = study.groups
    assert group.validation is not None and group.sweep is not None
    assert group.validation.masks == ("zero", "mean", "adaptive")
    assert (group.validation.n_random, group.sweep.n_random) == (8, 4)
    # A whole number is a number.
    assert group.sweep.doses == (1.0, 0.5)
    assert group.sweep.concepts is group.validation.corpora is None
    assert group.changes == {"top": 0.01}


def test_toml_and_yaml_give_the_same_study(tmp_path: Path) -> None:
    raw = study_of(tmp_path, "rhetoric", "emotion")
    first = load_study(write_toml(tmp_path / "a.toml", raw))
    second = load_study(written(tmp_path, yaml.safe_dump(raw), "a.yml"))
    assert first == second == Study.model_validate(raw)
    with pytest.raises(ValidationError, match="frozen"):
        first.seed = 3  # type: ignore[misc]


def test_the_study_of_the_benchmarks_is_a_study() -> None:
    study = load_study(Path(__file__).parent.parent / "benchmarks" / "study.toml")
    emotion, rhetoric = study.groups
    for group in (emotion, rhetoric):
        assert group.validation is not None and group.sweep is not None and group.replication is not None
        assert group.validation.masks == ("zero", "mean", "adaptive")
        assert (group.validation.limit, group.validation.n_random) == (60, 8)
        assert (len(group.sweep.ratios), group.sweep.layers) == (5, ("bottom", "middle", "top", "all"))
        assert len(group.sweep.concepts or ()) == 2
        assert group.induction is not None and group.induction.strengths == (1.0, 4.0, 16.0)
        assert (group.induction.controls, group.induction.limit) == (("random", "scaled"), 25)
    assert emotion.curves is not None and rhetoric.curves is None
    assert emotion.curves.concepts == ("happiness", "sadness", "anger")
    assert emotion.curves.judge == ("crowd_envent", "carer") and len(emotion.curves.chosen) == 20
    assert study.link is not None and study.link.reverse and study.link.cross_signal
    assert rhetoric.corpora == ("hypo", "lcc_metaphor", "sarcasm_sign", "figurative_comparisons")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "groups: is missing"),
        ("groups = []", "groups: List should have at least 1 item"),
        (f"modle = 1\n{SMALL}", "modle: unknown key; there are model, host, device, dtype, seed, groups, link"),
        (f"{SMALL}limits = 3", "groups[0].limits: unknown key; there are name, corpora, limit"),
        (f"{SMALL}[groups.validate]\nalpha = 1", "groups[0].validate.alpha: unknown key; there are corpora, readout"),
        (f"{SMALL}limit = '60'", "groups[0].limit: Input should be a valid integer, got '60'"),
        (f"{SMALL}limit = true", "groups[0].limit: Input should be a valid integer, got True"),
        (f"{SMALL}limit = 0", "groups[0].limit: Input should be greater than 0, got 0"),
        (f"{SMALL}validate = 3", "groups[0].validate: Input should be a table, got 3"),
        (f"{SMALL}preset = 'best'", "groups[0].preset: it is one of lee2025, zheng2026, lape, default, got 'best'"),
        (f"{SMALL}shuffles = 1", "shuffles: an interval needs at least 2"),
        ('[[groups]]\nname = "mood"\ncorpora = ["a"]', "groups[0].name: it is one of emotion, rhetoric, got 'mood'"),
        ('[[groups]]\nname = "emotion"\ncorpora = "a"', "groups[0].corpora: Input should be a list, got 'a'"),
        ('[[groups]]\nname = "emotion"\ncorpora = [1]', "groups[0].corpora[0]: Input should be a valid string, got 1"),
        ('[[groups]]\nname = "emotion"\ncorpora = ["a", "a"]', "groups[0].corpora: each may be named once"),
        (SMALL + SMALL, "each group may occur once, got emotion, emotion"),
        (f"dtype = 'int3'\n{SMALL}", "dtype: Input should be 'float32', 'bfloat16' or 'float16', got 'int3'"),
        (f"seed = -1\n{SMALL}", "seed: Input should be greater than or equal to 0, got -1"),
        (f"{SMALL}[groups.validate]\nmasks = ['half']", "validate.masks[0]: it is one of zero, mean, attenuate, adapt"),
        (f"{SMALL}[groups.validate]\nreadout = 'oracle'", "validate.readout: it is one of zero-shot, few-shot, probe"),
        (f"{SMALL}[groups.validate]\nn_random = 1", "validate.n_random: Input should be greater than or equal to 2"),
        (f"{SMALL}[groups.validate]\ndelta = 0", "validate.delta: Input should be greater than 0"),
        (f"{SMALL}[groups.validate]\nsearch = 'luck'", "validate.search: Input should be 'ladder' or 'bisection'"),
        (f"{SMALL}[groups.sweep]\nratios = [2]", "sweep.ratios[0]: Input should be less than or equal to 1, got 2"),
        (f"{SMALL}[groups.sweep]\ndoses = [inf]", "sweep.doses[0]: Input should be a finite number, got inf"),
        (f"{SMALL}[groups.sweep]\nlayers = ['upper']", "sweep.layers: layers are bottom, middle, top, all"),
        (f"{SMALL}[groups.sweep]\nconcepts = ['joy']", "sweep.concepts: unknown ['joy']; there are anger, disgust"),
        (f"{SMALL}[groups.induce]\nstrengths = [0, 1]", "induce.strengths: at 0 nothing is pushed"),
        (f"{SMALL}[groups.induce]\nstrengths = [nan]", "induce.strengths[0]: Input should be a finite number"),
        (f"{SMALL}[groups.induce]\nforms = ['gentle']", "induce.forms[0]: Input should be 'contrast', 'zheng2026',"),
        (f"{SMALL}[groups.induce]\ncontrols = ['own']", "induce.controls[0]: Input should be 'random', 'scaled' or"),
        (f"{SMALL}[groups.induce]\nconcepts = ['joy']", "induce.concepts: unknown ['joy']; there are anger, disgust"),
        (f"{SMALL}[groups.induce]\nomegas = [1]", "induce.omegas: unknown key; there are corpora, readout"),
        (f"{SMALL}[groups.curves]\nconcepts = ['fear']", "groups[0].curves.judge: is missing"),
        (f"{SMALL}[groups.curves]\njudge = ['b']", "groups[0].curves.concepts: is missing"),
        (f"{SMALL}[groups.curves]\nomega = 1", "curves.omega: unknown key; there are concepts, judge, corpora"),
        (f"{SMALL}[groups.curves]\nstrengths = [0]", "curves.strengths: at 0 nothing is pushed"),
        (f"{SMALL}[groups.curves]\nprompts = ['a', 'a']", "curves.prompts: each may be named once"),
        (
            f"{SMALL}[groups.curves]\nconcepts = ['joy']\njudge = ['b']",
            "curves.concepts: unknown ['joy']; there are anger, disgust",
        ),
        (
            f"{SMALL}[groups.curves]\nconcepts = ['fear']\njudge = ['mine.jsonl']",
            "curves.judge: ['mine.jsonl'] are screened, so a judge",
        ),
        (f"{SMALL}[link]", "link: needs both groups, emotion and rhetoric, got emotion; add the other one"),
        (f"{SMALL}[link]\nstrength = 1", "link.strength: unknown key; there are emotion, rhetoric, draws"),
        (f"{SMALL}[link]\nmasks = ['adaptive']", "link.masks[0]: it is one of zero, mean, attenuate, got 'adaptive'"),
        (f"{SMALL}[link]\ncross_signal = false\nreverse = true", "reverse: there is no other direction without"),
        (f"{SMALL}[groups.replicate]", "groups[0].replicate.corpora: is missing"),
        (f"{SMALL}[groups.replicate]\ncorpora = ['b']\ntested = ['c']", "replicate.tested: ['c'] are not screened"),
        ("x =", "cannot be read"),
    ],
)
def test_complaints_name_the_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_all_complaints_at_once_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(written(tmp_path, "seed = 'a'\nhost = 'x'\n[[groups]]\nname = 'mood'\ncorpora = [1]"))
    said = str(caught.value).partition("cannot be used: ")[2].split("; ")
    assert [one.partition(":")[0] for one in said] == ["host", "seed", "groups[0].name", "groups[0].corpora[0]"]


def test_files_that_are_not_there_and_broken_yaml(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study file"):
        load_study(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(written(tmp_path, "groups: [", "broken.yaml"))
    with pytest.raises(StudyError, match="the file: Input should be a table"):
        load_study(written(tmp_path, "- 3", "list.yaml"))
