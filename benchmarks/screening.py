"""What screening costs, as ratios within one run: time against a bare forward pass, memory against corpus size.

Run it with `make bench`. The bare pass runs the same batches up to the same last hook and reads nothing. Memory is the
peak of the process above what it holds with the model loaded, sampled every 10 milliseconds; the larger corpus is ten
copies of the smaller one under new ids, so that nothing but the number of texts differs.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import torch

from emorhet_lens import Corpus, collect_stats, load_corpus, load_model
from emorhet_lens.batches import encode, pad_batch, plan_batches
from emorhet_lens.forward import read_layers
from emorhet_lens.hosts import LensModel
from emorhet_lens.prompts import Prompt
from emorhet_lens.sites import hook_names

COPIES = 10


def bare_pass(model: LensModel, corpus: Corpus) -> Callable[[], None]:
    """A function that runs every batch of the screening pass and reads nothing."""
    encoded = [encode(example, model, prompt=Prompt(), tokens="text", prepend_bos=True) for example in corpus]
    plan = plan_batches(corpus, encoded, batch_size="auto", device="cpu")
    batches = [pad_batch(encoded, part, pad_id=0, side="right", device=torch.device("cpu")) for part in plan]
    names = hook_names(model)

    def run() -> None:
        for batch in batches:
            read_layers(model, batch, names, lambda _activation, _layer: None)

    return run


@contextmanager
def peak_memory(megabytes: list[float]) -> Iterator[None]:
    """Append the peak of resident memory above its value at the start."""
    process, done = psutil.Process(), threading.Event()
    start = process.memory_info().rss
    highest = [start]

    def watch() -> None:
        while not done.wait(0.01):
            highest[0] = max(highest[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        megabytes.append((highest[0] - start) / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=30, help="texts a label in the small corpus")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of timed passes")
    options = parser.parse_args()
    model = load_model(device="cpu")
    small = load_corpus("stimuli-emotion").balanced(options.texts)
    copies = [replace(example, id=f"{example.id}-{copy}") for copy in range(COPIES) for example in small]
    large = replace(small, name=f"{small.name} x {COPIES}", examples=tuple(copies))
    bare = bare_pass(model, small)
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
    megabytes: list[float] = []
    for corpus in (small, large):
        with peak_memory(megabytes):
            collect_stats(model, corpus, progress=False)

    print(f"{len(small)} texts, {options.repeats} pairs of passes; bare pass {statistics.median(seconds):.2f} s")
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"time   screening / bare forward: median {statistics.median(ratios):.3f} ({spread})")
    print(f"memory above the model: {megabytes[0]:.0f} MiB ({len(small)} texts), {megabytes[1]:.0f} MiB ({len(large)})")
    print(f"memory {COPIES}x corpus / 1x corpus: {megabytes[1] / megabytes[0]:.3f}")


if __name__ == "__main__":
    main()
