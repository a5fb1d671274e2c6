"""The control that a feedback loop needs: the same loop, with the same budget, on sets of which nothing is claimed.

A loop that raises the dose until recall falls finds such a dose for many sets. So it is run on the concept's own set,
on its matched random sets, and on the other concepts' sets, all against the concept's development texts. The masks that
it ends with go into `effects` on texts that no loop has read; the excess there is the claim.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import EffectsError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.feedback import FeedbackLoop, Tuning
from emorhet_lens.tuning.tune import prepare_loop
from emorhet_lens.tuning.tunings import Tunings


def tune_all(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    *,
    stats: ActivationStats,
    n_random: int = 8,
    seed: int = 0,
    others: bool = True,
    folder: Path | None = None,
    progress: bool = True,
    **options: Any,
) -> Tunings:
    """Tune every concept's set, its matched random sets and the other concepts' sets; `plan_tunings` tells the cost.

    Args:
        model: The model that the neurons are of, in evaluation mode.
        neurons: One set a concept. Random sets depend on which concepts there are: leave out those without test texts.
        dev: Development texts; the test texts must not be among them.
        stats: Of the screening.
        n_random: Random sets a concept: those that `effects` draws with the same seed. 0 for none.
        seed: Of random sets, halves and draws of texts.
        others: Whether the other concepts' sets are tuned against each concept.
        folder: Where every step is kept as it is made; the same call goes on from there.
        progress: Whether to show progress bars.
        **options: Further arguments of `tune.prepare_loop`, such as readout, delta, search and budget.

    Returns:
        All tuned doses, with the masks for `effects`. Errors are those of `emorhet_lens.tune`, and `ScreenError` where
        the neurons carry nothing to match random sets by.
    """
    plan = plan_tunings(
        model,
        neurons,
        dev,
        stats=stats,
        n_random=n_random,
        seed=seed,
        others=others,
        folder=folder,
        progress=progress,
        **options,
    )
    return plan.run(model, progress=progress)


@dataclass(frozen=True, eq=False)
class TuningPlan:
    """The loops that will run, with the unmasked recalls that were needed to say what they cost.

    Args:
        neurons: The concept sets.
        matched: Their random sets.
        others: Whether the other concepts' sets are tuned against each concept.
        loop: What all loops have in common.
    """

    neurons: Neurons
    matched: MatchedSets | None
    others: bool
    loop: FeedbackLoop

    @property
    def texts(self) -> int:
        """The most texts that still go through the model; loops that end early need fewer."""
        return sum(self.loop.texts(concept, name) for concept, name, _ in self._jobs())

    @property
    def minutes(self) -> float:
        """Predicted duration at most, from the time that the unmasked answers took."""
        return self.texts * self.loop.readings.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> Tunings:
        """Run the loops, from where they stopped.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show a progress bar.

        Returns:
            All tuned doses.

        Raises:
            ModelError: The model answers with NaN.
            StoreError: It is another model, or a kept step is damaged.
        """
        found: dict[tuple[str, str], Tuning] = {}
        for concept, name, one in tqdm(list(self._jobs()), desc="feedback loops", disable=not progress):
            found[concept, name] = self.loop.run(model, one, concept, name)
        concepts = self.neurons.concepts
        drawn = () if self.matched is None else self.matched.sets
        own = {concept: found[concept, "own"] for concept in concepts}
        return Tunings(
            neurons=self.neurons,
            matched=self.matched,
            own=own,
            random={c: tuple(found[c, f"random{k}"] for k in range(len(drawn))) for c in concepts},
            other={c: {d: found[c, f"other_{d}"] for d in concepts if (c, f"other_{d}") in found} for c in concepts},
            same_dose={c: tuple(self.loop.mask(one[c], own[c].dose, c) for one in drawn) for c in concepts},
            options=self.loop.options,
        )

    def _jobs(self) -> Iterator[tuple[str, str, Neurons]]:
        """Concept whose texts are read, name of the set, and the set."""
        for concept in self.neurons.concepts:
            yield concept, "own", self.neurons[concept]
            for draw, one in enumerate(() if self.matched is None else self.matched.sets):
                yield concept, f"random{draw}", one[concept]
            for other in self.neurons.concepts if self.others else ():
                if other != concept:
                    yield concept, f"other_{other}", self.neurons[other]


def plan_tunings(
    model: LensModel,
    neurons: Neurons,
    dev: Corpus,
    *,
    stats: ActivationStats,
    n_random: int = 8,
    seed: int = 0,
    others: bool = True,
    folder: Path | None = None,
    progress: bool = True,
    **options: Any,
) -> TuningPlan:
    """Draw the random sets, read the unmasked recalls, and say what the loops will cost at most.

    Args and errors are those of `tune_all`.
    """
    concepts = [concept for concept in neurons.concepts if neurons.sets[concept]]
    if not concepts:
        raise EffectsError("there are no neurons to tune; every set is empty")
    # As `effects` leaves empty sets out, so that the random sets are the same.
    parts = {name: {c: getattr(neurons, name)[c] for c in concepts} for name in ("sets", "scores")}
    tested = replace(neurons, sets=parts["sets"], scores=parts["scores"])
    matched = tested.matched_random(seed=seed, n=n_random) if n_random else None
    sets = {"own": tested} | {f"random{k}": one for k, one in enumerate(() if matched is None else matched.sets)}
    loop = prepare_loop(model, dev, concepts, sets, stats=stats, seed=seed, folder=folder, progress=progress, **options)
    return TuningPlan(tested, matched, others, loop)
