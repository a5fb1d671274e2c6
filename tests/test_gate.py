"""Gates: a score by hand, where they open, what a gated mask changes on the hosts, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from answering import answering_model
from tiny import micro_model, planted_corpus, texts_corpus, tiny_corpus, tiny_gpt2, tiny_llama
from tiny_masks import OTHER_TOKENS, PLACES, TOKENS, hooks_on, neurons_at, posts, unchecked

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.inputs import mask_digest
from emorhet_lens.causal.plan import effects
from emorhet_lens.errors import EffectsError, MaskError, StoreError
from emorhet_lens.gates.calibration import calibrate_gate
from emorhet_lens.gates.scores import position_scores, unbounded_gate
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask_kinds import attenuate, clamp, resample, shift, zero
from emorhet_lens.models.hosts import identify
from emorhet_lens.passes.batches import Encoded, pad_batch
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.tuning.doses import Dose, dosed_mask

CPU = torch.device("cpu")
TEXTS = [
    Encoded((1, 9, 12, 20, 7), (False, True, True, True, False)),
    Encoded((1, 30, 8), (False, True, False)),
    Encoded((1, 14, 10, 25), (False, True, True, False)),
]


def gate_at(model: Any, places, *, center=0.0, weight=1.0, low=0.0, high=1.0) -> Gate:
    """A gate by hand; one number stands for all."""
    columns = torch.tensor(sorted(places))
    depths = len(columns[:, 0].unique())
    sizes = {"center": len(columns), "weight": len(columns), "low": depths, "high": depths}
    given = {"center": center, "weight": weight, "low": low, "high": high}
    values = {n: torch.as_tensor(v, dtype=torch.float64).expand(sizes[n]).clone() for n, v in given.items()}
    return Gate(columns, **values, model=identify(model))


@pytest.fixture(scope="module")
def llama() -> Any:
    """A model that no test changes."""
    return tiny_llama()


ALWAYS = {"low": -2e9, "high": -1e9}
NEVER = {"low": 1e9, "high": 2e9}


def kinds(model: Any) -> dict[str, Any]:
    neurons = neurons_at(model, *PLACES)
    _, cache = model.run_with_cache(OTHER_TOKENS)
    return {
        "zero": zero(neurons),
        "attenuate": attenuate(neurons, collect_stats(model, tiny_corpus(3), progress=False), 0.7),
        "shift": shift(neurons, [1.0, -2.0, 0.5]),
        "resample": resample(neurons, cache),
    }


def test_by_hand():
    """Scores of a, b and c: after layer 0 they are (x0 - 0 + 2 * (x2 - 1)) / 2, then with layer 1's x0, halved, / 3."""
    model = micro_model()
    gate = gate_at(model, [(0, 0), (0, 2), (1, 0)], center=[0, 1, 0], weight=[1, 2, 0.5], low=[0, 1], high=[10, 3])
    assert gate.layers == (0, 1) and gate.shut == ()
    tokens = torch.tensor([[1, *model.to_tokens("a b c", prepend_bos=False)[0].tolist()]])
    # Layer 0: a 1, 3; b -1, 0; c 1, 0 and BOS -1, -3. Sums 5, -3, -1, -9; halves 2.5, -1.5, -0.5, -4.5.
    # Openings 0.25, 0, 0, 0. Layer 1 is not changed by layer 0, which writes nothing: a 4, others 0.
    # Sums 7, -3, -1, -9; thirds 7/3, ...; opening of a (7/3 - 1) / 2 = 2/3.
    mask = clamp(neurons_at(model, (0, 1), (1, 0)), 10.0)
    first, second = posts(model, tokens, Gated(mask, gate).fwd_hooks(model))
    plain = posts(model, tokens)
    assert plain[0][0].tolist() == [[-1, 0, -3], [1, 2, 3], [-1, 2, 0], [1, 0, 0]]
    assert first[0, :, 1].tolist() == [0, 2 + 0.25 * 8, 2, 0]
    torch.testing.assert_close(second[0, :, 0], torch.tensor([0, 4 + 2 / 3 * 6, 0, 0]))
    assert torch.equal(first[..., [0, 2]], plain[0][..., [0, 2]])


def test_the_score_is_read_before_the_mask_acts_on_the_same_layer():
    model = micro_model()
    tokens = torch.tensor([[1, *model.to_tokens("a a", prepend_bos=False)[0].tolist()]])
    mask = clamp(neurons_at(model, (0, 2), (1, 0)), -5.0)
    # 3, then (3 + 4) / 2.
    gate = gate_at(model, [(0, 2), (1, 0)], low=[2, 3], high=[2.9, 3.4])
    first, second = posts(model, tokens, Gated(mask, gate).fwd_hooks(model))
    assert first[0, 1:, 2].tolist() == [-5, -5] and second[0, 1:, 0].tolist() == [-5, -5]
    assert first[0, 0, 2] == -3


def test_later_layers_are_read_in_the_masked_pass(llama):
    early, late = clamp(neurons_at(llama, (0, 5)), 9.0), clamp(neurons_at(llama, (1, 3)), 9.0)
    gate = gate_at(llama, [(0, 5), (1, 3)], weight=[0, 1], low=[-1, -1], high=[-0.5, 1])
    both = posts(llama, TOKENS, Gated(early | late, gate).fwd_hooks(llama))
    masked, bare = posts(llama, TOKENS, early.fwd_hooks(llama))[1][..., 3], posts(llama, TOKENS)[1][..., 3]
    expected, other = (x + ((x / 2 + 1) / 2).clamp(0, 1) * (9 - x) for x in (masked, bare))
    torch.testing.assert_close(both[1][..., 3], expected)
    assert not torch.allclose(expected, other, atol=1e-3)


def test_open_is_the_mask_and_shut_is_nothing(any_host):
    plain = posts(any_host, TOKENS)
    rest = torch.ones(any_host.cfg.d_mlp, dtype=torch.bool)
    rest[[2, 5]] = False
    for name, mask in kinds(any_host).items():
        opened = posts(any_host, TOKENS, Gated(mask, gate_at(any_host, PLACES, **ALWAYS)).fwd_hooks(any_host))
        masked = posts(any_host, TOKENS, mask.fwd_hooks(any_host))
        closed = posts(any_host, TOKENS, Gated(mask, gate_at(any_host, PLACES, **NEVER)).fwd_hooks(any_host))
        never = gate_at(any_host, PLACES, high=torch.inf)
        assert never.shut == (0, 1)
        shut = posts(any_host, TOKENS, Gated(mask, never).fwd_hooks(any_host))
        half = posts(any_host, TOKENS, Gated(mask, gate_at(any_host, PLACES, low=-1e6, high=1e6)).fwd_hooks(any_host))
        for layer, untouched in enumerate(plain):
            assert torch.equal(opened[layer], masked[layer]), name
            assert torch.equal(closed[layer], untouched), name
            assert torch.equal(shut[layer], untouched), name
        assert torch.equal(half[0][..., rest], plain[0][..., rest]), name
        torch.testing.assert_close(half[0], (plain[0] + masked[0]) / 2, atol=1e-4, rtol=1e-4)
    assert hooks_on(any_host) == []


def test_hooks_can_be_used_again_and_for_any_batch(any_host):
    mask = shift(neurons_at(any_host, *PLACES), 2.0)
    gate = gate_at(any_host, PLACES, low=-0.5, high=1.0)
    hooks = Gated(mask, gate).fwd_hooks(any_host)
    once, other, again = (posts(any_host, t, hooks) for t in (TOKENS, OTHER_TOKENS[:1, :3], TOKENS))
    fresh = posts(any_host, OTHER_TOKENS[:1, :3], Gated(mask, gate).fwd_hooks(any_host))
    for layer in range(any_host.cfg.n_layers):
        assert torch.equal(once[layer], again[layer]) and torch.equal(other[layer], fresh[layer])
    # A pass that was cut short leaves nothing for the next one.

    def interrupt(x, hook):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        posts(any_host, OTHER_TOKENS, [*hooks[:1], ("blocks.0.mlp.hook_post", interrupt)])
    assert torch.equal(posts(any_host, TOKENS, hooks)[1], once[1])
    post = torch.randn(2, 5, any_host.cfg.d_mlp)
    before = post.clone()
    changed = hooks[0][1](post, hook=None)
    assert torch.equal(post, before) and not torch.equal(changed, before)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("where", ["all", "text", "last"])
def test_batching_and_padding_do_not_matter(any_host, where, side):
    mask = Gated(shift(neurons_at(any_host, *PLACES), 2.0), gate_at(any_host, PLACES, low=-0.5, high=1.0))

    def run(indices):
        batch = pad_batch(TEXTS, indices, pad_id=0, side=side, device=CPU)
        with mask.on(any_host, where=where, text=batch.keep, attention_mask=batch.attention_mask):
            logits = any_host(batch.tokens, attention_mask=batch.attention_mask)
        return [row[real.bool()] for row, real in zip(logits, batch.attention_mask, strict=True)]

    for index, row in enumerate(run((0, 1, 2))):
        torch.testing.assert_close(row, run((index,))[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_only_chosen_positions_change(any_host, side):
    batch = pad_batch(TEXTS, (0, 1, 2), pad_id=0, side=side, device=CPU)
    mask = Gated(clamp(neurons_at(any_host, (0, 5), (0, 2)), 9.0), gate_at(any_host, PLACES, **ALWAYS))
    plain = posts(any_host, batch.tokens, attention_mask=batch.attention_mask)[0]
    hooks = mask.fwd_hooks(any_host, where="text", text=batch.keep, attention_mask=batch.attention_mask)
    now = posts(any_host, batch.tokens, hooks, attention_mask=batch.attention_mask)[0]
    assert torch.equal(now[~batch.keep], plain[~batch.keep])
    assert now[batch.keep][:, [2, 5]].unique().tolist() == [9]


def test_generation_with_and_without_a_cache(any_host):
    mask = Gated(shift(neurons_at(any_host, *PLACES), 3.0), gate_at(any_host, PLACES, low=-0.5, high=0.5))
    options = {"max_new_tokens": 5, "do_sample": False, "verbose": False, "stop_at_eos": False}
    with mask.on(any_host):
        cached = any_host.generate(TOKENS[:1], use_past_kv_cache=True, **options)
        without = any_host.generate(TOKENS[:1], use_past_kv_cache=False, **options)
    assert torch.equal(cached, without)


def test_the_gate_may_read_other_neurons_than_are_masked(llama):
    model = llama
    mask = clamp(neurons_at(model, (0, 7), (2, 1)), 9.0)
    # Layer 1 is read only; layer 2 is opened by what was read before it.
    gate = gate_at(model, [(0, 2), (1, 3), (1, 4)], low=[1e9, -2e9], high=[2e9, -1e9])
    hooks = Gated(mask, gate).fwd_hooks(model)
    assert [name for name, _ in hooks] == [f"blocks.{layer}.mlp.hook_post" for layer in (0, 1, 2)]
    plain, now = posts(model, TOKENS), posts(model, TOKENS, hooks)
    assert torch.equal(plain[0], now[0]) and torch.equal(plain[1], now[1])
    assert now[2][..., 1].unique().tolist() == [9]
    # What comes after the last masked layer is not read.
    early = Gated(clamp(neurons_at(model, (0, 7)), 9.0), gate)
    assert [name for name, _ in early.fwd_hooks(model)] == ["blocks.0.mlp.hook_post"]
    with pytest.raises(MaskError, match=r"begins in layer 0, the gate reads nothing before layer 1"):
        Gated(mask, gate_at(model, [(1, 3)]))


def test_a_pass_that_begins_late_is_refused(llama):
    model = llama
    first, second = Gated(zero(neurons_at(model, *PLACES)), gate_at(model, PLACES)).fwd_hooks(model)
    post = torch.randn(2, 5, model.cfg.d_mlp)
    with pytest.raises(MaskError, match="came to layer 1 without the 1 layers before it"):
        second[1](post, hook=None)
    first[1](post, hook=None)
    with pytest.raises(MaskError, match="run the whole model"):
        second[1](post[:1], hook=None)


def test_gradients_and_low_precision(llama):
    model = tiny_llama(dtype=torch.bfloat16)
    mask = Gated(attenuate_half(model), gate_at(model, PLACES, low=-1.0, high=1.0))
    assert model.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(model)).dtype == torch.bfloat16
    wide = llama
    mask = Gated(attenuate_half(wide), gate_at(wide, PLACES, low=-1.0, high=1.0))
    wide.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(wide)).sum().backward()
    # Bounds that are equal in the precision at hand are a step, not a division by zero.
    step = Gated(attenuate_half(wide), gate_at(wide, PLACES, low=0.0, high=1e-60))
    assert wide.run_with_hooks(TOKENS, fwd_hooks=step.fwd_hooks(wide)).isfinite().all()


def attenuate_half(model: Any) -> Any:
    return zero(neurons_at(model, *PLACES)) * 0.5


def test_chains_in_both_orders(llama):
    model = llama
    neurons = neurons_at(model, *PLACES)
    gated, add = Gated(clamp(neurons, 2.0), gate_at(model, PLACES, **ALWAYS)), shift(neurons, 1.0)
    for chain, value in ((gated.then(add), 3.0), (add.then(gated), 2.0)):
        found = posts(model, TOKENS, chain.fwd_hooks(model))
        assert {float(v) for layer, neuron in PLACES for v in found[layer][..., neuron].unique()} == {value}
    with pytest.raises(MaskError, match="cannot be taken apart"):
        gated.parts()


def test_values_and_words(llama):
    model = llama
    gate = gate_at(model, PLACES, high=[1.0, torch.inf])
    gated = Gated(attenuate_half(model), gate)
    assert repr(gate) == "Gate('score': 3 neurons of 'tiny-llama', shut in 1 of 2 layers)"
    assert gate.shut == (1,)
    assert gate.to_dataframe().neurons.tolist() == [2, 3]
    assert len(gated) == 3 and gated.layers == (0, 1) and torch.equal(gated.columns, gate.columns)
    assert repr(gated) == "Gated('zero * 0.5 gated by score': 3 neurons in 2 layers of 'tiny-llama')"
    assert torch.equal((gated * 0.5).inner.gain, gated.inner.gain * 0.5 + 0.5) and (0.5 * gated).gate is gate
    digests = {mask_digest(m) for m in (gated, gated.inner, gated * 0.5, Gated(gated.inner, gate_at(model, PLACES)))}
    assert len(digests) == 4
    assert mask_digest(gated) == mask_digest(Gated(attenuate_half(model), gate))


def test_files_are_exact(llama, tmp_path):
    model = llama
    gate = gate_at(model, PLACES, center=1 / 3, weight=[0.1, -0.2, 0.7], low=[0.1, 0.2], high=[1.0, torch.inf])
    gate.save(tmp_path / "gate.safetensors")
    found = Gate.load(str(tmp_path / "gate.safetensors"), model)
    assert found.name == gate.name and found.model == gate.model
    assert all(torch.equal(found.tensors()[name], value) for name, value in gate.tensors().items())
    with pytest.raises(StoreError, match="tiny-gpt2"):
        Gate.load(tmp_path / "gate.safetensors", tiny_gpt2())
    with pytest.raises(StoreError, match="fingerprints differ"):
        Gated(zero(neurons_at(tiny_llama(seed=1), *PLACES)), gate)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": torch.zeros(0, 2, dtype=torch.int64)}, "no neuron has no score"),
        ({"columns": torch.tensor([(0, 2), (0, 1), (1, 3)])}, "sorted, each once"),
        ({"columns": torch.tensor([(0, 2), (0, 2), (1, 3)])}, "sorted, each once"),
        ({"columns": torch.tensor([(0, 2), (0, 5), (9, 3)])}, "have to lie in 'tiny-llama'"),
        ({"center": torch.ones(2).double()}, "center has 2 values, the gate needs 3"),
        ({"low": torch.ones(3).double()}, "low has 3 values, the gate needs 2"),
        ({"weight": torch.tensor([1.0, torch.inf, 0.0]).double()}, "weight holds numbers that are not finite"),
        ({"high": torch.tensor([1.0, torch.nan]).double()}, "high holds"),
        ({"high": torch.tensor([1.0, 0.0]).double()}, "high has to exceed low"),
    ],
)
def test_gates_that_cannot_be(llama, changes, message):
    # Past the annotations, as without a type checker.
    with pytest.raises(MaskError, match=message):
        unchecked(Gate, **vars(gate_at(llama, PLACES)) | changes)


# Calibration


@pytest.fixture(scope="module")
def answering() -> Any:
    """A model whose planted neurons are exactly 0 on words of other labels; with corpora and statistics."""
    made = answering_model(d_mlp=64)
    for module in made.model.modules():
        if hasattr(module, "act_fn"):
            module.act_fn = torch.nn.ReLU()
    parts = {
        part: planted_corpus(made, per_label=12, sources=(part,), seed=number)
        for number, part in enumerate(("screen", "dev", "test"))
    }
    stats = collect_stats(made.model, parts["screen"], progress=False)
    neurons = {c: Neurons({c: tuple(sorted(p))}, {c: (0.0,) * len(p)}, stats.model) for c, p in made.neurons.items()}
    return made, parts, stats, neurons


def test_the_score_is_that_of_the_statistics_by_hand():
    model = micro_model()
    corpus = texts_corpus(("glad", "a a c"), ("plain", "b c"), ("sad", "b b"))
    stats = collect_stats(model, corpus, progress=False)
    neurons = neurons_at(model, (1, 0), (0, 2), (0, 0), (1, 1))
    gate = unbounded_gate(neurons, stats, "glad", ("plain",))
    assert gate.columns.tolist() == [[0, 0], [0, 2], [1, 0], [1, 1]]
    # Of plain (b, c): -1 and 1, 0 and 0, 0 and 0. Over all seven tokens, a twice, b thrice, c twice:
    # x0 = 1 1 1 | -1 1 | -1 -1 has mean 1/7 and mean square 1; x2 of a is 3; layer 1's x0 of a is 4; x1 never moves.
    assert gate.center.tolist() == [0, 0, 0, 0]
    sds = [(1 - 1 / 49) ** 0.5, (18 / 7 - 36 / 49) ** 0.5, (32 / 7 - 64 / 49) ** 0.5]
    torch.testing.assert_close(gate.weight, torch.tensor([*(1 / sd for sd in sds), 0.0]).double())
    # Sad lies below plain in x0 and nowhere else on another side.
    assert unbounded_gate(neurons, stats, "sad", ("plain",)).weight.sign().tolist() == [-1, 0, 0, 0]
    own = texts_corpus(("glad", "a c"))
    scores = position_scores(model, gate, own, tokens="text", prompt=Prompt(), prepend_bos=True, progress=False)
    a, c = [1 / sds[0], 3 / sds[1], 4 / sds[2]], [1 / sds[0], 0, 0]
    expected = [[sum(x[:2]) / 2, sum(x) / 4] for x in (a, c)]
    torch.testing.assert_close(scores, torch.tensor(expected).double(), atol=1e-5, rtol=1e-5)


def test_bounds_are_quantiles_of_positions(answering):
    made, parts, stats, neurons = answering
    gate = calibrate_gate(made.model, neurons["anger"], parts["dev"], stats, low=0.5, high=0.9, progress=False)
    assert gate.name == "anger" and gate.layers == (0, 1)
    for name, label, share in (("low", "neutral", 0.5), ("high", "anger", 0.9)):
        texts = parts["dev"].where(lambda e, label=label: e.label == label)
        scores = position_scores(
            made.model, gate, texts, tokens="text", prompt=Prompt(), prepend_bos=True, batch_size=1, progress=False
        )
        torch.testing.assert_close(getattr(gate, name), scores.quantile(share, dim=0), atol=1e-5, rtol=1e-5)
    # Without texts of the rest it is told from the other concepts.
    concepts_only = parts["dev"].where(lambda e: e.label != "neutral")
    others = calibrate_gate(made.model, neurons["anger"], concepts_only, stats, progress=False)
    given = calibrate_gate(made.model, neurons["anger"], concepts_only, stats, against="others", progress=False)
    assert torch.equal(others.center, given.center) and torch.equal(others.low, given.low)
    # All are 0 without their concept, and positions of other concepts are not silent in the standard deviation alone.
    assert torch.equal(others.weight, gate.weight)
    with_words = calibrate_gate(made.model, neurons["anger"], parts["dev"], stats, against="others", progress=False)
    assert len(with_words.columns) == 6 and torch.equal(with_words.high, others.high)


def test_neutral_text_is_untouched_and_the_effect_is_that_of_the_plain_mask(answering):
    made, parts, stats, neurons = answering
    gate = calibrate_gate(made.model, neurons["anger"], parts["dev"], stats, progress=False)
    assert gate.low.tolist() == [0, 0] and gate.shut == ()
    plain = zero(neurons["anger"])
    # Open on whatever fires at all, so that it has to do what the plain mask does.
    gated = Gated(plain, replace(gate, high=gate.low + 1e-6))
    for example in parts["test"].balanced(3):
        tokens = made.model.to_tokens(example.text)
        bare, masked = made.model(tokens), made.model.run_with_hooks(tokens, fwd_hooks=plain.fwd_hooks(made.model))
        found = made.model.run_with_hooks(tokens, fwd_hooks=gated.fwd_hooks(made.model))
        if example.label == "anger":
            assert not torch.equal(found, bare)
            torch.testing.assert_close(found, masked)
        else:
            assert torch.equal(found, bare)


def test_it_can_be_used_wherever_a_mask_is_used(answering):
    made, parts, stats, neurons = answering
    gate = calibrate_gate(made.model, neurons["anger"], parts["dev"], stats, progress=False)
    both = {
        "plain": lambda found: attenuate(found, stats),
        "gated": lambda found: Gated(dosed_mask(found, stats, Dose(1, 1), concept="anger"), gate),
    }
    options = {"controls": (), "dev": parts["dev"].balanced(4), "stats": stats, "progress": False}
    found = effects(made.model, neurons["anger"], parts["test"].balanced(4), masks=both, **options)
    own = {mask: float(found.change(mask, "anger", "anger").margin.mean()) for mask in both}
    assert own["plain"] < own["gated"] < 0
    cost = {mask: found.side[mask, "anger", -1].kl for mask in both}
    # Planted neurons are 0 on neutral words, so that neither costs anything.
    assert cost == {"plain": 0, "gated": 0}


def test_calibration_refuses(answering, llama):
    made, parts, stats, neurons = answering
    own, dev = neurons["anger"], parts["dev"]

    def calibrate(chosen=own, texts=dev, model=made.model, **options):
        return calibrate_gate(model, chosen, texts, stats, progress=False, **options)

    with pytest.raises(MaskError, match=r"score does not tell 'fear' from 'neutral'.*would never open"):
        calibrate(concept="fear")
    with pytest.raises(MaskError, match="is empty"):
        calibrate(replace(own, sets={"anger": ()}, scores={"anger": ()}))
    with pytest.raises(MaskError, match=r"sets of anger, fear; say whose"):
        calibrate(own | neurons["fear"])
    with pytest.raises(MaskError, match="know no concept 'joy'"):
        calibrate(concept="joy")
    with pytest.raises(MaskError, match=r"low=1.0 and high=0.95 are shares"):
        calibrate(low=1.0)
    with pytest.raises(MaskError, match="site post"):
        calibrate(replace(own, site="gate"))
    with pytest.raises(MaskError, match="no development texts of 'anger'"):
        calibrate(texts=dev.where(lambda e: e.label != "anger"))
    with pytest.raises(MaskError, match="no development texts of 'neutral'"):
        calibrate(texts=dev.where(lambda e: e.label != "neutral"), against="rest")
    with pytest.raises(EffectsError, match="screened on"):
        calibrate(texts=parts["screen"])
    with pytest.raises(StoreError):
        calibrate(model=llama)


def test_layers_that_do_not_tell_stay_shut(answering):
    made, parts, stats, _ = answering
    # The first layer holds a neuron of fear only; the second those of anger.
    sets = {"anger": (min(made.neurons["fear"]), *(p for p in made.neurons["anger"] if p[0] == 1))}
    mixed = Neurons(sets, {"anger": (0.0,) * len(sets["anger"])}, stats.model)
    gate = calibrate_gate(made.model, mixed, parts["dev"], stats, progress=False)
    assert gate.shut == (0,) and gate.high[1] > gate.low[1]
    tokens = made.model.to_tokens(next(e.text for e in parts["test"] if e.label == "anger"))
    now = posts(made.model, tokens, Gated(clamp(mixed, 5.0), gate).fwd_hooks(made.model))
    assert torch.equal(now[0], posts(made.model, tokens)[0]) and bool((now[1] == 5).any())
