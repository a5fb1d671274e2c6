"""Sets of neurons by concept, and sets of other neurons that match them.

A set says which neurons were selected, not that they do anything. Matched random sets are what an effect of the
selected ones has to be compared with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from emorhet_lens.errors import ScreenError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.models.sites import Site
from emorhet_lens.screening.matching import Background, Match, match_sets

Coordinate = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons by concept, in the order of their rank.

    Args:
        sets: Concept to coordinates (layer, neuron), most selective first.
        scores: Concept to scores, in the same order.
        model: The model that they are of.
        site: Where they were read.
        background: Firing rate and contribution of all neurons, for matching; nothing for sets made by hand.

    Raises:
        ScreenError: A coordinate lies outside the model or occurs twice for a concept.
    """

    sets: Mapping[str, tuple[Coordinate, ...]]
    scores: Mapping[str, tuple[float, ...]]
    model: ModelIdentity
    site: Site = "post"
    background: Background | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for concept, coordinates in self.sets.items():
            if len(set(coordinates)) != len(coordinates):
                raise ScreenError(f"a neuron occurs twice for {concept!r}")
            scores = self.scores.get(concept, ())
            if len(scores) != len(coordinates):
                raise ScreenError(f"{concept!r} has {len(coordinates)} neurons and {len(scores)} scores")
            for layer, neuron in coordinates:
                if not (0 <= layer < self.model.n_layers and 0 <= neuron < self.model.d_mlp):
                    raise ScreenError(
                        f"neuron {neuron} of layer {layer} is not in {self.model.name!r}, which has "
                        f"{self.model.n_layers} layers of {self.model.d_mlp} neurons"
                    )

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts, in order."""
        return tuple(self.sets)

    def __len__(self) -> int:
        return sum(len(coordinates) for coordinates in self.sets.values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{concept} {len(coordinates)}" for concept, coordinates in self.sets.items())
        return f"Neurons({len(self)} of {self.model.name!r} at site {self.site!r}: {counts})"

    def __getitem__(self, concept: str) -> "Neurons":
        """The neurons of one concept.

        Raises:
            ScreenError: There is no such concept.
        """
        if concept not in self.sets:
            raise ScreenError(f"there is no concept {concept!r}; there are {', '.join(self.sets)}")
        return replace(self, sets={concept: self.sets[concept]}, scores={concept: self.scores[concept]})

    def __contains__(self, item: tuple[str, int, int]) -> bool:
        concept, layer, neuron = item
        return (layer, neuron) in self.sets.get(concept, ())

    def __or__(self, other: "Neurons") -> "Neurons":
        """Everything of both; a neuron in both keeps the score and place it has on the left."""
        self._require_combinable(other)
        return self._combine(other, lambda mine, theirs: [*mine, *(c for c in theirs if c not in mine)])

    def __and__(self, other: "Neurons") -> "Neurons":
        """What both hold for the same concept."""
        self._require_combinable(other)
        return self._combine(other, lambda mine, theirs: [c for c in mine if c in theirs])

    def __sub__(self, other: "Neurons") -> "Neurons":
        """What only the left one holds for a concept."""
        self._require_combinable(other)
        return self._combine(other, lambda mine, theirs: [c for c in mine if c not in theirs])

    def head(self, n: int) -> "Neurons":
        """The first `n` neurons of every concept."""
        return replace(
            self,
            sets={concept: coordinates[:n] for concept, coordinates in self.sets.items()},
            scores={concept: scores[:n] for concept, scores in self.scores.items()},
        )

    def coordinates(self) -> Int[Tensor, "selected 2"]:
        """Layer and neuron of all sets one after the other, a neuron of two concepts once."""
        unique = list(dict.fromkeys(c for coordinates in self.sets.values() for c in coordinates))
        return torch.tensor(unique, dtype=torch.int64).reshape(-1, 2)

    def labels(self) -> list[str]:
        """Short names of the neurons, in the order of `coordinates`."""
        return [f"L{layer}N{neuron}" for layer, neuron in self.coordinates().tolist()]

    def layer_histogram(self) -> pd.DataFrame:
        """Number of neurons by layer (rows) and concept (columns)."""
        counts = {
            concept: [sum(layer == row for layer, _ in coordinates) for row in range(self.model.n_layers)]
            for concept, coordinates in self.sets.items()
        }
        return pd.DataFrame(counts, index=pd.RangeIndex(self.model.n_layers, name="layer"))

    def activations(self, cache: Any, *, batch: int = 0) -> Float[Tensor, "pos 1 neuron"]:
        """Activations of these neurons from a cache of the host, shaped for circuitsvis.

        Args:
            cache: What `run_with_cache` returned.
            batch: Which text of it.

        Returns:
            `[pos, 1, neuron]` in the order of `labels`, as `circuitsvis.activations.text_neuron_activations` takes it
            (its layer axis has one entry, since the neurons are of several layers).

        Raises:
            ScreenError: The set is empty, or the cache lacks a layer or has no batch dimension.
        """
        if len(self) == 0:
            raise ScreenError("this set of neurons is empty; there is nothing to show")
        hook = "hook_pre" if self.site == "gate" else "hook_post"
        columns = []
        for layer, neuron in self.coordinates().tolist():
            name = f"blocks.{layer}.mlp.{hook}"
            if name not in cache:
                raise ScreenError(f"the cache does not hold {name!r}; run with that hook in names_filter, or without")
            if cache[name].ndim != 3:
                raise ScreenError(
                    f"{name!r} in the cache has shape {tuple(cache[name].shape)}, expected [batch pos neuron]; "
                    "keep the batch dimension"
                )
            columns.append(cache[name][batch, :, neuron])
        return torch.stack(columns, dim=-1).unsqueeze(1)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a concept and neuron: concept, layer, neuron, rank (from 1), score."""
        rows = [
            (concept, layer, neuron, rank, score)
            for concept, coordinates in self.sets.items()
            for rank, ((layer, neuron), score) in enumerate(zip(coordinates, self.scores[concept], strict=True), 1)
        ]
        return pd.DataFrame(rows, columns=["concept", "layer", "neuron", "rank", "score"])

    def matched_random(
        self, seed: int = 0, n: int = 8, *, caliper: float = 0.25, disjoint: bool = True
    ) -> "MatchedSets":
        """Random sets of the same layers with like firing rates and contributions, free of selected neurons.

        Args:
            seed: Of the draws.
            n: Number of sets.
            caliper: Largest distance of a partner, in standard deviations of the logit of the firing rate and of the
                logarithm of mean |x| times output-weight length, both within the layer.
            disjoint: Whether the sets of a concept share no neuron, as tests against them assume.

        Returns:
            The sets and a table that shows how well they match.

        Raises:
            ScreenError: The set is empty, was made by hand, is of another site than the statistics that it carries,
                or a layer has too few other neurons.
        """
        if self.background is None:
            raise ScreenError("these neurons carry no statistics to match by; take them from a screen")
        if len(self) == 0:
            raise ScreenError("this set of neurons is empty; there is nothing to match")
        if self.background.site != self.site:
            raise ScreenError(
                f"these neurons are of site {self.site!r}, and what is known of all neurons is of site "
                f"{self.background.site!r}, so like sets cannot be told; collect statistics at site {self.site!r} and "
                "give replace(neurons, background=Background.of(stats).taking(selected))"
            )
        match = match_sets(self.sets, self.background, seed=seed, n=n, caliper=caliper, disjoint=disjoint)
        drawn = tuple(
            replace(self, sets=one, scores={c: (float("nan"),) * len(k) for c, k in one.items()}) for one in match.sets
        )
        return MatchedSets(drawn, _balance_table(match))

    def _combine(self, other: "Neurons", keep: Any) -> "Neurons":
        score = {
            (concept, coordinate): value
            for side in (other, self)
            for concept, coordinates in side.sets.items()
            for coordinate, value in zip(coordinates, side.scores[concept], strict=True)
        }
        sets = {c: tuple(keep(self.sets.get(c, ()), other.sets.get(c, ()))) for c in {**self.sets, **other.sets}}
        scores = {c: tuple(score[c, coordinate] for coordinate in coordinates) for c, coordinates in sets.items()}
        # The random sets of a union may hold no neuron that either side selected.
        theirs = [coordinate for coordinates in other.sets.values() for coordinate in coordinates]
        background = None if self.background is None else self.background.taking(theirs)
        return replace(self, sets=sets, scores=scores, background=background)

    def _require_combinable(self, other: "Neurons") -> None:
        self.model.require_same(other.model)
        if self.site != other.site:
            raise ScreenError(f"neurons of site {self.site!r} and {other.site!r} cannot be combined")


@dataclass(frozen=True, eq=False)
class MatchedSets:
    """Random sets that match a set of neurons.

    Args:
        sets: The sets.
        balance: One row a concept and quantity: mean over the concept's neurons, mean over its partners, difference
            in standard deviations, and share of partners outside the caliper.
    """

    sets: tuple[Neurons, ...]
    balance: pd.DataFrame


def neurons_from(pairs: Iterable[tuple[str, int, int, float]], concepts: Iterable[str], **rest: Any) -> Neurons:
    """Neurons from (concept, layer, neuron, score) in order of rank; `concepts` fixes the order of the sets."""
    sets: dict[str, list[Coordinate]] = {concept: [] for concept in concepts}
    scores: dict[str, list[float]] = {concept: [] for concept in sets}
    for concept, layer, neuron, score in pairs:
        sets[concept].append((layer, neuron))
        scores[concept].append(score)
    return Neurons(sets={c: tuple(v) for c, v in sets.items()}, scores={c: tuple(v) for c, v in scores.items()}, **rest)


def _balance_table(match: Match) -> pd.DataFrame:
    return pd.DataFrame(match.balance)
