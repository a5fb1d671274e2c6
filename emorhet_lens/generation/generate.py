"""Text that a model writes under masks, batch by batch, with a KV cache, greedy or sampled.

Every prompt may have a mask of its own, so that many strengths go through the model in one batch. A mask acts on the
positions of the prompt, on those of what was written, or on all. The first written token is predicted at the last
position of the prompt: a mask on what was written acts from the second token on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from tqdm.auto import tqdm

from emorhet_lens.errors import CorpusError, MaskError, PromptError, ReadoutError
from emorhet_lens.models.hosts import LensModel, output_weights, require_evaluation
from emorhet_lens.passes.batches import Encoded, encode, pad_batch, padding_id
from emorhet_lens.passes.decoding import greedy, nucleus, plan_rows, write_tokens
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.passes.row_hooks import Intervention, row_hooks
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import random_stream

ApplyTo = Literal["all", "prompt", "generated"]


@dataclass(frozen=True)
class Generation:
    """What was written after one prompt.

    Args:
        prompt: The prompt as it was given.
        text: What was written, without special tokens.
        mask: Name of the mask, `"none"` without one.
        prompt_ids: The prompt's tokens, template and BOS included.
        ids: The written tokens, without the one that ended the text.
        ended: Whether the model ended the text before `max_new_tokens`.
    """

    prompt: str
    text: str
    mask: str
    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    ended: bool


def generate(
    model: LensModel,
    prompts: Sequence[str],
    *,
    masks: Intervention | Sequence[Intervention | None] | None = None,
    apply_to: ApplyTo = "all",
    template: Prompt | str | list[dict[str, str]] | None = None,
    max_new_tokens: int = 40,
    sample: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    stop_at_eos: bool = True,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> tuple[Generation, ...]:
    """Continue prompts under masks.

    Args:
        model: A model of the host, in evaluation mode.
        prompts: The prompts; an empty one begins with the BOS token alone.
        masks: One mask for all prompts, or one a prompt (nothing for none).
        apply_to: Whether masks act on `"all"` positions, on the `"prompt"` or on what was `"generated"`.
        template: What stands around a prompt, its place marked by `{text}`; chat messages for a chat model.
        max_new_tokens: Length at which writing ends.
        sample: Whether to sample; greedy otherwise.
        temperature: Of sampling.
        top_p: Share of the probability that is sampled from.
        seed: Of sampling. A prompt draws the same numbers under every mask, whatever else is written; if it is given
            twice with the same mask it draws others.
        stop_at_eos: Whether a text ends with the tokenizer's EOS token.
        batch_size: Prompts a batch, or `"auto"` for about equally many tokens.
        progress: Whether to show a progress bar.

    Returns:
        One value a prompt, in order. They depend on the batch size by rounding only.

    Raises:
        MaskError: There are not as many masks as prompts.
        ModelError: Dropout is switched on, or the model answers with NaN or infinity, as under too large a strength.
        PromptError: A prompt has no token, or does not fit into the context with what is to be written.
        ReadoutError: An option is out of range.
        StoreError: A mask is of another model.
    """
    require_options(
        apply_to=apply_to, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, batch_size=batch_size
    )
    require_evaluation(model)
    per_prompt = list(masks) if isinstance(masks, Sequence) else [masks] * len(prompts)
    if len(per_prompt) != len(prompts):
        raise MaskError(f"{len(per_prompt)} masks for {len(prompts)} prompts; give one, or one a prompt")
    encoded = encode_prompts(model, prompts, template, max_new_tokens)
    hooks = {id(mask): mask.fwd_hooks(model) for mask in per_prompt if mask is not None}
    uniforms = _uniforms(prompts, per_prompt, max_new_tokens, seed) if sample else None
    device, tokenizer = output_weights(model, 0).device, model.tokenizer
    end = tokenizer.eos_token_id if stop_at_eos else None
    written: dict[int, list[int]] = {}
    plan = plan_rows([len(one.ids) + max_new_tokens for one in encoded], batch_size, device.type)
    for examples in tqdm(plan, desc="writing", unit="batch", disable=not progress):
        batch = pad_batch(encoded, examples, pad_id=padding_id(model), side="left", device=device)
        own = row_hooks([per_prompt[i] for i in examples], hooks, device)
        rows = write_tokens(
            model,
            batch.tokens,
            batch.attention_mask,
            max_new_tokens=max_new_tokens,
            choose=greedy if uniforms is None else nucleus(temperature, top_p, uniforms[list(examples)].to(device)),
            prompt_hooks=own if apply_to != "generated" else [],
            written_hooks=own if apply_to != "prompt" else [],
            end=end,
        )
        written |= dict(zip(examples, rows, strict=True))
    results = []
    for index, (prompt, mask) in enumerate(zip(prompts, per_prompt, strict=True)):
        ids = written[index]
        ended = end is not None and ids[-1] == end
        ids = ids[:-1] if ended else ids
        text = str(tokenizer.decode(ids, skip_special_tokens=True))
        name = "none" if mask is None else mask.name
        results.append(Generation(prompt, text, name, encoded[index].ids, tuple(ids), ended))
    return tuple(results)


def encode_prompts(
    model: LensModel,
    prompts: Sequence[str],
    template: Prompt | str | list[dict[str, str]] | None = None,
    max_new_tokens: int = 0,
) -> tuple[Encoded, ...]:
    """Tokenise prompts in their template, and see whether they fit.

    Args:
        model: Gives tokenizer, BOS and context length.
        prompts: The prompts.
        template: What stands around them.
        max_new_tokens: How many tokens have to fit besides.

    Raises:
        PromptError: There is no prompt, one has no token, or does not fit into the context.
    """
    if not prompts:
        raise PromptError("there is no prompt to continue; give at least one")
    bos, form = bool(getattr(model.cfg, "default_prepend_bos", True)), as_prompt(template)
    encoded = []
    for number, prompt in enumerate(prompts, 1):
        example = Example(str(number), prompt, "", "prompt")
        try:
            one = encode(example, model, prompt=form, tokens="all", prepend_bos=bos)
        except CorpusError as cause:
            raise PromptError(f"prompt {number} has no token, and this model has no BOS token; write some") from cause
        if len(one.ids) + max_new_tokens > model.cfg.n_ctx:
            raise PromptError(
                f"prompt {number} of {len(one.ids)} tokens and {max_new_tokens} new ones do not fit into the context "
                f"of {model.cfg.n_ctx} of {model.cfg.model_name!r}; shorten it, or lower max_new_tokens"
            )
        encoded.append(one)
    return tuple(encoded)


def require_options(
    *,
    apply_to: str = "all",
    max_new_tokens: int = 40,
    temperature: float = 1.0,
    top_p: float = 1.0,
    batch_size: BatchSize = "auto",
    **_others: Any,
) -> None:
    """Refuse options of `generate` that are out of range; those that are left out are allowed.

    Raises:
        ReadoutError: One is.
    """
    if apply_to not in get_args(ApplyTo):
        raise ReadoutError(f"apply_to={apply_to!r} is unknown; it is one of {', '.join(get_args(ApplyTo))}")
    small = batch_size != "auto" and batch_size < 1
    if max_new_tokens < 1 or not 0 < temperature < float("inf") or not 0 < top_p <= 1 or small:
        raise ReadoutError(
            f"max_new_tokens={max_new_tokens}, temperature={temperature}, top_p={top_p}, batch_size={batch_size}: at "
            "least 1, above 0, above 0 and at most 1, and at least 1 are allowed; sample=False is greedy"
        )


def _uniforms(prompts: Sequence[str], masks: Sequence[Intervention | None], new: int, seed: int) -> torch.Tensor:
    """Numbers `[prompt new]` to sample with."""
    seen: Counter[tuple[str, int]] = Counter()
    rows = []
    for prompt, mask in zip(prompts, masks, strict=True):
        key = (prompt, id(mask))
        rows.append(torch.from_numpy(random_stream(seed, "writing", prompt, str(seen[key])).random(new)))
        seen[key] += 1
    return torch.stack(rows)
