"""The layer at which a mean difference of the residual stream steers best, chosen on development texts.

What is measured is how much likelier the shift makes texts of the concept than texts of the rest. That is not yet how
well it steers what is written, which the trade-off curve measures on other prompts.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from emorhet_lens.errors import CorpusError
from emorhet_lens.generation.fluency import surprise
from emorhet_lens.generation.residual_steering import ResidualDifferences
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import encode_corpus
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.texts.corpus import Corpus


def choose_layer(
    model: LensModel,
    differences: ResidualDifferences,
    concept: str,
    dev: Corpus,
    *,
    layers: Sequence[int] | None = None,
    strength: float = 1.0,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> tuple[int, pd.DataFrame]:
    """The layer at which the shift makes the concept's texts likelier by more than the rest's.

    Args:
        model: The model of the differences.
        differences: From other texts than `dev`.
        concept: Which concept.
        dev: Development texts of the concept and of the rest.
        layers: Layers to try, all by default.
        strength: At which they are tried.
        batch_size: Texts a batch.
        progress: Whether to show a progress bar.

    Returns:
        The layer, and one row a layer: layer, concept (gain of its texts in nats a token), rest, score (difference).

    Raises:
        CorpusError: One of the two kinds has no text of at least two tokens.
        MaskError: A concept or layer is unknown.
    """
    chosen = dev.where(lambda example: example.label in (concept, dev.group.rest))
    encoded = encode_corpus(model, chosen, prompt=Prompt(), tokens="all")
    tokens = [(one.ids[:1], one.ids[1:]) for one in encoded.texts]
    own = torch.tensor([example.label == concept for example in chosen])
    long = torch.tensor([len(after) > 0 for _, after in tokens])
    if not bool((own & long).any()) or not bool((~own & long).any()):
        raise CorpusError(f"choosing a layer needs development texts of {concept!r} and of {dev.group.rest!r}")
    shifts = {
        layer: differences.shift(concept, layer, strength) for layer in layers or range(differences.model.n_layers)
    }
    options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    base, rows = surprise(model, tokens, **options), []
    for layer, shift in shifts.items():
        gain = base - surprise(model, tokens, hooks=shift.fwd_hooks(model), **options)
        rows.append((layer, float(gain[own & long].mean()), float(gain[~own & long].mean())))
    table = pd.DataFrame(rows, columns=["layer", "concept", "rest"])
    table["score"] = table["concept"] - table["rest"]
    return int(table["layer"][table["score"].argmax()]), table
