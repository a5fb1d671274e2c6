"""Read a few neurons on every text: each text's own mean and maximum instead of sums over texts.

Sums cannot say which texts drive a neuron, nor rank them; both are needed for the few neurons that are looked at, see
`emorhet_lens.screening.text_ranking`. Activations alone say nothing about what a neuron does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.activations.reduction import STATISTICS, reduce_texts
from emorhet_lens.errors import ScreenError
from emorhet_lens.models.hosts import LensModel, identify, output_weights, require_evaluation
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import Batch, Tokens, encode_corpus, pad_batch, padding_id, plan_batches
from emorhet_lens.passes.forward import read_layers
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.screening.neurons import Coordinate, Neurons
from emorhet_lens.screening.screen import Screen
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True, eq=False)
class TextActivations:
    """What a few neurons do on every text of a corpus.

    Args:
        group: The concepts.
        keys: Of the texts, in the order of the corpus.
        labels: Of the texts.
        sources: Of the texts.
        coordinates: Layer and neuron, in the order of the last axis of `mean` and `maximum`.
        mean: Mean activation over the counted tokens of a text.
        maximum: Largest activation among them.
    """

    group: ConceptGroup
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    coordinates: Int[Tensor, "selected 2"]
    mean: Float[Tensor, "example neuron"]
    maximum: Float[Tensor, "example neuron"]

    def place(self, coordinate: Coordinate) -> int:
        """Where a neuron is on the neuron axis.

        Raises:
            ScreenError: It was not read.
        """
        read = [(layer, neuron) for layer, neuron in self.coordinates.tolist()]
        if coordinate not in read:
            raise ScreenError(
                f"neuron {coordinate[1]} of layer {coordinate[0]} was not read; the second pass read {len(read)} "
                "others. Pass the same neurons to read_texts"
            )
        return read.index(coordinate)


def read_texts(
    model: LensModel,
    corpus: Corpus,
    neurons: Neurons,
    *,
    tokens: Tokens = "text",
    prompt: Prompt | str | list[dict[str, str]] | Path | None = None,
    prepend_bos: bool | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = True,
) -> TextActivations:
    """Run every text once and keep mean and maximum of some neurons.

    A pass ends at the last layer that holds one of the neurons. `read_shortlist` takes the options from a screen.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        corpus: The texts; those of the screening or others.
        neurons: Which neurons, at which site. All sets are read; `neurons.head(n)` keeps that small.
        tokens: Which tokens are counted, see `collect_stats`.
        prompt: A template around the text.
        prepend_bos: Whether a BOS token goes first; as the host's configuration says by default.
        batch_size: Texts a batch, or `"auto"`.
        progress: Whether to show a progress bar.

    Returns:
        Means and maxima in double precision, on the CPU.

    Raises:
        ScreenError: There is no neuron in the sets.
        StoreError: The neurons are of another model.
        CorpusError: A text is longer than the context or has no token to count.
        ModelError: The model has dropout switched on, or its activations are NaN.
    """
    if len(neurons) == 0:
        raise ScreenError("this set of neurons is empty; there is nothing to read")
    require_evaluation(model)
    neurons.model.require_same(identify(model))
    coordinates = neurons.coordinates()
    names = hook_names(model, neurons.site)[: int(coordinates[:, 0].max()) + 1]
    chosen = as_prompt(prompt)
    encoded = encode_corpus(model, corpus, prompt=chosen, tokens=tokens, prepend_bos=prepend_bos).texts
    device = output_weights(model, 0).device
    mean = torch.zeros(len(corpus), len(coordinates), dtype=torch.float64)
    maximum = torch.zeros_like(mean)
    plan = plan_batches(corpus, encoded, batch_size=batch_size, device=device.type)
    for examples in tqdm(plan, desc="second pass", unit="batch", disable=not progress):
        batch = pad_batch(encoded, examples, pad_id=padding_id(model), side="right", device=device)
        rows = torch.tensor(examples)
        mean[rows], maximum[rows] = _read_batch(model, batch, names, coordinates)
    labels = tuple(example.label for example in corpus)
    keys, sources = tuple(example.key for example in corpus), tuple(example.source for example in corpus)
    return TextActivations(corpus.group, keys, labels, sources, coordinates, mean, maximum)


def read_shortlist(
    model: LensModel,
    corpus: Corpus,
    screen: Screen,
    *,
    top: int = 10,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = True,
) -> TextActivations:
    """`read_texts` for the first neurons of every concept, with the tokens and the prompt of the screening.

    Args:
        model: The model that was screened.
        corpus: The texts; those that the screening left out as too long are left out again.
        screen: Gives neurons and options.
        top: Neurons a concept.
        batch_size: Texts a batch, or `"auto"`.
        progress: Whether to show a progress bar.

    Returns:
        As `read_texts`, with the same errors.
    """
    options, skipped = screen.stats.options, set(screen.stats.options["skipped"])
    return read_texts(
        model,
        corpus.where(lambda example: example.key not in skipped),
        screen.neurons.head(top),
        tokens=options["tokens"],
        prompt=options["prompt"],
        prepend_bos=options["prepend_bos"],
        batch_size=batch_size,
        progress=progress,
    )


def _read_batch(
    model: LensModel, batch: Batch, names: list[str], coordinates: Int[Tensor, "selected 2"]
) -> tuple[Float[Tensor, "batch selected"], Float[Tensor, "batch selected"]]:
    mean = torch.zeros(len(batch.examples), len(coordinates), dtype=torch.float64)
    maximum = torch.zeros_like(mean)
    counted = batch.keep.sum(1, keepdim=True).cpu()

    def read(activation: Tensor, layer: int) -> None:
        mine = (coordinates[:, 0] == layer).nonzero().squeeze(-1)
        if len(mine):
            columns = activation[:, :, coordinates[mine, 1].to(activation.device)]
            reduced = dict(zip(STATISTICS, reduce_texts(columns, batch.keep, layer).cpu().double(), strict=True))
            mean[:, mine], maximum[:, mine] = reduced["total"] / counted, reduced["maximum"]

    read_layers(model, batch, names, read)
    return mean, maximum
