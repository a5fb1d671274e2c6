"""Gains of one run in another run."""

import pytest
import torch
from tiny import tiny_corpus, tiny_llama
from tiny_masks import OTHER_TOKENS, PLACES, TOKENS, hooks_on, neurons_at

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError, StoreError
from emorhet_lens.masks.mask_gains import record_gains
from emorhet_lens.masks.mask_kinds import amplify, attenuate, zero
from emorhet_lens.masks.mask_points import add_mask_points, remove_mask_points

NAMES = ["blocks.0.mlp.hook_gain", "blocks.1.mlp.hook_gain"]


@pytest.fixture
def pointed(any_host):
    add_mask_points(any_host)
    yield any_host
    remove_mask_points(any_host)


@pytest.fixture
def mask(pointed):
    stats = collect_stats(pointed, tiny_corpus(12), progress=False)
    return attenuate(neurons_at(pointed, *PLACES), stats, 0.8)


def test_recorded_gains_are_those_of_the_cache(pointed, mask):
    gains = record_gains(pointed, mask, OTHER_TOKENS)
    with mask.on(pointed):
        _, cache = pointed.run_with_cache(OTHER_TOKENS)
    assert list(gains.by_layer) == [0, 1]
    assert all(torch.equal(gains[layer], cache[name]) for layer, name in enumerate(NAMES))
    assert gains[0].std() > 0 and not gains[0].requires_grad
    assert hooks_on(pointed) == []


def test_put_into_another_run(pointed, mask):
    gains = record_gains(pointed, mask, OTHER_TOKENS)
    with mask.on(pointed):
        own = pointed(TOKENS)
        # Back into their own run they change nothing, into another run they are what acts there.
        mine = pointed.run_with_hooks(OTHER_TOKENS, fwd_hooks=gains.fwd_hooks(mask, pointed))
        assert torch.equal(mine, pointed(OTHER_TOKENS))
        found = pointed.run_with_hooks(TOKENS, fwd_hooks=gains.fwd_hooks(mask))
    assert not torch.equal(found, own)

    def by_hand(layer, neurons):
        def hook(post, hook):
            post = post.clone()
            post[..., neurons] *= gains[layer]
            return post

        return f"blocks.{layer}.mlp.hook_post", hook

    expected = pointed.run_with_hooks(TOKENS, fwd_hooks=[by_hand(0, [2, 5]), by_hand(1, [3])])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    # The mask on the same columns may be another one.
    with zero(neurons_at(pointed, *PLACES)).on(pointed):
        again = pointed.run_with_hooks(TOKENS, fwd_hooks=gains.fwd_hooks(zero(neurons_at(pointed, *PLACES))))
    assert torch.equal(again, found)


def test_where_the_mask_acts_is_recorded(pointed, mask):
    real = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    gains = record_gains(pointed, mask, TOKENS, where="last", attention_mask=real)
    assert gains[0][:, :-1].eq(1).all() and gains[0][:, -1].ne(1).any()
    whole = record_gains(pointed, mask, TOKENS, attention_mask=real)
    alone = record_gains(pointed, mask, TOKENS[1:, 2:])
    torch.testing.assert_close(whole[0][1:, 2:], alone[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(record_gains(pointed, mask, TOKENS)[0][1:, 2:], alone[0], atol=1e-5)


def test_other_masks_that_are_on_are_left_alone(pointed, mask):
    other = amplify(neurons_at(pointed, (0, 7), (1, 1)), 2.0)
    gains = record_gains(pointed, mask, OTHER_TOKENS)
    seen = []

    def watch(gain, hook):
        if hook.ctx["neurons"].tolist() == [7]:
            seen.append(gain.unique().tolist())

    for masks in ((mask, other), (other, mask)):
        with masks[0].on(pointed), masks[1].on(pointed):
            pointed.run_with_hooks(TOKENS, fwd_hooks=[*gains.fwd_hooks(mask), (NAMES[0], watch)])
    assert seen == [[2], [2]]
    with other.on(pointed):
        under = record_gains(pointed, mask, OTHER_TOKENS)
    assert under[0].shape == gains[0].shape and torch.equal(under[0], gains[0])


def test_what_does_not_fit_is_refused(pointed, mask):
    gains = record_gains(pointed, mask, OTHER_TOKENS)
    for places in (PLACES[:2], (*PLACES[:2], (0, 3)), (*PLACES, (0, 0))):
        with pytest.raises(MaskError, match="they are not the same ones"):
            gains.fwd_hooks(zero(neurons_at(pointed, *places)))
    for tokens in (TOKENS[:1], TOKENS[:, :4]):
        with pytest.raises(MaskError, match=r"gains of \[batch pos\] = \(2, 5\)"), mask.on(pointed):
            pointed.run_with_hooks(tokens, fwd_hooks=gains.fwd_hooks(mask))
    with pytest.raises(MaskError, match="needs text="):
        record_gains(pointed, mask, TOKENS, where="text")
    assert hooks_on(pointed) == []


def test_a_model_without_points(pointed, mask):
    gains = record_gains(pointed, mask, OTHER_TOKENS)
    remove_mask_points(pointed)
    for using in (lambda: record_gains(pointed, mask, TOKENS), lambda: gains.fwd_hooks(mask, pointed)):
        with pytest.raises(MaskError, match=r"call add_mask_points\(model\) first"):
            using()


def test_a_mask_of_another_model():
    model = tiny_llama()
    add_mask_points(model)
    with pytest.raises(StoreError, match="fingerprints differ"):
        record_gains(model, zero(neurons_at(tiny_llama(seed=1), (0, 1))), TOKENS)
