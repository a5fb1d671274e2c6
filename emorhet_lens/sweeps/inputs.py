"""Check and complete what a sweep is given, and say what a reader has to know of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import MakeMask, make_masks, mask_digest, sets_digest
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask import Mask
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.sweeps.cells import Cell
from emorhet_lens.texts.corpus import Corpus


def dosed_masks(
    mask: str | MakeMask, stats: ActivationStats | None, doses: Sequence[int | float]
) -> tuple[dict[str, MakeMask], dict[str, int | float]]:
    """A mask at several doses.

    Args:
        mask: Name of a kind of mask, or a function from neurons to one.
        stats: For the masks that need them.
        doses: Above 0, each once.

    Returns:
        By a name that is fit for files: the functions, and the doses.

    Raises:
        EffectsError: A dose is not above 0 or occurs twice, there is none, or the mask is unknown or needs `stats`.
    """
    if not doses or len(set(doses)) != len(doses) or not all(0 < dose < math.inf for dose in doses):
        raise EffectsError(
            f"doses are finite numbers above 0, each once, got {list(doses)}; at 0 nothing is masked, so there is no "
            "effect to measure"
        )
    kind, make = next(iter(make_masks((mask,), stats).items())) if isinstance(mask, str) else ("given", mask)
    names = {dose: f"{kind}-{float(dose)!r}".replace(".", "_").replace("+", "") for dose in doses}
    return {name: _scaled(make, dose) for dose, name in names.items()}, {name: dose for dose, name in names.items()}


def _scaled(make: MakeMask, dose: int | float) -> MakeMask:
    def scaled(neurons: Neurons) -> Mask | Gated:
        return make(neurons) * dose

    return scaled


def with_texts(
    neurons: Neurons, corpus: Corpus, questions: Sequence[Question], concepts: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """The concepts that a question asks about, and a warning for each of the others.

    Args:
        neurons: The concepts that there are.
        corpus: The test texts.
        questions: What is asked.
        concepts: Those that are wanted; all by default.

    Returns:
        The concepts in the order of the neurons, and the warnings.

    Raises:
        EffectsError: A concept is unknown, or none has texts.
    """
    wanted = set(neurons.concepts if concepts is None else concepts)
    unknown = sorted(wanted - set(neurons.concepts))
    if unknown:
        raise EffectsError(f"unknown concepts {unknown}; there are {', '.join(neurons.concepts)}")
    asked = {
        example.label
        for example in corpus
        if any(example.label in one.labels and one.source in (None, example.source) for one in questions)
    }
    ordered = [concept for concept in neurons.concepts if concept in wanted]
    chosen = tuple(concept for concept in ordered if concept in asked)
    if not chosen:
        raise EffectsError(
            f"there are no test texts of {', '.join(ordered) or 'no concept'}; questions are about texts of "
            f"{', '.join(sorted(asked))}"
        )
    return chosen, [f"{concept}: no test texts" for concept in ordered if concept not in asked]


def cell_facts(cell: Cell, masks: Mapping[str, MakeMask], readings: Sequence[Reading]) -> dict[str, Any]:
    """What makes two measurements of a cell the same, besides model, texts and seed."""
    return {
        "ratio": cell.ratio,
        "layers": [cell.layers.first, cell.layers.last],
        "concepts": list(cell.neurons.concepts),
        "masks": {
            name: [mask_digest(make(cell.neurons[concept])) for concept in cell.neurons.concepts]
            for name, make in masks.items()
        },
        "readings": [reading.options for reading in readings],
        "random": sets_digest(cell.matched),
        "primary": "none: a sweep is exploratory",
    }


def describe_base(question: Question, base: Answers) -> dict[str, Any]:
    """What was asked and how it was answered without a mask, as plain values."""
    recall = {label: value for label, value in base.recall().items() if not math.isnan(value)}
    asked = {"question": list(question.labels), "source": question.source, "prompt": base.options.get("prompt")}
    return asked | {"n": len(base), "accuracy": base.accuracy(), "recall": recall}


def warn(cells: Sequence[Cell], *, n_doses: int, checked: bool, costs: bool) -> tuple[str, ...]:
    """What a reader has to know.

    Args:
        cells: All cells.
        n_doses: How many doses.
        checked: Whether it is known which texts were screened on.
        costs: Whether there are neutral texts.
    """
    rows = sum(len(cell.candidates) for cell in cells) * n_doses
    empty = sum(len(cell.reasons) for cell in cells) * n_doses
    found = [
        f"exploratory: {rows - empty} results side by side without correction; measure the one that is chosen again, "
        "on other texts"
    ]
    if empty:
        found.append(f"{empty} of {rows} rows were not measured; the column reason says why")
    if len({(cell.ratio, cell.needed) for cell in cells}) > len({cell.ratio for cell in cells}):
        found.append(
            "ranges were masked in unequal numbers of neurons, the ratio of each range as in Lee et al. (2025); with "
            "equal=True all get the number of the smallest"
        )
    if any(tied for cell in cells for tied in cell.ties.values()):
        found.append("at some cuts candidates tie with the last neuron taken (column ties); layer and index decided")
    if not costs:
        found.append("no neutral texts, so perplexity and divergence were not measured")
    if not checked:
        found.append("without stats= it was not checked that the test texts were not screened on")
    return tuple(found)
