"""Steering by the residual stream: the mean difference between a concept's texts and the rest, added at one layer.

Known as contrastive activation addition (Rimsky et al., 2024), and here the baseline that steering by neurons has to
be compared with. The difference holds everything in which the two kinds of texts differ, register and topic included.
"""

import hashlib
import json
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emorhet_lens.errors import CorpusError, MaskError, ModelError
from emorhet_lens.masks.mask_positions import Positions, Where
from emorhet_lens.models.hosts import (
    LensModel,
    ModelIdentity,
    NamedHook,
    hook_points,
    identify,
    output_weights,
    require_evaluation,
)
from emorhet_lens.passes.batches import Batch, Tokens, encode_corpus
from emorhet_lens.passes.passes import BatchSize, Passes
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.passes.residual import final_residual
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True, eq=False, repr=False)
class ResidualShift:
    """A direction that is added to the residual stream after one block; put on a model as a mask is.

    Args:
        layer: The block.
        direction: What is added at strength 1.
        strength: What it is multiplied by; negative pushes away.
        model: The model that it was read from.
        name: What to call it in results.

    Raises:
        MaskError: The layer is not in the model, or a number is not finite.
    """

    layer: int
    direction: Float[Tensor, " model"]
    strength: float
    model: ModelIdentity
    name: str = "residual"

    def __post_init__(self) -> None:
        if not 0 <= self.layer < self.model.n_layers:
            raise MaskError(f"layer {self.layer} is not in {self.model.name!r}, which has {self.model.n_layers} layers")
        object.__setattr__(self, "direction", self.direction.detach().cpu().double())
        if not bool((self.direction * self.strength).isfinite().all()):
            raise MaskError(f"strength {self.strength} and direction give numbers that are not finite")

    def __repr__(self) -> str:
        return f"ResidualShift({self.name!r}: {self.strength:g} at layer {self.layer} of {self.model.name!r})"

    def __mul__(self, dose: int | float) -> "ResidualShift":
        """The same direction with another strength."""
        return replace(self, strength=self.strength * dose)

    __rmul__ = __mul__

    def fwd_hooks(
        self,
        model: LensModel,
        *,
        where: Where = "all",
        text: Bool[Tensor, "batch pos"] | None = None,
        attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None,
        prompt_length: int | Int[Tensor, " batch"] | None = None,
    ) -> list[NamedHook]:
        """The hook; arguments and errors are those of `emorhet_lens.masks.masking.Masking.fwd_hooks`."""
        self.model.require_same(identify(model))
        positions = Positions(where, text, attention_mask, prompt_length)
        near = (self.direction * self.strength).to(output_weights(model, self.layer).device)

        def hook(residual: Float[Tensor, "batch pos model"], hook: Any) -> Float[Tensor, "batch pos model"]:  # noqa: ARG001
            batch, pos, _ = residual.shape
            chosen = positions.chosen(batch, pos, residual.device)
            shifted = residual + near.to(residual)
            return shifted if chosen is None else torch.where(rearrange(chosen, "b p -> b p 1"), shifted, residual)

        return [(_hook_names(model)[self.layer], hook)]

    def on(self, model: LensModel, **options: Any) -> AbstractContextManager[Any]:
        """The shift for the length of a `with` block; options are those of `fwd_hooks`."""
        return model.hooks(fwd_hooks=self.fwd_hooks(model, **options))


@dataclass(frozen=True, eq=False)
class ResidualDifferences:
    """Mean differences of every concept and layer.

    Args:
        concepts: The concepts that have texts, and texts of the rest beside them.
        direction: Mean of the concept's texts minus mean of the rest's, after every block; the mean over sources.
        model: The model that they were read from.
        texts: Number of texts by label.
        digest: SHA-256 of these texts and of how they were read: equal for directions that differ by rounding only.
    """

    concepts: tuple[str, ...]
    direction: Float[Tensor, "concept layer model"]
    model: ModelIdentity
    texts: dict[str, int]
    digest: str

    def shift(self, concept: str, layer: int, strength: float = 1.0) -> ResidualShift:
        """The direction of one concept at one layer.

        Raises:
            MaskError: There is no such concept or layer.
        """
        if concept not in self.concepts:
            raise MaskError(f"there is no concept {concept!r}; there are {', '.join(self.concepts)}")
        if not 0 <= layer < self.model.n_layers:
            raise MaskError(f"layer {layer} is not in {self.model.name!r}, which has {self.model.n_layers} layers")
        direction = self.direction[self.concepts.index(concept), layer]
        return ResidualShift(layer, direction, strength, self.model, f"{concept} residual * {strength:g}")


def residual_differences(
    model: LensModel,
    corpus: Corpus,
    *,
    prompt: Prompt | str | None = None,
    tokens: Tokens = "text",
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> ResidualDifferences:
    """Read the residual stream after every block, and take differences of means over texts.

    Args:
        model: A model of the host.
        corpus: Texts of concepts, and of the rest.
        prompt: What stands around a text.
        tokens: Which tokens a text's mean is over.
        batch_size: Texts a batch.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: No source holds texts of a concept and of the rest.
        ModelError: The host does not expose the residual stream.
    """
    require_evaluation(model)
    names = _hook_names(model)
    concepts, weights = _contrasts(corpus)
    form = as_prompt(prompt)
    encoded = encode_corpus(model, corpus, prompt=form, tokens=tokens)

    def read(batch: Batch) -> Float[Tensor, "batch column"]:
        share = batch.keep / batch.keep.sum(1, keepdim=True)
        found: dict[str, Tensor] = {}

        def hook_of(name: str) -> Any:
            def hook(residual: Tensor, hook: Any) -> None:  # noqa: ARG001 - the host passes it by name
                found[name] = einsum(residual.float(), share, "batch pos model, batch pos -> batch model")

            return hook

        with model.hooks(fwd_hooks=[(name, hook_of(name)) for name in names]):
            final_residual(model, batch)
        return torch.cat([found[name] for name in names], dim=-1)

    rows = Passes(batch_size, progress=progress).run(model, encoded, read, what="residual stream")
    means = rearrange(rows, "example (layer model) -> example layer model", layer=len(names))
    direction = einsum(weights, means, "concept example, example layer model -> concept layer model")
    digest = hashlib.sha256(json.dumps([corpus.digest, form.to_json(), tokens]).encode()).hexdigest()
    return ResidualDifferences(concepts, direction, identify(model), corpus.counts(), digest)


def contrasting_sources(corpus: Corpus) -> dict[str, list[str]]:
    """By concept the sources that hold texts of it and of the rest; without concepts that have no such source."""
    rest = corpus.group.rest
    cells = Counter((example.source, example.label) for example in corpus)
    found = {
        concept: [source for source in corpus.sources if cells[source, concept] and cells[source, rest]]
        for concept in corpus.group.concepts
    }
    return {concept: sources for concept, sources in found.items() if sources}


def _contrasts(corpus: Corpus) -> tuple[tuple[str, ...], Float[Tensor, "concept example"]]:
    """What every text counts in the difference of each concept; each source that holds both sides counts alike."""
    rest = corpus.group.rest
    cells = Counter((example.source, example.label) for example in corpus)
    rows = {}
    for concept, sources in contrasting_sources(corpus).items():
        sides = {concept: 1.0, rest: -1.0}
        rows[concept] = [
            sides.get(e.label, 0.0) / cells[e.source, e.label] / len(sources) if e.source in sources else 0.0
            for e in corpus
        ]
    if not rows:
        raise CorpusError(
            f"a mean difference needs texts of a concept and of {rest!r} in one source, got {corpus.counts()}"
        )
    return tuple(rows), torch.tensor(list(rows.values()), dtype=torch.float64)


def _hook_names(model: LensModel) -> list[str]:
    names = [f"blocks.{layer}.hook_resid_post" for layer in range(model.cfg.n_layers)]
    known = hook_points(model)
    missing = [name for name in names if name not in known]
    if missing:
        raise ModelError(f"{model.cfg.model_name!r} has no hook {missing[0]!r}: the host hides the residual stream")
    return names
