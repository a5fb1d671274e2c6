"""Tiny models for the tests, on every host that is installed: made in memory, without a network.

Weights depend on a seed only: two calls give two model objects with the same weights. Where `HookedTransformer` is
installed, `hooked_llama` and `hooked_gpt2` run the weights of `tiny_llama` and `tiny_gpt2`.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
)

from emorhet_lens.models.hooked import load_hooked

HAS_HOOKED = version("transformer-lens").startswith("3.")

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>")
WORDS = (
    *("the", "a", "and", "of", "to", "in", "on", "it", "is", "was", "he", "she", "they", "we", "you", "I", "not"),
    *("so", "but", "with", "dog", "cat", "rain", "sun", "house", "road", "river", "night", "day", "child", "storm"),
    *("song", "letter", "door", "angry", "calm", "glad", "sad", "afraid", "disgusting", "sudden", "cold", "warm"),
    *("bright", "dark", "slow", "joice", "rejoice", "mood", "text", "review", ".", ",", ":", "!", "?"),
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
N_CTX = 48


def word_tokenizer(words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """One token a word or punctuation mark; ids 0 to 5 are the special tokens, words follow in order."""
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>"],
        chat_template=CHAT_TEMPLATE,
        # The host would otherwise load the tokenizer anew by its name, which is no name of a hub.
        add_bos_token=True,
        name_or_path="tiny",
    )


def bridge(weights: Any, *, tokenizer: Any = None, name: str = "tiny", compatibility: bool = False) -> Any:
    """A `TransformerBridge` around a model of transformers, which it takes over."""
    weights.eval()
    model = TransformerBridge.boot_transformers(
        name, hf_model=weights, tokenizer=tokenizer or word_tokenizer(), device="cpu", dtype=weights.dtype
    )
    if compatibility:
        model.enable_compatibility_mode(disable_warnings=True)
    return model


def llama_weights(seed: int = 0, *, dtype: torch.dtype = torch.float32, **changes: Any) -> LlamaForCausalLM:
    """Gated, grouped-query attention, rotary positions; weights large enough that neurons fire and differ."""
    options: dict[str, Any] = {
        "vocab_size": len(SPECIAL) + len(WORDS),
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": N_CTX,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        "attn_implementation": "eager",
    }
    return _seeded(lambda: LlamaForCausalLM(LlamaConfig(**{**options, **changes})), seed).to(dtype)


def gpt2_weights(seed: int = 0, *, dtype: torch.dtype = torch.float32) -> GPT2LMHeadModel:
    """Ungated, learned positions, layer norm with biases, dropout in training mode."""
    config = GPT2Config(
        vocab_size=len(SPECIAL) + len(WORDS),
        n_embd=16,
        n_inner=24,
        n_layer=2,
        n_head=4,
        n_positions=N_CTX,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        attn_implementation="eager",
    )
    return _seeded(lambda: GPT2LMHeadModel(config), seed).to(dtype)


def tiny_llama(
    seed: int = 0, *, compatibility: bool = False, dtype: torch.dtype = torch.float32, **changes: Any
) -> Any:
    """A gated model, see `llama_weights`."""
    return bridge(llama_weights(seed, dtype=dtype, **changes), name="tiny-llama", compatibility=compatibility)


def tiny_gpt2(seed: int = 0, *, compatibility: bool = False, dtype: torch.dtype = torch.float32) -> Any:
    """An ungated model, see `gpt2_weights`."""
    return bridge(gpt2_weights(seed, dtype=dtype), name="tiny-gpt2", compatibility=compatibility)


def tiny_mixtral(seed: int = 0) -> Any:
    """A mixture of experts, which has no neurons in the sense of this package."""
    config = MixtralConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=2,
        num_experts_per_tok=1,
        max_position_embeddings=N_CTX,
        attn_implementation="eager",
    )
    return bridge(_seeded(lambda: MixtralForCausalLM(config), seed), name="tiny-mixtral")


def _seeded(make: Callable[[], Any], seed: int) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make()
        # Zero biases and unit norms would hide a bias or a norm that is left out.
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
        return model


def save_model(weights: Any, folder: Path) -> Path:
    """Write weights and tokenizer in Hugging Face's layout; returns the folder."""
    weights.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def hooked_llama(folder: Path, seed: int = 0) -> Any:
    """`llama_weights` as a `HookedTransformer`, through a folder."""
    model = load_hooked(save_model(llama_weights(seed), folder), device="cpu", dtype=torch.float32)
    model.cfg.model_name = "tiny-llama"
    return model


def hooked_gpt2(seed: int = 0) -> Any:
    """`gpt2_weights` as a `HookedTransformer`, through the host's own conversion."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

    weights = gpt2_weights(seed)
    config = HookedTransformerConfig(
        model_name="tiny-gpt2",
        d_model=16,
        d_head=4,
        n_heads=4,
        d_mlp=24,
        n_layers=2,
        n_ctx=N_CTX,
        d_vocab=weights.config.vocab_size,
        eps=weights.config.layer_norm_epsilon,
        act_fn="gelu_new",
        normalization_type="LN",
        positional_embedding_type="standard",
        device="cpu",
    )
    model: Any = HookedTransformer(config, tokenizer=word_tokenizer())
    model.load_and_process_state_dict(
        convert_gpt2_weights(weights, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return model.eval()


HOSTS: dict[str, Callable[[Path], Any]] = {
    "llama-raw": lambda _: tiny_llama(),
    "llama-compatibility": lambda _: tiny_llama(compatibility=True),
    "gpt2-raw": lambda _: tiny_gpt2(),
    "gpt2-compatibility": lambda _: tiny_gpt2(compatibility=True),
}
"""How to make every kind of model object that a user may pass; the folder is for what has to go over the disk."""
if HAS_HOOKED:
    HOSTS |= {"llama-hooked": hooked_llama, "gpt2-hooked": lambda _: hooked_gpt2()}


MICRO_WORDS = ("a", "b", "c")
_MICRO = {
    # Embeddings of length 2 in four dimensions are their own RMS norm.
    "embed": {"<bos>": (1, -1, -1, 1), "a": (1, 1, 1, 1), "b": (1, -1, 1, -1), "c": (1, 1, -1, -1)},
    "gate": (((1, 0, 0, 0), (0, 0, 2, 0), (0, 0, 0, 1)), ((0, 1, 1, 0), (-1, 0, 0, 0), (0, -1, 0, 0))),
    "up": (((0, 1, 0, 0), (1, 0, 0, 0), (0, 3, 0, 0)), ((2, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1))),
    "down": (((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)), ((3, 4, 0, 0), (0, 0, 0, 0), (0, 0, 2, 0))),
}


def micro_model(*, compatibility: bool = False) -> Any:
    """Two layers of three neurons whose activations can be worked out by hand.

    Attention and the first MLP write nothing, the norms do nothing and the activation function is ReLU, so every
    neuron of both layers is `relu(gate @ e) * (up @ e)` for the embedding e of the current token. At site `post`:

        token   layer 0      layer 1            site gate   layer 0      layer 1
        <bos>   -1  0 -3     0  0  1                         1 -2  1    -2 -1  1
        a        1  2  3     4  0  0                         1  2  1     2 -1 -1
        b       -1  2  0     0  0 -1                         1  2 -1     0 -1  1
        c        1  0  0     0  0  0                         1 -2 -1     0 -1 -1
    """
    weights = llama_weights(
        vocab_size=len(SPECIAL) + len(MICRO_WORDS),
        hidden_size=4,
        intermediate_size=3,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        hidden_act="relu",
        rms_norm_eps=0.0,
    )
    words = (*SPECIAL, *MICRO_WORDS)
    rows = [_MICRO["embed"].get(word, (1, 1, 1, -1)) for word in words]
    weights.model.embed_tokens.weight.data = torch.tensor(rows).float()
    weights.model.norm.weight.data.fill_(1)
    for layer, block in enumerate(weights.model.layers):
        block.input_layernorm.weight.data.fill_(1)
        block.post_attention_layernorm.weight.data.fill_(1)
        block.self_attn.o_proj.weight.data.zero_()
        block.mlp.gate_proj.weight.data = torch.tensor(_MICRO["gate"][layer]).float()
        block.mlp.up_proj.weight.data = torch.tensor(_MICRO["up"][layer]).float()
        block.mlp.down_proj.weight.data = torch.tensor(_MICRO["down"][layer]).float().T.contiguous()
    return bridge(weights, tokenizer=word_tokenizer(MICRO_WORDS), name="micro", compatibility=compatibility)
