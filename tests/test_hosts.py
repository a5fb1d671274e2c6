"""What a model has to offer, and how one model is told from another."""

from dataclasses import replace

import pytest
import torch
from tiny import HOSTS, gpt2_weights, hooked_llama, micro_model, tiny_gpt2, tiny_llama, tiny_mixtral
from transformer_lens.model_bridge import TransformerBridge

from emorhet_lens.errors import ModelError, StoreError
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify, output_weights, require_evaluation


def test_every_host_is_a_lens_model(any_host):
    assert isinstance(any_host, LensModel)
    assert not isinstance(any_host.tokenizer, LensModel)


def test_identity_describes_the_model(any_host):
    identity = identify(any_host)
    assert identity.name in ("tiny-llama", "tiny-gpt2")
    assert identity.host == type(any_host).__name__
    assert (identity.n_layers, identity.d_mlp) == (3 if identity.name == "tiny-llama" else 2, 24)
    assert identity.dtype == "float32"
    assert len(identity.fingerprint) == 4 * identity.n_layers
    assert ModelIdentity.from_dict(identity.to_dict()) == identity


def test_fingerprint_by_hand():
    # Layer 0 writes nothing. Rows of layer 1 at 0, 0, 1, 2: (3, 4, 0, 0) twice, zeros, (0, 0, 2, 0); centred these are
    # (1.25, 2.25, -1.75, -1.75), squares 12.75, and (-.5, -.5, 1.5, -.5), squares 3.
    expected = [0, 0, 0, 0, 12.75**0.5, 12.75**0.5, 0, 3**0.5]
    assert identify(micro_model()).fingerprint == pytest.approx(expected)


def test_processed_is_told_from_raw():
    assert not identify(tiny_llama()).processed
    assert identify(tiny_llama(compatibility=True)).processed


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_same_weights_are_accepted_on_every_host(family, tmp_path):
    first, *others = [make(tmp_path / name) for name, make in HOSTS.items() if name.startswith(family)]
    for other in others:
        identify(first).require_same(identify(other))
        identify(other).require_same(identify(first))


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_same_weights_are_accepted_in_another_precision(make, dtype):
    identify(make()).require_same(identify(make(dtype=dtype)))


def test_other_weights_are_refused():
    with pytest.raises(StoreError, match="fingerprints differ"):
        identify(tiny_llama(0)).require_same(identify(tiny_llama(1)))


def test_one_changed_layer_is_refused():
    changed = tiny_llama()
    with torch.no_grad():
        output_weights(changed, 2).mul_(1.01)
    with pytest.raises(StoreError, match="fingerprints differ"):
        identify(tiny_llama()).require_same(identify(changed))


@pytest.mark.parametrize(("what", "value"), [("n_layers", 2), ("d_mlp", 32)])
def test_other_sizes_are_refused_by_name(what, value):
    mine = identify(tiny_llama())
    with pytest.raises(StoreError, match=f"{what}={value}"):
        mine.require_same(replace(mine, **{what: value}))


def test_output_weights_are_one_row_a_neuron(any_host):
    weights = output_weights(any_host, 0)
    assert weights.shape == (24, 16)
    tokens = any_host.to_tokens("the dog was glad")
    _, cache = any_host.run_with_cache(tokens)
    # Differences of two positions do not contain the bias.
    post, out = cache["blocks.0.mlp.hook_post"][0], cache["blocks.0.hook_mlp_out"][0]
    torch.testing.assert_close((post[2] - post[1]) @ weights, out[2] - out[1], atol=1e-4, rtol=1e-4)


def test_mixture_of_experts_is_refused_with_the_reason():
    with pytest.raises(ModelError, match="mixture-of-experts"):
        identify(tiny_mixtral())


def test_dropout_that_is_switched_on_is_refused():
    model = tiny_gpt2()
    require_evaluation(model)
    model.train()
    with pytest.raises(ModelError, match=r"dropout=0\.1.*model\.eval\(\)"):
        require_evaluation(model)


def test_training_mode_without_dropout_is_accepted():
    model = tiny_llama()
    model.train()
    require_evaluation(model)


def test_dropout_inside_the_attention_is_refused():
    model = tiny_llama(attention_dropout=0.25)
    require_evaluation(model)
    model.train()
    with pytest.raises(ModelError, match=r"dropout=0\.25"):
        require_evaluation(model)


@pytest.mark.skipif("llama-hooked" not in HOSTS, reason="this transformer-lens has no HookedTransformer")
def test_hooked_transformer_that_was_never_switched_to_evaluation_is_accepted(tmp_path):
    model = hooked_llama(tmp_path)
    assert model.training
    require_evaluation(model)


def test_bridge_around_a_model_in_training_is_refused():
    weights = gpt2_weights()
    weights.train()
    model = TransformerBridge.boot_transformers("x", hf_model=weights, tokenizer=tiny_gpt2().tokenizer, device="cpu")
    with pytest.raises(ModelError, match="training mode"):
        require_evaluation(model)


def test_dropout_without_a_layer_of_its_own_is_refused():
    """Some models drop by a function and keep the share as a number, as OPT and Bloom do."""
    model = tiny_llama()
    model.original_model.model.layers[0].hidden_dropout = 0.5
    model.train()
    with pytest.raises(ModelError, match=r"dropout=0\.5"):
        require_evaluation(model)
    model.eval()
    require_evaluation(model)
