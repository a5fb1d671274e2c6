"""What a masked reading costs, as ratios within one run.

Run it with `make bench`. A bare pass runs the same batches up to the last neuron hook and reads nothing, as in
`screening.py`. Words of several tokens are read in one pass where the mask acts by position; beside it stands the same
mask as a function that does not say so, which takes a pass a token. Side effects are compared with as many bare passes
as there are masks; their unembedding of every token comes on top of these.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from screening import bare_pass

from emorhet_lens import Neurons, ZeroShot, load_corpus, load_model, mask_kinds
from emorhet_lens.causal.neutral import encode_neutral, read_neutral
from emorhet_lens.causal.side_effects import side_effects
from emorhet_lens.models.hosts import LensModel, identify

NEURONS, MASKS = 93, 9


def some_neurons(model: LensModel) -> Neurons:
    """As many as the default screening selects, spread over all layers."""
    places = tuple((k % model.cfg.n_layers, 7 * k % model.cfg.d_mlp) for k in range(NEURONS))
    return Neurons({"some": places}, {"some": (0.0,) * NEURONS}, identify(model))


def seconds(run: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def report(what: str, one: Callable[[], object], other: Callable[[], object], repeats: int, times: int = 1) -> None:
    """Print how much longer the one takes than the other so many times, in turn."""
    one()
    other()
    ratios = [seconds(one) / (times * seconds(other)) for _ in range(repeats)]
    print(f"{what}: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=20, help="texts a label")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of timed readings")
    options = parser.parse_args()
    model = load_model(device="cpu")
    mask = mask_kinds.zero(some_neurons(model)["some"])
    hooks = mask.by_batch(model)
    corpus = load_corpus("stimuli-emotion").balanced(options.texts)
    neutral = encode_neutral(model, corpus.where(lambda example: example.label == corpus.group.rest))

    ask = ZeroShot(calibration="none")
    short = ask.prepare(model, corpus, progress=False)
    words = {label: f"{label} and nothing else" for label in corpus.group.labels}
    long = ZeroShot(calibration="none", words=words).prepare(model, corpus, progress=False)
    plain = read_neutral(model, neutral)

    print(f"{len(corpus)} texts, {NEURONS} masked neurons, {options.repeats} pairs")
    report(
        "time masked reading / bare forward",
        lambda: short.read(model, hooks, progress=False),
        bare_pass(model, short.encoded),
        options.repeats,
    )
    report(
        "time words of several tokens, one pass a path / one pass a token",
        lambda: long.read(model, hooks, progress=False),
        lambda: long.read(model, lambda batch: hooks(batch), progress=False),
        options.repeats,
    )
    report(
        f"time side effects of {MASKS} masks / {MASKS} bare forward passes of the neutral texts",
        lambda: side_effects(model, plain, [hooks] * MASKS, progress=False),
        bare_pass(model, neutral),
        options.repeats,
        MASKS,
    )


if __name__ == "__main__":
    main()
