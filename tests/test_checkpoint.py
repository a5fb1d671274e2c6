"""Checkpoints of the pass: an interrupted pass that goes on gives the bytes of one that was not interrupted."""

from dataclasses import replace

import pytest
import torch
from tiny import PAIR_GROUP, require_equal, tiny_corpus, tiny_llama

from emorhet_lens.activations import collect
from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import StoreError
from emorhet_lens.texts.corpus import Corpus

MODEL = tiny_llama()
CORPUS = tiny_corpus(20)
BATCHES = 7


def collected(model=MODEL, corpus=CORPUS, **options):
    return collect_stats(model, corpus, **{"batch_size": 3, "progress": False, **options})


@pytest.fixture(scope="module")
def whole():
    return collected()


class Interrupted:
    """Stands in for a function of the pass and is interrupted at one of its calls, before or after the real work."""

    def __init__(self, function, at, *, after=False):
        self.function, self.at, self.after, self.calls = function, at, after, 0

    def __call__(self, *args):
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise KeyboardInterrupt
        result = self.function(*args)
        if self.calls == self.at:
            raise KeyboardInterrupt
        return result


def interrupt(monkeypatch, name, at, path, *, after=False):
    with monkeypatch.context() as patch:
        patch.setattr(collect, name, Interrupted(getattr(collect, name), at, after=after))
        with pytest.raises(KeyboardInterrupt):
            collected(checkpoint=path)


def resume(monkeypatch, path):
    """The finished statistics, and how many batches were run for them."""
    with monkeypatch.context() as patch:
        counter = Interrupted(collect.read_layers, -1)
        patch.setattr(collect, "read_layers", counter)
        return collected(checkpoint=path), counter.calls


@pytest.mark.parametrize("at", [1, 2, 4, BATCHES])
def test_interrupted_pass_goes_on(monkeypatch, tmp_path, whole, at):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "read_layers", at, path)
    assert path.exists()
    stats, calls = resume(monkeypatch, path)
    require_equal(stats, whole)
    assert calls == BATCHES - at + 1
    assert list(tmp_path.iterdir()) == []


def test_a_pass_on_another_device_is_another_pass(monkeypatch, tmp_path):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "read_layers", 3, path)
    found = ActivationStats.load(path)
    assert found.options["device"] == "cpu"
    replace(found, options={**found.options, "device": "cuda"}).save(path)
    with pytest.raises(StoreError, match="pass with other device"):
        collected(checkpoint=path)


def test_a_checkpoint_that_is_kept_is_complete(monkeypatch, tmp_path, whole):
    path = tmp_path / "checkpoint"
    require_equal(collected(checkpoint=path, keep_checkpoint=True), whole)
    stats, calls = resume(monkeypatch, path)
    require_equal(stats, whole)
    assert calls == 0 and list(tmp_path.iterdir()) == []


def test_interrupted_twice(monkeypatch, tmp_path, whole):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "read_layers", 3, path)
    interrupt(monkeypatch, "read_layers", 2, path)
    stats, calls = resume(monkeypatch, path)
    require_equal(stats, whole)
    assert calls == BATCHES - 3


def test_interrupt_inside_a_hook(monkeypatch, tmp_path, whole):
    path = tmp_path / "checkpoint"
    # Two batches of three layers are done, and one layer of the third.
    interrupt(monkeypatch, "reduce_texts", 8, path)
    stats, calls = resume(monkeypatch, path)
    require_equal(stats, whole)
    assert calls == BATCHES - 2


def test_interrupt_while_a_batch_is_being_added_counts_nothing_twice(monkeypatch, tmp_path, whole):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "add_batch", 4, path, after=True)
    assert not path.exists()
    monkeypatch.setattr(collect, "_CHECKPOINT_SECONDS", -1.0)
    interrupt(monkeypatch, "add_batch", 4, path, after=True)
    stats, calls = resume(monkeypatch, path)
    require_equal(stats, whole)
    assert calls == BATCHES - 3


def test_error_keeps_the_checkpoint_too(monkeypatch, tmp_path, whole):
    path = tmp_path / "checkpoint"

    def fail(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(collect, "read_layers", fail)
        with pytest.raises(MemoryError):
            collected(checkpoint=path)
    require_equal(resume(monkeypatch, path)[0], whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"tokens": "last"}, "tokens"),
        ({"batch_size": 4}, "plan"),
        ({"padding_side": "left"}, "padding_side"),
        ({"prompt": "mood : {text}"}, "prompt"),
        ({"corpus": tiny_corpus(20, seed=5)}, "corpora"),
        ({"corpus": Corpus("turned", PAIR_GROUP, CORPUS.examples[::-1])}, "ids"),
        ({"model": tiny_llama(dtype=torch.bfloat16)}, "dtype"),
        ({"model": tiny_llama(compatibility=True)}, "processed"),
    ],
)
def test_checkpoint_of_another_pass_is_refused(monkeypatch, tmp_path, change, named):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "read_layers", 3, path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"pass with other [^;]*\b{named}\b.*delete it"):
        collected(**change, checkpoint=path)
    assert path.read_bytes() == before


def test_checkpoint_of_other_weights_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "checkpoint"
    interrupt(monkeypatch, "read_layers", 3, path)
    with pytest.raises(StoreError, match="fingerprints differ"):
        collected(tiny_llama(seed=1), checkpoint=path)


def test_finished_statistics_are_no_checkpoint(tmp_path, whole):
    path = tmp_path / "stats"
    whole.save(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="finished statistics"):
        collected(checkpoint=path)
    assert path.read_bytes() == before
