"""The final residual and the logits of one position, against full passes."""

import pytest
import torch
from asking import hooks_on, spoil
from tiny import bridge, llama_weights, tiny_llama

from emorhet_lens.errors import ModelError
from emorhet_lens.passes.batches import Encoded, pad_batch
from emorhet_lens.passes.residual import final_logits, final_residual, last_positions, shortcut_holds

TEXTS = [Encoded((1, 9, 12, 20, 7), (True,) * 5), Encoded((1, 30, 8), (True,) * 3)]
SIDES = pytest.mark.parametrize("side", ["right", "left"])


def batch(side="right"):
    return pad_batch(TEXTS, (0, 1), pad_id=0, side=side, device=torch.device("cpu"))


@SIDES
def test_last_positions(side):
    assert last_positions(batch(side).attention_mask).tolist() == ([4, 2] if side == "right" else [4, 4])


@SIDES
def test_residual_is_that_of_each_text_alone(any_host, side):
    found = final_residual(any_host, batch(side))
    name = f"blocks.{any_host.cfg.n_layers - 1}.hook_resid_post"
    for row, text in enumerate(TEXTS):
        _, cache = any_host.run_with_cache(torch.tensor([text.ids]))
        place = slice(5 - len(text.ids), 5) if side == "left" else slice(0, len(text.ids))
        torch.testing.assert_close(found[row, place], cache[name][0], atol=1e-5, rtol=1e-5)


@SIDES
@pytest.mark.parametrize("shortcut", [True, False])
def test_logits_are_those_of_each_text_alone(any_host, side, shortcut):
    found = final_logits(any_host, batch(side), shortcut=shortcut, back=(1, 0))
    assert found.shape == (2, 2, any_host.cfg.d_vocab)
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            alone = any_host(torch.tensor([text.ids]))[0, -2:]
        torch.testing.assert_close(found[row], alone, atol=1e-5, rtol=1e-5)


def test_shortcut_holds_on_every_host(any_host):
    assert shortcut_holds(any_host, batch())


def test_the_pass_ends_after_the_last_block(any_host):
    seen = []

    def watch(x, hook):
        seen.append(tuple(x.shape))

    with any_host.hooks(fwd_hooks=[("ln_final.hook_normalized", watch)]):
        final_residual(any_host, batch())
        assert seen == []
        final_logits(any_host, batch(), shortcut=True)
    assert seen == [(2, 1, any_host.cfg.d_model)]


@pytest.mark.parametrize("point", ["last residual", "final norm", "first residual"])
def test_outer_hooks_act(any_host, point):
    last = any_host.cfg.n_layers - 1
    name = {
        "last residual": f"blocks.{last}.hook_resid_post",
        "final norm": "ln_final.hook_normalized",
        "first residual": "blocks.0.hook_resid_post",
    }[point]

    def halve(x, hook):
        return torch.cat([x[..., :8] * 0.5, x[..., 8:]], -1)

    plain = final_logits(any_host, batch(), shortcut=True)
    with any_host.hooks(fwd_hooks=[(name, halve)]):
        short, full = (final_logits(any_host, batch(), shortcut=s) for s in (True, False))
    torch.testing.assert_close(short, full, atol=1e-5, rtol=1e-5)
    assert (short - plain).abs().max() > 1e-2
    assert hooks_on(any_host) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_hook_stays_after_an_error(any_host, error):
    def fail(x, hook):
        raise error("stop here")

    with pytest.raises(error, match="stop here"), any_host.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", fail)]):
        final_logits(any_host, batch(), shortcut=True)
    assert hooks_on(any_host) == []
    assert final_residual(any_host, batch()).shape == (2, 5, 16)


def test_a_head_with_more_to_it_is_found_out():
    model = bridge(llama_weights())
    inner = model.original_model.forward

    def scaled(*args, **kwargs):
        found = inner(*args, **kwargs)
        return type(found)(**{**found, "logits": 3 * found.logits})

    model.original_model.forward = scaled
    assert not shortcut_holds(model, batch())


def test_soft_caps_are_applied():
    model = tiny_llama()
    plain = final_logits(model, batch(), shortcut=True)
    model.cfg.output_logits_soft_cap = 2.0
    capped = final_logits(model, batch(), shortcut=True)
    torch.testing.assert_close(capped, 2 * torch.tanh(plain / 2))


def test_nan_is_refused():
    model = tiny_llama()
    model.hook_dict["blocks.2.hook_resid_post"].add_hook(spoil)
    with pytest.raises(ModelError, match="NaN"):
        final_logits(model, batch(), shortcut=True)
    with pytest.raises(ModelError, match="NaN"):
        final_logits(model, batch(), shortcut=False)


def test_nan_at_padding_does_no_harm():
    model = tiny_llama()
    one = batch("left")

    def spoil_padding(x, hook):
        return x.masked_fill(~one.attention_mask.bool()[:, :, None], torch.nan)

    plain = final_logits(model, one, shortcut=True)
    with model.hooks(fwd_hooks=[("blocks.2.hook_resid_post", spoil_padding)]):
        assert torch.equal(final_logits(model, one, shortcut=True), plain)


def test_a_host_without_the_hook_is_refused(monkeypatch):
    model = tiny_llama()
    monkeypatch.setattr(model.cfg, "n_layers", 9)
    assert not shortcut_holds(model, batch())
    with pytest.raises(ModelError, match=r"no hook 'blocks\.8\.hook_resid_post'"):
        final_residual(model, batch())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_shortcut_holds_in_coarse_precisions(dtype):
    assert shortcut_holds(tiny_llama().to(dtype), batch())
