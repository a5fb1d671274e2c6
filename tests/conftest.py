"""Fixtures that several test files share; expensive ones are made once a session and are not to be changed."""

import gc
import os

# Before anything imports the hub's client: no test may wait for a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import pytest
import torch
from answering import ANSWERS, answering_model, answering_splits, sets_of
from tiny import HOSTS, Planted, planted_model

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus

HOST_FREE = (
    "adaptive_null",
    "agreement",
    "answers",
    "cli_associate",
    "cli_corpora",
    "cli_curves",
    "cli_enhance",
    "cli_induce",
    "cli_replicate",
    "cli_study",
    "cli_sweep",
    "cli_synthesize",
    "cli_validate",
    "concepts",
    "corpora",
    "corpus",
    "corpus_files",
    "duplicates",
    "effect_pictures",
    "effect_steps",
    "effects_null",
    "facts",
    "held_out",
    "imports",
    "inference",
    "judge",
    "layer_ranges",
    "leakage",
    "lengths",
    "matched_texts",
    "matching",
    "null",
    "pictures",
    "publishers",
    "quality",
    "reduction",
    "report",
    "report_curves",
    "report_link",
    "report_sections",
    "scorers",
    "selection",
    "splits",
    "stability",
    "stimuli",
    "store",
    "study",
    "study_curves",
    "study_file",
    "study_link",
    "sweep_cells",
    "sweep_pictures",
    "synthesis",
    "synthesis_answers",
    "synthesis_calls",
    "text_counts",
    "verdicts",
)
"""Tests whose results no version of the host can change, and commands that put together what is tested on every host.

They run once, with the newest host.
"""
THREADS = (torch.get_num_threads(), numba.get_num_threads())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need no second host."""
    for item in items:
        if item.path.stem.removeprefix("test_") in HOST_FREE:
            item.add_marker(pytest.mark.hostfree)


@pytest.fixture(scope="session", autouse=True)
def quick_collections() -> Iterator[None]:
    """Statsmodels collects garbage at every correction, which takes long with everything that is imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """One thread for tiny models, whose threads would spend their time waiting for each other.

    Before any fixture: a module's fixtures have to compute with as many threads as its tests, or results differ by
    rounding.
    """
    for_torch, for_numba = THREADS if item.get_closest_marker("real") else (1, 1)
    torch.set_num_threads(for_torch)
    numba.set_num_threads(for_numba)


@pytest.fixture(scope="session", params=list(HOSTS))
def any_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model as every kind of object of the host in turn."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    return HOSTS[request.param](folder)


@pytest.fixture(scope="session")
def planted() -> Planted:
    """The default model with known neurons."""
    return planted_model()


@pytest.fixture(scope="session")
def answering() -> Planted:
    """A small model that names two concepts by its planted neurons."""
    return answering_model(("anger", "fear"), d_mlp=96, seed=1)


@pytest.fixture(scope="session")
def parts(answering: Planted) -> dict[str, Corpus]:
    """Texts for it."""
    return answering_splits(answering, per_label=10, seed=1)


@pytest.fixture(scope="session")
def stats(answering: Planted, parts: dict[str, Corpus]) -> ActivationStats:
    """Its statistics."""
    return collect_stats(answering.model, parts["screen"], progress=False)


@pytest.fixture(scope="session")
def neurons(answering: Planted, stats: ActivationStats) -> Neurons:
    """Its planted neurons."""
    return sets_of(stats, answering.neurons)


@pytest.fixture(scope="session")
def measured_by(
    answering: Planted, parts: dict[str, Corpus], stats: ActivationStats, neurons: Neurons
) -> Callable[..., Callable[..., Any]]:
    """Makes of a measurement one with defaults for this model; whatever is given replaces them."""

    def make(usual: Callable[..., Any], **more: Any) -> Callable[..., Any]:
        def run(function: Callable[..., Any] = usual, **changes: Any) -> Any:
            given = {"model": answering.model, "neurons": neurons, "corpus": parts["test"], **changes}
            first = [given.pop(name) for name in ("model", "neurons", "corpus")]
            defaults = {"readout": ANSWERS, "dev": parts["dev"], "stats": stats, "n_random": 2, "progress": False}
            return function(*first, **{**defaults, **more, **given})

        return run

    return make
