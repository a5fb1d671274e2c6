"""Every kind of mask against numbers worked out from the table in the docstring of micro_model."""

from dataclasses import replace

import pytest
import torch
from tiny import micro_model, texts_corpus, tiny_llama
from tiny_masks import neurons_at, posts

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import MaskError, StoreError
from emorhet_lens.masks.mask_kinds import amplify, attenuate, clamp, from_scores, mean, resample, shift, zero
from emorhet_lens.models.hosts import identify

# In this order on purpose: columns of a mask are sorted, values are given in the order of the neurons.
PLACES = ((1, 0), (0, 1), (0, 0), (1, 2))
MICRO = texts_corpus(("glad", "a b b"), ("plain", "c a"), ("glad", "b"))
BOS_A_B_C = torch.tensor([[1, 6, 7, 8]])
# Activations of PLACES on <bos> a b c.
PLAIN = [[0, 4, 0, 0], [0, 2, 2, 0], [-1, 1, -1, 1], [1, 0, -1, 0]]


@pytest.fixture(scope="module", params=[False, True], ids=["raw", "compatibility"])
def micro(request):
    return micro_model(compatibility=request.param)


@pytest.fixture(scope="module")
def stats():
    return collect_stats(micro_model(), MICRO, progress=False)


def masked(model, mask, tokens=BOS_A_B_C, row=0):
    found = posts(model, tokens, mask.fwd_hooks(model))
    return torch.stack([found[layer][row, :, neuron] for layer, neuron in PLACES])


def require(model, mask, rows):
    torch.testing.assert_close(masked(model, mask), torch.tensor(rows).float())
    # And nothing else moved: the first layer writes nothing, so all other columns are what they were.
    plain, now = posts(model, BOS_A_B_C), posts(model, BOS_A_B_C, mask.fwd_hooks(model))
    rest = torch.ones(2, 3, dtype=torch.bool)
    rest[tuple(torch.tensor(PLACES).T)] = False
    for layer in range(2):
        assert torch.equal(plain[layer][..., rest[layer]], now[layer][..., rest[layer]])


def test_unmasked_activations_are_those_of_the_table(micro):
    require(micro, amplify(neurons_at(micro, *PLACES), 1.0), PLAIN)


def test_zero(micro):
    require(micro, zero(neurons_at(micro, *PLACES)), [[0] * 4] * 4)


def test_mean(micro, stats):
    neurons = neurons_at(micro, *PLACES)
    require(micro, mean(neurons, stats), [[4 / 3] * 4, [5 / 3] * 4, [0] * 4, [-0.5] * 4])
    require(micro, mean(neurons, stats, of="rest"), [[2] * 4, [1] * 4, [1] * 4, [0] * 4])


def test_attenuate_by_token(micro, stats):
    neurons = neurons_at(micro, *PLACES)
    # The largest |x| are 4, 2, 1, 1; that of the last is of a negative activation.
    require(micro, attenuate(neurons, stats), [[0] * 4, [0] * 4, [0] * 4, [0] * 4])
    half = [[0, 2, 0, 0], [0, 1, 1, 0], [-0.5, 0.5, -0.5, 0.5], [0.5, 0, -0.5, 0]]
    require(micro, attenuate(neurons, stats, 0.5), half)


def test_attenuate_by_mean(micro, stats):
    gains = [1 - 0.5 / 3, 1 - 0.5 * 5 / 6, 1, 0.75]
    expected = [[x * gain for x in row] for row, gain in zip(PLAIN, gains, strict=True)]
    require(micro, attenuate(neurons_at(micro, *PLACES), stats, 0.5, reference="mean"), expected)


def test_attenuate_beyond_what_screening_saw(micro):
    # On b and c the first neuron never moves: 1 is put for its largest, and the 4 it reaches here is beyond that.
    few = collect_stats(micro_model(), texts_corpus(("glad", "b"), ("plain", "c")), progress=False)
    mask = attenuate(neurons_at(micro, *PLACES), few, 0.5)
    assert mask.to_dataframe().maximum.tolist() == [1, 2, 1, 1]
    require(micro, mask, [[0, 2, 0, 0], [0, 1, 1, 0], [-0.5, 0.5, -0.5, 0.5], [0.5, 0, -0.5, 0]])


def test_the_largest_may_be_negative():
    # With BOS counted, the third neuron of the first layer has -3, 0 and 0.
    few = collect_stats(micro_model(), texts_corpus(("glad", "b"), ("plain", "c")), tokens="all", progress=False)
    assert attenuate(neurons_at(few.model, (0, 2)), few).maximum.tolist() == [3]


def test_half_of_the_texts_knows_nothing_of_the_other(stats):
    neurons = neurons_at(stats.model, *PLACES)
    halves = [stats.half(part) for part in (0, 1)]
    counted = [half.summed("tokens").sum() for half in halves]
    joined = sum(mean(neurons, half).reference * n for half, n in zip(halves, counted, strict=True) if n) / sum(counted)
    torch.testing.assert_close(joined, mean(neurons, stats).reference)


def test_amplify_clamp_and_shift(micro):
    neurons = neurons_at(micro, *PLACES)
    require(micro, amplify(neurons, 3.0), [[3 * x for x in row] for row in PLAIN])
    require(micro, amplify(neurons, [2, 1, 0, -1]), [[0, 8, 0, 0], PLAIN[1], [0] * 4, [-1, 0, 1, 0]])
    require(micro, clamp(neurons, -2.0), [[-2] * 4] * 4)
    require(micro, clamp(neurons, torch.tensor([1.0, 2.0, 3.0, 4.0])), [[1] * 4, [2] * 4, [3] * 4, [4] * 4])
    require(micro, shift(neurons, 0.5), [[x + 0.5 for x in row] for row in PLAIN])
    require(micro, shift(neurons, [0, 1, 2, -3]), [[0, 4, 0, 0], [1, 3, 3, 1], [1, 3, 1, 3], [-2, -3, -4, -3]])


def test_aura(micro):
    mask = from_scores(neurons_at(micro, *PLACES), [0.75, 0.5, 0.2, 1.0])
    require(micro, mask, [[0, 2, 0, 0], PLAIN[1], PLAIN[2], [0] * 4])


def test_resample(micro):
    _, cache = micro.run_with_cache(torch.tensor([[8, 1, 6, 7]]))
    mask = resample(neurons_at(micro, *PLACES), cache)
    rolled = [[row[3], *row[:3]] for row in PLAIN]
    require(micro, mask, rolled)
    # One text goes with any number; of several, each goes with its own.
    two = torch.tensor([[1, 6, 7, 8], [6, 6, 6, 6]])
    for row in (0, 1):
        torch.testing.assert_close(masked(micro, mask, two, row), torch.tensor(rolled).float())
    _, cache = micro.run_with_cache(torch.tensor([[8, 1, 6, 7], [1, 6, 7, 8]]))
    mask = resample(neurons_at(micro, *PLACES), cache)
    torch.testing.assert_close(masked(micro, mask, two, 0), torch.tensor(rolled).float())
    torch.testing.assert_close(masked(micro, mask, two, 1), torch.tensor(PLAIN).float())


def test_what_a_shift_writes_into_the_residual_stream(micro):
    mask = shift(neurons_at(micro, (1, 0)), 2.0)
    with mask.on(micro, where="last"):
        _, cache = micro.run_with_cache(BOS_A_B_C)
    _, plain = micro.run_with_cache(BOS_A_B_C)
    change = cache["blocks.1.hook_resid_post"] - plain["blocks.1.hook_resid_post"]
    centre = torch.tensor([6.0, 8, 0, 0])
    # Compatibility mode may centre what is written; the differences within a row stay.
    expected = torch.zeros(1, 4, 4)
    expected[0, 3] = centre - centre.mean() if change[0, 3].sum().abs() < 1e-4 else centre
    torch.testing.assert_close(change, expected)


def test_neurons_of_several_concepts_are_masked_once(micro):
    neurons = neurons_at(micro, *PLACES)
    both = replace(neurons, sets={"x": PLACES[:3], "y": PLACES[2:]}, scores={"x": (0.0,) * 3, "y": (0.0,) * 2})
    assert shift(both, [0, 1, 2, -3]).to_dataframe().equals(shift(neurons, [0, 1, 2, -3]).to_dataframe())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n, s: attenuate(n, s, 1.5), "alpha=1.5 has to be between 0 and 1"),
        (lambda n, s: attenuate(n, s, -0.1), "between 0 and 1"),
        (lambda n, s: attenuate(n, s, float("nan")), "between 0 and 1"),
        (lambda n, _: clamp(n, [1.0, 2.0]), r"the shape \(2,\) for 4 neurons"),
        (lambda n, _: shift(n, float("inf")), "shift holds numbers that are not finite"),
        (lambda n, _: amplify(n, float("nan")), "gain holds numbers that are not finite"),
        (lambda n, _: from_scores(n, [0.5, 0.5, 1.1, 0.5]), "between 0 and 1"),
        (lambda n, _: from_scores(n, [0.5, 0.5, float("nan"), 0.5]), "between 0 and 1"),
        (lambda n, _: from_scores(n, [0.5]), r"the shape \(1,\) for 4 neurons"),
        (lambda n, s: mean(n, replace(s, options={**s.options, "site": "gate"})), "site 'gate'"),
        (lambda n, s: attenuate(n, replace(s, options={**s.options, "site": "gate"})), "site 'gate'"),
        (lambda n, s: mean(n, s.relabelled([("glad", 0)] * len(s.null_cells)), of="rest"), "no token of 'plain'"),
        (lambda n, s: attenuate(n, replace(s, extremes=s.extremes.empty(len(s.cells), *s.shape))), "no token"),
        (lambda n, _: resample(n, {}), r"does not hold 'blocks\.1\.mlp\.hook_post'"),
        (lambda n, _: resample(n, {f"blocks.{i}.mlp.hook_post": torch.zeros(4, 3) for i in (0, 1)}), r"shape \(4, 3\)"),
        (lambda n, _: resample(n, {f"blocks.{i}.mlp.hook_post": torch.zeros(1, 4, 2) for i in (0, 1)}), "expected"),
    ],
)
def test_masks_that_cannot_be_made(stats, make, message):
    with pytest.raises(MaskError, match=message):
        make(neurons_at(stats.model, *PLACES), stats)


@pytest.mark.parametrize(("check", "value"), [("of", "none"), ("reference", "text")])
def test_unknown_options(check, value):
    allowed = {"of": mask_kinds.MeanOf, "reference": mask_kinds.Reference}[check].__args__
    with pytest.raises(MaskError, match=f"{check}='{value}' is unknown; it is one of {', '.join(allowed)}"):
        mask_kinds._one_of(value, allowed, check)


@pytest.mark.parametrize(
    "make",
    [zero, lambda n: clamp(n, 1.0), lambda n: from_scores(n, 0.7), lambda n: resample(n, {})],
    ids=["zero", "clamp", "from_scores", "resample"],
)
def test_gates_can_only_be_read(stats, make):
    with pytest.raises(MaskError, match=r'replace\(neurons, site="post", background=Background\.of\(stats\)'):
        make(neurons_at(stats.model, *PLACES, site="gate"))


def test_an_empty_set_is_refused_and_a_full_one_is_not(stats):
    with pytest.raises(MaskError, match="no neurons"):
        zero(neurons_at(stats.model))
    full = zero(neurons_at(stats.model, *((layer, neuron) for layer in (1, 0) for neuron in (2, 0, 1))))
    assert full.columns.tolist() == [[layer, neuron] for layer in (0, 1) for neuron in (0, 1, 2)]


@pytest.mark.parametrize("make", [mean, attenuate])
def test_statistics_of_another_model(stats, make):
    llama = tiny_llama()
    with pytest.raises(StoreError, match="load the model that made them"):
        make(neurons_at(identify(llama), (0, 0)), stats)
