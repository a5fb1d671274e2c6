"""Masks on the hosts: what changes, what does not, at which positions, and what is left behind."""

from dataclasses import replace

import pytest
import torch
from tiny import N_CTX, micro_model, texts_corpus, tiny_corpus, tiny_llama, tiny_mixtral
from tiny_masks import OTHER_TOKENS, PLACES, TOKENS, hooks_on, neurons_at, posts
from transformer_lens import patching

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError, ModelError, StoreError
from emorhet_lens.masks.mask_hooks import LayerMask, masking_hook
from emorhet_lens.masks.mask_kinds import amplify, attenuate, clamp, mean, resample, shift, zero
from emorhet_lens.masks.mask_positions import Positions
from emorhet_lens.models.hosts import identify
from emorhet_lens.passes.batches import Encoded, pad_batch

CPU = torch.device("cpu")
TEXTS = [
    Encoded((1, 9, 12, 20, 7), (False, True, True, True, False)),
    Encoded((1, 30, 8), (False, True, False)),
    Encoded((1, 14, 10, 25), (False, True, True, False)),
]


@pytest.fixture(scope="module")
def stats(any_host):
    return collect_stats(any_host, tiny_corpus(12), progress=False)


def kinds(model, stats):
    neurons = neurons_at(model, *PLACES)
    _, cache = model.run_with_cache(OTHER_TOKENS)
    return {
        "zero": zero(neurons),
        "mean": mean(neurons, stats),
        "attenuate": attenuate(neurons, stats, 0.7),
        "amplify": amplify(neurons, 3.0),
        "shift": shift(neurons, [1.0, -2.0, 0.5]),
        "resample": resample(neurons, cache),
    }


def test_only_masked_columns_of_masked_layers_change(any_host, stats):
    plain = posts(any_host, TOKENS)
    for name, mask in kinds(any_host, stats).items():
        hooks = mask.fwd_hooks(any_host)
        assert [hook for hook, _ in hooks] == ["blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post"]
        now = posts(any_host, TOKENS, hooks)
        rest = torch.ones(any_host.cfg.d_mlp, dtype=torch.bool)
        rest[[2, 5]] = False
        assert torch.equal(plain[0][..., rest], now[0][..., rest]), name
        assert not torch.equal(plain[0][..., ~rest], now[0][..., ~rest]), name
        assert torch.equal(any_host(TOKENS), any_host.run_with_hooks(TOKENS)), "the model is as before"
        # The input of the later layers is another one; the hook itself leaves their other columns alone.
        seen = {}

        def keep(x, hook, seen=seen):
            seen["before"] = x.clone()

        with any_host.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", keep)]):
            after = posts(any_host, TOKENS, hooks)[1]
        assert torch.equal(seen["before"][..., :3], after[..., :3]) and torch.equal(
            seen["before"][..., 4:], after[..., 4:]
        )


def test_exact_ends(any_host, stats):
    neurons = neurons_at(any_host, *PLACES)
    found = posts(any_host, TOKENS, clamp(neurons, 0.1).fwd_hooks(any_host))
    # Not merely near: with g = 0 nothing of x, however large, is left in the rounding.
    assert all(torch.equal(found[i][..., n], torch.full(TOKENS.shape, 0.1)) for i, n in PLACES)
    plain = any_host(TOKENS)
    for name, mask in kinds(any_host, stats).items():
        assert torch.equal(any_host.run_with_hooks(TOKENS, fwd_hooks=(mask * 0).fwd_hooks(any_host)), plain), name
        assert not torch.equal(any_host.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(any_host)), plain), name
    for mask in (amplify(neurons, 1.0), attenuate(neurons, stats, 0.0), shift(neurons, 0.0)):
        assert torch.equal(any_host.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(any_host)), plain)
    nothing = zero(neurons)
    gained = amplify(neurons, 0.0)
    with nothing.on(any_host):
        zeroed = any_host(TOKENS)
    assert torch.equal(zeroed, any_host.run_with_hooks(TOKENS, fwd_hooks=gained.fwd_hooks(any_host)))


def test_the_hook_is_pure(any_host, stats):
    post = torch.randn(2, 5, any_host.cfg.d_mlp)
    before = post.clone()
    for mask in kinds(any_host, stats).values():
        (_, hook), *_ = mask.fwd_hooks(any_host)
        once, twice = hook(post, hook=None), hook(post, hook=None)
        assert torch.equal(once, twice) and torch.equal(post, before)
        assert once.data_ptr() != post.data_ptr()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("where", ["text", "last"])
def test_batching_and_padding_do_not_matter(any_host, stats, where, side):
    for mask in (attenuate(neurons_at(any_host, *PLACES), stats), shift(neurons_at(any_host, *PLACES), 2.0)):

        def run(indices, mask=mask):
            batch = pad_batch(TEXTS, indices, pad_id=0, side=side, device=CPU)
            hooks = mask.fwd_hooks(any_host, where=where, text=batch.keep, attention_mask=batch.attention_mask)
            with any_host.hooks(fwd_hooks=hooks):
                logits = any_host(batch.tokens, attention_mask=batch.attention_mask)
            return [row[real.bool()] for row, real in zip(logits, batch.attention_mask, strict=True)]

        together = run((0, 1, 2))
        for index, row in enumerate(together):
            torch.testing.assert_close(row, run((index,))[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_only_chosen_positions_change(any_host, side):
    batch = pad_batch(TEXTS, (0, 1, 2), pad_id=0, side=side, device=CPU)
    mask = clamp(neurons_at(any_host, (0, 5), (0, 2)), 9.0)
    plain = posts(any_host, batch.tokens, attention_mask=batch.attention_mask)[0]
    last = batch.attention_mask.cumsum(-1) * batch.attention_mask == batch.attention_mask.sum(-1, keepdim=True)
    for where, chosen in {"text": batch.keep, "last": last, "all": torch.ones_like(last)}.items():
        hooks = mask.fwd_hooks(any_host, where=where, text=batch.keep, attention_mask=batch.attention_mask)
        now = posts(any_host, batch.tokens, hooks, attention_mask=batch.attention_mask)[0]
        assert torch.equal(now[~chosen], plain[~chosen])
        assert now[chosen][:, [2, 5]].unique().tolist() == [9]


@pytest.mark.parametrize("where", ["prompt", "generated", "all", "last"])
@pytest.mark.parametrize("cached", [True, False])
def test_generation(any_host, where, cached):
    mask = clamp(neurons_at(any_host, (0, 5), (1, 3)), 9.0)
    prompt = TOKENS[:1]
    seen = []

    def watch(post, hook):
        seen.append((post[0, :, 5] == 9).tolist())

    options = {} if cached else {"prompt_length": 5}
    with mask.on(any_host, where=where, **options), any_host.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", watch)]):
        any_host.generate(
            prompt, max_new_tokens=3, do_sample=False, verbose=False, stop_at_eos=False, use_past_kv_cache=cached
        )
    assert hooks_on(any_host) == []
    yes, no = [True], [False]
    if cached:
        expected = {
            "prompt": [yes * 5, no, no],
            "generated": [no * 5, yes, yes],
            "all": [yes * 5, yes, yes],
            "last": [no * 4 + yes, yes, yes],
        }
    else:
        expected = {
            "prompt": [yes * 5, yes * 5 + no, yes * 5 + no * 2],
            "generated": [no * 5, no * 5 + yes, no * 5 + yes * 2],
            "all": [yes * 5, yes * 6, yes * 7],
            # What was the last position once is masked again, as a cache remembers it.
            "last": [no * 4 + yes, no * 4 + yes * 2, no * 4 + yes * 3],
        }
    assert seen[:3] == expected[where]


def test_nested_masks_act_in_the_order_of_entering(any_host):
    neurons = neurons_at(any_host, *PLACES)
    two, add = clamp(neurons, 2.0), shift(neurons, 1.0)
    plain = any_host(TOKENS)
    with two.on(any_host):
        with add.on(any_host):
            inner = posts(any_host, TOKENS)
            chained = any_host(TOKENS)
        assert posts(any_host, TOKENS)[0][0, 0, 5] == 2
    assert inner[0][..., [2, 5]].unique().tolist() == [3] and inner[1][..., 3].unique().tolist() == [3]
    assert torch.equal(chained, any_host.run_with_hooks(TOKENS, fwd_hooks=two.then(add).fwd_hooks(any_host)))
    with add.on(any_host), two.on(any_host):
        assert posts(any_host, TOKENS)[0][0, 0, 5] == 2
    assert torch.equal(any_host(TOKENS), plain) and hooks_on(any_host) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_hook_stays_after_an_error(any_host, error):
    plain = any_host(TOKENS)
    mask = zero(neurons_at(any_host, *PLACES))

    def fail(activation, hook):
        raise error("stop here")

    with pytest.raises(error, match="stop here"), mask.on(any_host), (mask * 0.5).on(any_host):
        any_host.run_with_hooks(TOKENS, fwd_hooks=[("blocks.1.mlp.hook_post", fail)])
    assert hooks_on(any_host) == []
    # An error of the mask's own hook leaves nothing either.
    with pytest.raises(MaskError, match="of this very batch"), mask.on(any_host, where="text", text=TOKENS[:1] > 0):
        any_host(TOKENS)
    assert hooks_on(any_host) == [] and torch.equal(any_host(TOKENS), plain)


def test_hooks_of_the_user_stay(any_host):
    calls = []

    def count(post, hook):
        calls.append(1)

    with any_host.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", count)]):
        with zero(neurons_at(any_host, *PLACES)).on(any_host):
            any_host(TOKENS)
        any_host(TOKENS)
    assert len(calls) == 2


def test_a_mask_around_the_patching_of_the_host(any_host):
    mask = clamp(neurons_at(any_host, *PLACES), 4.0)
    _, clean = any_host.run_with_cache(OTHER_TOKENS[:1])

    def metric(logits):
        return logits[0, -1, 7] - logits[0, -1, 9]

    with mask.on(any_host), torch.no_grad():
        found = patching.get_act_patch_mlp_out(any_host, TOKENS[:1], clean, metric)
    assert hooks_on(any_host) == []
    for layer, pos in ((0, 0), (0, 4), (1, 2)):

        def patch(out, hook, layer=layer, pos=pos):
            out = out.clone()
            out[:, pos] = clean[f"blocks.{layer}.hook_mlp_out"][:, pos]
            return out

        hooks = [*mask.fwd_hooks(any_host), (f"blocks.{layer}.hook_mlp_out", patch)]
        expected = metric(any_host.run_with_hooks(TOKENS[:1], fwd_hooks=hooks))
        torch.testing.assert_close(found[layer, pos], expected)
    assert not torch.allclose(found, patching.get_act_patch_mlp_out(any_host, TOKENS[:1], clean, metric))


def test_gradients_flow_through_a_mask(any_host):
    mask = amplify(neurons_at(any_host, (0, 5)), 3.0)
    leaf = {}

    def take(post, hook):
        leaf["x"] = post.detach().clone().requires_grad_()
        return leaf["x"]

    hooks = [("blocks.0.mlp.hook_post", take)]
    grads = []
    for extra in ([], mask.fwd_hooks(any_host)):
        # The masked value is put in by hand for the unmasked run, so that both see the same network behind it.
        if not extra:

            def put(post, hook):
                x = post.detach().clone()
                x[..., 5] *= 3
                leaf["x"] = x.requires_grad_()
                return leaf["x"]

            any_host.run_with_hooks(TOKENS, fwd_hooks=[("blocks.0.mlp.hook_post", put)])[0, -1, 7].backward()
        else:
            any_host.run_with_hooks(TOKENS, fwd_hooks=[*hooks, *extra])[0, -1, 7].backward()
        grads.append(leaf["x"].grad.clone())
    any_host.zero_grad()
    scale = torch.ones(any_host.cfg.d_mlp)
    scale[5] = 3
    assert grads[0][..., 5].abs().max() > 0
    torch.testing.assert_close(grads[1], grads[0] * scale, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_single(dtype):
    model = tiny_llama()
    part = LayerMask(
        0,
        torch.tensor([1, 4]),
        *(torch.tensor(v).double() for v in ([0.0, 1.0], [0.0, 1.0], [1.0, 1e-60], [0.1, 0.0], [0.0, 0.0])),
    )
    post = torch.full((1, 2, 24), 100.0, dtype=dtype)
    post[0, 1, 4] = 0
    found = masking_hook(model, part, Positions())(post, hook=None)
    assert found.dtype == dtype
    # x - (x - r) would be 0 here, and a maximum that is 0 in the precision would make 0 / 0.
    assert torch.equal(found[..., 1], torch.full((1, 2), 0.1, dtype=dtype))
    assert found[0, :, 4].tolist() == [0, 0]
    post = torch.randn(2, 50, 24, generator=torch.Generator().manual_seed(0)).to(dtype)
    part = replace(part, gain=torch.tensor([0.3, 0.7]).double(), alpha=torch.zeros(2).double())
    single = 0.3 * post[..., 1].float() + (1 - torch.tensor(0.3)) * 0.1
    assert torch.equal(masking_hook(model, part, Positions())(post, hook=None)[..., 1], single.to(dtype))
    found = masking_hook(model, part, Positions())(post, hook=None)
    untouched = [n for n in range(24) if n not in (1, 4)]
    assert torch.equal(found[..., untouched], post[..., untouched])


def test_a_neuron_that_overflowed_can_be_set():
    """A gain of 0 leaves the reference, whatever was there; the slope by the gain stays x - r where x is finite."""
    values = ([0.0, 0.5], [0.0, 0.0], [1.0, 1.0], [0.25, 0.0], [0.5, 0.0])
    part = LayerMask(0, torch.tensor([1, 4]), *(torch.tensor(v).double() for v in values))
    post = torch.full((1, 2, 24), 3.0)
    post[0, 1, [1, 4]] = torch.inf
    found = masking_hook(tiny_llama(), part, Positions())(post, hook=None)
    assert found[0, :, 1].tolist() == [0.75, 0.75]
    assert found[0, :, 4].tolist() == [1.5, torch.inf]
    gain = torch.zeros(2, requires_grad=True)
    masking_hook(tiny_llama(), replace(part, gain=gain), Positions())(post[:, :1], hook=None).sum().backward()
    assert gain.grad.tolist() == [2.75, 3.0]


def test_work_is_done_on_masked_columns_only():
    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.shape[-1:] == (24,):
                wide.append(getattr(func, "__name__", str(func)))
            return result

    wide = []
    _, hook = attenuate(
        neurons_at(model := tiny_llama(), (0, 5), (0, 2)), collect_stats(model, tiny_corpus(6), progress=False)
    ).fwd_hooks(model, where="generated")[0]
    post = torch.randn(1, 5, 24)
    with Watch():
        hook(post, hook=None)
    assert wide == ["index_copy"]


def test_all_neurons_at_once(any_host):
    every = neurons_at(any_host, *((i, n) for i in range(any_host.cfg.n_layers) for n in range(any_host.cfg.d_mlp)))
    found = posts(any_host, TOKENS, zero(every).fwd_hooks(any_host))
    assert all(layer.abs().max() == 0 for layer in found)


def test_what_does_not_fit_is_refused(any_host):
    neurons = neurons_at(any_host, *PLACES)
    _, cache = any_host.run_with_cache(OTHER_TOKENS)
    mask = resample(neurons, cache)
    for tokens in (TOKENS[:, :4], TOKENS[:1]):
        with pytest.raises(MaskError, match=r"values of \[batch pos\] = \(2, 5\)"), mask.on(any_host):
            any_host(tokens)
    with pytest.raises(MaskError, match="cannot be used in generation"), mask.on(any_host):
        any_host.generate(TOKENS, max_new_tokens=2, do_sample=False, verbose=False, stop_at_eos=False)
    assert hooks_on(any_host) == []
    with pytest.raises(StoreError, match="load the model that made them"):
        zero(neurons).fwd_hooks(micro_model())
    with pytest.raises(MaskError, match="needs text="):
        zero(neurons).on(any_host, where="text")


def test_tensors_that_are_no_neurons():
    llama = tiny_llama()
    (_, hook), *_ = zero(neurons_at(llama, *PLACES)).fwd_hooks(llama)
    with pytest.raises(ModelError, match="16 wide"):
        hook(torch.zeros(1, 2, 16), hook=None)
    with pytest.raises(ModelError, match="mixture-of-experts"):
        zero(neurons_at(llama, *PLACES)).fwd_hooks(tiny_mixtral())


def test_a_mask_goes_with_the_same_weights_on_every_host(any_host):
    """The mask of one object of the host on another one of the same weights."""
    if not any_host.cfg.gated_mlp:
        pytest.skip("made for one architecture")
    raw = tiny_llama()
    mask = clamp(neurons_at(raw, *PLACES), 2.0)
    mask.model.require_same(identify(any_host))
    mine, theirs = (
        torch.log_softmax(m.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(m)), -1) for m in (raw, any_host)
    )
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_a_long_text(any_host):
    corpus = texts_corpus(("glad", "rain " * (N_CTX - 2)), ("plain", "sun"))
    tokens = any_host.to_tokens(corpus.examples[0].text, prepend_bos=True)
    mask = zero(neurons_at(any_host, (0, 5)))
    with mask.on(any_host, where="generated", prompt_length=tokens.shape[1] - 1):
        now = posts(any_host, tokens)[0][0, :, 5]
    assert now[-1] == 0 and now[:-1].abs().min() > 0
