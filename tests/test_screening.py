"""Screens: what they hold, say, warn of and refuse, and that a folder gives them back."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import stats_by_hand
from tiny import PAIR_GROUP, require_equal, tiny_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import ScreenError, StatsError, StoreError
from emorhet_lens.scorers import SCORERS
from emorhet_lens.screening.screen import NEURONS_FILE, SCREEN_FILE, STATS_FILE, Screen, screen

NEURONS = 60


def made(seed=0, counts=None, sources=None, silent=0, **options):
    """Neurons 0 to 4 are higher on glad texts, 5 to 9 on sad ones; the last `silent` ones never fire."""
    generator = np.random.default_rng(seed)
    counts = counts or dict.fromkeys(PAIR_GROUP.labels, 44)
    labels = [label for label, count in counts.items() for _ in range(count)]
    shift = {label: np.zeros(NEURONS) for label in PAIR_GROUP.labels}
    shift["glad"][:5], shift["sad"][5:10] = 1.5, 1.5
    texts = []
    for label in labels:
        text = shift[label] + generator.normal(size=NEURONS) + generator.normal(size=(4, NEURONS))
        text[:, NEURONS - silent :] = -1
        texts.append(text)
    names = None if sources is None else [sources[k % len(sources)] for k in range(len(labels))]
    return stats_by_hand(texts, labels, sources=names, **options)


@pytest.fixture(scope="module")
def stats():
    return made()


@pytest.fixture(scope="module")
def found(stats):
    return screen(stats, top=0.05, shuffles=6)


def require_same(mine, other):
    assert mine.to_dict() == other.to_dict()
    assert mine.neurons.sets == other.neurons.sets and mine.neurons.scores == other.neurons.scores
    assert mine.options == other.options and mine.stability == other.stability
    assert torch.equal(mine.neurons.background.taken, other.neurons.background.taken)
    require_equal(mine.stats, other.stats)


@pytest.mark.parametrize("changes", [{}, {"preset": "lape", "top": 0.1}, {"scope": "layer", "scorers": "auroc"}])
def test_a_folder_gives_the_screen_back(stats, tmp_path, changes):
    mine = screen(stats, **{"top": 0.05, **changes}, shuffles=3, seed=5)
    mine.save(tmp_path / "new" / "folder")
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == [
        *(NEURONS_FILE, SCREEN_FILE, STATS_FILE)
    ]
    loaded = Screen.load(str(tmp_path / "new" / "folder"))
    require_same(mine, loaded)
    pd.testing.assert_frame_equal(mine.to_dataframe(), loaded.to_dataframe())
    table = pd.read_csv(tmp_path / "new" / "folder" / NEURONS_FILE)
    pd.testing.assert_frame_equal(table, mine.to_dataframe())


def test_a_screen_without_stability_comes_back(stats, tmp_path):
    mine = screen(stats, shuffles=0)
    mine.save(tmp_path)
    assert Screen.load(tmp_path).stability is None
    require_same(mine, Screen.load(tmp_path))
    assert "stability was not measured" in mine.warnings
    assert "excess stability not measured" in repr(mine)


def test_results_of_another_model_are_refused(tmp_path):
    model = tiny_llama()
    mine = screen(collect_stats(model, tiny_corpus(24), progress=False), shuffles=0)
    mine.save(tmp_path)
    require_same(mine, Screen.load(tmp_path, model))
    with pytest.raises(StoreError, match="fingerprints differ"):
        Screen.load(tmp_path, tiny_llama(seed=1))
    with pytest.raises(StoreError, match="n_layers=3"):
        Screen.load(tmp_path, tiny_llama(num_hidden_layers=2))


def test_damaged_folders_are_refused(found, tmp_path):
    with pytest.raises(StoreError, match="there is no file"):
        Screen.load(tmp_path)
    found.save(tmp_path)
    whole = (tmp_path / STATS_FILE).read_bytes()
    (tmp_path / STATS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="truncated"):
        Screen.load(tmp_path)
    (tmp_path / SCREEN_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        Screen.load(tmp_path)
    (tmp_path / SCREEN_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match="not written by emorhet_lens"):
        Screen.load(tmp_path)


def test_default_finds_what_is_there(found):
    assert {neuron for _, neuron in found.neurons.sets["glad"]} <= set(range(5))
    assert {neuron for _, neuron in found.neurons.sets["sad"]} <= set(range(5, 10))
    assert len(found.neurons.sets["glad"]) == len(found.neurons.sets["sad"]) == 3
    assert found.stability.low > 0
    assert found.warnings == ()
    assert repr(found).startswith("Screen(preset='default*', excess stability 0.")


def test_preset_is_marked_where_options_differ(stats):
    assert screen(stats, shuffles=0).preset == "default"
    assert screen(stats, shuffles=0, top=0.002).preset == "default"
    assert screen(stats, shuffles=0, top=0.003).preset == "default*"
    assert screen(stats, preset="lape", support=1, shuffles=0).preset == "lape*"


def test_a_scorer_can_be_named_alone(stats):
    assert screen(stats, scorers="auroc", shuffles=0).options.scorers == ("auroc",)
    assert screen(stats, scorers=["auroc", "rate_z"], shuffles=0).options.scorers == ("auroc", "rate_z")


@pytest.mark.parametrize("name", ["default", "lee2025", "zheng2026"])
def test_no_neuron_is_selected_twice_but_by_a_threshold(name):
    chosen = screen(made(silent=4), preset=name, top=1.0, shuffles=0).selection
    places = list(zip(chosen.layer.tolist(), chosen.neuron.tolist(), strict=True))
    assert len(places) > 50
    assert len(set(places)) == len(places)


def test_scores_of_any_scorer(stats, found):
    for name in ("frequency", "rate_z"):
        assert torch.equal(found.scores(name), SCORERS[name].compute(stats, "others"))
    assert not torch.equal(found.scores("rate_z"), SCORERS["rate_z"].compute(stats, "rest"))
    with pytest.raises(ScreenError, match=r"unknown scorer 'z'; there are .*frequency, "):
        found.scores("z")


def test_table_has_one_row_a_neuron(stats, found):
    table = found.to_dataframe()
    assert list(table.columns) == [
        *("concept", "layer", "neuron", "rank", "score", "entropy", "support", "p_glad", "p_sad")
    ]
    assert table["concept"].tolist() == ["glad"] * 3 + ["sad"] * 3
    assert table["rank"].tolist() == [1, 2, 3] * 2
    rates = stats.summed("firings")[:2, 0].double() / stats.summed("tokens")[:2, None]
    for row in table.itertuples():
        concept = PAIR_GROUP.concepts.index(row.concept)
        shares = rates[:, row.neuron] / rates[:, row.neuron].sum()
        assert row.score == found.scores("standardized")[concept, 0, row.neuron]
        assert (row.p_glad, row.p_sad) == tuple(rates[:, row.neuron].tolist())
        assert row.entropy == pytest.approx(float(-(shares * shares.log()).sum()))
        assert row.support == stats.summed("texts_fired")[concept, 0, row.neuron]


def test_facts_are_plain_and_complete(found):
    facts = found.to_dict()
    assert json.loads(json.dumps(facts))["options"]["scorers"] == ["standardized", "difference_scaled", "difference"]
    assert facts["totals"] == {
        "neurons": 60,
        "candidates": 60,
        "selected": {"glad": 3, "sad": 3},
        "texts": {"glad": 44, "sad": 44, "plain": 44},
        "tokens": {"glad": 176, "sad": 176, "plain": 176},
        "sources": ("made",),
    }
    assert facts["collected"]["site"] == "post"
    assert facts["stability"]["shuffles"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "best"}, "unknown preset 'best'; there are lee2025"),
        ({"tops": 0.1}, r"unknown options \['tops'\]; there are scorers, combine, top"),
        ({"scorers": "entropie"}, r"unknown scorers \['entropie'\]; there are .*frequency"),
        ({"top": 2.0}, "top=2.0 has to be"),
        ({"shuffles": 1}, "an interval needs at least 2"),
        ({"shuffles": -1}, "shuffles=-1"),
    ],
)
def test_wrong_arguments_are_refused(stats, arguments, message):
    with pytest.raises(ScreenError, match=message):
        screen(stats, **arguments)


def sources_without_rest():
    one, two = made(counts={"glad": 40, "plain": 40}), made(1, {"sad": 40, "glad": 10}, sources=["two"], first_id=80)
    return one + two


@pytest.mark.parametrize("name", ["default", "lee2025", "lape"])
def test_several_sources_need_a_rest_each(name):
    stats = sources_without_rest()
    with pytest.raises(StatsError, match=r"'two' has no 'plain' texts .* allow_missing_rest=True"):
        screen(stats, preset=name, shuffles=0)
    allowed = screen(stats, preset=name, allow_missing_rest=True, shuffles=2)
    assert any("allow_missing_rest" in warning for warning in allowed.warnings)
    assert allowed.to_dict()["options"]["allow_missing_rest"] is True
    pooled = SCORERS["standardized"].compute(stats.without_sources(), allowed.options.against)
    assert torch.equal(allowed.scores("standardized"), pooled)
    table = allowed.to_dataframe()
    rates = SCORERS["probability"].compute(stats.without_sources(), "rest")
    assert table["p_sad"].tolist() == rates[1, table["layer"].tolist(), table["neuron"].tolist()].tolist()


def test_one_source_without_rest_is_compared_with_others():
    stats = made(counts={"glad": 40, "sad": 40})
    assert "there are no texts of: plain" in screen(stats, shuffles=0).warnings
    assert len(screen(stats, preset="lee2025", shuffles=0).neurons) == 1
    with pytest.raises(StatsError, match='compare with against="others"'):
        screen(stats, scorers="standardized", against="rest", shuffles=0)


def test_two_sources_with_a_rest_each_are_fine():
    assert screen(made(sources=["one", "two"]), top=0.05, shuffles=4).stability.low > 0


def warned(stats, start, **options):
    return [warning for warning in screen(stats, shuffles=0, **options).warnings if warning.startswith(start)]


def test_silent_neurons_and_ties_are_named():
    stats = made(silent=5)
    # Five silent neurons for one place.
    assert warned(stats, "1 of 1 selected neurons never fire", preset="lee2025")
    assert warned(stats, "5 neurons tie at the cut (global) for 1 places", preset="lee2025")
    supported = screen(stats, preset="lee2025", support=2, shuffles=0).warnings
    assert not any("never fire" in warning or "tie" in warning for warning in supported)


def test_neurons_of_one_text_are_named():
    texts = [[[1.0, 1.0]], [[-1.0, 1.0]], [[-1.0, 1.0]], [[-1.0, -1.0]]]
    stats = stats_by_hand(texts, ["glad", "glad", "sad", "plain"])
    assert warned(stats, "0 of 1 selected neurons never fire for any concept and 1 fire in one text", preset="lee2025")


def test_few_and_missing_texts_are_named():
    assert warned(made(counts={"glad": 39, "plain": 40}), "fewer than 40 texts of: glad (39); ")
    assert warned(made(counts={"glad": 40, "plain": 40}), "there are no texts of: sad")
    assert not warned(made(counts={"glad": 40, "sad": 40, "plain": 40}), "fewer than")


def test_long_texts_that_were_left_out_are_named(stats):
    stats.options["skipped"].append("made:9")
    try:
        assert warned(stats, "1 texts were longer than the context and left out")
    finally:
        stats.options["skipped"].clear()


def test_too_few_texts_for_halves_are_named():
    warnings = screen(made(counts={"glad": 3, "plain": 40}), shuffles=4).warnings
    assert "stability was not measured" in warnings


def test_thin_sources_are_named():
    """A source with two texts a label counts as much as one with forty."""
    whole = made(counts={"glad": 40, "sad": 40, "plain": 40}) + made(
        1, {"glad": 2, "sad": 12, "plain": 12}, sources=["two"], first_id=200
    )
    [warning] = [one for one in screen(whole, shuffles=0).warnings if "equal weight" in one]
    assert warning.startswith("fewer than 10 texts of: glad in two (2); sources are averaged")
    assert not any("equal weight" in one for one in screen(whole, allow_missing_rest=True, shuffles=0).warnings)


def test_concepts_without_neurons_are_named(stats):
    assert "no neurons were selected for: glad, sad" in screen(stats, support=10**6, shuffles=0).warnings
