"""Every form of induction against numbers worked out from the table in the docstring of micro_model."""

import inspect
import math
from dataclasses import replace

import pytest
import torch
from tiny import micro_model, texts_corpus, tiny_corpus, tiny_llama
from tiny_masks import PLACES as TINY_PLACES
from tiny_masks import TOKENS, neurons_at, posts, require_same_mask

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError, StoreError
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.induction import FORMS, SHIFTS, concept_means, induce, sign_shares
from emorhet_lens.texts.corpus import join

PLACES = ((1, 0), (0, 1), (0, 0), (1, 2))
MICRO = texts_corpus(("glad", "a b b"), ("plain", "c a"), ("glad", "b"))
BOS_A_B_C = torch.tensor([[1, 6, 7, 8]])
# Activations of PLACES on <bos> a b c; their means on the texts of glad (a b b, b) and of plain (c a).
PLAIN = torch.tensor([[0, 4, 0, 0], [0, 2, 2, 0], [-1, 1, -1, 1], [1, 0, -1, 0]]).double()
GLAD = torch.tensor([1, 2, -0.5, -0.75]).double()
REST = torch.tensor([2, 1, 1, 0]).double()
VARIANCE = torch.tensor([3, 0, 0.75, 0.1875]).double()
# Its largest on the texts of glad where glad raises the neuron, and its smallest where glad lowers it.
FAR = torch.tensor([0, 2, -1, -1]).double()


@pytest.fixture(scope="module")
def micro():
    return micro_model()


@pytest.fixture(scope="module")
def stats(micro):
    return collect_stats(micro, MICRO, progress=False)


@pytest.fixture(scope="module")
def neurons(micro):
    return glad(micro, *PLACES)


def glad(model, *places):
    return replace(neurons_at(model, *places), sets={"glad": places}, scores={"glad": (0.0,) * len(places)})


def under(model, mask):
    found = posts(model, BOS_A_B_C, mask.fwd_hooks(model))
    return torch.stack([found[layer][0, :, neuron] for layer, neuron in PLACES]).double()


def column(values):
    return values[:, None].expand(4, 4)


@pytest.mark.parametrize("strength", [1.0, 0.5, -2.0, 3])
def test_shifts(micro, stats, neurons, strength):
    contrast = induce(neurons, stats, strength, concept="glad")
    torch.testing.assert_close(under(micro, contrast), PLAIN + strength * column(GLAD - REST))
    paper = induce(neurons, stats, strength, concept="glad", form="zheng2026")
    torch.testing.assert_close(under(micro, paper), PLAIN + strength * column(GLAD))


def test_set_to_a_high_value_of_the_concept(micro, stats, neurons):
    extreme = induce(neurons, stats, concept="glad", form="extreme")
    torch.testing.assert_close(under(micro, extreme), column(FAR))
    high = GLAD + 1.6448536 * VARIANCE.sqrt() * torch.tensor([-1, 1, -1, -1])
    quantile = induce(neurons, stats, concept="glad", form="quantile")
    torch.testing.assert_close(under(micro, quantile), column(high), rtol=1e-5, atol=1e-5)
    half = induce(neurons, stats, 0.5, concept="glad", form="extreme")
    torch.testing.assert_close(under(micro, half), (PLAIN + column(FAR)) / 2)
    away = induce(neurons, stats, -1, concept="glad", form="extreme")
    torch.testing.assert_close(under(micro, away), 2 * PLAIN - column(FAR))


def test_amplify(micro, stats, neurons):
    torch.testing.assert_close(under(micro, induce(neurons, stats, 2, concept="glad", form="amplify")), 3 * PLAIN)
    torch.testing.assert_close(under(micro, induce(neurons, stats, -1, concept="glad", form="amplify")), 0 * PLAIN)


def test_sources_are_kept_apart_and_a_source_without_the_rest_is_compared_with_other_concepts(micro):
    one = texts_corpus(("glad", "a"), ("glad", "b"), ("plain", "c"), ("sad", "a b"), source="one")
    two = texts_corpus(("glad", "a"), ("sad", "b"), source="two")
    three = texts_corpus(("glad", "a"), ("glad", "a c"), source="three")
    known = concept_means(collect_stats(micro, join([one, two, three]), progress=False), "glad")
    # Neuron 1 of layer 0 is 2, 2, 0 on a, b, c: 2 - 0 in one, 2 - 2 in two; in three there is nothing to compare with.
    assert float(known.contrast[0, 1]) == pytest.approx((2 + 0) / 2)
    # Neuron 0 of layer 0 is 1, -1, 1: 0 - 1 in one, 1 + 1 in two.
    assert float(known.contrast[0, 0]) == pytest.approx((-1 + 2) / 2)
    assert float(known.mean[0, 1]) == pytest.approx((2 + 2 + 2 + 2 + 2 + 0) / 6)


def test_sign_shares(stats, neurons):
    empty = replace(neurons, sets={**neurons.sets, "sad": ()}, scores={**neurons.scores, "sad": ()})
    rows = sign_shares(empty, stats).to_dict("records")
    # Means 1, 2, -0.5, -0.75; contrasts -1, 1, -1.5, -0.75.
    assert rows == [{"concept": "glad", "neurons": 4, "mean_negative": 0.5, "contrast_negative": 0.75, "opposed": 0.25}]


@pytest.fixture(scope="module")
def tiny():
    model = tiny_llama()
    return model, collect_stats(model, tiny_corpus(), progress=False)


@pytest.mark.parametrize("form", FORMS)
def test_strength_0_is_bit_exact(tiny, form):
    model, stats = tiny
    mask = induce(glad(model, *TINY_PLACES), stats, 0, concept="glad", form=form)
    for plain, now in zip(posts(model, TOKENS), posts(model, TOKENS, mask.fwd_hooks(model)), strict=True):
        assert torch.equal(plain, now)
    with torch.no_grad():
        assert torch.equal(model(TOKENS), model.run_with_hooks(TOKENS, fwd_hooks=mask.fwd_hooks(model)))


@pytest.mark.parametrize("form", SHIFTS)
def test_opposite_shifts_join_to_nothing(tiny, form):
    model, stats = tiny
    neurons = glad(model, *TINY_PLACES)
    there, back = (induce(neurons, stats, strength, concept="glad", form=form) for strength in (3.0, -3.0))
    assert torch.equal(there.shift, -back.shift) and bool((there.shift != 0).all())
    for joined in (there.then(back), back.then(there)):
        now = posts(model, TOKENS, joined.fwd_hooks(model))
        for layer, (plain, after) in enumerate(zip(posts(model, TOKENS), now, strict=True)):
            # To rounding where something was added and taken away; nothing else is touched by the first layer's mask.
            torch.testing.assert_close(after, plain, rtol=1e-5, atol=2e-6)
            untouched = [k for k in range(24) if (layer, k) not in TINY_PLACES]
            if layer == 0:
                assert torch.equal(after[..., untouched], plain[..., untouched])
    with pytest.raises(MaskError, match="with different values"):
        there | back


def test_shifts_add_up_in_any_order(tiny):
    model, stats = tiny
    neurons = glad(model, *TINY_PLACES)
    one, two, both = (induce(neurons, stats, strength, concept="glad") for strength in (1.0, 2.0, 3.0))
    expected = posts(model, TOKENS, both.fwd_hooks(model))
    for joined in (one.then(two), two.then(one)):
        for wanted, found in zip(expected, posts(model, TOKENS, joined.fwd_hooks(model)), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_one_concept_is_suppressed_while_another_is_induced(tiny):
    model, stats = tiny
    sets = {"glad": ((0, 2), (1, 3)), "sad": ((0, 5), (2, 1))}
    neurons = Neurons(sets, {"glad": (0.0, 0.0), "sad": (0.0, 0.0)}, stats.model)
    push, hush = induce(neurons, stats, concept="glad"), mask_kinds.zero(neurons["sad"])
    joined = posts(model, TOKENS, (push | hush).fwd_hooks(model))
    for chain in (push.then(hush), hush.then(push)):
        for wanted, found in zip(joined, posts(model, TOKENS, chain.fwd_hooks(model)), strict=True):
            assert torch.equal(wanted, found)
    assert bool((joined[0][..., 5] == 0).all()) and bool((joined[2][..., 1] == 0).all())
    known = concept_means(stats, "glad").contrast[0, 2].float()
    torch.testing.assert_close(joined[0][..., 2], posts(model, TOKENS)[0][..., 2] + known)


def test_what_was_added_twice_is_what_was_asked_for_twice(stats, neurons):
    twice = induce(neurons, stats, concept="glad") * 2
    require_same_mask(twice, induce(neurons, stats, 2, concept="glad"))


class TestRefusals:
    @pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf])
    def test_strengths(self, stats, neurons, strength):
        with pytest.raises(MaskError, match="finite"):
            induce(neurons, stats, strength, concept="glad")

    def test_names(self, stats, neurons):
        with pytest.raises(MaskError, match=r"form='push' is unknown; it is one of contrast, zheng2026"):
            # Past the annotation, as a user without a type checker calls it.
            inspect.unwrap(induce)(neurons, stats, concept="glad", form="push")
        with pytest.raises(MaskError, match=r"no concept 'mad'; there are neurons of glad"):
            induce(neurons, stats, concept="mad")
        other = replace(neurons, sets={"mad": PLACES}, scores={"mad": (0.0,) * 4})
        with pytest.raises(MaskError, match=r"no concept 'mad'; the statistics are of glad, sad"):
            induce(other, stats, concept="mad")

    def test_what_is_missing(self, micro, stats, neurons):
        empty = replace(neurons, sets={"glad": ()}, scores={"glad": ()})
        with pytest.raises(MaskError, match="there are no neurons of 'glad'"):
            induce(empty, stats, concept="glad")
        sad = replace(neurons, sets={"sad": PLACES}, scores={"sad": (0.0,) * 4})
        with pytest.raises(MaskError, match="no token of 'sad' was counted"):
            induce(sad, stats, concept="sad")
        apart = join([texts_corpus((label, text), source=label) for label, text in (("glad", "a"), ("sad", "b"))])
        alone = collect_stats(micro, apart, progress=False)
        with pytest.raises(MaskError, match="compare 'glad' with"):
            induce(neurons, alone, concept="glad")

    def test_another_model_or_site(self, micro, stats, tiny):
        with pytest.raises(StoreError):
            induce(glad(tiny[0], (0, 1)), stats, concept="glad")
        with pytest.raises(StoreError):
            sign_shares(glad(tiny[0], (0, 1)), stats)
        gate = collect_stats(micro, MICRO, site="gate", progress=False)
        with pytest.raises(MaskError, match='site="post"'):
            induce(glad(micro, (0, 1)), gate, concept="glad")
