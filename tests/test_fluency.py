"""Surprise is what full passes over one text say; repetition and variety are counted by hand."""

import math

import pytest
from asking import next_log_probs, silence, spoil
from tiny import tiny_llama

from emorhet_lens.errors import ModelError
from emorhet_lens.generation.fluency import distinct, fluency, repetition, surprise
from emorhet_lens.generation.generate import generate

TOKENS = (((1, 9, 12), (20, 7, 30)), ((1,), (8,)), ((1, 9), ()), ((1, 30, 8, 9, 11), (33, 12)))


def by_full_passes(model, before, own, hooks=()):
    ids, total = list(before), 0.0
    for token in own:
        total -= next_log_probs(model, ids, hooks)[token]
        ids.append(token)
    return total / len(own) if own else math.nan


def test_surprise(any_host):
    for hooks in ([], [silence(0)]):
        expected = [by_full_passes(any_host, *pair, hooks) for pair in TOKENS]
        for size in (1, 4):
            found = surprise(any_host, TOKENS, hooks=hooks, batch_size=size, progress=False)
            assert found.tolist() == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_greedy_text_surprises_less_than_another():
    model = tiny_llama()
    own = generate(model, ["the dog"], max_new_tokens=6, stop_at_eos=False, progress=False)[0]
    other = tuple((token + 7) % 40 + 6 for token in own.ids)
    greedy, changed = fluency(
        model, [own.text, "x"], [(own.prompt_ids, own.ids), (own.prompt_ids, other)], progress=False
    )
    assert greedy.nats < changed.nats
    assert greedy.perplexity == pytest.approx(math.exp(greedy.nats))


def test_numbers_by_hand():
    assert repetition("a b c d") == 0
    assert repetition("a b c") == 0
    assert repetition("No no no no no no") == pytest.approx(2 / 3)  # three runs, all alike
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert distinct(["a b a", "b a"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "b a"], 2) == pytest.approx(2 / 3)
    assert math.isnan(distinct(["", "a"], 2))
    (empty,) = fluency(tiny_llama(), [""], [((1, 9), ())], progress=False)
    assert math.isnan(empty.nats)
    assert math.isnan(empty.distinct_1)
    assert (empty.repetition, empty.words) == (0.0, 0)


def test_a_spoilt_model_is_refused():
    model = tiny_llama()
    with (
        model.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", spoil)]),
        pytest.raises(ModelError, match="NaN"),
    ):
        surprise(model, TOKENS, progress=False)
