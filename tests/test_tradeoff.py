"""The trade-off of methods whose truth is known: one writes a word of the target, one a word of another label."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import WORDS, planted_corpus, planted_model, texts_corpus, tiny_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import (
    EffectsError,
    MaskError,
    ModelError,
    PromptError,
    ReadoutError,
    ScreenError,
    StoreError,
)
from emorhet_lens.generation.fluency import surprise
from emorhet_lens.generation.generate import Generation, generate
from emorhet_lens.generation.judge import NOTHING, Judge, train_judge
from emorhet_lens.generation.residual_steering import ResidualShift, residual_differences
from emorhet_lens.generation.tradeoff import plan_tradeoff
from emorhet_lens.generation.tradeoff_methods import Method, by_neurons, by_prompt, by_random_neurons, by_residual
from emorhet_lens.generation.tradeoff_outcomes import Tradeoff
from emorhet_lens.generation.tradeoff_pictures import write_tradeoff_picture
from emorhet_lens.generation.tradeoff_store import BASE, Condition, Written
from emorhet_lens.models.hosts import identify
from emorhet_lens.screening.screen import screen
from emorhet_lens.steering.controls import written_lengths

PROMPTS = ("the dog", "", "she is", "rain and cold , so")
WRITING: Any = {"max_new_tokens": 5, "stop_at_eos": False}
GROUPS = {"glad": "sun song bright", "sad": "rain storm dark", "plain": "road house door"}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama()


@pytest.fixture(scope="module")
def judge(model: Any) -> Judge:
    """Knows three words of every label."""
    rows = [
        (label, f"{' '.join(np.roll(words.split(), k % 3))} x{label}{k}")
        for k in range(20)
        for label, words in GROUPS.items()
    ]
    stats = collect_stats(model, tiny_corpus(9, source="screened"), progress=False)
    return train_judge(texts_corpus(*rows, source="other"), screened=stats)


def writes(model: Any, name: str, word: str, strengths: tuple[float, ...]) -> Method:
    """Makes a word likelier, by what is unembedded as it."""
    token = model.tokenizer.convert_tokens_to_ids(word)
    direction = model.original_model.lm_head.weight.data[token].clone()
    shift = ResidualShift(2, direction, 1.0, identify(model), name)
    return Method(name, strengths, lambda _, strength: [shift * strength], about=lambda _: word)


def methods(model: Any) -> list[Method]:
    return [writes(model, "planted", "sun", (-30.0, 1.0, 30.0)), writes(model, "other", "road", (30.0,))]


def plan(model: Any, judge: Judge, **changes: Any) -> Any:
    options = {"concepts": ["glad"], "prompts": PROMPTS, "methods": methods(model), **WRITING, "progress": False}
    options |= changes
    concepts, prompts, ways = (options.pop(name) for name in ("concepts", "prompts", "methods"))
    return plan_tradeoff(model, concepts, prompts, ways, judge, **options)


def test_the_planted_method_reaches_the_target_and_breaks_the_text(model, judge):
    found = plan(model, judge).run(model, progress=False)
    table = found.to_dataframe().set_index(["method", "strength"])
    assert list(table.index) == [("none", 0), ("planted", -30), ("planted", 1), ("planted", 30), ("other", 30)]
    assert table.loc[("planted", 30), "target_rate"] == 1
    assert table.loc[("other", 30), "target_rate"] == 0
    assert table.loc[("planted", -30), "target_rate"] <= table.loc[("none", 0), "target_rate"]
    # "sun sun sun sun sun": two runs of four words, one word, and pairs of one kind.
    broken = table.loc[("planted", 30)]
    assert found.written[Condition("glad", "planted", 30.0)].texts[0].text == "sun sun sun sun sun"
    assert (broken["repetition"], broken["distinct_1"], broken["distinct_2"]) == (0.5, 1 / 20, 1 / 16)
    assert broken["ppl_ratio"] > 1.5
    assert not broken["fluent"]
    assert table.loc[("none", 0), "fluent"]
    assert table.loc[("none", 0), "ppl_ratio"] == 1
    assert (table["base_rate"] == table.loc[("none", 0), "target_rate"]).all()
    best = found.best().set_index(["direction", "method"])
    assert best.loc[("towards", "planted"), "strength"] == 1
    assert math.isnan(best.loc[("towards", "other"), "strength"])
    assert ("away", "other") not in best.index


def test_texts_and_surprise_are_those_of_each_condition_alone(model, judge):
    found = plan(model, judge).run(model, progress=False)
    for condition, written in found.written.items():
        mask = None
        if condition != BASE:
            way = next(m for m in methods(model) if m.name == condition.method)
            (mask,) = way.interventions("glad", condition.strength)
        alone = generate(model, PROMPTS, masks=mask, progress=False, **WRITING)
        assert [t.ids for t in written.texts] == [t.ids for t in alone]
        nats = surprise(model, [(t.prompt_ids, t.ids) for t in alone], progress=False)
        assert written.nats == pytest.approx(nats.tolist(), abs=1e-4)


def test_interrupted_and_gone_on(model, judge, tmp_path):
    whole = plan(model, judge).run(model, progress=False).to_dataframe()
    first = plan(model, judge, folder=tmp_path)
    assert (len(first.remaining), first.texts) == (4, 16)
    assert 0 < first.minutes < 1
    first.run(model, progress=False)
    for file in sorted((tmp_path / "texts").iterdir())[1:3]:
        file.unlink()
    again = plan(model, judge, folder=tmp_path)
    assert len(again.remaining) == 2
    table = again.run(model, progress=False).to_dataframe()
    assert table.round(4).equals(whole.round(4))
    assert plan(model, judge, folder=tmp_path).texts == 0
    # Strengths and concepts may be added; other neurons or prompts may not.
    more = [writes(model, "planted", "sun", (-30.0, 1.0, 2.0, 30.0))]
    assert len(plan(model, judge, folder=tmp_path, methods=more).remaining) == 1
    assert len(plan(model, judge, folder=tmp_path, concepts=["glad", "sad"]).remaining) == 4
    with pytest.raises(StoreError, match="another method 'planted'"):
        plan(model, judge, folder=tmp_path, methods=[writes(model, "planted", "song", (30.0,))])
    with pytest.raises(StoreError, match="with other max_new_tokens"):
        plan(model, judge, folder=tmp_path, max_new_tokens=4)
    with pytest.raises(StoreError, match="with other prompts"):
        plan(model, judge, folder=tmp_path, prompts=["rain"])


def test_a_residual_difference_of_other_texts_is_another_method(model, judge, tmp_path):
    """The same layer and as many texts: only the texts tell one direction from another."""
    first, second = (residual_differences(model, tiny_corpus(9, seed=seed), progress=False) for seed in (1, 2))
    assert first.texts == second.texts
    # As another device rounds.
    rounded = replace(first, direction=first.direction * (1 + 1e-6))
    plan(model, judge, folder=tmp_path, methods=[by_residual(first, {"glad": 1}, (1.0,))]).run(model, progress=False)
    assert plan(model, judge, folder=tmp_path, methods=[by_residual(rounded, {"glad": 1}, (1.0,))]).texts == 0
    last = residual_differences(model, tiny_corpus(9, seed=1), tokens="last", progress=False)
    for other in (second, last):
        with pytest.raises(StoreError, match="another method 'residual'"):
            plan(model, judge, folder=tmp_path, methods=[by_residual(other, {"glad": 1}, (1.0,))])


def test_neurons_with_other_means_are_another_method():
    planted = planted_model(("anger", "fear"))
    stats, other = (
        collect_stats(planted.model, planted_corpus(planted, per_label=12, seed=seed), progress=False)
        for seed in (0, 1)
    )
    neurons = screen(stats, shuffles=0, top=0.05, support=0).neurons
    rounded = replace(stats, sums=replace(stats.sums, total=stats.sums.total * (1 + 1e-6)))

    def abouts(of: Any) -> list[str]:
        ways = [by_neurons(neurons, of, (4.0,)), by_random_neurons(planted.model, neurons, of, (4.0,), n_random=2)]
        return [json.dumps(way.about("fear")) for way in ways]

    assert abouts(stats) == abouts(rounded)
    for changed in (other, stats.half(0)):
        assert not set(abouts(stats)) & set(abouts(changed))


def test_texts_are_read_in_batches_of_the_size_that_they_are_written_in(model, judge):
    rows: list[int] = []
    hook = model.original_model.model.embed_tokens.register_forward_pre_hook(
        lambda _, found: rows.append(len(found[0]))
    )
    try:
        found = plan(model, judge, batch_size=3).run(model, progress=False)
    finally:
        hook.remove()
    assert max(rows) == 3
    expected = plan(model, judge).run(model, progress=False)
    for condition, written in found.written.items():
        assert written.nats == pytest.approx(expected.written[condition].nats, abs=1e-4)


def test_numbers_by_hand(model, judge):
    """Two texts, one known to the judge, one empty."""
    texts = [Generation("p", text, "m", (1,), (3,) * bool(text), True) for text in ("sun sun", "", "song")]
    known = Condition("glad", "way", 1.0)
    found = Tradeoff(
        ("glad",),
        {BASE: Written(tuple(texts), (1.0, math.nan, 3.0), 0.0), known: Written(tuple(texts), (2.0, 1.0, 3.0), 0.0)},
        {BASE: ("glad", NOTHING, None), known: ("sad", "glad", "glad")},
        judge.to_dict(),
        identify(model),
        {},
    )
    base, row = (values for _, values in found.to_dataframe().iterrows())
    assert (base["n"], base["known"], base["target_rate"], base["empty"]) == (2, 1, 0.5, pytest.approx(1 / 3))
    assert base["perplexity"] == pytest.approx(math.exp(2))
    assert row["ppl_ratio"] == pytest.approx(math.exp(0.5))
    assert row["target_rate"] == pytest.approx(2 / 3)
    # Wilson's interval of 2 in 3.
    assert (row["target_low"], row["target_high"]) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    assert (row["distinct_1"], row["distinct_2"], row["base_rate"]) == (pytest.approx(2 / 3), 1.0, 0.5)


def test_files_and_picture(model, judge, tmp_path):
    found = plan(model, judge, concepts=["glad", "sad"]).run(model, progress=False)
    found.save(tmp_path)
    facts = json.loads((tmp_path / "tradeoff.json").read_text(encoding="utf-8"))
    assert facts["judge"]["accuracy"] == judge.accuracy
    assert facts["family"] == "exploratory"
    assert len(found.texts()) == (1 + 2 * 4) * len(PROMPTS)
    assert {"tradeoff.csv", "best.csv", "texts.csv"} <= {file.name for file in tmp_path.iterdir()}
    assert write_tradeoff_picture(tmp_path, found.to_dataframe()).read_bytes().startswith(b"\x89PNG")


def test_ways_to_steer(judge):
    planted = planted_model(("anger", "fear"))
    corpus = planted_corpus(planted, per_label=12)
    stats = collect_stats(planted.model, corpus, progress=False)
    neurons = screen(stats, shuffles=0, top=0.05, support=0).neurons
    own = by_neurons(neurons, stats, (4.0,))
    random = by_random_neurons(planted.model, neurons, stats, (4.0,), n_random=3)
    (mask,) = own.interventions("fear", 4.0)
    drawn = random.interventions("fear", 4.0)
    assert len(drawn) == 3
    for one in drawn:
        assert not {tuple(c) for c in one.columns.tolist()} & {tuple(c) for c in mask.columns.tolist()}
        assert torch.allclose(written_lengths(planted.model, one), written_lengths(planted.model, mask))
    amplified = by_random_neurons(planted.model, neurons, stats, (4.0,), form="amplify").interventions("fear", 4.0)
    assert all(torch.equal(one.gain, torch.full_like(one.gain, 5.0)) for one in amplified)
    differences = residual_differences(planted.model, corpus, progress=False)
    (shift,) = by_residual(differences, {"fear": 1}, (2.0,)).interventions("fear", 2.0)
    assert (shift.layer, shift.strength) == (1, 2.0)
    asked = by_prompt()
    assert asked.interventions("fear", 1.0) == [None]
    assert asked.wording("Tell me.", "fear", -1.0) == "Do not write it fearfully.\nTell me."
    assert by_prompt((2.0,), {}).wording("x", "irony", 2.0) == "Write it with irony, as strongly as you can.\nx"
    for way, error in ((own, ScreenError), (random, ScreenError), (by_residual(differences, {}, (1.0,)), MaskError)):
        with pytest.raises(error):
            plan_tradeoff(planted.model, ["joy"], ["fear1"], [way], replace(judge, labels=("joy",)), progress=False)


def test_a_strength_that_breaks_the_numbers_is_named(model, judge):
    ways = [writes(model, "planted", "sun", (1.0, 1e300))]
    with pytest.raises(ModelError, match=r"glad, planted at strength 1e\+300: .*smaller strength"):
        plan(model, judge, methods=ways).run(model, progress=False)


def test_prompts_take_turns_with_random_sets(model, judge):
    sun, road = (writes(model, name, name, (30.0,)).interventions("", 30.0)[0] for name in ("sun", "road"))
    turns = Method("turns", (30.0,), lambda _concept, _strength: [sun, road])
    found = plan(model, judge, methods=[turns]).run(model, progress=False)
    written = found.written[Condition("glad", "turns", 30.0)].texts
    assert [text.text.split()[0] for text in written] == ["sun", "road", "sun", "road"]
    assert [text.mask for text in written] == ["sun", "road", "sun", "road"]


def test_asking_is_read_after_the_plain_prompt(model, judge):
    """An instruction changes what is written, and not what it is compared with."""
    asked = by_prompt((1.0,), {"glad": "the sun"})
    found = plan(model, judge, methods=[asked]).run(model, progress=False)
    written, bare = found.written[Condition("glad", "prompt", 1.0)], found.written[BASE]
    assert [len(t.prompt_ids) - len(b.prompt_ids) for t, b in zip(written.texts, bare.texts, strict=True)] == [5] * 4
    pairs = [(b.prompt_ids, t.ids) for t, b in zip(written.texts, bare.texts, strict=True)]
    assert written.nats == pytest.approx(surprise(model, pairs, progress=False).tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"concepts": ["joy"]}, EffectsError, "the judge tells glad, sad, plain"),
        ({"max_new_tokens": 0}, ReadoutError, "max_new_tokens=0"),
        ({"concepts": []}, EffectsError, "each given once"),
        ({"concepts": ["glad", "glad"]}, EffectsError, "each given once"),
        ({"methods": []}, EffectsError, "names of their own"),
        ({"prompts": ["rain " * 43]}, PromptError, "do not fit"),
        ({"prompts": ["rain " * 40], "methods": [by_prompt((1.0,))]}, PromptError, "do not fit"),
    ],
)
def test_what_cannot_be_planned(model, judge, changes, error, message):
    with pytest.raises(error, match=message):
        plan(model, judge, **changes)


def test_methods_need_strengths_that_do_something():
    for strengths in ((), (0.0, 1.0), (1.0, 1.0), (math.nan,), (1.0, math.inf)):
        with pytest.raises(MaskError, match="distinct and not 0"):
            Method("way", strengths, lambda _concept, _strength: [None])
    with pytest.raises(MaskError, match="a prompt cannot ask"):
        by_prompt((3.0,))
    assert "sun" in WORDS
