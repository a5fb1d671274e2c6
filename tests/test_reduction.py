"""The reduction of positions: by hand, against the tensor operations, and what it refuses."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emorhet_lens.activations.reduction import STATISTICS, reduce_texts, reduce_with_tensors
from emorhet_lens.errors import ModelError

# Two texts of three positions and two neurons; the first text's last position is padding.
VALUES = torch.tensor([[[1.0, -2.0], [3.0, 0.0], [99.0, 99.0]], [[-1.0, 0.5], [0.0, 2.0], [-4.0, 1.5]]])
KEEP = torch.tensor([[True, True, False], [True, True, True]])
EXPECTED = {
    "firings": [[2, 0], [0, 3]],
    "total": [[4, -2], [-5, 4]],
    "squares": [[10, 4], [17, 6.5]],
    "positive_total": [[4, 0], [0, 4]],
    "positive_squares": [[10, 0], [0, 6.5]],
    "maximum": [[3, 0], [0, 2]],
    "minimum": [[1, -2], [-4, 0.5]],
    "positive_minimum": [[1, math.inf], [math.inf, 0.5]],
}


@pytest.mark.parametrize("reduction", [lambda x, k: reduce_texts(x, k, 0), reduce_with_tensors])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reduction_by_hand(reduction, dtype):
    before = VALUES.clone()
    reduced = reduction(VALUES.to(dtype), KEEP)
    assert reduced.dtype == dtype
    assert {name: row.tolist() for name, row in zip(STATISTICS, reduced, strict=True)} == EXPECTED
    assert torch.equal(VALUES, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(dtype):
    values = torch.full((1, 1000, 1), 1.0, dtype=dtype)
    reduced = reduce_texts(values, torch.ones(1, 1000, dtype=torch.bool), 0)
    # In bfloat16 itself, adding 1 to 256 gives 256.
    assert reduced.dtype == torch.float32
    assert reduced[STATISTICS.index("total")].item() == 1000


def test_activations_that_carry_a_gradient_or_are_a_view():
    values = VALUES.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert not values.is_contiguous()
    reduced = reduce_texts(values, KEEP, 0)
    assert reduced[STATISTICS.index("total")].tolist() == EXPECTED["total"]
    assert not reduced.requires_grad


@st.composite
def batches(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6)))
    # Multiples of 1/8 up to 100: sums are exact, so that both ways have to agree to the last bit.
    values = draw(arrays(np.int64, shape, elements=st.integers(-800, 800))) / 8
    keep = draw(arrays(np.bool_, shape[:2]))
    keep[:, draw(st.integers(0, shape[1] - 1))] = True
    return torch.tensor(values, dtype=torch.float32), torch.tensor(keep)


@settings(max_examples=60, deadline=None)
@given(batches())
def test_compiled_loop_equals_tensor_operations(batch):
    values, keep = batch
    assert torch.equal(reduce_texts(values, keep, 0), reduce_with_tensors(values, keep))


@settings(max_examples=30, deadline=None)
@given(batches(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_positions_that_are_not_counted_may_hold_anything(batch, poison):
    values, keep = batch
    poisoned = values.clone()
    poisoned[~keep] = poison
    expected = reduce_texts(values, keep, 0)
    assert torch.equal(reduce_texts(poisoned, keep, 0), expected)
    assert torch.equal(reduce_with_tensors(poisoned, keep), expected)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_counted_values_have_to_be_finite(poison):
    values = VALUES.clone()
    values[1, 2, 0] = poison
    with pytest.raises(ModelError, match="layer 7 gave activations that are NaN or infinite"):
        reduce_texts(values, KEEP, 7)


def test_negative_zero_does_not_fire():
    reduced = reduce_texts(torch.tensor([[[-0.0]]]), torch.tensor([[True]]), 0)
    assert reduced[STATISTICS.index("firings")].item() == 0
    assert reduced[STATISTICS.index("positive_minimum")].item() == math.inf


def test_the_first_reduction_leaves_torch_its_threads():
    # In a process of its own: only the first launch of the compiled loop would change them.
    script = (
        "import torch; torch.set_num_threads(1); "
        "from emorhet_lens.activations.reduction import reduce_texts; "
        "reduce_texts(torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.bool), 0); "
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "1"
