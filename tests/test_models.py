"""Loading models: from folders, on both hosts, and the errors for what is not there."""

import inspect
import json
from pathlib import Path

import pytest
import torch
from tiny import HAS_HOOKED, gpt2_weights, llama_weights, save_model

from emorhet_lens.errors import ModelError
from emorhet_lens.models import embedded
from emorhet_lens.models import loading as models
from emorhet_lens.models.hosts import identify
from emorhet_lens.models.loading import load_model

needs_hooked = pytest.mark.skipif(not HAS_HOOKED, reason="this transformer-lens has no HookedTransformer")
TOKENS = torch.tensor([[1, 9, 12, 20, 7]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(llama_weights(), tmp_path_factory.mktemp("models") / "my-llama")


def expected_logits(weights):
    with torch.no_grad():
        return weights.eval()(TOKENS).logits


def test_folder_becomes_a_raw_bridge(folder):
    model = load_model(str(folder), device="cpu")
    identity = identify(model)
    assert (identity.name, identity.host, identity.processed, identity.dtype) == (
        "my-llama",
        "TransformerBridge",
        False,
        "float32",
    )
    assert not model.training
    torch.testing.assert_close(model(TOKENS), expected_logits(llama_weights()), atol=1e-5, rtol=1e-5)


def test_precision_is_as_asked(folder):
    model = load_model(str(folder), device="cpu", dtype=torch.bfloat16)
    assert model(TOKENS).dtype == torch.bfloat16
    assert identify(model).dtype == "bfloat16"


@needs_hooked
def test_folder_becomes_a_hooked_transformer_with_the_same_weights(folder):
    model = load_model(str(folder), host="hooked", device="cpu")
    identity = identify(model)
    assert (identity.name, identity.host, identity.processed) == ("my-llama", "HookedTransformer", False)
    assert not model.training
    assert not getattr(model.cfg, "n_ctx", 0) > 48
    torch.testing.assert_close(model(TOKENS), expected_logits(llama_weights()), atol=1e-4, rtol=1e-4)
    identify(load_model(str(folder), device="cpu")).require_same(identity)


@needs_hooked
def test_hooked_transformer_of_another_architecture_is_refused(tmp_path):
    save_model(gpt2_weights(), tmp_path / "gpt2")
    with pytest.raises(ModelError, match=r"^\S* holds a GPT2LMHeadModel.*Use host=\"bridge\"$"):
        load_model(str(tmp_path / "gpt2"), host="hooked", device="cpu")


@needs_hooked
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "rope scaling 'linear'"),
        ({"attention_bias": True}, "attention biases"),
        ({"mlp_bias": True, "attention_bias": True}, "attention biases and MLP biases"),
    ],
)
def test_hooked_transformer_refuses_what_its_conversion_leaves_out(tmp_path, changes, named):
    save_model(llama_weights(**changes), tmp_path / "other")
    with pytest.raises(ModelError, match=named):
        load_model(str(tmp_path / "other"), host="hooked", device="cpu")
    assert identify(load_model(str(tmp_path / "other"), device="cpu")).n_layers == 3


@pytest.mark.skipif(HAS_HOOKED, reason="this transformer-lens has HookedTransformer")
def test_hooked_transformer_is_not_there_any_more(folder):
    with pytest.raises(ModelError, match=r"transformer-lens 4\.0 removed.*transformer-lens>=3\.9,<4"):
        load_model(str(folder), host="hooked")


def test_unknown_host_is_refused(folder):
    with pytest.raises(ModelError, match='"bridge" or "hooked"'):
        inspect.unwrap(load_model)(str(folder), host="vllm")


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "some/deep/folder"])
def test_missing_folder_is_refused(name):
    with pytest.raises(ModelError, match=f"there is no folder {Path(name)}"):
        load_model(name)


def test_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        load_model(str(tmp_path))


def test_missing_gguf_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no GGUF file"):
        load_model(str(tmp_path / "none.gguf"))


def test_file_that_is_no_gguf_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and then nothing")
    with pytest.raises(ModelError, match="could not be read as a GGUF model"):
        load_model(str(tmp_path / "bad.gguf"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_gguf_is_converted_once(tmp_path, monkeypatch, folder):
    conversions = []

    def convert(gguf, target):
        conversions.append(gguf)
        save_model(llama_weights(), target)

    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "convert_gguf", convert)
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"weights")
    first = identify(load_model(str(file), device="cpu"))
    second = identify(load_model(str(file), device="cpu"))
    assert conversions == [file]
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert first == second
    first.require_same(identify(load_model(str(folder), device="cpu")))
    file.write_bytes(b"other weights")
    load_model(str(file), device="cpu")
    assert len(conversions) == 2


@pytest.mark.parametrize("host", ["bridge", pytest.param("hooked", marks=needs_hooked)])
def test_unknown_hub_name_offline(host):
    with pytest.raises(ModelError, match="nobody/no-such-model could not be loaded"):
        load_model("nobody/no-such-model", host=host)


def test_truncated_weights_are_refused(tmp_path):
    save_model(llama_weights(), tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut could not be loaded"):
        load_model(str(tmp_path / "cut"), device="cpu")


def test_architecture_that_the_host_does_not_know_is_refused(tmp_path):
    save_model(llama_weights(), tmp_path / "odd")
    config = json.loads((tmp_path / "odd" / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["NobodysForCausalLM"]
    config["model_type"] = "nobodys"
    (tmp_path / "odd" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="odd could not be loaded"):
        load_model(str(tmp_path / "odd"), device="cpu")


def test_embedded_model_goes_by_its_name(monkeypatch, folder):
    monkeypatch.setattr(embedded, "fetch_embedded", lambda: folder)
    assert identify(load_model(device="cpu")).name == "smollm2-135m-instruct"


def test_hub_id_stays_a_hub_id():
    assert models._resolve("HuggingFaceTB/SmolLM2-135M-Instruct") == "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.real
def test_embedded_model_has_the_known_shape():
    identity = identify(load_model(device="cpu"))
    assert (identity.n_layers, identity.d_mlp) == (30, 1536)
