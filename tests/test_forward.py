"""One pass through the blocks: what is read, and what is left behind on the model."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from tiny import tiny_gpt2, tiny_llama

from emorhet_lens.errors import ModelError
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import Encoded, pad_batch
from emorhet_lens.passes.forward import read_layers

TEXTS = [Encoded((1, 9, 12, 20, 7), (True,) * 5), Encoded((1, 30, 8), (True,) * 3)]


def batch(side="right"):
    return pad_batch(TEXTS, (0, 1), pad_id=0, side=side, device=torch.device("cpu"))


def read_all(model, side="right"):
    found = {}
    read_layers(model, batch(side), hook_names(model), lambda x, layer: found.setdefault(layer, x.clone()))
    return found


def hooks_on(model):
    return [hook for hooks in model.list_hooks().values() for hook in hooks]


@pytest.mark.parametrize("side", ["right", "left"])
def test_activations_are_those_of_each_text_alone(any_host, side):
    found = read_all(any_host, side)
    assert list(found) == list(range(any_host.cfg.n_layers))
    for row, text in enumerate(TEXTS):
        _, cache = any_host.run_with_cache(torch.tensor([text.ids]))
        place = slice(5 - len(text.ids), 5) if side == "left" else slice(0, len(text.ids))
        for layer, activation in found.items():
            alone = cache[f"blocks.{layer}.mlp.hook_post"][0]
            torch.testing.assert_close(activation[row, place], alone, atol=1e-4, rtol=1e-4)


def test_the_pass_ends_before_the_unembedding(any_host):
    seen = []

    def watch(_activation, hook):
        seen.append(hook.name)

    with any_host.hooks(fwd_hooks=[("ln_final.hook_normalized", watch)]):
        read_all(any_host)
        assert seen == []
        any_host(batch().tokens)
        assert seen


def test_the_model_works_as_before(any_host):
    before = any_host(batch().tokens)
    read_all(any_host)
    assert torch.equal(any_host(batch().tokens), before)
    assert hooks_on(any_host) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_hook_stays_after_an_error_in_the_middle(any_host, error):
    def read(_activation, layer):
        if layer == 1:
            raise error("stop here")

    with pytest.raises(error, match="stop here"):
        read_layers(any_host, batch(), hook_names(any_host), read)
    assert hooks_on(any_host) == []
    assert len(read_all(any_host)) == any_host.cfg.n_layers


def test_outer_hooks_are_seen_and_stay(any_host):
    calls = []

    def silence(activation, hook):
        calls.append(hook.name)
        return torch.zeros_like(activation)

    free = read_all(any_host)
    last = any_host.cfg.n_layers - 1
    with any_host.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", silence)]):
        before = hooks_on(any_host)
        found = read_all(any_host)
        assert before
        assert hooks_on(any_host) == before
        any_host(batch().tokens)
    assert len(calls) == 2
    assert not found[0].any()
    assert not torch.allclose(found[last], free[last])
    assert hooks_on(any_host) == []


def test_permanent_hooks_stay():
    model = tiny_llama()
    model.add_hook("blocks.1.mlp.hook_post", lambda activation, hook: activation * 0, is_permanent=True)  # noqa: ARG005
    before = hooks_on(model)
    assert before
    assert not read_all(model)[1].any()
    assert hooks_on(model) == before


def test_gradients_are_not_recorded():
    model = tiny_llama()
    needed = []
    read_layers(model, batch(), hook_names(model), lambda x, _: needed.append(x.requires_grad))
    assert needed == [False] * 3
    assert torch.is_grad_enabled()


class Stutter:
    """A host whose first layer calls its hook twice."""

    cfg = SimpleNamespace(d_mlp=24, model_name="stutter")
    tokenizer = hook_dict = None

    @contextmanager
    def hooks(self, fwd_hooks):
        self.calls = [fwd_hooks[0][1], *(function for _, function in fwd_hooks)]
        yield

    def __call__(self, tokens, **_):
        for call in self.calls:
            call(torch.zeros(*tokens.shape, 24), hook=None)

    run_with_hooks = run_with_cache = to_tokens = eval = __call__


def test_a_layer_that_answers_twice_is_refused():
    with pytest.raises(ModelError, match=r"2 neuron hooks of 'stutter' these layers answered: \[0, 0, 1\]"):
        read_layers(Stutter(), batch(), ["first", "second"], lambda _x, _layer: None)


def test_a_layer_that_does_not_answer_is_refused():
    model = tiny_gpt2()
    names = hook_names(model)
    with pytest.raises(ModelError, match=r"these layers answered: \[1\]"):
        read_layers(model, batch(), names[::-1], lambda _x, _layer: None)


def test_another_width_is_refused_and_leaves_no_hook():
    model = tiny_gpt2()
    with pytest.raises(ModelError, match="16 wide, but d_mlp is 24"):
        read_layers(model, batch(), ["blocks.0.hook_mlp_out", "blocks.1.hook_mlp_out"], lambda _x, _layer: None)
    assert hooks_on(model) == []
