"""Build a `HookedTransformer` from weights on disk, where transformer-lens 3.x is installed.

`HookedTransformer` knows models by their hub names only; SmolLM2 is not among them, and a folder has no name.
For models of Llama's architecture the configuration is written out here and the weights go through the host's
own conversion, so that the same weights run on both hosts. Weights are left unprocessed.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from emorhet_lens.errors import ModelError
from emorhet_lens.models.hosts import LensModel

# The host keeps one [context, context] causal mask a layer; a longer context would cost gigabytes.
MAX_CONTEXT = 2048


def load_hooked(source: str | Path, *, device: str | torch.device, dtype: torch.dtype) -> LensModel:
    """Load a `HookedTransformer`.

    Args:
        source: A hub id that the host knows, or a folder with a model of Llama's architecture.
        device: Where the weights go.
        dtype: Type of the weights.

    Returns:
        A `HookedTransformer` with unprocessed weights. Its context is at most 2,048 tokens for a folder.

    Raises:
        ModelError: `HookedTransformer` is not installed, or does not know the model.
    """
    try:
        from transformer_lens import HookedTransformer
    except ImportError as cause:
        raise ModelError(
            'host="hooked" needs HookedTransformer, which transformer-lens 4.0 removed: install '
            '"transformer-lens>=3.9,<4", or use host="bridge"'
        ) from cause
    try:
        if isinstance(source, Path):
            return _from_folder(source, device=device, dtype=dtype)
        return HookedTransformer.from_pretrained_no_processing(source, device=device, dtype=dtype)  # type: ignore[no-any-return]
    except ModelError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as cause:
        raise ModelError(f'{source} could not be loaded as a HookedTransformer: {cause}. Try host="bridge"') from cause


def _from_folder(folder: Path, *, device: str | torch.device, dtype: torch.dtype) -> LensModel:
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_llama_weights
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    architecture = type(weights).__name__
    if architecture != "LlamaForCausalLM":
        raise ModelError(
            f'{folder} holds a {architecture}; host="hooked" loads folders of LlamaForCausalLM only (other models '
            'by their hub id). Use host="bridge"'
        )
    _require_plain(weights.config, folder)
    config = HookedTransformerConfig(**_llama_config(weights.config), dtype=dtype, device=str(device))
    model: Any = HookedTransformer(config, tokenizer=AutoTokenizer.from_pretrained(folder))
    model.load_and_process_state_dict(
        convert_llama_weights(weights, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    model.to(device)
    return model  # type: ignore[no-any-return]


def _require_plain(config: Any, folder: Path) -> None:
    """Refuse what the host's conversion would leave out without a word."""
    scaling = config.rope_parameters.get("rope_type", "default")
    found = {
        f"rope scaling {scaling!r}": scaling != "default",
        "attention biases": getattr(config, "attention_bias", False),
        "MLP biases": getattr(config, "mlp_bias", False),
    }
    unsupported = [what for what, present in found.items() if present]
    if unsupported:
        raise ModelError(
            f'{folder} has {" and ".join(unsupported)}, which host="hooked" does not convert; use host="bridge"'
        )


def _llama_config(config: Any) -> dict[str, Any]:
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    grouped = config.num_key_value_heads != config.num_attention_heads
    return {
        "d_model": config.hidden_size,
        "d_head": d_head,
        "n_heads": config.num_attention_heads,
        "n_key_value_heads": config.num_key_value_heads if grouped else None,
        "d_mlp": config.intermediate_size,
        "n_layers": config.num_hidden_layers,
        "n_ctx": min(config.max_position_embeddings, MAX_CONTEXT),
        "d_vocab": config.vocab_size,
        "eps": config.rms_norm_eps,
        "act_fn": config.hidden_act,
        "normalization_type": "RMS",
        "final_rms": True,
        "gated_mlp": True,
        "positional_embedding_type": "rotary",
        "rotary_adjacent_pairs": False,
        "rotary_dim": d_head,
        "rotary_base": config.rope_parameters["rope_theta"],
        "original_architecture": "LlamaForCausalLM",
    }
