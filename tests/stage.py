"""What models with planted neurons stand on: words that mean a concept, and answers that are read from what is written.

A text's words are embedded as their concept, a constant, and a random part that no concept shares. Neurons write into
one direction a concept; the last layer's attention takes the mean of these directions over all positions to where the
answer is read, and the label words are unembedded from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tiny_models import SPECIAL, llama_weights

from emorhet_lens.texts.concepts import ConceptGroup

RANDOM = 12


@dataclass(frozen=True)
class Stage:
    """Concepts, their words, and which dimension holds what.

    Args:
        group: The concepts; the rest is called `neutral`.
        words: The words of every label.
    """

    group: ConceptGroup
    words: dict[str, tuple[str, ...]]

    @property
    def vocabulary(self) -> list[str]:
        """All words, the label words first."""
        return [*self.group.labels, "mood", ":", *(word for label in self.group.labels for word in self.words[label])]

    @property
    def constant(self) -> int:
        """Dimension of the constant; those of the concepts come before it."""
        return len(self.group.concepts)

    @property
    def free(self) -> slice:
        """Dimensions of the random part."""
        return slice(self.constant + 1, self.constant + 1 + RANDOM)

    @property
    def written(self) -> int:
        """First of the dimensions that neurons write into, one a concept."""
        return self.free.stop

    @property
    def answer(self) -> int:
        """First of the dimensions that answers are unembedded from, one a concept."""
        return self.written + len(self.group.concepts)

    @property
    def width(self) -> int:
        """Number of dimensions."""
        return -(-(self.answer + len(self.group.concepts)) // 8) * 8

    def weights(self, seed: int, d_mlp: int) -> Any:
        """Weights of three layers that do nothing yet but norms of gain 1."""
        weights = llama_weights(
            seed,
            vocab_size=len(SPECIAL) + len(self.vocabulary),
            hidden_size=self.width,
            intermediate_size=d_mlp,
            num_hidden_layers=3,
            num_attention_heads=1,
            num_key_value_heads=1,
        )
        weights.model.norm.weight.data.fill_(1)
        for block in weights.model.layers:
            for norm in (block.input_layernorm, block.post_attention_layernorm):
                norm.weight.data.fill_(1)
            for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
                getattr(block.self_attn, part).weight.data.zero_()
        return weights

    def embed(self, weights: Any, random_part: np.ndarray, *, rest: float = 0.0) -> None:
        """Put the words in.

        Args:
            weights: Of the model.
            random_part: Of every word.
            rest: From how much of the constant the rest's word is unembedded.
        """
        embedding = np.zeros((len(SPECIAL) + len(self.vocabulary), self.width))
        embedding[:, self.constant] = 1
        embedding[:, self.free] = random_part
        unembedding = np.zeros_like(embedding)
        for row, word in enumerate(self.vocabulary, start=len(SPECIAL)):
            for column, concept in enumerate(self.group.concepts):
                embedding[row, column] = word in self.words[concept]
                unembedding[row, self.answer + column] = 4 * (word == concept)
            unembedding[row, self.constant] = rest * (word == self.group.rest)
        weights.model.embed_tokens.weight.data = torch.tensor(embedding, dtype=torch.float32)
        weights.lm_head.weight.data = torch.tensor(unembedding, dtype=torch.float32)

    def neurons(self, generator: np.random.Generator, d_mlp: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gate, up and down of neurons that fire from seldom to often, whatever the words mean; up is left at zero.

        What the model reads with stays as it is; they write into the rest.
        """
        gate, up = np.zeros((d_mlp, self.width)), np.zeros((d_mlp, self.width))
        down = generator.normal(size=(d_mlp, self.width))
        gate[:, self.free] = generator.normal(size=(d_mlp, RANDOM)) * 0.7
        gate[:, self.constant] = generator.uniform(-1.6, 0.2, size=d_mlp)
        down[:, : self.constant + 1] = 0
        return gate, up, down

    def read(self, block: Any, gain: float) -> None:
        """Let a layer's attention take what was written to the answers: with no keys it is the mean over positions."""
        for column in range(len(self.group.concepts)):
            block.self_attn.v_proj.weight.data[column, self.written + column] = 1
            block.self_attn.o_proj.weight.data[self.answer + column, column] = gain


def stage(concepts: Sequence[str], n_words: dict[str, int] | int) -> Stage:
    """A stage with made-up words.

    Args:
        concepts: Concept names, which are the label words too.
        n_words: Words a label, for all or by label.
    """
    group = ConceptGroup("planted", tuple(concepts), "neutral")
    counts = dict.fromkeys(group.labels, n_words) if isinstance(n_words, int) else n_words
    return Stage(group, {label: tuple(f"{label}{i}" for i in range(counts[label])) for label in group.labels})


def put(block: Any, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> None:
    """Put neurons into a layer."""
    for part, values in (("gate_proj", gate), ("up_proj", up), ("down_proj", down.T)):
        getattr(block.mlp, part).weight.data = torch.tensor(values.copy(), dtype=torch.float32)
