"""The pass over a corpus: by hand, against a plain loop, what does not change the result, and what is refused."""

import inspect
import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from tiny import (
    N_CTX,
    PAIR_GROUP,
    micro_model,
    require_equal,
    texts_corpus,
    tiny_corpus,
    tiny_gpt2,
    tiny_llama,
    tiny_mixtral,
)

from emorhet_lens.activations import collect
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.design import assign_cells
from emorhet_lens.errors import CorpusError, ModelError, StatsError
from emorhet_lens.texts.corpus import Corpus, join

INF = math.inf
CORPUS = join([tiny_corpus(14, source="one"), tiny_corpus(10, seed=1, source="two")])
MICRO = texts_corpus(("glad", "a b b"), ("plain", "c a"), ("glad", "b"))
THIRD = 1 / 3

# Rows: glad (a b b, b), then plain (c a). Worked out from the table in the docstring of micro_model.
TEXT_POST = {
    "texts_fired": [[[1, 2, 1], [1, 0, 0]], [[1, 1, 1], [1, 0, 0]]],
    "firings": [[[1, 4, 1], [1, 0, 0]], [[2, 1, 1], [1, 0, 0]]],
    "total": [[[-2, 8, 3], [4, 0, -3]], [[2, 2, 3], [4, 0, 0]]],
    "squares": [[[4, 16, 9], [16, 0, 3]], [[2, 4, 9], [16, 0, 0]]],
    "positive_total": [[[1, 8, 3], [4, 0, 0]], [[2, 2, 3], [4, 0, 0]]],
    "positive_squares": [[[1, 16, 9], [16, 0, 0]], [[2, 4, 9], [16, 0, 0]]],
    "rate_total": [[[THIRD, 2, THIRD], [THIRD, 0, 0]], [[1, 0.5, 0.5], [0.5, 0, 0]]],
    "rate_squares": [[[1 / 9, 2, 1 / 9], [1 / 9, 0, 0]], [[1, 0.25, 0.25], [0.25, 0, 0]]],
    "mean_total": [[[-4 / 3, 4, 1], [4 / 3, 0, -5 / 3]], [[1, 1, 1.5], [2, 0, 0]]],
    "mean_squares": [[[10 / 9, 8, 1], [16 / 9, 0, 13 / 9]], [[1, 1, 2.25], [4, 0, 0]]],
    "maximum": [[[1, 2, 3], [4, 0, 0]], [[1, 2, 3], [4, 0, 0]]],
    "minimum": [[[-1, 2, 0], [0, 0, -1]], [[1, 0, 0], [0, 0, 0]]],
    "positive_minimum": [[[1, 2, 3], [4, INF, INF]], [[1, 2, 3], [4, INF, INF]]],
}
LAST_POST = {
    "firings": [[[0, 2, 0], [0, 0, 0]], [[1, 1, 1], [1, 0, 0]]],
    "total": [[[-2, 4, 0], [0, 0, -2]], [[1, 2, 3], [4, 0, 0]]],
    "mean_squares": [[[2, 8, 0], [0, 0, 2]], [[1, 4, 9], [16, 0, 0]]],
    "minimum": [[[-1, 2, 0], [0, 0, -1]], [[1, 2, 3], [4, 0, 0]]],
}
ALL_POST = {
    "texts_fired": [[[1, 2, 1], [1, 0, 2]], [[1, 1, 1], [1, 0, 1]]],
    "firings": [[[1, 4, 1], [1, 0, 2]], [[2, 1, 1], [1, 0, 1]]],
    "total": [[[-4, 8, -3], [4, 0, -1]], [[1, 2, 0], [4, 0, 1]]],
    "minimum": [[[-1, 0, -3], [0, 0, -1]], [[-1, 0, -3], [0, 0, 0]]],
}
TEXT_GATE = {
    "firings": [[[4, 4, 1], [1, 0, 3]], [[2, 1, 1], [1, 0, 0]]],
    "total": [[[4, 8, -2], [2, -4, 2]], [[2, 0, 0], [2, -2, -2]]],
    "minimum": [[[1, 2, -1], [0, -1, -1]], [[1, -2, -1], [0, -1, -1]]],
}


@pytest.mark.parametrize("compatibility", [False, True])
@pytest.mark.parametrize(
    ("site", "tokens", "sizes", "expected"),
    [
        ("post", "text", [4, 2], TEXT_POST),
        ("post", "last", [2, 1], LAST_POST),
        ("post", "all", [6, 3], ALL_POST),
        ("gate", "text", [4, 2], TEXT_GATE),
    ],
)
def test_micro_model_by_hand(compatibility, site, tokens, sizes, expected):
    stats = collect_stats(micro_model(compatibility=compatibility), MICRO, site=site, tokens=tokens, progress=False)
    sums, extremes = stats.by_label(), stats.extremes_by_label()
    assert sums.texts.tolist() == [2, 0, 1]
    assert sums.tokens.tolist() == [sizes[0], 0, sizes[1]]
    for name, rows in expected.items():
        found = getattr(sums, name) if hasattr(sums, name) else getattr(extremes, name)
        torch.testing.assert_close(
            found[[0, 2]].double(), torch.tensor(rows).double(), msg=lambda m, n=name: f"{n} {m}"
        )


def by_plain_loop(model, corpus, *, seed=0):
    """One text at a time, in double precision, with the host's own cache and tokenisation."""
    cells = assign_cells(corpus, seed=seed)
    found = {}
    for example, places in zip(corpus, cells, strict=True):
        _, cache = model.run_with_cache(model.to_tokens(example.text, prepend_bos=True))
        values = np.stack(
            [cache[f"blocks.{i}.mlp.hook_post"][0, 1:].double().numpy() for i in range(model.cfg.n_layers)]
        )
        positive, count = np.maximum(values, 0), values.shape[1]
        rate, mean = (values > 0).mean(1), values.mean(1)
        numbers = {
            "texts": 1,
            "tokens": count,
            "firings": (values > 0).sum(1),
            "texts_fired": (values > 0).any(1),
            "total": values.sum(1),
            "squares": (values**2).sum(1),
            "positive_total": positive.sum(1),
            "positive_squares": (positive**2).sum(1),
            "rate_total": rate,
            "rate_squares": rate**2,
            "mean_total": mean,
            "mean_squares": mean**2,
        }
        smallest = np.where(values > 0, values, INF).min(1)
        for place in places:
            cell = found.setdefault(place, {"sums": {}, "extremes": []})
            for name, number in numbers.items():
                cell["sums"][name] = cell["sums"].get(name, 0) + np.asarray(number, dtype=float)
            cell["extremes"].append((values.max(1), values.min(1), smallest))
    return found


def require_close(mine, other):
    """Equal but for rounding; a value at zero may change its sign in one firing of a million."""
    for field in fields(mine):
        a, b = getattr(mine, field.name), getattr(other, field.name)
        if field.name in ("firings", "texts_fired"):
            assert (a - b).abs().sum() <= 1e-6 * b.sum(), field.name
        else:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4, msg=lambda m, n=field.name: f"{n}: {m}")


@pytest.mark.parametrize(("batch_size", "side"), [("auto", "right"), (4, "left"), (1, "right")])
def test_plain_loop_gives_the_same(any_host, batch_size, side):
    stats = collect_stats(any_host, CORPUS, batch_size=batch_size, padding_side=side, seed=3, progress=False)
    expected = by_plain_loop(any_host, CORPUS, seed=3)
    assert {*stats.cells, *stats.null_cells} == set(expected)
    for cells, sums in ((stats.cells, stats.sums), (stats.null_cells, stats.null_sums)):
        stacked = {
            f.name: torch.stack([torch.tensor(expected[cell]["sums"][f.name]) for cell in cells]) for f in fields(sums)
        }
        wanted = type(sums)(**{n: t.to(getattr(sums, n).dtype) for n, t in stacked.items()})
        require_close(sums, wanted)
    for row, cell in enumerate(stats.cells):
        highest, lowest, smallest = zip(*expected[cell]["extremes"], strict=True)
        for name, wanted in (
            ("maximum", np.max(highest, 0)),
            ("minimum", np.min(lowest, 0)),
            ("positive_minimum", np.min(smallest, 0)),
        ):
            found = getattr(stats.extremes, name)[row]
            torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [{"batch_size": 1}, {"batch_size": 4}, {"padding_side": "left"}])
def test_batches_and_padding_change_rounding_only(any_host, change):
    plain = collect_stats(any_host, CORPUS, progress=False)
    other = collect_stats(any_host, CORPUS, progress=False, **change)
    assert plain.cells == other.cells
    require_close(plain.sums, other.sums)
    require_close(plain.null_sums, other.null_sums)
    require_close(plain.extremes, other.extremes)


def test_order_of_the_corpus_does_not_matter():
    turned = Corpus("turned", PAIR_GROUP, CORPUS.examples[::-1])
    model = tiny_gpt2()
    plain, other = (collect_stats(model, c, batch_size=3, progress=False) for c in (CORPUS, turned))
    assert plain.cells == other.cells
    # The plan goes by length and key, so even the bytes are the same.
    for name in ("sums", "null_sums", "extremes"):
        for field in fields(getattr(plain, name)):
            assert torch.equal(getattr(getattr(plain, name), field.name), getattr(getattr(other, name), field.name))


def test_same_plan_same_bytes(any_host):
    first, second = (collect_stats(any_host, CORPUS, batch_size=5, progress=False) for _ in range(2))
    require_equal(first, second)


def test_random_numbers_of_the_caller_are_left_alone():
    model = tiny_gpt2()
    torch.manual_seed(7)
    np.random.seed(7)
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    collect_stats(model, CORPUS, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == before_numpy).all()


def test_low_precision_products_do_not_round_counts():
    former = torch.get_float32_matmul_precision()
    expected = collect_stats(micro_model(), MICRO, progress=False)
    try:
        torch.set_float32_matmul_precision("medium")
        many = texts_corpus(*((("glad", "plain")[i % 2], "a b b b") for i in range(1200)))
        stats = collect_stats(micro_model(), many, batch_size=1200, progress=False)
        assert stats.by_label().firings[0].tolist() == [[600, 2400, 600], [600, 0, 0]]
        assert stats.by_label().tokens.tolist() == [2400, 0, 2400]
        require_equal(collect_stats(micro_model(), MICRO, progress=False), expected)
    finally:
        torch.set_float32_matmul_precision(former)


def test_bfloat16_model():
    stats = collect_stats(tiny_llama(dtype=torch.bfloat16), CORPUS, progress=False)
    exact = collect_stats(tiny_llama(), CORPUS, progress=False)
    assert stats.model.dtype == "bfloat16"
    assert stats.sums.total.dtype == torch.float64
    assert torch.equal(stats.sums.tokens, exact.sums.tokens)
    difference = (stats.by_label().firings - exact.by_label().firings).abs().sum() / exact.by_label().firings.sum()
    assert 0 < difference < 0.03


def test_options_tell_how_the_numbers_were_made():
    stats = collect_stats(tiny_llama(), CORPUS, prompt="mood : {text}", batch_size=10, seed=4, progress=False)
    options = stats.options
    assert (options["site"], options["tokens"], options["seed"]) == ("post", "text", 4)
    assert (options["prompt"], options["prepend_bos"], options["skipped"]) == ("mood : {text}", True, [])
    assert options["ids"] == [example.key for example in CORPUS]
    assert options["corpora"] == [{"name": CORPUS.name, "sha256": CORPUS.digest, "counts": CORPUS.counts()}]
    assert [len(batch) for batch in options["plan"]] == [10, 10, 4]
    assert set(options["versions"]) == {"emorhet-lens", "transformer-lens", "torch", "transformers"}


def test_prompt_changes_what_is_read_but_not_how_much_is_counted():
    plain, framed = (collect_stats(tiny_llama(), CORPUS, prompt=p, progress=False) for p in (None, "mood : {text} !"))
    assert torch.equal(plain.sums.tokens, framed.sums.tokens)
    assert not torch.equal(plain.sums.firings, framed.sums.firings)


def test_chat_prompt_counts_the_texts_tokens():
    chat = [{"role": "user", "content": "review : {text}"}]
    stats = collect_stats(tiny_llama(), CORPUS, prompt=chat, progress=False)
    assert stats.sums.tokens.sum() == sum(len(example.text.split()) for example in CORPUS)
    assert stats.options["prompt"] == chat


def test_unknown_tokens_are_refused():
    with pytest.raises(StatsError, match="one of last, text, all"):
        inspect.unwrap(collect_stats)(tiny_llama(), CORPUS, tokens="first")


def test_gate_of_an_ungated_model_is_refused():
    with pytest.raises(ModelError, match="no gated MLP"):
        collect_stats(tiny_gpt2(), CORPUS, site="gate", progress=False)


def test_one_class_is_refused():
    with pytest.raises(CorpusError, match=r"one class only \(glad\)"):
        collect_stats(tiny_llama(), texts_corpus(("glad", "so"), ("glad", "not")), progress=False)


LONG = texts_corpus(("glad", "so"), ("sad", "not"), ("plain", " ".join(["dog"] * N_CTX)))


def test_text_longer_than_the_context_is_an_error_by_default():
    with pytest.raises(CorpusError, match=f"made:002 is {N_CTX + 1} tokens long .* holds {N_CTX}"):
        collect_stats(tiny_gpt2(), LONG, progress=False)


def test_text_as_long_as_the_context_is_read():
    stats = collect_stats(tiny_gpt2(), LONG, prepend_bos=False, progress=False)
    assert stats.by_label().tokens.tolist() == [1, 1, N_CTX]


def test_long_texts_may_be_skipped_and_are_listed():
    stats = collect_stats(tiny_gpt2(), LONG, long_texts="skip", progress=False)
    assert stats.options["skipped"] == ["made:002"]
    assert stats.options["ids"] == ["made:000", "made:001"]
    assert stats.by_label().texts.tolist() == [1, 1, 0]


def test_skipping_may_not_leave_one_class():
    corpus = texts_corpus(("glad", "so"), ("sad", LONG.examples[2].text))
    with pytest.raises(CorpusError, match="one class only"):
        collect_stats(tiny_gpt2(), corpus, long_texts="skip", progress=False)


def test_text_without_tokens_is_refused_before_the_first_pass(monkeypatch):
    monkeypatch.setattr(collect, "read_layers", lambda *_: pytest.fail("a pass was made"))
    with pytest.raises(CorpusError, match="made:001 has no token to count"):
        collect_stats(tiny_llama(), texts_corpus(("glad", "so"), ("sad", "<eos>")), progress=False)


def test_weights_that_are_not_finite_are_refused():
    model = tiny_llama()
    with torch.no_grad():
        model.original_model.model.layers[1].mlp.up_proj.weight[3, 4] = math.nan
    with pytest.raises(ModelError, match="layer 1 gave activations that are NaN or infinite"):
        collect_stats(model, CORPUS, progress=False)
    assert not any(model.list_hooks().values())


def test_mixture_of_experts_is_refused_with_the_reason():
    with pytest.raises(ModelError, match="mixture-of-experts"):
        collect_stats(tiny_mixtral(), CORPUS, progress=False)


def test_dropout_is_refused():
    model = tiny_gpt2()
    model.train()
    with pytest.raises(ModelError, match=r"call model\.eval"):
        collect_stats(model, CORPUS, progress=False)


def test_hooks_of_the_user_take_part_and_stay():
    model = tiny_llama()

    def silence(activation, hook):
        return torch.zeros_like(activation)

    with model.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", silence)]):
        before = model.list_hooks()
        masked = collect_stats(model, CORPUS, progress=False)
        assert before
        assert model.list_hooks() == before
    free = collect_stats(model, CORPUS, progress=False)
    assert not masked.sums.squares[:, 1].any()
    assert torch.equal(masked.sums.firings[:, 0], free.sums.firings[:, 0])
    assert not torch.equal(masked.sums.firings[:, 2], free.sums.firings[:, 2])
    assert not any(model.list_hooks().values())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_hook_stays_after_an_error_inside_a_hook(monkeypatch, error):
    def fail(*_):
        raise error("inside a hook")

    model = tiny_llama()
    monkeypatch.setattr(collect, "reduce_texts", fail)
    with pytest.raises(error, match="inside a hook"):
        collect_stats(model, CORPUS, progress=False)
    assert not any(model.list_hooks().values())


def test_planted_neurons_fire_for_their_concept(planted):
    from tiny import planted_corpus

    stats = collect_stats(planted.model, planted_corpus(planted, per_label=15, topic=0.5), progress=False)
    sums = stats.by_label()
    rates = sums.firings / sums.tokens[:, None, None]
    for row, concept in enumerate(planted.group.concepts):
        for layer, neuron in planted.neurons[concept]:
            if planted.strength[layer, neuron] == 1:
                assert rates[row, layer, neuron] > 0.3
                assert rates[:, layer, neuron].sum() < 1.3 * rates[row, layer, neuron]
