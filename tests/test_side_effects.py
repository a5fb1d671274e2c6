"""Perplexity and divergence against passes over one text at a time, in float64."""

import math

import pytest
import torch
from asking import hooks_on, spoil
from tiny import bridge, llama_weights, texts_corpus, tiny_corpus, tiny_llama
from tiny_masks import neurons_at

from emorhet_lens import mask_kinds
from emorhet_lens.causal.neutral import read_neutral
from emorhet_lens.causal.side_effects import side_effects
from emorhet_lens.causal.text_costs import text_costs
from emorhet_lens.errors import ModelError
from emorhet_lens.passes.batches import _AUTO_TOKENS, encode_corpus
from emorhet_lens.passes.prompts import Prompt

CORPUS = tiny_corpus(11, seed=4)
PLACES = ((0, 2), (1, 3), (1, 9), (0, 5))


def encoded(model, corpus=CORPUS, prompt=None, **options):
    return encode_corpus(model, corpus, prompt=prompt or Prompt(), tokens="text", **options)


def hooks_of(model, mask):
    return lambda batch: mask.fwd_hooks(model, text=batch.keep, attention_mask=batch.attention_mask)


def plain(model, *args, **options):
    return read_neutral(model, encoded(model, *args, **options))


def one_at_a_time(model, texts, mask):
    """Ratio, divergence and tokens from passes over single texts without padding."""
    losses, divergences = [], []
    for text in texts.texts:
        tokens = torch.tensor([text.ids])
        with torch.no_grad():
            base = model(tokens)[0].double().log_softmax(-1)
            masked = model.run_with_hooks(tokens, fwd_hooks=mask.fwd_hooks(model))[0].double().log_softmax(-1)
        for place in range(1, len(text.ids)):
            if text.keep[place]:
                losses.append(float(base[place - 1, text.ids[place]] - masked[place - 1, text.ids[place]]))
                divergences.append(float((base[place - 1].exp() * (base[place - 1] - masked[place - 1])).sum()))
    n = len(losses)
    return math.exp(sum(losses) / n), sum(divergences) / n, n


def test_against_one_text_at_a_time(any_host):
    texts = encoded(any_host)
    masks = [mask_kinds.zero(neurons_at(any_host, *PLACES)), mask_kinds.shift(neurons_at(any_host, (1, 3)), 2.0)]
    found = side_effects(
        any_host, read_neutral(any_host, texts), [hooks_of(any_host, mask) for mask in masks], progress=False
    )
    for mask, one in zip(masks, found, strict=True):
        ratio, kl, tokens = one_at_a_time(any_host, texts, mask)
        assert one.ppl_ratio == pytest.approx(ratio, abs=1e-4)
        assert one.kl == pytest.approx(kl, abs=1e-4)
        assert one.tokens == tokens
        assert one.kl > 1e-3
    assert hooks_on(any_host) == []


def test_exact_in_double_precision():
    model = bridge(llama_weights(dtype=torch.float64))
    mask = mask_kinds.zero(neurons_at(model, *PLACES))
    texts = encoded(model)
    (found,) = side_effects(model, read_neutral(model, texts), [hooks_of(model, mask)], progress=False)
    ratio, kl, _ = one_at_a_time(model, texts, mask)
    # Log-probabilities are float32.
    assert found.ppl_ratio == pytest.approx(ratio, abs=1e-6)
    assert found.kl == pytest.approx(kl, abs=1e-6)


def test_a_host_whose_head_is_not_apart_gives_the_same(monkeypatch):
    model, texts = tiny_llama(), encoded(tiny_llama())
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES[:k]))) for k in (1, 4)]
    apart = read_neutral(model, texts)
    monkeypatch.setattr("emorhet_lens.causal.neutral.shortcut_holds", lambda *_: False)
    whole = read_neutral(model, texts)
    assert apart.residuals is not None and whole.residuals is None
    found = [side_effects(model, neutral, hooks, progress=False) for neutral in (apart, whole)]
    for one, other in zip(*found, strict=True):
        assert (one.ppl_ratio, one.kl) == pytest.approx((other.ppl_ratio, other.kl), abs=1e-5)
        assert one.tokens == other.tokens


def test_batches_and_parts_of_the_vocabulary_do_not_matter(monkeypatch):
    model, texts = tiny_llama(), encoded(tiny_llama())
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES)))]
    (whole,) = side_effects(model, read_neutral(model, texts), hooks, progress=False)
    monkeypatch.setitem(_AUTO_TOKENS, "cpu", 24)
    monkeypatch.setattr("emorhet_lens.causal.side_effects._TOKENS", 5)
    small = read_neutral(model, texts)
    assert len(small.batches) > 2
    (found,) = side_effects(model, small, hooks, progress=False)
    assert (found.ppl_ratio, found.kl) == pytest.approx((whole.ppl_ratio, whole.kl), abs=1e-5)
    rows = text_costs(model, small, hooks, progress=False)
    assert sum(row[0].kl * row[0].tokens for row in rows) / whole.tokens == pytest.approx(whole.kl, abs=1e-5)
    assert [row[0].tokens for row in rows] == [sum(text.keep) for text in texts.texts]


def test_a_mask_without_a_dose_costs_nothing():
    model = tiny_llama()
    mask = mask_kinds.zero(neurons_at(model, *PLACES)) * 0
    (found,) = side_effects(model, plain(model), [hooks_of(model, mask)], progress=False)
    assert (found.ppl_ratio, found.kl) == (1.0, 0.0)


def test_several_masks_are_what_each_is_alone():
    model = tiny_llama()
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES[:k]))) for k in (1, 2, 4)]
    together = side_effects(model, plain(model), hooks, progress=False)
    assert together == [side_effects(model, plain(model), [one], progress=False)[0] for one in hooks]
    assert len({one.kl for one in together}) == 3


def test_padding_and_company_do_not_matter():
    model = tiny_llama()
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES)))]
    parts = [CORPUS.where(lambda e, k=k: int(e.id) % 3 == k) for k in range(3)]
    found = [side_effects(model, plain(model, part), hooks, progress=False)[0] for part in parts]
    (whole,) = side_effects(model, plain(model), hooks, progress=False)
    assert whole.tokens == sum(one.tokens for one in found)
    assert whole.kl == pytest.approx(sum(one.kl * one.tokens for one in found) / whole.tokens, abs=1e-5)
    log_ratio = sum(math.log(one.ppl_ratio) * one.tokens for one in found) / whole.tokens
    assert math.log(whole.ppl_ratio) == pytest.approx(log_ratio, abs=1e-5)


def test_only_the_text_s_own_tokens_are_counted():
    model = tiny_llama()
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES)))]
    corpus = texts_corpus(("glad", "the dog"), ("sad", "rain"))
    # BOS comes before the first token, so every token of the texts is predicted.
    (bare,) = side_effects(model, plain(model, corpus), hooks, progress=False)
    (framed,) = side_effects(model, plain(model, corpus, Prompt("it is {text} and cold")), hooks, progress=False)
    assert bare.tokens == framed.tokens == 3
    assert bare.kl != framed.kl
    (without,) = side_effects(model, plain(model, corpus, prepend_bos=False), hooks, progress=False)
    assert without.tokens == 1


def test_nothing_to_predict_is_nan():
    model = tiny_llama()
    hooks = [hooks_of(model, mask_kinds.zero(neurons_at(model, *PLACES)))]
    texts = plain(model, texts_corpus(("glad", "dog")), prepend_bos=False)
    (found,) = side_effects(model, texts, hooks, progress=False)
    assert found.tokens == 0
    assert math.isnan(found.ppl_ratio) and math.isnan(found.kl)


def test_an_interrupt_or_nan_leaves_no_hook():
    model = tiny_llama()
    before = hooks_on(model)

    def interrupt(x, hook):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_effects(model, plain(model), [lambda _: [("blocks.1.mlp.hook_post", interrupt)]], progress=False)
    with pytest.raises(ModelError, match="NaN"):
        side_effects(model, plain(model), [lambda _: [("blocks.1.mlp.hook_post", spoil)]], progress=False)
    assert hooks_on(model) == before == []
