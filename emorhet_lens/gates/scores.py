"""The score of a gate: made from the statistics of a screening, and read at every position of some texts.

Standardised activations of neurons that were selected on the screening texts are larger there than elsewhere; where a
score tells a concept has to be read from other texts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gate_hooks import RunningScore
from emorhet_lens.masks.mask import sorted_columns
from emorhet_lens.models.hosts import LensModel, output_weights
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import Batch, Tokens, encode_corpus, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.forward import read_layers
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.corpus import Corpus


def unbounded_gate(neurons: Neurons, stats: ActivationStats, concept: str, others: Sequence[str]) -> Gate:
    """The score of some neurons for a concept, as a gate whose bounds, 0 and 1, mean nothing yet.

    Args:
        neurons: What is read; not empty.
        stats: Of the screening.
        concept: On which side the concept lies gives the signs.
        others: Labels whose mean activation counts as 0.

    Returns:
        Weights are the sign over the standard deviation over all counted tokens; 0 for a neuron that never moved.

    Raises:
        MaskError: The neurons or the statistics are of another site than `post`.
        StoreError: The statistics are of another model.
    """
    if neurons.site != "post" or stats.options["site"] != "post":
        raise MaskError("a gate reads what a mask changes: both the neurons and the statistics have to be of site post")
    stats.model.require_same(neurons.model)
    places = neurons.coordinates()
    columns = places[sorted_columns(places, neurons.model)]
    layer, neuron = columns.unbind(1)
    tokens, total, squares = (stats.summed(name) for name in ("tokens", "total", "squares"))
    total, squares = total[:, layer, neuron], squares[:, layer, neuron]
    own, rows = stats.group.labels.index(concept), [stats.group.labels.index(label) for label in others]
    center = total[rows].sum(0) / tokens[rows].sum()
    side = (total[own] / tokens[own] - center).sign()
    second = squares.sum(0) / tokens.sum()
    variance = second - (total.sum(0) / tokens.sum()).square()
    # What is left of a difference of equal numbers is rounding; a neuron that never moved tells nothing.
    moved = variance > 1e-12 * second
    weight = torch.where(moved, side / variance.where(moved, 1.0).sqrt(), 0.0)
    depths = len(set(layer.tolist()))
    return Gate(columns, center, weight, torch.zeros(depths), torch.ones(depths), neurons.model, concept)


def position_scores(
    model: LensModel,
    gate: Gate,
    corpus: Corpus,
    *,
    tokens: Tokens,
    prompt: Prompt,
    prepend_bos: bool,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> Float[Tensor, "position depth"]:
    """The score at every counted position of some texts, without a mask, after every layer that the gate reads.

    Args:
        model: The model that the gate is of.
        gate: Which neurons; where it opens does not matter.
        corpus: The texts.
        tokens: Which positions count.
        prompt: The template around the texts.
        prepend_bos: Whether a BOS token goes first.
        batch_size: Texts a batch, or `"auto"`.
        progress: Whether to show a progress bar.

    Returns:
        Float64 on the CPU.

    Raises:
        CorpusError: A text is longer than the context, or has no position that counts.
    """
    encoded = encode_corpus(model, corpus, prompt=prompt, tokens=tokens, prepend_bos=prepend_bos)
    device = output_weights(model, 0).device
    names = hook_names(model, "post")[: gate.layers[-1] + 1]
    found = []
    plan = plan_batches(encoded.corpus, encoded.texts, batch_size=batch_size, device=device.type)
    for examples in tqdm(plan, desc="scores", unit="batch", disable=not progress):
        batch = pad_batch(encoded.texts, examples, pad_id=padding_id(model), side="right", device=device)
        found.append(_read_batch(model, gate, batch, names))
    return torch.cat(found)


def _read_batch(model: LensModel, gate: Gate, batch: Batch, names: list[str]) -> Float[Tensor, "position depth"]:
    running, depths = RunningScore(gate.parts()), list[Tensor]()

    def read(post: Tensor, layer: int) -> None:
        if layer in gate.layers:
            depths.append(running.advance(post, layer)[batch.keep].cpu().double())

    read_layers(model, batch, names, read)
    return torch.stack(depths, dim=1)
