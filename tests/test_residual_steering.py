"""Directions are differences of means, shifts add them where they should, and the layer is chosen by hand's numbers."""

from typing import Any

import pytest
import torch
from answering import answering_model, answering_splits
from asking import token_ids
from tiny import planted_corpus, texts_corpus, tiny_corpus, tiny_gpt2, tiny_llama
from tiny_masks import TOKENS, hooks_on

from emorhet_lens.errors import CorpusError, MaskError, StoreError
from emorhet_lens.generation.fluency import surprise
from emorhet_lens.generation.generate import generate
from emorhet_lens.generation.residual_layer import choose_layer
from emorhet_lens.generation.residual_steering import ResidualShift, residual_differences
from emorhet_lens.readouts.zero_shot import ZeroShot
from emorhet_lens.texts.corpus import Corpus, join

TEXTS = texts_corpus(("glad", "the sun"), ("glad", "song , bright sun"), ("sad", "rain"), ("plain", "a road to it"))


def residuals(model: Any, text: str) -> torch.Tensor:
    """`[layer, model]`: means over the text's own tokens, one text at a time."""
    tokens = torch.tensor([[1, *token_ids(model, text)]])
    _, cache = model.run_with_cache(tokens)
    return torch.stack(
        [cache[f"blocks.{n}.hook_resid_post"][0, 1:].double().mean(0) for n in range(model.cfg.n_layers)]
    )


def test_directions(any_host):
    found = residual_differences(any_host, TEXTS, batch_size=2, progress=False)
    by_text = [residuals(any_host, example.text) for example in TEXTS]
    assert found.concepts == ("glad", "sad")
    expected = torch.stack([(by_text[0] + by_text[1]) / 2 - by_text[3], by_text[2] - by_text[3]])
    assert torch.allclose(found.direction, expected, atol=1e-5)
    assert hooks_on(any_host) == []


def test_sources_count_alike():
    """A source's register falls out, and a source without texts of the rest counts for nothing."""
    model = tiny_llama()
    first, second = TEXTS, tiny_corpus(6, source="second")
    lonely = texts_corpus(("sad", "cold night"), source="lonely")
    apart = [residual_differences(model, corpus, progress=False).direction for corpus in (first, second)]
    joined = residual_differences(model, join([first, second, lonely]), progress=False).direction
    assert torch.allclose(joined, (apart[0] + apart[1]) / 2, atol=1e-6)


def test_a_shift_adds_at_its_layer_only(any_host):
    differences = residual_differences(any_host, TEXTS, progress=False)
    shift = differences.shift("sad", 0, 2.0)
    names = [f"blocks.{n}.hook_resid_{side}" for n in range(2) for side in ("pre", "post")]
    _, plain = any_host.run_with_cache(TOKENS)
    with shift.on(any_host):
        _, shifted = any_host.run_with_cache(TOKENS)
    assert torch.equal(shifted[names[0]], plain[names[0]])
    change = (shifted["blocks.1.hook_resid_pre"] - plain["blocks.1.hook_resid_pre"]).double()
    assert torch.allclose(change, (2 * differences.direction[1, 0]).expand_as(change), atol=1e-5)
    with shift.on(any_host, where="text", text=torch.tensor([[False, False, True, True, False]] * 2)):
        _, some = any_host.run_with_cache(TOKENS)
    change = (some["blocks.1.hook_resid_pre"] - plain["blocks.1.hook_resid_pre"]).abs().sum(-1)
    assert (change > 0).tolist() == [[False, False, True, True, False]] * 2
    with (shift * 0.0).on(any_host):
        assert torch.equal(any_host(TOKENS), any_host.run_with_hooks(TOKENS, fwd_hooks=[]))
    assert hooks_on(any_host) == []


def test_shifts_write(any_host):
    """A shift goes where a mask goes: together with none, in one batch, and the opposite takes it back."""
    shift = residual_differences(any_host, TEXTS, progress=False).shift("glad", 0, 40.0)
    options: Any = {"max_new_tokens": 5, "progress": False}
    prompts = ["the dog", "rain", "the dog"]
    none, other, pushed = generate(any_host, prompts, masks=[None, shift, shift], **options)
    assert none == generate(any_host, ["the dog"], **options)[0]
    assert pushed == generate(any_host, ["the dog"], masks=shift, **options)[0]
    assert pushed.ids != none.ids
    assert other.mask == pushed.mask == "glad residual * 40"


def test_the_layer_is_the_one_that_tells_most():
    model, dev = tiny_llama(), tiny_corpus(9, seed=3)
    differences = residual_differences(model, tiny_corpus(24, seed=1), progress=False)
    layer, table = choose_layer(model, differences, "sad", dev, strength=0.5, progress=False)
    gains = {}
    for n in range(3):
        hooks = differences.shift("sad", n, 0.5).fwd_hooks(model)
        for label in ("sad", "plain"):
            ids = [(1, *token_ids(model, e.text)) for e in dev if e.label == label]
            pairs = [((before,), after) for before, *after in ids]
            gain = [surprise(model, pairs, hooks=h, progress=False).mean() for h in ([], hooks)]
            gains[n, label] = float(gain[0] - gain[1])
    expected = [gains[n, "sad"] - gains[n, "plain"] for n in range(3)]
    assert table["layer"].tolist() == [0, 1, 2]
    assert table["score"].tolist() == pytest.approx(expected, abs=1e-5)
    assert layer == expected.index(max(expected))
    one, rows = choose_layer(model, differences, "sad", dev, layers=[1], progress=False)
    assert (one, len(rows)) == (1, 1)


def test_a_planted_concept_is_induced():
    """Where neurons write what the answer is read from, the difference after their layers turns the answers."""
    answering = answering_model(seed=1)
    parts = answering_splits(answering)
    screened: Corpus = planted_corpus(answering, per_label=12, sources=("more",), seed=9)
    differences = residual_differences(answering.model, screened, progress=False)
    reading = ZeroShot("{text} mood:").prepare(answering.model, parts["test"], dev=parts["dev"], progress=False)
    others = [e.key for e in parts["test"] if e.label != "fear"]
    rates = {}
    for strength in (0.0, 3.0, -3.0):
        shift = differences.shift("fear", 1, strength)
        found = reading.read(
            answering.model, lambda _, s=shift: s.fwd_hooks(answering.model), only=others, progress=False
        )
        rates[strength] = float((found.predicted == found.labels.index("fear")).double().mean())
    assert rates[3.0] > 0.6
    assert rates[-3.0] <= rates[0.0] < 0.2


def test_errors():
    model = tiny_llama()
    differences = residual_differences(model, TEXTS, progress=False)
    with pytest.raises(MaskError, match="no concept 'joy'; there are glad, sad"):
        differences.shift("joy", 0)
    with pytest.raises(MaskError, match="layer 3 is not in"):
        differences.shift("sad", 3)
    with pytest.raises(MaskError, match="not finite"):
        differences.shift("sad", 0, float("nan"))
    with pytest.raises(MaskError, match="layer -1"):
        ResidualShift(-1, torch.zeros(16), 1.0, differences.model)
    with pytest.raises(StoreError):
        differences.shift("sad", 0).fwd_hooks(tiny_gpt2())
    with pytest.raises(CorpusError, match="needs texts of a concept and of 'plain'"):
        residual_differences(model, TEXTS.where(lambda example: example.label != "plain"), progress=False)
    with pytest.raises(CorpusError, match="development texts of 'sad'"):
        choose_layer(model, differences, "sad", TEXTS.where(lambda e: e.label == "glad" or e.label == "plain"))
