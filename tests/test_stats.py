"""Statistics as values: adding, refusing to add, saving, and what is derived from them."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tiny import PAIR_GROUP, micro_model, require_equal, texts_corpus, tiny_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.activations.sums import Cell, Extremes, Sums
from emorhet_lens.errors import StatsError, StoreError
from emorhet_lens.store import write_tensors
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus, join

MODEL = tiny_llama()
CORPUS = join([tiny_corpus(12, source="one"), tiny_corpus(9, seed=1, source="two")])


def collected(corpus, **options):
    return collect_stats(MODEL, corpus, progress=False, **options)


@pytest.fixture(scope="module")
def whole():
    return collected(CORPUS)


def require_close(mine, other):
    for field in fields(mine):
        a, b = getattr(mine, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5, msg=lambda m, name=field.name: f"{name}: {m}")


@settings(max_examples=8, deadline=None)
@given(st.lists(st.booleans(), min_size=21, max_size=21))
def test_statistics_of_the_parts_add_up_to_those_of_the_whole(whole, sides):
    keys = {e.key for e, side in zip(CORPUS, sides, strict=True) if side}
    parts = [[e for e in CORPUS if (e.key in keys) is side] for side in (True, False)]
    assume(all(len({e.label for e in part}) > 1 for part in parts))
    first, second = (collected(Corpus("part", PAIR_GROUP, tuple(part))) for part in parts)
    added = first + second
    for source in (None, "one", "two"):
        require_close(added.by_label(source), whole.by_label(source))
    require_close(added.extremes_by_label(), whole.extremes_by_label())
    require_close((second + first).by_label(), whole.by_label())
    for name in ("texts", "tokens", "firings"):
        assert torch.equal(getattr(added.by_label(), name), getattr(whole.by_label(), name))
        assert torch.equal(getattr(added.null_sums, name).sum(0), getattr(added.sums, name).sum(0))


def test_a_sum_says_what_it_is_of():
    one, two = tiny_corpus(12, source="one"), tiny_corpus(9, seed=1, source="two")
    added = collected(one, batch_size=5) + collected(two, batch_size=4)
    assert added.options["ids"] == [e.key for e in (*one, *two)]
    assert [c["name"] for c in added.options["corpora"]] == ["texts", "texts"]
    assert added.sources == ("one", "two")
    assert added.seen == {e.digest for e in (*one, *two)}
    # Where only one part knows its texts, keys have to do for both.
    older = collected(two)
    older = replace(older, options={name: value for name, value in older.options.items() if name != "texts"})
    assert (collected(one) + older).seen == {e.key for e in (*one, *two)}
    # The plan still names every text once, by its place among the ids.
    assert sorted(i for batch in added.options["plan"] for i in batch) == list(range(21))
    longest = added.options["plan"][-2][0]
    assert added.options["ids"][longest].startswith("two:")


def test_a_sum_is_loaded_as_either_part_needs():
    one, two = (collected(tiny_corpus(9, seed=k, source=f"s{k}")) for k in (0, 1))
    assert one.loading == (one + two).loading == {"hub": False, "unknown": "error"}
    needy = [replace(two, options=two.options | more) for more in ({"hub": "owner/name"}, {"unknown": "drop"})]
    assert [(one + other).loading for other in needy] == [(other + one).loading for other in needy]
    assert (one + needy[0]).loading == {"hub": "owner/name", "unknown": "error"}
    assert (needy[1] + one).loading == {"hub": False, "unknown": "drop"}


def test_texts_are_counted_once(whole):
    with pytest.raises(StatsError, match="21 texts are in both, for example 'one:000'"):
        _ = whole + whole


OTHER = tiny_corpus(9, seed=2, source="three")


@pytest.mark.parametrize(
    ("option", "value"), [("tokens", "last"), ("prompt", "mood : {text}"), ("prepend_bos", False), ("site", "gate")]
)
def test_other_options_are_not_added(whole, option, value):
    with pytest.raises(StatsError, match=f"{option}="):
        _ = whole + collected(OTHER, **{option: value})


def test_other_groups_are_not_added(whole):
    group = ConceptGroup("others", ("sad", "glad"), "plain")
    with pytest.raises(StatsError, match="cannot be added"):
        _ = whole + collected(Corpus("other", group, OTHER.examples))


def test_other_models_are_not_added(whole):
    with pytest.raises(StoreError, match="fingerprints differ"):
        _ = whole + collect_stats(tiny_llama(seed=1), OTHER, progress=False)


def test_saving_and_loading_is_exact(whole, tmp_path):
    whole.save(tmp_path / "stats.safetensors")
    loaded = ActivationStats.load(str(tmp_path / "stats.safetensors"))
    require_equal(whole, loaded)
    require_equal(loaded + collected(OTHER), whole + collected(OTHER))


def test_group_with_aliases_comes_back(tmp_path):
    group = ConceptGroup("two", ("glad", "sad"), "plain", aliases={"happy": "glad"})
    stats = collected(Corpus("aliased", group, OTHER.examples), prompt=[{"role": "user", "content": "{text}"}])
    stats.save(tmp_path / "stats")
    require_equal(stats, ActivationStats.load(tmp_path / "stats"))


def test_damaged_or_foreign_files_are_refused(whole, tmp_path):
    path = tmp_path / "stats"
    with pytest.raises(StoreError, match="there is no file"):
        ActivationStats.load(path)
    whole.save(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(StoreError, match="truncated"):
        ActivationStats.load(path)
    write_tensors(path, {"output_norm": whole.output_norm}, {}, kind="screen")
    with pytest.raises(StoreError, match="holds 'screen'"):
        ActivationStats.load(path)


def test_derived_numbers_by_hand():
    # Tokens a, b, b and c, a; the activations are in the docstring of micro_model.
    stats = collect_stats(micro_model(), texts_corpus(("glad", "a b b"), ("plain", "c a")), progress=False)
    assert stats.shape == (2, 3)
    torch.testing.assert_close(stats.firing_rate(), torch.tensor([[3, 4, 2], [2, 0, 0]], dtype=torch.float64) / 5)
    torch.testing.assert_close(stats.mean_magnitude(), torch.tensor([[5, 8, 6], [8, 0, 2]], dtype=torch.float64) / 5)
    torch.testing.assert_close(stats.output_norm, torch.tensor([[0, 0, 0], [5, 0, 2]], dtype=torch.float64))
    assert stats.extremes.positive_maximum.amax(0).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert stats.by_label().texts.tolist() == [1, 0, 1]
    assert stats.extremes_by_label().maximum[1].isinf().all()


def test_halves_hold_what_is_theirs(whole):
    first, second = whole.half(0), whole.half(1)
    for field in fields(Sums):
        both = getattr(first.by_label(), field.name) + getattr(second.by_label(), field.name)
        torch.testing.assert_close(both, getattr(whole.by_label(), field.name))
    # Two texts in two halves: each extreme is of one text, and the other half has none of that label.
    stats = collect_stats(micro_model(), texts_corpus(("glad", "a b b"), ("plain", "c a")), progress=False)
    (glad,) = [cell.part for cell in stats.cells if cell.label == "glad"]
    assert stats.half(glad).extremes_by_label().maximum[0].tolist() == [[1, 2, 3], [4, 0, 0]]
    assert stats.half(1 - glad).extremes_by_label().maximum[0].isinf().all()
    for part in (0, 1):
        (rest,) = [cell.part for cell in stats.cells if cell.label == "plain"]
        assert stats.half(part).extremes_by_label().maximum[2].isinf().all() == (part != rest)


def test_sums_pool_and_leave_out():
    sums = Sums.zeros(3, 1, 2)
    sums.texts.copy_(torch.tensor([1, 2, 4]))
    sums.total.copy_(torch.tensor([[[1.0, 0.5]], [[2.0, 0.25]], [[4.0, 0.125]]]))
    pooled = sums.pool([1, -1, 1], 3)
    assert pooled.texts.tolist() == [0, 5, 0]
    assert pooled.total.tolist() == [[[0, 0]], [[5, 0.625]], [[0, 0]]]
    assert sums.pool([-1, -1, -1], 1).texts.tolist() == [0]


def test_extremes_of_nothing_change_nothing():
    some = Extremes(*(torch.tensor([[[value]]], dtype=torch.float64) for value in (2.0, -1.0, 0.5)))
    assert all(
        torch.equal(getattr(some.join(Extremes.empty(1, 1, 1)), f.name), getattr(some, f.name)) for f in fields(some)
    )


def test_rows_of_cells():
    stats = replace(collected(OTHER), cells=())
    assert stats._row(Cell("three", "sad", 0), None) == 1
    assert stats._row(Cell("three", "sad", 0), "other") == -1
    assert stats._row(Cell("three", None, 0), None) == -1
