"""What screening costs, as ratios within one run: time against a bare forward pass, memory against corpus size.

Run it with `make bench`. The bare pass runs the same batches up to the same last hook and reads nothing. Memory is the
peak of all tensors alive above those alive when the pass begins, the model among them, as torch's allocator counts
every request. The resident size of the process stands beside it: it holds freed memory as well, of which the C library
keeps more or less by the order of sizes, so that it differs by a factor of two between runs of one corpus. The larger
corpus is ten copies of the smaller one under new ids, so that nothing but the number of texts differs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from emorhet_lens import Corpus, collect_stats, load_corpus, load_model
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import EncodedCorpus, encode_corpus, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.forward import read_layers
from emorhet_lens.passes.prompts import Prompt

COPIES = 10


def bare_pass(model: LensModel, encoded: EncodedCorpus) -> Callable[[], None]:
    """A function that runs every batch of a pass and reads nothing."""
    plan = plan_batches(encoded.corpus, encoded.texts, batch_size="auto", device="cpu")
    pad_id, device = padding_id(model), torch.device("cpu")
    batches = [pad_batch(encoded.texts, part, pad_id=pad_id, side="right", device=device) for part in plan]
    names = hook_names(model)

    def run() -> None:
        for batch in batches:
            read_layers(model, batch, names, lambda _activation, _layer: None)

    return run


def peak_memory(copies: int, texts: int) -> tuple[float, float]:
    """MiB above the loaded model that screening `copies` of the corpus takes, in a process of its own.

    What an earlier pass left to a process would hide what the next one needs, hence one process a size.

    Returns:
        The peak of tensors alive, and that of the resident size.
    """
    command = [sys.executable, __file__, "--texts", str(texts), "--memory-of", str(copies)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    tensors, resident = done.stdout.splitlines()[-1].split()
    return float(tensors), float(resident)


def watch_memory(copies: int, texts: int) -> tuple[float, float]:
    """Peaks of tensors alive and of the resident size above their values once the model has made a pass, in MiB."""
    model = load_model(device="cpu")
    corpus = copied(load_corpus("stimuli-emotion").balanced(texts), copies)
    # The first pass of a process compiles the kernel and fills the allocator's pools.
    collect_stats(model, load_corpus("stimuli-emotion").balanced(2), progress=False)
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.01):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        collect_stats(model, corpus, progress=False)
    finally:
        done.set()
        watcher.join()
    # In a pass of its own, since the record of all requests takes memory, too.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        collect_stats(model, corpus, progress=False)
    with tempfile.NamedTemporaryFile(suffix=".json") as trace:
        profiled.export_chrome_trace(trace.name)
        events = json.loads(Path(trace.name).read_bytes())["traceEvents"]
    alive = [event["args"]["Total Allocated"] for event in events if event.get("name") == "[memory]"]
    return (max(alive) - alive[0]) / 2**20, (highest - before) / 2**20


def copied(corpus: Corpus, copies: int) -> Corpus:
    """The same texts several times, under new ids."""
    many = [replace(example, id=f"{example.id}-{copy}") for copy in range(copies) for example in corpus]
    return replace(corpus, name=f"{corpus.name} x {copies}", examples=tuple(many))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=30, help="texts a label in the small corpus")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of timed passes")
    parser.add_argument("--memory-of", type=int, help="only print the peak in MiB for so many copies of the corpus")
    options = parser.parse_args()
    if options.memory_of is not None:
        print(*watch_memory(options.memory_of, options.texts))
        return
    model = load_model(device="cpu")
    small = load_corpus("stimuli-emotion").balanced(options.texts)
    bare = bare_pass(model, encode_corpus(model, small, prompt=Prompt(), tokens="text"))
    bare()
    collect_stats(model, small, progress=False)

    ratios, seconds = [], []
    for _ in range(options.repeats):
        started = time.perf_counter()
        bare()
        middle = time.perf_counter()
        collect_stats(model, small, progress=False)
        ended = time.perf_counter()
        ratios.append((ended - middle) / (middle - started))
        seconds.append(middle - started)
    small_peak, large_peak = (peak_memory(copies, options.texts) for copies in (1, COPIES))

    print(f"{len(small)} texts, {options.repeats} pairs of passes; bare pass {statistics.median(seconds):.2f} s")
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"time   screening / bare forward: median {statistics.median(ratios):.3f} ({spread})")
    for what, small_size, large_size in zip(("tensors", "resident"), small_peak, large_peak, strict=True):
        print(
            f"memory {what} above the model: {small_size:.0f} MiB at 1x, {large_size:.0f} MiB at {COPIES}x the corpus"
        )
    print(f"memory tensors {COPIES}x corpus / 1x corpus: {large_peak[0] / small_peak[0]:.3f}")


if __name__ == "__main__":
    main()
