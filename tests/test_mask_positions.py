"""Which positions a mask acts at, worked out by hand."""

import pytest
import torch
from tiny_masks import unchecked

from emorhet_lens.errors import MaskError
from emorhet_lens.masks.mask_positions import Positions

CPU = torch.device("cpu")
LEFT = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
RIGHT = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
WIDTHS = torch.tensor([3, 1])


def marks(rows):
    return torch.tensor(rows).bool()


@pytest.mark.parametrize(
    ("positions", "shape", "expected"),
    [
        (Positions("last"), (2, 3), [[0, 0, 1], [0, 0, 1]]),
        (Positions("last", attention_mask=LEFT), (2, 4), [[0, 0, 0, 1], [0, 0, 0, 1]]),
        (Positions("last", attention_mask=RIGHT), (2, 4), [[0, 0, 0, 1], [0, 1, 0, 0]]),
        (Positions("last", attention_mask=RIGHT.bool()), (2, 4), [[0, 0, 0, 1], [0, 1, 0, 0]]),
        (Positions("text", text=marks([[0, 1, 1], [1, 0, 0]])), (2, 3), [[0, 1, 1], [1, 0, 0]]),
        # Generated tokens after the marked prompt are no text, and each is the last.
        (Positions("text", text=marks([[0, 1, 1], [1, 0, 0]])), (2, 1), [[0], [0]]),
        (Positions("last", attention_mask=RIGHT), (2, 1), [[1], [1]]),
        (Positions("prompt"), (1, 3), [[1, 1, 1]]),
        (Positions("prompt"), (2, 1), [[0], [0]]),
        (Positions("generated"), (1, 3), [[0, 0, 0]]),
        (Positions("generated"), (2, 1), [[1], [1]]),
        (Positions("prompt", prompt_length=2), (1, 4), [[1, 1, 0, 0]]),
        (Positions("generated", prompt_length=2), (1, 4), [[0, 0, 1, 1]]),
        (Positions("generated", prompt_length=2), (1, 2), [[0, 0]]),
        # With a KV cache after all: one position is a generated one,
        (Positions("generated", prompt_length=2), (1, 1), [[1]]),
        (Positions("prompt", prompt_length=2), (1, 1), [[0]]),
        # but a prompt of one token is a prompt.
        (Positions("generated", prompt_length=1), (1, 1), [[0]]),
        (Positions("prompt", prompt_length=1), (1, 3), [[1, 0, 0]]),
        # What is written after a prompt is the last position in its turn.
        (Positions("last", prompt_length=2), (1, 4), [[0, 1, 1, 1]]),
        (Positions("last", prompt_length=4), (1, 4), [[0, 0, 0, 1]]),
        (Positions("last", prompt_length=2), (2, 1), [[1], [1]]),
        # One width a row: the second row is padded on the right.
        (Positions("last", attention_mask=RIGHT, prompt_length=WIDTHS), (2, 4), [[0, 0, 1, 1], [1, 1, 0, 0]]),
        (Positions("prompt", prompt_length=WIDTHS), (2, 4), [[1, 1, 1, 0], [1, 0, 0, 0]]),
        (Positions("generated", prompt_length=WIDTHS), (2, 4), [[0, 0, 0, 1], [0, 1, 1, 1]]),
        (Positions("generated", prompt_length=WIDTHS), (2, 1), [[1], [0]]),
    ],
)
def test_chosen_by_hand(positions, shape, expected):
    assert torch.equal(positions.chosen(*shape, CPU), marks(expected))


def test_everywhere_is_nothing_chosen():
    assert Positions().chosen(2, 3, CPU) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": "text"}, "needs text="),
        ({"where": "generated", "prompt_length": 0}, "at least 1"),
        ({"where": "last", "attention_mask": torch.tensor([[1, 0], [0, 0]])}, r"rows \[1\]"),
    ],
)
def test_choices_that_cannot_be(options, message):
    with pytest.raises(MaskError, match=message):
        Positions(**options)


def test_widths_of_other_rows_are_refused():
    with pytest.raises(MaskError, match="prompt_length= is of 2 rows, the model runs 3"):
        Positions("prompt", prompt_length=WIDTHS).chosen(3, 4, CPU)


def test_unknown_choice():
    with pytest.raises(MaskError, match="where='here' is unknown; it is one of all, text, last, prompt, generated"):
        unchecked(Positions, where="here", text=None, attention_mask=None, prompt_length=None)


@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (1, 1)])
@pytest.mark.parametrize(
    "positions", [Positions("text", text=LEFT.bool()), Positions("last", attention_mask=LEFT)], ids=["text", "last"]
)
def test_marks_of_another_batch_are_refused(positions, shape):
    with pytest.raises(MaskError, match="of this very batch"):
        positions.chosen(*shape, CPU)
