"""The same numbers on a GPU as on the CPU, to rounding; skipped where there is none."""

import pytest
import torch
from answering import ANSWERS, answering_model, answering_splits, sets_of
from tiny_masks import hooks_on, posts

from emorhet_lens import mask_kinds
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.reduction import STATISTICS, reduce_texts
from emorhet_lens.causal.plan import effects
from emorhet_lens.scorers import SCORERS
from emorhet_lens.tuning.loop_matched import tune_all

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def fresh():
    return answering_model(("anger", "fear"), d_mlp=96, seed=1)


@pytest.fixture(scope="module")
def sides():
    """The same model on both devices, its texts, and the statistics of both."""
    near, far = fresh(), fresh()
    far.model.to("cuda")
    parts = answering_splits(near, per_label=10, seed=1)
    stats = [collect_stats(one.model, parts["screen"], progress=False) for one in (near, far)]
    return near, far, parts, stats


def test_the_reduction_is_that_of_the_compiled_loop():
    values = torch.randn(5, 7, 11, generator=torch.Generator().manual_seed(0))
    keep = torch.arange(7) < torch.tensor([[1], [3], [7], [2], [5]])
    near, far = reduce_texts(values, keep, 0), reduce_texts(values.cuda(), keep.cuda(), 0)
    assert far.device.type == "cuda" and len(far) == len(STATISTICS)
    torch.testing.assert_close(far.cpu(), near)


def test_statistics_and_screens_agree(sides):
    _, _, _, (near, far) = sides
    assert torch.equal(near.sums.texts, far.sums.texts) and torch.equal(near.sums.tokens, far.sums.tokens)
    assert (
        near.sums.firings - far.sums.firings
    ).abs().sum() <= 1e-6 * near.sums.tokens.sum() * near.output_norm.numel()
    torch.testing.assert_close(near.sums.total, far.sums.total, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(near.extremes.maximum, far.extremes.maximum, rtol=1e-4, atol=1e-4)
    # Places among near ties may differ by rounding; the scores may not.
    scores = [SCORERS["standardized"].compute(one, "others") for one in (near, far)]
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-3, atol=1e-3, equal_nan=True)


def test_masks_change_their_columns_only(sides):
    _, far, _, (stats, _) = sides
    neurons = sets_of(stats, far.neurons)
    tokens = torch.randint(0, 10, (2, 5), generator=torch.Generator().manual_seed(0)).cuda()
    first = min(layer for layer, _ in neurons.sets["anger"])
    plain = posts(far.model, tokens)[first]
    with mask_kinds.attenuate(neurons["anger"], stats).on(far.model):
        seen = posts(far.model, tokens)[first]
    masked = [neuron for layer, neuron in neurons.sets["anger"] if layer == first]
    untouched = [column for column in range(far.model.cfg.d_mlp) if column not in masked]
    assert torch.equal(plain[..., untouched], seen[..., untouched])
    assert not torch.equal(plain[..., masked], seen[..., masked])
    assert not hooks_on(far.model)


def test_effects_and_tuned_doses_agree(sides):
    near, far, parts, (stats, _) = sides
    neurons = sets_of(stats, near.neurons)
    common = {"stats": stats, "readout": ANSWERS, "n_random": 2, "progress": False}
    tables, doses = [], []
    for one in (near, far):
        found = effects(one.model, neurons, parts["test"], dev=parts["dev"], masks=("zero", "mean"), **common)
        tables.append(found.primary()[["own", "random_mean", "excess"]].to_numpy())
        tuned = tune_all(one.model, neurons, parts["dev"], delta=0.3, steps=3, **common)
        doses.append({concept: (own.outcome, own.dose) for concept, own in tuned.own.items()})
    torch.testing.assert_close(torch.tensor(tables[0]), torch.tensor(tables[1]), rtol=1e-3, atol=1e-3)
    assert doses[0] == doses[1]
