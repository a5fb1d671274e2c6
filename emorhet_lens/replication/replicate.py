"""Which neurons are selected on two corpora, beyond what sets like them would share?

Agreement of two corpora speaks against accidents of one of them. It does not rule out what both have in common:
corpora may share a register, topics, or words that name the concept. Effects on the other corpus are measured by
`effects`, with the neurons of the one and the texts of the other.
"""

from dataclasses import dataclass, replace

import pandas as pd

from emorhet_lens.causal.inference import holm
from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.coincidence import Coincidence, coincide
from emorhet_lens.screening.matching import Background
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import Screen


@dataclass(frozen=True, eq=False)
class Replication:
    """What two screenings of one model share.

    Args:
        names: Of the two screenings.
        pairs: For every concept of the first and of the second, what their sets share. A concept with itself is the
            primary family; other pairs are exploratory and show what is shared by selections of any concept.
        shared: The neurons that both selected for the same concept, ranked as in the first.
        draws: Number of matched draws each way.
        seed: Of the draws.
        warnings: In words, what to keep in mind.
    """

    names: tuple[str, str]
    pairs: dict[tuple[str, str], Coincidence]
    shared: Neurons
    draws: int
    seed: int
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        shared = ", ".join(f"{c} {len(coordinates)}" for c, coordinates in self.shared.sets.items())
        return f"Replication({self.names[0]!r}, {self.names[1]!r}, shared: {shared})"

    def to_dataframe(self) -> pd.DataFrame:
        """One row a pair of concepts: sizes, shared, expected, sd, jaccard, p, and p_holm over the primary family."""
        own = [concepts for concepts in self.pairs if concepts[0] == concepts[1]]
        corrected = dict(zip(own, holm([self.pairs[concepts].p for concepts in own]), strict=True))
        rows = [
            {
                "first": concepts[0],
                "second": concepts[1],
                "family": "primary" if concepts in corrected else "exploratory",
                "n_first": found.n_first,
                "n_second": found.n_second,
                "shared": found.shared,
                "expected": found.expected,
                "sd": found.sd,
                "jaccard": found.jaccard,
                "p": found.p,
                "p_holm": corrected.get(concepts, float("nan")),
            }
            for concepts, found in self.pairs.items()
        ]
        return pd.DataFrame(rows)


def replicate(
    first: Screen,
    second: Screen,
    *,
    names: tuple[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    caliper: float = 0.25,
) -> Replication:
    """Compare the selections of two screenings of one model, concept by concept.

    Args:
        first: A screening.
        second: Another of the same model and site, on other texts.
        names: For tables; the names of the corpora by default.
        draws: Matched draws each way, see `emorhet_lens.screening.coincidence.coincide`.
        seed: Of the draws.
        caliper: Largest distance of a partner, in standard deviations within the layer.

    Returns:
        What they share.

    Raises:
        ScreenError: Model or site differ, no concept is in both, or the two hold the same texts.
    """
    mine, theirs = first.neurons, second.neurons
    mine.model.require_same(theirs.model)
    if mine.site != theirs.site:
        raise ScreenError(f"one screening read site {mine.site!r}, the other {theirs.site!r}; screen both at one site")
    both = [c for c in mine.concepts if c in theirs.concepts and mine.sets[c] and theirs.sets[c]]
    if not both:
        raise ScreenError(
            f"no concept has neurons in both screenings: {', '.join(mine.concepts)} and {', '.join(theirs.concepts)}"
        )
    repeated = first.stats.seen & second.stats.seen
    if repeated in (first.stats.seen, second.stats.seen):
        raise ScreenError(
            "all texts of one screening are in the other; agreement of the same texts is no replication. Screen two "
            "corpora, or two disjoint parts of one"
        )
    warnings = [f"{len(repeated)} texts are in both corpora"] if repeated else []
    for name, screen in (("first", first), ("second", second)):
        missing = [c for c in screen.neurons.concepts if screen.neurons.sets[c] and c not in both]
        warnings += [f"{concept}: only in the {name} screening" for concept in missing]
    backgrounds = (Background.of(first.stats), Background.of(second.stats))
    pairs = {
        (a, b): coincide(mine.sets[a], theirs.sets[b], backgrounds, draws=draws, seed=seed + 2 * i, caliper=caliper)
        for i, (a, b) in enumerate((a, b) for a in both for b in both)
    }
    kept = {
        c: [(at, s) for at, s in zip(mine.sets[c], mine.scores[c], strict=True) if at in theirs.sets[c]] for c in both
    }
    shared = replace(
        mine,
        sets={c: tuple(at for at, _ in kept[c]) for c in both},
        scores={c: tuple(score for _, score in kept[c]) for c in both},
    )
    return Replication(names or (_name(first), _name(second)), pairs, shared, draws, seed, tuple(warnings))


def _name(screen: Screen) -> str:
    return "+".join(str(corpus["name"]) for corpus in screen.stats.options["corpora"])
