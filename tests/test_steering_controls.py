"""How much a shift writes, and noise that writes as much, by hand."""

import math

import pytest
import torch
from tiny import micro_model
from tiny_masks import neurons_at

from emorhet_lens import mask_kinds
from emorhet_lens.errors import EffectsError
from emorhet_lens.steering.controls import noise_like, scaled_to, written_lengths


class TestWritten:
    """What neurons of the second layer of micro_model write: (3, 4, 0, 0), nothing, (0, 0, 2, 0)."""

    @pytest.fixture(scope="class")
    def micro(self):
        return micro_model()

    def test_length_by_hand(self, micro):
        mask = mask_kinds.shift(neurons_at(micro, (1, 0), (1, 2), (0, 1)), [2.0, 1.5, 7.0])
        assert written_lengths(micro, mask).tolist() == [0, pytest.approx(math.sqrt(36 + 64 + 9))]

    def test_scaling_by_hand(self, micro):
        mask = mask_kinds.shift(neurons_at(micro, (1, 0), (0, 1)), [-2.0, 7.0])
        scaled = scaled_to(mask, torch.tensor([3.0, 5.0]).double(), micro)
        # Length 10 becomes 5; the first layer writes nothing, whatever is added there.
        assert scaled.to_dataframe()["shift"].tolist() == [7, -1]

    def test_noise_by_hand(self, micro):
        neurons = neurons_at(micro, (1, 0))
        mask = mask_kinds.shift(neurons, 2.0)
        seen = set()
        for seed in range(20):
            noise = noise_like(mask, neurons, micro, seed=seed, words=("one",))
            assert len(noise) == 1 and noise.columns[0, 0] == 1 and noise.columns[0, 1] in (1, 2)
            if noise.columns[0, 1] == 2:
                assert float(noise.shift[0].abs()) == pytest.approx(10 / 2)
            seen.add((int(noise.columns[0, 1]), bool(noise.shift[0] > 0)))
        assert len(seen) == 4
        with pytest.raises(EffectsError, match="layer 1 has 1 columns left for noise over 2"):
            two = neurons_at(micro, (1, 0), (1, 2))
            noise_like(mask_kinds.shift(two, 1.0), two, micro, seed=0, words=())
