"""The tuned doses of concept sets, of matched random sets, and of the other concepts' sets.

What the loop concludes about a set (its outcome) was looked for on development texts. `conclusions` puts it beside
what the same loop concludes about random sets, which is the rate at which it is wrong. The claim is neither: it is the
excess of the own set over random sets, at their own tuned doses and at its own, on texts that no loop has read.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from emorhet_lens.causal.inputs import MakeMask, sets_digest
from emorhet_lens.causal.steps import ADAPTIVE, OWN, SAME_DOSE
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask import Mask
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.tuning.feedback import Tuning


@dataclass(frozen=True, eq=False, repr=False)
class Tunings:
    """What all loops ended with.

    Args:
        neurons: The concept sets.
        matched: Their random sets; nothing where none were tuned.
        own: By concept.
        random: By concept, one a random set.
        other: By concept whose texts were read, then by concept whose set was masked.
        same_dose: By concept, the random sets' masks at the own set's dose.
        options: How they were tuned.
    """

    neurons: Neurons
    matched: MatchedSets | None
    own: Mapping[str, Tuning]
    random: Mapping[str, tuple[Tuning, ...]]
    other: Mapping[str, Mapping[str, Tuning]]
    same_dose: Mapping[str, tuple[Mask, ...]]
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"Tunings({', '.join(f'{c} {one.outcome}' for c, one in self.own.items())})"

    def masks(self) -> dict[str, MakeMask]:
        """The masks for `effects(masks=...)`, with the seed and n_random of the tuning.

        Returns:
            `adaptive`: every set at the dose that the loop found for it; and, where random sets were tuned,
            `same_dose`: the random sets at the dose of the concept's own set. The test of `adaptive` takes both, see
            `emorhet_lens.causal.outcomes.Effects.excess`.
        """
        kinds = (ADAPTIVE, SAME_DOSE) if self.matched is not None else (ADAPTIVE,)
        return {kind: partial(self.mask_of, kind=kind) for kind in kinds}

    def mask_of(self, neurons: Neurons, kind: str = ADAPTIVE) -> Mask:
        """The mask of a set that was tuned, looked up by its concept and its neurons.

        Args:
            neurons: A concept's own set, or one of its random sets.
            kind: `"adaptive"` or `"same_dose"`.

        Raises:
            EffectsError: The set was not tuned, or the kind is unknown.
            StoreError: The set is of another model.
        """
        if kind not in (ADAPTIVE, SAME_DOSE):
            raise EffectsError(f"kind={kind!r} is unknown; it is {ADAPTIVE!r} or {SAME_DOSE!r}")
        self.neurons.model.require_same(neurons.model)
        for concept, places in neurons.sets.items() if len(neurons.sets) == 1 else ():
            draw = self._draws(concept).get(places)
            if draw is not None:
                mask = self.own[concept].mask
                if draw != OWN:
                    mask = self.random[concept][draw].mask if kind == ADAPTIVE else self.same_dose[concept][draw]
                # Readings that are kept go by the own masks; the name makes them go by the doses of all sets.
                return replace(mask, name=f"{kind} {self.digest[:16]}")
        raise EffectsError(
            f"this set of {len(neurons)} neurons of {', '.join(neurons.sets)} was not tuned; give tune_all and effects "
            "the same neurons, seed and n_random, and only concepts that have both development and test texts"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of sets and doses: equal for tunings that make equal masks."""
        doses = [(one.concept, one.name, one.dose.alpha, one.dose.tau) for one in self._tested()]
        how = {n: self.options[n] for n in ("reference", "difference", "against", "stats", "sets")}
        drawn = None if self.matched is None else sets_digest(self.matched)
        return hashlib.sha256(json.dumps([doses, how, drawn], sort_keys=True).encode()).hexdigest()

    def conclusions(self) -> pd.DataFrame:
        """What the loop alone concludes, of the own set and of sets of which nothing is claimed.

        Returns:
            One row a concept: concept, neurons, texts, base_recall, target, outcome, alpha, tau, masked (neurons at
            that dose), recall (there); random_reached of random_sets, and random_recall (mean at their doses);
            other_reached of other_sets. All on development texts. A reached target is what the loop calls a proof.
        """
        rows = []
        for concept, own in self.own.items():
            random, other = self.random[concept], tuple(self.other[concept].values())
            recalls = [one.final.recall for one in random]
            rows.append(
                {"concept": concept, "neurons": len(self.neurons.sets[concept])}
                | {"texts": self.options["texts"][concept], "base_recall": own.base_recall, "target": own.target}
                | {"outcome": own.outcome, "alpha": own.dose.alpha, "tau": own.dose.tau}
                | {"masked": own.final.neurons, "recall": own.final.recall}
                | {"random_reached": _reached(random), "random_sets": len(random)}
                | {"random_recall": sum(recalls) / len(recalls) if recalls else float("nan")}
                | {"other_reached": _reached(other), "other_sets": len(other)}
            )
        return pd.DataFrame(rows)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a step of every loop: concept, set (`own`, `random0`, `other_fear`, ...) and the trace's columns."""
        tables = [one.to_dataframe().assign(concept=one.concept, set=one.name) for one in self._all()]
        table = pd.concat(tables, ignore_index=True)
        return table[["concept", "set", *(name for name in table.columns if name not in ("concept", "set"))]]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: options without the readout's, and every loop with its trace."""
        lean = {name: value for name, value in self.options.items() if name not in ("readings", "sets")}
        return {"options": lean, "digest": self.digest, "loops": [one.to_json() for one in self._all()]}

    def _tested(self) -> list[Tuning]:
        return [one for concept, own in self.own.items() for one in (own, *self.random[concept])]

    def _all(self) -> list[Tuning]:
        return [*self._tested(), *(one for sets in self.other.values() for one in sets.values())]

    def _draws(self, concept: str) -> dict[tuple[tuple[int, int], ...], int]:
        drawn = () if self.matched is None else self.matched.sets
        places = {one.sets[concept]: k for k, one in enumerate(drawn) if concept in one.sets}
        return places | ({self.neurons.sets[concept]: OWN} if concept in self.own else {})


def _reached(tunings: tuple[Tuning, ...]) -> int:
    return sum(one.outcome == "reached" for one in tunings)
