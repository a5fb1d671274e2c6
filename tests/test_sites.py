"""Where neurons are read, and what is refused there."""

import inspect

import pytest
from tiny import tiny_gpt2, tiny_llama, tiny_mixtral

from emorhet_lens.errors import ModelError
from emorhet_lens.models.sites import hook_names, require_width


def test_post_hooks_exist_on_every_host(any_host):
    names = hook_names(any_host)
    assert names == [f"blocks.{layer}.mlp.hook_post" for layer in range(any_host.cfg.n_layers)]
    assert set(names) <= set(any_host.hook_dict)


def test_gate_is_read_before_its_activation_function():
    assert hook_names(tiny_llama(), "gate") == [f"blocks.{layer}.mlp.hook_pre" for layer in range(3)]


def test_gate_is_refused_where_there_is_none():
    with pytest.raises(ModelError, match='no gated MLP; use site="post"'):
        hook_names(tiny_gpt2(), "gate")


def test_unknown_site_is_refused_and_the_known_ones_named():
    # Unwrapped, because the type checker that may be switched on in tests would refuse it first.
    with pytest.raises(ModelError, match="one of post, gate"):
        inspect.unwrap(hook_names)(tiny_llama(), "resid")


def test_missing_hooks_are_refused():
    model = tiny_llama()
    model.cfg.n_layers = 5
    with pytest.raises(ModelError, match=r"blocks\.3\.mlp\.hook_post.*and 1 more"):
        hook_names(model)


def test_width_has_to_be_that_of_neurons():
    model = tiny_llama()
    require_width(24, 0, model)
    with pytest.raises(ModelError, match=r"layer 1 .* is 16 wide, but d_mlp is 24.*mixture-of-experts"):
        require_width(16, 1, model)


def test_mixture_of_experts_answers_with_another_width_and_is_refused():
    model = tiny_mixtral()
    names = hook_names(model)
    _, cache = model.run_with_cache(model.to_tokens("the dog"))
    with pytest.raises(ModelError, match=r"is 16 wide, but d_mlp is 24.*mixture-of-experts"):
        require_width(cache[names[0]].shape[-1], 0, model)
