"""Masks as values: doses, joins, chains, files, and what they refuse."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_gpt2, tiny_llama
from tiny_masks import OTHER_TOKENS, PLACES, TOKENS, VALUES, neurons_at, posts, require_same_mask, unchecked

from emorhet_lens.errors import MaskError, StoreError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_kinds import amplify, clamp, resample, shift, zero
from emorhet_lens.models.hosts import ModelIdentity, identify

MODEL = ModelIdentity("by hand", "Hand", "0", False, "float64", 3, 5, (1.0,) * 12)


def by_hand(places, *, gain=1.0, alpha=0.0, maximum=1.0, reference=0.0, shift=0.0, model=MODEL, name="hand"):
    given_values = {"gain": gain, "alpha": alpha, "maximum": maximum, "reference": reference, "shift": shift}
    values = {
        n: v.double() if isinstance(v, torch.Tensor) else torch.full((len(places),), v).double()
        for n, v in given_values.items()
    }
    return Mask(columns=torch.tensor(places, dtype=torch.int64).reshape(-1, 2), model=model, name=name, **values)


numbers = st.floats(-4, 4, width=32)
columns = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), unique=True, min_size=1, max_size=8).map(sorted)


@st.composite
def masks(draw):
    places = draw(columns)
    values = {n: torch.tensor([draw(numbers) for _ in places]).double() for n in ("gain", "reference", "shift")}
    alpha = torch.tensor([draw(st.sampled_from([0.0, 0.5, 1.0])) for _ in places])
    maximum = torch.tensor([draw(st.floats(0.125, 4, width=32)) if a else 1.0 for a in alpha])
    return by_hand(places, alpha=alpha, maximum=maximum, **values)


def formula(mask, x):
    """x' = x + (g(x) - 1)(x - r) + b as it is written."""
    gain = mask.gain - mask.alpha * (x.abs() / mask.maximum).clamp(0, 1)
    return x + (gain - 1) * (x - mask.reference) + mask.shift


@settings(max_examples=40, deadline=None)
@given(masks(), st.floats(-2, 2, width=32), st.integers(0, 2**31))
def test_a_dose_scales_the_change(mask, dose, seed):
    x = torch.randn(3, len(mask), generator=torch.Generator().manual_seed(seed)).double()
    torch.testing.assert_close(formula(mask * dose, x) - x, dose * (formula(mask, x) - x))
    require_same_mask(mask * dose, dose * mask)
    require_same_mask(mask * 1, mask)
    assert (mask * 1).name == mask.name


@settings(max_examples=20, deadline=None)
@given(masks())
def test_dose_zero_is_the_identity(mask):
    nothing = mask * 0
    x = torch.linspace(-3, 3, 7).double().unsqueeze(1).expand(7, len(mask))
    assert torch.equal(formula(nothing, x), x)
    assert nothing.maximum.tolist() == [1] * len(mask)


@settings(max_examples=40, deadline=None)
@given(masks(), masks())
def test_join(a, b):
    mine, theirs = (set(map(tuple, mask.columns.tolist())) for mask in (a, b))
    if mine & theirs:
        keep = [place not in mine for place in map(tuple, b.columns.tolist())]
        if not any(keep):
            return
        b = replace(b, columns=b.columns[keep], **{n: getattr(b, n)[keep] for n in VALUES})
    joined = a | b
    require_same_mask(joined, b | a)
    assert joined.columns.tolist() == sorted(a.columns.tolist() + b.columns.tolist())
    rows = {tuple(row[:2]): tuple(row[2:]) for mask in (a, b) for row in mask.to_dataframe().itertuples(index=False)}
    assert {tuple(row[:2]): tuple(row[2:]) for row in joined.to_dataframe().itertuples(index=False)} == rows
    require_same_mask(joined | a, joined)
    assert (a | a).name == a.name


@pytest.mark.parametrize("name", VALUES)
def test_join_refuses_other_values_on_a_shared_column(name):
    a = by_hand([(0, 1), (1, 2)], gain=0.5, alpha=0.5, maximum=2.0, reference=1.0, shift=1.0)
    other = getattr(a, name).clone()
    other[1] = 0.25
    b = replace(a, **{name: other})
    with pytest.raises(MaskError, match=r"both masks touch L1N2 \(1 columns\).*a\.then\(b\)"):
        a | b


def test_join_of_resampled_columns():
    values = torch.arange(12).reshape(2, 3, 2)
    a = by_hand([(0, 1), (2, 0)], gain=0.0, reference=values)
    joined = a | by_hand([(1, 1)], gain=0.0, reference=7.0)
    assert joined.reference.shape == (2, 3, 3)
    assert torch.equal(joined.reference[..., [0, 2]], values.double())
    assert joined.reference[..., 1].unique().tolist() == [7]
    require_same_mask(joined | a, joined)
    one = by_hand([(1, 1)], gain=0.0, reference=torch.ones(1, 3, 1))
    assert torch.equal((one | a).reference, (a | one).reference)
    assert (a | one).reference.shape == (2, 3, 3)
    with pytest.raises(MaskError, match="L0N1"):
        a | by_hand([(0, 1)], gain=0.0, reference=values[..., :1] + 1)
    for shape in [(3, 3, 1), (1, 4, 1)]:
        with pytest.raises(MaskError, match="resample both from the same inputs"):
            a | by_hand([(1, 1)], gain=0.0, reference=torch.ones(shape))
    # Nothing of the reference acts at dose zero.
    assert (a * 0).gain.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": []}, "no neurons would do nothing"),
        ({"places": [(3, 0), (3, 1)]}, "3 layers of 5 neurons"),
        ({"places": [(0, 5), (1, 0)]}, "lies outside"),
        ({"places": [(-1, 0), (1, 0)]}, "lies outside"),
        ({"places": [(0, -1), (1, 0)]}, "lies outside"),
        ({"places": [(1, 0), (0, 1)]}, "sorted"),
        ({"places": [(1, 0), (1, 0)]}, "each once"),
        ({"shift": torch.tensor([0.0, torch.nan])}, "shift holds numbers that are not finite"),
        ({"reference": torch.tensor([0.0, torch.inf])}, "reference holds"),
        ({"maximum": torch.tensor([1.0, 0.0])}, "positive"),
        ({"maximum": torch.tensor([1.0, -1.0])}, "positive"),
    ],
)
def test_values_that_cannot_be(changes, message):
    with pytest.raises(MaskError, match=message):
        by_hand(**{"places": [(0, 1), (2, 3)], **changes})


@pytest.mark.parametrize("name", VALUES)
def test_values_of_another_length(name):
    mask = by_hand([(0, 1), (2, 3)])
    fields = {**vars(mask), name: torch.ones(3)}
    with pytest.raises(MaskError, match=rf"{name} has the shape \(3,\); it needs a value for each of 2 columns"):
        unchecked(Mask, **fields)


def test_words_about_a_mask():
    mask = by_hand([(0, 1), (2, 3)], gain=0.0, reference=torch.ones(1, 2, 2), name="mine")
    assert len(mask) == 2 and mask.layers == (0, 2)
    assert repr(mask) == "Mask('mine': 2 neurons in 2 layers of 'by hand')"
    assert (mask * 0.5).name == "mine * 0.5"
    table = mask.to_dataframe()
    assert list(table.columns) == ["layer", "neuron", *VALUES]
    assert table.neuron.tolist() == [1, 3] and table.gain.tolist() == [0, 0] and table.reference.isna().all()
    both = mask.then(mask * 2)
    assert repr(both) == "MaskChain('mine then mine * 2' on 'by hand')"


def test_files_are_exact(tmp_path):
    llama = tiny_llama()
    _, cache = llama.run_with_cache(TOKENS)
    neurons = neurons_at(llama, *PLACES)
    for mask in (clamp(neurons, [1 / 3, 0.1, -2.0]) * 0.7, resample(neurons, cache)):
        mask.save(tmp_path / "mask.safetensors")
        found = Mask.load(tmp_path / "mask.safetensors", llama)
        require_same_mask(found, mask)
        assert found.name == mask.name
    Mask.load(str(tmp_path / "mask.safetensors"))
    with pytest.raises(StoreError, match="the model 'tiny-gpt2' has n_layers=2"):
        Mask.load(tmp_path / "mask.safetensors", tiny_gpt2())
    with pytest.raises(StoreError, match="no file"):
        Mask.load(tmp_path / "nothing")


def test_masks_of_other_models_do_not_mix():
    a, b = by_hand([(0, 1)]), by_hand([(0, 1)], model=replace(MODEL, fingerprint=(2.0,) * 12))
    for mixing in (lambda: a | b, lambda: a.then(b)):
        with pytest.raises(StoreError, match="fingerprints differ"):
            mixing()
    with pytest.raises(StoreError, match="Load the same checkpoint"):
        zero(neurons_at(tiny_llama(seed=1), (0, 1))).fwd_hooks(tiny_llama())


def test_a_chain_acts_in_order():
    llama = tiny_llama()
    neurons = neurons_at(llama, *PLACES)
    two, add = clamp(neurons, 2.0), shift(neurons, 1.0)
    for chain, value in [(two.then(add), 3.0), (add.then(two), 2.0), (two.then(add).then(add), 4.0)]:
        found = posts(llama, TOKENS, chain.fwd_hooks(llama))
        assert {float(v) for layer, neuron in PLACES for v in found[layer][..., neuron].unique()} == {value}
    with two.then(add.then(amplify(neurons, 2.0))).on(llama):
        assert posts(llama, TOKENS)[1][0, 0, 3] == 6
    assert [mask.name for mask in two.then(add).then(two).masks] == ["clamp", "shift", "clamp"]
    assert two.then(add).model == identify(llama)


def test_shifts_form_a_group():
    llama = tiny_llama()
    neurons = neurons_at(llama, *PLACES)
    a, b = [0.5, -1.0, 2.0], [1.25, 3.0, -0.75]
    total = shift(neurons, [x + y for x, y in zip(a, b, strict=True)])
    plain = llama(OTHER_TOKENS)
    for chain in (shift(neurons, a).then(shift(neurons, b)), shift(neurons, b).then(shift(neurons, a))):
        with chain.on(llama):
            found = llama(OTHER_TOKENS)
        assert (found - plain).abs().max() > 0.1
        torch.testing.assert_close(
            found, llama.run_with_hooks(OTHER_TOKENS, fwd_hooks=total.fwd_hooks(llama)), atol=1e-5, rtol=1e-4
        )
    with shift(neurons, a).then(shift(neurons, a) * -1).on(llama):
        torch.testing.assert_close(llama(OTHER_TOKENS), plain, atol=1e-5, rtol=1e-4)
