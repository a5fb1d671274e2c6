"""What the neurons of two concept groups have in common: neurons, profiles, layers, and groups among them.

Both selections favour the same layers, rates and contributions, so that a hypergeometric test would call nearly every
overlap significant: overlaps are compared with matched draws. They are the primary family, Holm-corrected over all
pairs of concepts; everything else is exploratory. Sharing neurons does not mean that they do the same for both: that is
what `emorhet_lens.association.cross_effects` measures. Texts of the one group may carry concepts of the other, too (an
angry text may be sarcastic), and then an overlap is one of the texts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.association.inputs import require_groups, selection_warnings
from emorhet_lens.association.layer_distance import LayerDistance, layer_distance
from emorhet_lens.association.profile_clusters import ProfileClusters, cluster_profiles
from emorhet_lens.association.profiles import ProfileCorrelation, correlate_profiles
from emorhet_lens.causal.inference import Excess, holm
from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.coincidence import Coincidence, coincide
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.screen import Screen
from emorhet_lens.texts.splitting import random_stream

Pair = tuple[str, str]
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Association:
    """What two groups of concepts share, pair by pair.

    Args:
        first: Concepts of the first group that have neurons.
        second: Those of the second.
        overlaps: Shared neurons beside those of matched draws: the primary family.
        profiles: Correlation of selectivity profiles.
        layers: Distance of layer distributions.
        clusters: Groups among the selected neurons: of the first group, of the second, and of both together; without
            those that have too few neurons or concepts.
        shared: One row a shared neuron: first, second, layer, neuron, and its rank in either set.
        options: How it was computed.
        warnings: In words, what to keep in mind.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    overlaps: Mapping[Pair, Coincidence]
    profiles: Mapping[Pair, ProfileCorrelation]
    layers: Mapping[Pair, LayerDistance]
    clusters: Mapping[str, ProfileClusters]
    shared: pd.DataFrame
    options: dict[str, Any]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Association({', '.join(self.first)} x {', '.join(self.second)}; {len(self.shared)} shared neurons)"

    def to_dataframe(self) -> pd.DataFrame:
        """One row a pair: what `association.csv` holds.

        Returns:
            Columns first, second, n_first, n_second, shared, expected, excess, sd, jaccard, p, p_holm (overlap,
            primary); rho, rho_first_null, rho_first_p, rho_second_null, rho_second_p (profiles; correlations and
            p-values where the labels of the one and of the other group are shuffled, the former as the mean in
            Fisher's z gives them), reliability_first, reliability_second;
            layer_distance, layer_expected, layer_p.
        """
        corrected = dict(zip(self.overlaps, holm([found.p for found in self.overlaps.values()]), strict=True))
        rows = []
        for pair, overlap in self.overlaps.items():
            alike, apart = self.profiles[pair], self.layers[pair]
            rows.append(
                {"first": pair[0], "second": pair[1], "n_first": overlap.n_first, "n_second": overlap.n_second}
                | {"shared": overlap.shared, "expected": overlap.expected}
                | {"excess": overlap.shared - overlap.expected, "sd": overlap.sd, "jaccard": overlap.jaccard}
                | {"p": overlap.p, "p_holm": corrected[pair], "rho": alike.rho}
                | _beside("rho_first", alike.first)
                | _beside("rho_second", alike.second)
                | dict(zip(("reliability_first", "reliability_second"), alike.reliability, strict=True))
                | {"layer_distance": apart.distance, "layer_expected": apart.expected, "layer_p": apart.p}
            )
        return pd.DataFrame(rows)

    def matrix(self, column: str) -> pd.DataFrame:
        """One column of `to_dataframe` with the first group's concepts as rows and the second's as columns."""
        return grid(self.to_dataframe(), column)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is no table, as plain values for JSON."""
        clusters = {name: found.to_dict() for name, found in self.clusters.items()}
        return {"options": self.options, "clusters": clusters, "warnings": list(self.warnings)}


def grid(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of a table of pairs as a matrix, in the order of the table."""
    rows, columns = (list(dict.fromkeys(table[side])) for side in ("first", "second"))
    return table.pivot(index="first", columns="second", values=column).loc[rows, columns]


def associate(
    emotion: Screen,
    rhetoric: Screen,
    *,
    draws: int = 1000,
    scorer: str = "standardized",
    shuffles: int = 40,
    seed: int = 0,
    caliper: float = 0.25,
) -> Association:
    """Compare two screenings of one model for different groups of concepts.

    Args:
        emotion: A screening, here of emotions; it may be of any group.
        rhetoric: Another of the same model and site, for a group with other concepts.
        draws: Matched draws each way, and splits of layers; below about 20 for every pair no overlap can be
            significant, which is warned about.
        scorer: What a neuron's profile is made of.
        shuffles: Shuffled labellings for profiles (all of them) and clusters (half of them); 0 leaves both nulls out.
        seed: Of all draws.
        caliper: Of the matched draws, see `emorhet_lens.screening.coincidence.coincide`.

    Returns:
        The association.

    Raises:
        ScreenError: The sites differ, a concept is in both groups, or a group has no neurons.
        StoreError: The screenings are of different models.
    """
    require_groups(emotion, rhetoric)
    mine, theirs = emotion.neurons.sets, rhetoric.neurons.sets
    own, other = (tuple(c for c, found in sets.items() if found) for sets in (mine, theirs))
    if not own or not other:
        raise ScreenError("one of the two screenings selected no neurons; select with another preset or share")
    pairs = [(a, b) for a in own for b in other]
    # Random numbers belong to the names, so that the order of the concepts changes nothing.
    seeds = {pair: int(random_stream(seed, "overlap", *pair).integers(2**31)) for pair in pairs}
    backgrounds = (Background.of(emotion.stats), Background.of(rhetoric.stats))
    warnings = selection_warnings(emotion, rhetoric)
    if len(pairs) / (1 + draws) > LEVEL:
        warnings.append(
            f"{draws} draws cannot give a Holm-corrected p below {LEVEL} over {len(pairs)} pairs; take "
            f"{math.ceil(len(pairs) / LEVEL)} or more"
        )
    clusters: dict[str, ProfileClusters] = {}
    names = (emotion.stats.group.name, rhetoric.stats.group.name)
    if shuffles:
        for name, part in {names[0]: [emotion], names[1]: [rhetoric], "both": [emotion, rhetoric]}.items():
            try:
                clusters[name] = cluster_profiles(part, scorer=scorer, shuffles=max(2, shuffles // 2), seed=seed)
            except ScreenError as error:
                warnings.append(f"no clusters of {name}: {error}")
    alike = correlate_profiles(emotion, rhetoric, scorer=scorer, shuffles=shuffles, seed=seed)
    return Association(
        own,
        other,
        {
            (a, b): coincide(mine[a], theirs[b], backgrounds, draws=draws, seed=seeds[a, b], caliper=caliper)
            for a, b in pairs
        },
        {pair: alike[pair] for pair in pairs},
        {(a, b): layer_distance(mine[a], theirs[b], draws=draws, seed=seeds[a, b]) for a, b in pairs},
        clusters,
        pd.DataFrame(
            [
                {"first": a, "second": b, "layer": at[0], "neuron": at[1]}
                | {"rank_first": mine[a].index(at) + 1, "rank_second": theirs[b].index(at) + 1}
                for a, b in pairs
                for at in mine[a]
                if at in theirs[b]
            ],
            columns=["first", "second", "layer", "neuron", "rank_first", "rank_second"],
        ),
        {"groups": list(names), "model": emotion.stats.model.to_dict(), "presets": [emotion.preset, rhetoric.preset]}
        | {"draws": draws, "scorer": scorer, "shuffles": shuffles, "seed": seed, "caliper": caliper}
        | {"primary": "overlap against matched draws; Holm over all pairs"},
        tuple(warnings),
    )


def _beside(name: str, found: Excess | None) -> dict[str, float]:
    nothing = float("nan")
    if found is None:
        return {f"{name}_null": nothing, f"{name}_p": nothing}
    return {f"{name}_null": math.tanh(found.random_mean), f"{name}_p": found.p}
