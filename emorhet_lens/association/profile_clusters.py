"""Do the selected neurons fall into groups by concept?

A neuron's profile is its scores for all concepts, each in standard deviations over all neurons of the model, and then
centred and scaled, so that its form counts and not its size. Two questions are asked of the selected neurons. Do those
of one concept lie together (silhouette of the concepts)? A selection of the neurons that are best for each concept has
such groups whatever the labels are, so this is compared with the same selection from shuffled labels. And do clusters
that know nothing of concepts (k-means) exist at all? This is compared with profiles whose scores were shuffled, concept
by concept. That concepts form groups does not say that the groups do different things.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.association.label_shuffles import shuffled_labels
from emorhet_lens.association.profiles import profile
from emorhet_lens.causal.inference import Excess, excess_over_random
from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.screen import Screen
from emorhet_lens.screening.selection import select
from emorhet_lens.texts.splitting import random_stream

MAX_NEURONS = 2000
"""More neurons than this are thinned at random: the silhouette takes all pairs."""


@dataclass(frozen=True, eq=False)
class ProfileClusters:
    """Groups among the selected neurons.

    Args:
        concepts: Silhouette of the neurons grouped by concept (from -1 to 1), beyond screenings of shuffled labels.
        clusters: Best silhouette of k-means over the numbers of clusters that were tried, beyond shuffled profiles.
        k: The number of clusters that gave it.
        agreement: Adjusted Rand index of these clusters and the concepts: 0 by chance, 1 if they are the same.
        table: Neurons by concept (rows) and cluster (columns).
    """

    concepts: Excess
    clusters: Excess
    k: int
    agreement: float
    table: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        parts = {name: _facts(getattr(self, name)) for name in ("concepts", "clusters")}
        table = {str(concept): [int(count) for count in self.table.loc[concept]] for concept in self.table.index}
        return {**parts, "k": self.k, "agreement": self.agreement, "table": table}


def cluster_profiles(
    screens: Sequence[Screen], *, scorer: str = "standardized", shuffles: int = 20, seed: int = 0
) -> ProfileClusters:
    """Group the neurons that some screenings of one model selected.

    Args:
        screens: One or more; a neuron of several concepts goes to the first.
        scorer: What a profile is made of.
        shuffles: Shuffled labellings, and shuffled profiles; at least 2.
        seed: Of shuffles and k-means.

    Returns:
        The groups.

    Raises:
        ScreenError: Fewer than two concepts have neurons, there are fewer than three concepts or fewer neurons than
            two for each of these, or there are too few shuffles.
    """
    if shuffles < 2:
        raise ScreenError(f"shuffles={shuffles} cannot show how shuffled labels vary; give at least 2")
    names = [concept for one in screens for concept in one.stats.group.concepts]
    if len(names) < 3:
        raise ScreenError(f"profiles over {', '.join(names)} have no form; at least 3 concepts are needed")
    profiles, labels = _selected([one.stats for one in screens], screens, scorer, seed)
    present = sorted(set(labels.tolist()))
    if len(present) < 2 or len(labels) < 2 * len(present):
        raise ScreenError(f"{len(labels)} neurons of {len(present)} concept(s) cannot be grouped; select more")
    shuffled = zip(*(shuffled_labels(one.stats, shuffles, seed=seed + i) for i, one in enumerate(screens)), strict=True)
    null = [_silhouette(*_selected(list(stats), screens, scorer, seed)) for stats in shuffled]
    k, best, found = _clusters(profiles, len(names), seed)
    generator = random_stream(seed, "shuffled profiles")
    mixed = [_clusters(_shaped(generator.permuted(profiles, axis=0)), len(names), seed)[1] for _ in range(shuffles)]
    counts = pd.crosstab(
        pd.Series([names[i] for i in labels.tolist()], name="concept"), pd.Series(found, name="cluster")
    )
    return ProfileClusters(
        excess_over_random(_silhouette(profiles, labels), null),
        excess_over_random(best, mixed),
        k,
        float(adjusted_rand_score(labels, found)),
        counts.reindex([names[i] for i in present]),
    )


def _selected(stats: Sequence[ActivationStats], screens: Sequence[Screen], scorer: str, seed: int) -> tuple[Any, Any]:
    """Profiles `[neuron concept]` of what the screens' options select from statistics, and each neuron's concept."""
    places: dict[tuple[int, int], int] = {}
    scores: list[Float[Tensor, "concept layer neuron"]] = []
    offset = 0
    for own, screen in zip(stats, screens, strict=True):
        picked = select(own, screen.options)
        rows = zip(picked.concept.tolist(), picked.layer.tolist(), picked.neuron.tolist(), strict=True)
        for concept, layer, neuron in rows:
            places.setdefault((layer, neuron), offset + concept)
        scores.append(profile(own, screen.options, scorer))
        offset += len(own.group.concepts)
    whole = torch.cat(scores)
    # A concept without texts tells nothing of any neuron.
    whole = rearrange(whole, "concept layer neuron -> layer neuron concept").nan_to_num(0.0)
    spread = whole.std((0, 1))
    whole = (whole - whole.mean((0, 1))) / spread.where(spread > 0, 1)
    chosen = list(places)
    if len(chosen) > MAX_NEURONS:
        chosen = [chosen[i] for i in sorted(random_stream(seed, "thinned").permutation(len(chosen))[:MAX_NEURONS])]
    layer, neuron = torch.tensor(chosen, dtype=torch.int64).reshape(-1, 2).unbind(1)
    return _shaped(whole[layer, neuron].numpy()), np.array([places[one] for one in chosen], dtype=np.int64)


def _shaped(profiles: Any) -> Any:
    """Every neuron's profile centred and of length 1."""
    centred = profiles - profiles.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


def _silhouette(profiles: Any, labels: Any) -> float:
    groups = len(set(labels.tolist()))
    return float(silhouette_score(profiles, labels)) if 1 < groups < len(labels) else 0.0


def _clusters(profiles: Any, largest: int, seed: int) -> tuple[int, float, Any]:
    """The number of clusters with the best silhouette, this silhouette, and the cluster of every neuron."""
    tried = []
    for k in range(2, min(largest, len(profiles) - 1) + 1):
        found = KMeans(k, n_init=4, random_state=seed).fit_predict(profiles)
        tried.append((k, _silhouette(profiles, found), found))
    return max(tried, key=lambda one: one[1])


def _facts(found: Excess) -> dict[str, float | None]:
    low, high = found.interval()
    values = {"own": found.own, "null_mean": found.random_mean, "null_sd": found.random_sd, "excess": found.excess}
    values |= {"low": low, "high": high, "p": found.p}
    return {name: None if value != value else value for name, value in values.items()}
