"""Calibrate a gate on development texts: where does the score of a set of neurons begin to tell the concept?

After every layer the gate opens between two scores: the one that 95 % of the positions of texts without the concept
stay below, and the one that 95 % of the positions of the concept's texts stay below. Both come from passes without a
mask, by the number of layers read so far, since the mean over few neurons varies more than that over many. So one
position in twenty of other texts is masked a little, and on texts like the development texts only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.inputs import require_unseen
from emorhet_lens.errors import MaskError
from emorhet_lens.gates.scores import position_scores, unbounded_gate
from emorhet_lens.masks.gate import Gate
from emorhet_lens.models.hosts import LensModel, identify, require_evaluation
from emorhet_lens.passes.batches import Tokens
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.scorers import Against
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus

QUANTILE = 0.95


def calibrate_gate(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    stats: ActivationStats,
    *,
    concept: str | None = None,
    against: Against | None = None,
    low: int | float = QUANTILE,
    high: int | float = QUANTILE,
    tokens: Tokens | None = None,
    prompt: Prompt | str | list[dict[str, str]] | Path | None = None,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> Gate:
    """Find out where the score of some neurons tells a concept.

    The score is the mean of (x - mean) / sd over the neurons read so far, with the sign of the side on which the
    concept's mean lies; the means and standard deviations are those of the screening texts. `Gated(mask, gate)` puts a
    mask behind the gate, such as `mask_kinds.attenuate(neurons, stats, alpha)`. Positions that do not count here (by
    default BOS, template and answer) are calibrated on nothing, and the gate may be open there whatever the text is:
    mask with `where="text"`, or calibrate with the prompt that will be read and `tokens="all"`.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: What is read, such as `screen.neurons["anger"]`; several sets are taken together.
        dev: Development texts, of the concept and of what it is told from; others in it are not read.
        stats: Of the screening, at site `post`.
        concept: Which concept; by default that of the one set.
        against: What it is told from: the `"rest"` or all `"others"`; by default the rest where both the statistics
            and the development texts have it.
        low: Share of the positions of those texts at which the gate is shut.
        high: Share of the positions of the concept's texts at which it is not open all the way.
        tokens: Which positions count; by default as in the screening, as for the next one.
        prompt: A template around the texts.
        batch_size: Texts a batch, or `"auto"`.
        progress: Whether to show a progress bar.

    Returns:
        The gate. After layers where the score so far does not tell the concept it stays shut; `Gate.shut` lists them.

    Raises:
        MaskError: The score of all neurons does not tell the concept, the set is empty, a share is not between 0 and
            1, or texts or statistics of the concept or of what it is told from are missing.
        EffectsError: Development texts were screened on.
        StoreError: The model or the statistics are others than the neurons'.
        CorpusError: A text is longer than the context.
        ModelError: The model has dropout switched on.
    """
    require_evaluation(model)
    neurons.model.require_same(identify(model))
    if not (0 < low < 1 and 0 < high < 1):
        raise MaskError(f"low={low} and high={high} are shares of positions; give numbers between 0 and 1")
    chosen = _concept(neurons, concept, stats)
    told_from = _against(against, chosen, dev, stats)
    require_unseen(stats, dev=dev)
    raw = unbounded_gate(neurons, stats, chosen, told_from)
    how = stats.options
    scores = {}
    for side, labels in (("own", (chosen,)), ("others", told_from)):
        scores[side] = position_scores(
            model,
            raw,
            Corpus(dev.name, dev.group, tuple(example for example in dev if example.label in labels)),
            tokens=how["tokens"] if tokens is None else tokens,
            prompt=as_prompt(how["prompt"] if prompt is None else prompt),
            prepend_bos=how["prepend_bos"],
            batch_size=batch_size,
            progress=progress,
        ).numpy()
    bottom = torch.from_numpy(np.quantile(scores["others"], low, axis=0))
    top = torch.from_numpy(np.quantile(scores["own"], high, axis=0))
    if not float(top[-1]) > float(bottom[-1]):
        raise MaskError(
            f"this set's score does not tell {chosen!r} from {_words(told_from)}: {low:.0%} of the positions of their "
            f"texts lie below {float(bottom[-1]):.3f}, {high:.0%} of those of {chosen!r} below {float(top[-1]):.3f}. "
            "A gate on it would never open; screen with more texts, take other neurons, or lower low="
        )
    return Gate(raw.columns, raw.center, raw.weight, bottom, top.where(top > bottom, torch.inf), raw.model, chosen)


def _concept(neurons: Neurons, concept: str | None, stats: ActivationStats) -> str:
    filled = [name for name, places in neurons.sets.items() if places]
    if not filled:
        raise MaskError("this set of neurons is empty; there is nothing to read a score from")
    if concept is None and len(filled) > 1:
        raise MaskError(f"these are sets of {', '.join(filled)}; say whose score is meant with concept=")
    chosen = filled[0] if concept is None else concept
    if chosen not in stats.group.concepts:
        raise MaskError(f"the statistics know no concept {chosen!r}; they have {', '.join(stats.group.concepts)}")
    return chosen


def _against(against: Against | None, concept: str, dev: Corpus, stats: ActivationStats) -> tuple[str, ...]:
    """The labels that the concept is told from; both sides need texts."""
    if against is not None and against not in get_args(Against):
        raise MaskError(f"against={against!r} is unknown; it is one of {', '.join(get_args(Against))}")
    counts, tokens = dev.counts(), dict(zip(stats.group.labels, stats.summed("tokens").tolist(), strict=True))
    rest = stats.group.rest
    if against is None:
        against = "rest" if counts.get(rest) and tokens[rest] else "others"
    others = (rest,) if against == "rest" else tuple(label for label in stats.group.labels if label != concept)
    for side in ((concept,), others):
        for what, there in (("development texts", counts), ("statistics", tokens)):
            if not any(there.get(label) for label in side):
                raise MaskError(
                    f"there are no {what} of {_words(side)}, so it is unknown where the score tells {concept!r}; "
                    'give some, or choose what it is told from with against="rest" or "others"'
                )
    return others


def _words(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels))
