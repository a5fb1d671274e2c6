"""Mask points: they come and go without a trace, and the host's own tools reach the gains through them."""

from dataclasses import replace

import pytest
import torch
from tiny import HAS_HOOKED, micro_model, tiny_corpus, tiny_llama, tiny_mixtral
from tiny_masks import OTHER_TOKENS, PLACES, TOKENS, hooks_on, neurons_at

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError, ModelError
from emorhet_lens.masks.mask_kinds import amplify, attenuate, clamp, resample, shift, zero
from emorhet_lens.masks.mask_points import add_mask_points, has_mask_points, mask_point, remove_mask_points

NAMES = ["blocks.0.mlp.hook_gain", "blocks.1.mlp.hook_gain"]


@pytest.fixture
def pointed(any_host):
    add_mask_points(any_host)
    yield any_host
    remove_mask_points(any_host)


def adaptive(model):
    stats = collect_stats(model, tiny_corpus(12), progress=False)
    return attenuate(neurons_at(model, *PLACES), stats, 0.7)


def state(model):
    """Everything that the host knows hook points by."""
    components = [module for module in model.modules() if hasattr(module, "_hook_registry")]
    return {
        "hook_dict": list(model.hook_dict.items()),
        "names": [point.name for point in model.hook_dict.values()],
        "modules": [name for name, _ in model.named_modules()],
        "mod_dict": list(getattr(model, "mod_dict", {})),
        "registries": [list(module._hook_registry.items()) for module in components],
        "attributes": [sorted(vars(block.mlp)) for block in model.blocks],
        "weights": list(model.state_dict()),
    }


def require_state(model, before):
    now = state(model)
    for what, value in before.items():
        assert now[what] == value, what


def gain_hooks(change):
    def hook(gain, hook):
        return change(gain)

    return [(name, hook) for name in NAMES]


def test_they_go_without_a_trace(any_host):
    before, plain = state(any_host), any_host(TOKENS)
    assert not has_mask_points(any_host)
    add_mask_points(any_host)
    assert has_mask_points(any_host)
    assert [name for name in any_host.hook_dict if name.endswith("hook_gain")] == [
        f"blocks.{layer}.mlp.hook_gain" for layer in range(any_host.cfg.n_layers)
    ]
    assert all(any_host.hook_dict[name].name == name for name in NAMES)
    assert torch.equal(any_host(TOKENS), plain)
    remove_mask_points(any_host)
    assert not has_mask_points(any_host)
    require_state(any_host, before)
    assert torch.equal(any_host(TOKENS), plain)
    remove_mask_points(any_host)
    require_state(any_host, before)


def test_adding_twice_changes_nothing(pointed):
    calls = []

    def count(gain, hook):
        calls.append(hook.name)

    before = state(pointed)
    with zero(neurons_at(pointed, *PLACES)).on(pointed), pointed.hooks(fwd_hooks=[(name, count) for name in NAMES]):
        add_mask_points(pointed)
        require_state(pointed, before)
        pointed(TOKENS)
    assert calls == NAMES


def test_other_hook_points_keep_hooks_and_names(any_host):
    names, calls = {k: p.name for k, p in any_host.hook_dict.items()}, []

    def count(post, hook):
        calls.append(hook.name)

    with any_host.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", count)]):
        any_host(TOKENS)
        add_mask_points(any_host)
        any_host(TOKENS)
        assert {k: any_host.hook_dict[k].name for k in names} == names
        remove_mask_points(any_host)
        any_host(TOKENS)
    assert len(calls) == 3 and len(set(calls)) == 1
    assert hooks_on(any_host) == []


def test_results_are_the_same_bits_with_and_without(any_host):
    neurons = neurons_at(any_host, *PLACES)
    _, cache = any_host.run_with_cache(OTHER_TOKENS)
    masks = (zero(neurons), shift(neurons, 1.0), adaptive(any_host), resample(neurons, cache))
    runs = [(mask, {"where": where, "text": TOKENS > 9}) for mask in masks for where in ("all", "text", "last")]

    def results():
        found = []
        for mask, options in runs:
            with mask.on(any_host, **options):
                found.append(any_host(TOKENS))
        return found

    without = results()
    add_mask_points(any_host)
    try:
        for mine, theirs in zip(without, results(), strict=True):
            assert torch.equal(mine, theirs)
    finally:
        remove_mask_points(any_host)


def test_gains_by_hand_are_in_the_cache():
    micro = micro_model()
    add_mask_points(micro)
    tokens = torch.tensor([[1, 6, 7, 8]])
    neurons = neurons_at(micro, (1, 0), (0, 1), (0, 0), (1, 2))
    stats_like = {"alpha": [0.5, 1.0, 0.25, 1.0], "maximum": [4.0, 4.0, 1.0, 2.0]}
    order = [2, 1, 0, 3]
    values = {name: torch.tensor(v).double()[order] for name, v in stats_like.items()}
    mask = replace(amplify(neurons, 1.0), **values)
    with mask.on(micro):
        _, cache = micro.run_with_cache(tokens)
    # |x| of L0N0 is 1 everywhere, of L0N1 0 2 2 0, of L1N0 0 4 0 0, of L1N2 1 0 1 0.
    assert cache[NAMES[0]][0].tolist() == [[0.75, 1.0], [0.75, 0.5], [0.75, 0.5], [0.75, 1.0]]
    assert cache[NAMES[1]][0].tolist() == [[1.0, 0.5], [0.5, 1.0], [1.0, 0.5], [1.0, 1.0]]
    with mask.on(micro, where="text", text=torch.tensor([[False, True, False, False]])):
        _, cache = micro.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_gain"))
    assert cache[NAMES[0]][0].tolist() == [[1.0, 1.0], [0.75, 0.5], [1.0, 1.0], [1.0, 1.0]]
    assert sorted(cache) == NAMES


def test_without_a_mask_nothing_passes(pointed):
    _, cache = pointed.run_with_cache(TOKENS)
    assert not [name for name in cache if name.endswith("hook_gain")]
    with zero(neurons_at(pointed, (0, 5))).on(pointed):
        _, cache = pointed.run_with_cache(TOKENS)
    assert [name for name in cache if name.endswith("hook_gain")] == NAMES[:1]
    assert cache[NAMES[0]].shape == (2, 5, 1)


def test_gains_set_to_one_leave_the_shift(pointed):
    neurons = neurons_at(pointed, *PLACES)
    ones = gain_hooks(torch.ones_like)
    plain = pointed(TOKENS)
    for mask in (zero(neurons), clamp(neurons, 3.0), adaptive(pointed)):
        with mask.on(pointed):
            assert torch.equal(pointed.run_with_hooks(TOKENS, fwd_hooks=ones), plain)
            assert not torch.equal(pointed(TOKENS), plain)
    moved = shift(neurons, 1.0)
    with moved.on(pointed):
        assert torch.equal(pointed.run_with_hooks(TOKENS, fwd_hooks=ones), pointed(TOKENS))


def test_gains_where_the_mask_does_not_act_are_without_effect(pointed):
    mask = zero(neurons_at(pointed, *PLACES))
    with mask.on(pointed, where="last"):
        masked = pointed(TOKENS)

        def only_elsewhere(gain):
            assert gain[:, :-1].eq(1).all() and gain[:, -1].eq(0).all()
            gain = gain.clone()
            gain[:, :-1] = 5
            return gain

        assert torch.equal(pointed.run_with_hooks(TOKENS, fwd_hooks=gain_hooks(only_elsewhere)), masked)


def test_a_changed_gain_is_a_changed_mask(pointed):
    neurons = neurons_at(pointed, *PLACES)
    with zero(neurons).on(pointed):
        found = pointed.run_with_hooks(TOKENS, fwd_hooks=gain_hooks(lambda gain: torch.full_like(gain, 0.25)))
    with amplify(neurons, 0.25).on(pointed):
        assert torch.equal(found, pointed(TOKENS))


@pytest.mark.parametrize("change", [lambda g: g[..., :0], lambda g: g[:1], lambda g: (g,)])
def test_gains_keep_their_shape(pointed, change):
    with (
        pytest.raises(MaskError, match=r"gains of 2 masked columns are of shape \(2, 5, 2\)"),
        zero(neurons_at(pointed, *PLACES)).on(pointed),
    ):
        pointed.run_with_hooks(TOKENS, fwd_hooks=gain_hooks(change))
    assert hooks_on(pointed) == []
    assert not mask_point(pointed, 0).ctx


def test_gradients_of_gains(pointed):
    mask = adaptive(pointed)
    kept = {}

    def leaf(gain, hook):
        kept[hook.name] = gain.detach().clone().requires_grad_()
        return kept[hook.name]

    with mask.on(pointed):
        pointed.run_with_hooks(TOKENS, fwd_hooks=[(name, leaf) for name in NAMES])[0, -1, 7].backward()
    pointed.zero_grad()

    def logit(name, place, by):
        def put(gain, hook):
            # All other gains stay what they were: a later layer's would answer to an earlier one's.
            gain = kept[hook.name].detach().clone()
            if hook.name == name:
                gain[place] += by
            return gain

        with mask.on(pointed), torch.no_grad():
            return pointed.run_with_hooks(TOKENS, fwd_hooks=[(n, put) for n in NAMES])[0, -1, 7].double()

    step = 1e-2
    for name, place in [(NAMES[0], (0, 1, 0)), (NAMES[0], (0, 4, 1)), (NAMES[1], (0, 4, 0))]:
        slope = (logit(name, place, step) - logit(name, place, -step)) / (2 * step)
        torch.testing.assert_close(kept[name].grad[place].double(), slope, atol=2e-3, rtol=2e-2)
    assert kept[NAMES[0]].grad[1].abs().max() == 0 and kept[NAMES[0]].grad[0].abs().max() > 1e-3


def test_backward_hooks_of_the_host_see_gains(pointed):
    grads = {}

    def keep(grad, hook):
        grads[hook.name] = (grad[0] if isinstance(grad, tuple) else grad).clone()

    with (
        zero(neurons_at(pointed, *PLACES)).on(pointed),
        pointed.hooks(bwd_hooks=[(name, keep) for name in NAMES]),
    ):
        pointed(TOKENS)[0, -1, 7].backward()
    pointed.zero_grad()
    # Constant gains have gradients, too: where a zeroed neuron would have to be let through.
    assert grads[NAMES[0]].shape == (2, 5, 2) and grads[NAMES[0]][0].abs().max() > 0


def test_generation_and_reset_leave_the_points(pointed):
    mask = clamp(neurons_at(pointed, (0, 5)), 9.0)
    shapes = []

    def watch(gain, hook):
        shapes.append(tuple(gain.shape))

    with mask.on(pointed, where="generated"), pointed.hooks(fwd_hooks=[(NAMES[0], watch)]):
        pointed.generate(TOKENS[:1], max_new_tokens=3, do_sample=False, verbose=False, stop_at_eos=False)
    assert shapes[:3] == [(1, 5, 1), (1, 1, 1), (1, 1, 1)]
    pointed.hook_dict[NAMES[0]].add_hook(watch)
    pointed.reset_hooks()
    assert has_mask_points(pointed) and hooks_on(pointed) == []
    with mask.on(pointed):
        _, cache = pointed.run_with_cache(TOKENS)
    assert NAMES[0] in cache and len(shapes) == 3


def test_masks_of_a_chain_pass_one_after_the_other(pointed):
    neurons = neurons_at(pointed, *PLACES)
    seen = []

    def watch(gain, hook):
        seen.append((hook.ctx["neurons"].tolist(), gain.unique().tolist()))

    chain = zero(neurons).then(amplify(neurons_at(pointed, (0, 5)), 2.0))
    with chain.on(pointed), pointed.hooks(fwd_hooks=[(NAMES[0], watch)]):
        _, cache = pointed.run_with_cache(TOKENS)
    assert seen == [([2, 5], [0]), ([5], [2])]
    assert cache[NAMES[0]].unique().tolist() == [2]


def test_compatibility_mode_after_the_points_were_added():
    model = tiny_llama()
    add_mask_points(model)
    model.enable_compatibility_mode(disable_warnings=True)
    assert [n for n in model.hook_dict if n.endswith("hook_gain")] == [f"blocks.{i}.mlp.hook_gain" for i in range(3)]
    calls = []

    def count(gain, hook):
        calls.append(hook.name)

    with zero(neurons_at(model, *PLACES)).on(model):
        model.run_with_hooks(TOKENS, fwd_hooks=[(name, count) for name in NAMES])
    assert calls == NAMES
    remove_mask_points(model)
    fresh = tiny_llama(compatibility=True)
    assert list(model.hook_dict) == list(fresh.hook_dict)
    assert [n for n, _ in model.named_modules()] == [n for n, _ in fresh.named_modules()]


@pytest.mark.skipif(not HAS_HOOKED, reason="needs HookedTransformer")
def test_setup_of_hooked_transformer_finds_the_points(any_host):
    if not hasattr(any_host, "setup"):
        pytest.skip("a bridge has no setup")
    add_mask_points(any_host)
    any_host.setup()
    assert has_mask_points(any_host) and NAMES[0] in any_host.hook_dict
    remove_mask_points(any_host)
    before = state(any_host)
    any_host.setup()
    require_state(any_host, before)


def test_models_without_neurons():
    with pytest.raises(ModelError, match="mixture-of-experts"):
        add_mask_points(tiny_mixtral())
