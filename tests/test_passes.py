"""Rows come back in the order of the texts; hooks are put on once a batch and taken off."""

import pytest
import torch
from asking import hooks_on, silence, splits
from tiny import tiny_llama

from emorhet_lens.passes.batches import encode_corpus
from emorhet_lens.passes.passes import Passes
from emorhet_lens.passes.prompts import Prompt


@pytest.mark.parametrize("size", [1, 4, 100, "auto"])
def test_rows_are_in_the_order_of_the_texts(size):
    model, corpus = tiny_llama(), splits(10)["test"]
    encoded = encode_corpus(model, corpus, prompt=Prompt(), tokens="text")
    found = Passes(size, "left", False).run(model, encoded, lambda batch: batch.keep.sum(1, keepdim=True).float())
    assert found.dtype == torch.float64
    assert found[:, 0].tolist() == [len(example.text.split()) for example in corpus]


def test_hooks_are_on_while_a_batch_is_read():
    model = tiny_llama()
    encoded = encode_corpus(model, splits(10)["test"], prompt=Prompt(), tokens="text")
    seen = []

    def hooks(batch):
        assert hooks_on(model) == []
        seen.append(batch.examples)
        return [silence(0), silence(2)]

    def read(batch):
        assert len(hooks_on(model)) == 2
        assert batch.examples == seen[-1]
        return torch.zeros(len(batch.examples), 1)

    Passes(4, "right", False).run(model, encoded, read, hooks=hooks)
    assert [len(batch) for batch in seen] == [4, 4, 2]
    assert hooks_on(model) == []


def test_no_hook_stays_after_an_error():
    model = tiny_llama()
    encoded = encode_corpus(model, splits(3)["test"], prompt=Prompt(), tokens="text")

    def read(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Passes(4, "right", False).run(model, encoded, read, hooks=lambda _: [silence(0)])
    assert hooks_on(model) == []


@pytest.mark.parametrize("progress", [True, False])
def test_progress_can_be_switched_off(progress, capfd):
    model = tiny_llama()
    encoded = encode_corpus(model, splits(3)["test"], prompt=Prompt(), tokens="text")
    Passes(4, "right", progress).run(model, encoded, lambda b: torch.zeros(len(b.examples), 1), what="looking")
    assert ("looking" in capfd.readouterr().err) == progress
