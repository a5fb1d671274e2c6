"""What is written under masks with a KV cache is what full passes over one text say, on every host."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from asking import next_log_probs, silence, spoil, token_ids
from tiny import tiny_gpt2, tiny_llama
from tiny_masks import PLACES, hooks_on, neurons_at

from emorhet_lens import mask_kinds
from emorhet_lens.errors import MaskError, ModelError, PromptError, ReadoutError, StoreError
from emorhet_lens.generation.generate import generate
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask_points import add_mask_points, remove_mask_points
from emorhet_lens.models.hosts import identify
from emorhet_lens.passes.decoding import nucleus, write_tokens

PROMPTS = ("the dog was angry", "", "rain", "she and the child on the cold road , so")
NEW = 6


def push(model: Any, strength: float = 1.0) -> Any:
    return mask_kinds.shift(neurons_at(model, *PLACES), torch.tensor([2.0, -3.0, 2.5]).double() * strength)


def by_full_passes(model: Any, prompt: str, mask: Any = None, where: str = "all", n: int = NEW) -> tuple[int, ...]:
    """Greedy text of one prompt, one full pass a token, without a cache and without padding."""
    start = [model.tokenizer.bos_token_id, *token_ids(model, prompt)]
    hooks = [] if mask is None else mask.fwd_hooks(model, where=where, prompt_length=len(start))
    ids = list(start)
    for _ in range(n):
        following = int(next_log_probs(model, ids, hooks).argmax())
        if following == model.tokenizer.eos_token_id:
            break
        ids.append(following)
    return tuple(ids[len(start) :])


def write(model: Any, prompts: Any = PROMPTS, **options: Any) -> list[tuple[int, ...]]:
    found = generate(model, prompts, **{"max_new_tokens": NEW, "progress": False, **options})
    assert [one.prompt for one in found] == list(prompts)
    return [one.ids for one in found]


class Hooks:
    """An intervention by hand."""

    name = "by hand"

    def __init__(self, hook: Any) -> None:
        self.hook = hook

    def fwd_hooks(self, model: Any) -> list[Any]:
        return [(f"blocks.{layer}.mlp.hook_post", self.hook) for layer in range(model.cfg.n_layers)]


def test_with_a_cache_and_in_batches_as_without_one_by_one(any_host):
    mask = push(any_host)
    expected = {w: [by_full_passes(any_host, p, mask, w) for p in PROMPTS] for w in ("all", "prompt", "generated")}
    plain = [by_full_passes(any_host, prompt) for prompt in PROMPTS]
    for size in (1, 3, "auto"):
        for where, ids in expected.items():
            assert write(any_host, masks=mask, apply_to=where, batch_size=size) == ids, (where, size)
        assert write(any_host, batch_size=size) == plain
    assert plain not in expected.values()
    assert hooks_on(any_host) == []


def test_each_prompt_under_its_own_mask(any_host):
    masks = [push(any_host), None, push(any_host, -2.0), push(any_host).then(push(any_host, 0.5))]
    expected = [by_full_passes(any_host, *pair) for pair in zip(PROMPTS, masks, strict=True)]
    assert write(any_host, masks=masks) == expected
    assert write(any_host, masks=masks, batch_size=2) == expected


def test_positions_of_a_one_token_prompt(any_host):
    """The empty prompt is the BOS token alone, which looks like a written token by its shape."""
    seen: list[tuple[int, ...]] = []

    def watch(post: torch.Tensor, hook: Any) -> None:
        seen.append(tuple(post.shape[:2]))

    options: Any = {"max_new_tokens": 3, "stop_at_eos": False, "progress": False}
    for where, passes in (("prompt", 1), ("generated", 2), ("all", 3)):
        seen.clear()
        generate(any_host, [""], masks=Hooks(watch), apply_to=where, **options)
        assert seen == [(1, 1)] * passes * any_host.cfg.n_layers, where


def test_strength_zero_is_bit_exact(any_host):
    logits: list[torch.Tensor] = []

    def keep(found: torch.Tensor, written: int) -> torch.Tensor:
        logits.append(found)
        return found.argmax(-1)

    tokens = torch.tensor([[1, 9, 12, 20, 7]])
    hooks = push(any_host, 0.0).fwd_hooks(any_host)
    options: Any = {"max_new_tokens": 4, "choose": keep}
    bare = write_tokens(any_host, tokens, torch.ones_like(tokens), **options)
    masked = write_tokens(any_host, tokens, torch.ones_like(tokens), prompt_hooks=hooks, written_hooks=hooks, **options)
    assert bare == masked
    assert all(torch.equal(a, b) for a, b in zip(logits[:4], logits[4:], strict=True))
    assert write(any_host, masks=push(any_host, 0.0)) == write(any_host)


def test_adaptive_masks_and_mask_points():
    model = tiny_llama()
    mask = replace(push(model, 2.0), alpha=torch.tensor([0.5, 0.2, 0.9]).double())
    expected = [by_full_passes(model, prompt, mask) for prompt in PROMPTS]
    add_mask_points(model)
    assert write(model, masks=mask) == expected
    assert write(model, masks=[mask, mask, None, mask])[0] == expected[0]
    remove_mask_points(model)


def test_gated_masks_of_some_rows():
    """A gate adds up its score from layer to layer, for its own rows only."""
    model = tiny_llama()
    half, ones = torch.full((2,), 0.5).double(), torch.ones(3).double()
    gate = Gate(torch.tensor(sorted(PLACES)), center=0 * ones, weight=ones, low=-half, high=half, model=identify(model))
    gated = Gated(push(model, 2.0), gate)
    masks = [gated, None, push(model), gated]
    expected = [by_full_passes(model, *pair) for pair in zip(PROMPTS, masks, strict=True)]
    assert write(model, masks=masks) == expected
    assert write(model, masks=gated)[1] == by_full_passes(model, "", gated)


def test_samples_depend_on_nothing_beside_them():
    model = tiny_llama()
    options: Any = {"sample": True, "temperature": 1.5, "top_p": 0.9, "seed": 3}
    together = write(model, **options)
    assert together == [write(model, [prompt], **options)[0] for prompt in PROMPTS]
    assert together == write(model, batch_size=2, **options)
    assert together != write(model, **{**options, "seed": 4})
    assert together != write(model)
    # One prompt twice gives two texts; under another mask it draws the first text's numbers again.
    first, second = write(model, ["rain", "rain"], **options)
    assert first == together[2] != second
    none, zero = write(model, ["rain", "rain"], masks=[None, push(model, 0.0)], **options)
    assert none == zero == first


def test_sampling_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    write(tiny_llama(), sample=True)
    assert torch.equal(torch.rand(3), expected)


def test_sampling_by_hand():
    """Probabilities 0.5, 0.3, 0.2 of tokens 2, 0, 1."""
    logits = torch.tensor([0.3, 0.2, 0.5]).log().repeat(4, 1)
    at = torch.tensor([[0.0], [0.49], [0.51], [0.81]], dtype=torch.float64)
    assert nucleus(1.0, 1.0, at)(logits, 0).tolist() == [2, 2, 0, 1]
    # Without the last one the others have 0.625 and 0.375.
    assert nucleus(1.0, 0.75, at)(logits, 0).tolist() == [2, 2, 2, 0]
    assert nucleus(1.0, 0.5, at)(logits, 0).tolist() == [2, 2, 2, 2]
    # Half the temperature squares them: 25, 9 and 4 of 38.
    assert nucleus(0.5, 1.0, at)(logits, 0).tolist() == [2, 2, 2, 0]
    last = torch.full((4, 1), 1 - 1e-9, dtype=torch.float64)
    assert nucleus(1.0, 0.75, last)(logits, 0).tolist() == [0] * 4


def test_a_text_ends_with_the_end_token():
    model = tiny_llama()
    model.original_model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.cfg.d_vocab))
    model.original_model.lm_head.bias.data[model.tokenizer.eos_token_id] = 1e4
    found = generate(model, ["rain", "the dog"], max_new_tokens=3, progress=False)
    assert [(one.ids, one.text, one.ended) for one in found] == [((), "", True)] * 2
    longer = generate(model, ["rain"], max_new_tokens=3, stop_at_eos=False, progress=False)[0]
    assert longer.ids == (model.tokenizer.eos_token_id,) * 3
    assert not longer.ended
    assert longer.text == ""


def test_templates():
    model = tiny_llama()
    plain = generate(model, ["rain"], template="review: {text} mood:", max_new_tokens=2, progress=False)[0]
    assert model.tokenizer.decode(plain.prompt_ids) == "<bos> review : rain mood :"
    chat = generate(model, ["rain"], template=[{"role": "user", "content": "{text}"}], max_new_tokens=2, progress=False)
    assert model.tokenizer.decode(chat[0].prompt_ids) == "<bos> <user> rain <eos> <assistant>"
    assert chat[0].mask == "none"


def test_too_large_a_strength(any_host):
    for where in ("all", "prompt", "generated"):
        options: Any = {"max_new_tokens": 3, "apply_to": where, "progress": False, "stop_at_eos": False}
        with pytest.raises(ModelError, match="smaller strength"):
            generate(any_host, ["rain"], masks=Hooks(spoil), **options)
        with pytest.raises(ModelError, match=f"after {int(where == 'generated')} written tokens"):
            generate(any_host, ["rain"], masks=push(any_host, 1e300), **options)
    assert hooks_on(any_host) == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prompts": ["rain " * 44]}, PromptError, "prompt 1 of 45 tokens and 4 new ones do not fit into the context"),
        ({"prompts": []}, PromptError, "no prompt"),
        ({"prompts": ["rain"], "masks": [None, None]}, MaskError, "2 masks for 1 prompts"),
        ({"apply_to": "answer"}, ReadoutError, "apply_to='answer' is unknown"),
        ({"max_new_tokens": 0}, ReadoutError, "at least 1"),
        ({"temperature": 0.0}, ReadoutError, "above 0"),
        ({"top_p": 1.5}, ReadoutError, "at most 1"),
        ({"batch_size": 0}, ReadoutError, "batch_size=0"),
    ],
)
def test_what_cannot_be_written(changes, error, message):
    options = {"prompts": ["rain"], "max_new_tokens": 4, "progress": False, **changes}
    with pytest.raises(error, match=message):
        getattr(generate, "__wrapped__", generate)(tiny_llama(), **options)


def test_a_prompt_may_fill_the_context():
    prompt = "rain " * (48 - 1 - 4)
    assert len(write(tiny_llama(), [prompt], max_new_tokens=4, stop_at_eos=False)[0]) == 4


def test_masks_of_another_model_and_padding_on_the_right():
    model = tiny_llama()
    with pytest.raises(StoreError):
        generate(model, ["rain"], masks=push(tiny_gpt2()), progress=False)
    tokens = torch.tensor([[1, 9, 0]])
    with pytest.raises(ModelError, match="on the left"):
        write_tokens(model, tokens, torch.tensor([[1, 1, 0]]), max_new_tokens=1)


def test_hooks_that_are_on_stay_on():
    model = tiny_llama()
    with model.hooks(fwd_hooks=[silence(0), silence(1)]):
        found = write(model)
    assert found == [by_full_passes_under(model, prompt) for prompt in PROMPTS]


def by_full_passes_under(model: Any, prompt: str) -> tuple[int, ...]:
    with model.hooks(fwd_hooks=[silence(0), silence(1)]):
        return by_full_passes(model, prompt)
