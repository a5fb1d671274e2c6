"""Compare a plain and a gated mask concept by concept; each concept is kept when it is done where a folder is given."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.causal.neutral import Neutral
from emorhet_lens.causal.text_costs import text_costs
from emorhet_lens.errors import MaskError
from emorhet_lens.gates.arms import GATED, PLAIN, RANDOM, Arm, ConceptGates, Kind, dose_for, masked_at
from emorhet_lens.gates.calibration import calibrate_gate
from emorhet_lens.gates.outcomes import GateComparison
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.masking import Masking
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize, Hooks
from emorhet_lens.readouts.readout import Reading
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.store import read_json, write_json
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.tuning.dev_readings import DevReadings

KIND = "gate-concept"
MakeArm = Callable[[float], Masking]


@dataclass(frozen=True, eq=False)
class GatePlan:
    """What will be compared.

    Args:
        neurons: The sets.
        matched: Their random sets; nothing without random gates.
        stats: Of the screening.
        calibrate: Development texts on which gates are calibrated.
        tuning: Prepared questions about other development texts, on which doses are looked for.
        tests: Prepared questions about the test texts.
        neutral: Texts for the cost.
        mask: What is done to the neurons.
        doses: Which are read on the tuning texts.
        target: The drop at which arms are compared; by default the largest that both reach.
        batch_size: Of the passes that calibrate gates.
        options: How it is measured.
        warnings: What a reader has to know.
        folder: Where every concept is kept.
    """

    neurons: Neurons
    matched: MatchedSets | None
    stats: ActivationStats
    calibrate: Corpus
    tuning: DevReadings
    tests: tuple[Reading, ...]
    neutral: Neutral
    mask: Kind
    doses: tuple[float, ...]
    target: int | float | None
    batch_size: BatchSize
    options: dict[str, Any]
    warnings: tuple[str, ...]
    folder: Path | None

    @property
    def remaining(self) -> tuple[str, ...]:
        """The concepts that are not kept yet."""
        return tuple(c for c in self.neurons.concepts if self.folder is None or not self._file(c).exists())

    @property
    def texts(self) -> int:
        """How many texts still have to go through the model at most, calibration included."""
        random, found = 0 if self.matched is None else len(self.matched.sets), 0
        for concept in self.remaining:
            tested = sum(e.label == concept for reading in self.tests for e in reading.encoded.corpus)
            found += (1 + random) * len(self.calibrate) + (3 + random) * tested + (2 + random) * len(self.neutral)
            found += (2 + random) * len(self.doses) * self.tuning.base[concept].texts
        return found

    @property
    def minutes(self) -> float:
        """Predicted duration, from the time that the unmasked texts took; the price of the masks comes on top."""
        return self.texts * self.tuning.seconds_per_text / 60

    def run(self, model: LensModel, *, progress: bool = True) -> GateComparison:
        """Compare the concepts that are missing.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show a progress bar.

        Returns:
            The comparison.

        Raises:
            StoreError: It is another model, or a kept concept is damaged.
            ModelError: The model answers with NaN.
        """
        found = []
        for concept in tqdm(self.neurons.concepts, desc="gates", disable=not progress):
            if self.folder is not None and self._file(concept).exists():
                one = ConceptGates.from_json(read_json(self._file(concept), kind=KIND))
            else:
                one = self._compare(model, concept)
                if self.folder is not None:
                    write_json(self._file(concept), one.to_json(), kind=KIND)
            found.append(one)
        return GateComparison(tuple(found), self.options, self.warnings)

    def _compare(self, model: LensModel, concept: str) -> ConceptGates:
        makers, arms = self._makers(model, concept)
        target = 0.0
        if GATED in makers:
            ladders = {name: self._ladder(model, concept, make) for name, make in makers.items()}
            reachable = min(max(ladders[PLAIN]), max(ladders[GATED]))
            target = reachable if self.target is None else float(self.target)
            doses = {name: dose_for(drops, self.doses, target) for name, drops in ladders.items()} if target > 0 else {}
            taken = {name: self.doses[-1] if dose is None else dose for name, dose in doses.items()}
            masks = {name: makers[name](dose) for name, dose in taken.items()}
            drops, costs = self._drops(model, concept, masks), self._costs(model, masks)
            for name, ladder in ladders.items():
                measured: dict[str, Any] = {"ladder": tuple(ladder)}
                if name in masks:
                    measured |= {"alpha": taken[name], "reached": doses[name] is not None, "drops": drops[name]}
                    measured |= costs[name]
                arms[name] = replace(arms[name], **measured)
        return ConceptGates(concept, len(self.neurons[concept]), float(target), tuple(arms.values()))

    def _makers(self, model: LensModel, concept: str) -> tuple[dict[str, MakeArm], dict[str, Arm]]:
        """From a dose to a mask, for every arm that can be measured; and the arms, the others with their reason."""
        own = self.neurons[concept]

        def plain(dose: float) -> Mask:
            return masked_at(own, self.stats, self.mask, dose)

        def behind(gate: Gate) -> MakeArm:
            return lambda dose: Gated(plain(dose), gate)

        sets = {GATED: own}
        if self.matched is not None:
            sets |= {f"{RANDOM}-{draw}": one[concept] for draw, one in enumerate(self.matched.sets)}
        makers: dict[str, MakeArm] = {PLAIN: plain}
        arms = {PLAIN: Arm(PLAIN)}
        for name, neurons in sets.items():
            how: dict[str, Any] = {"concept": concept, "batch_size": self.batch_size, "progress": False}
            try:
                gate = calibrate_gate(model, neurons, self.calibrate, self.stats, **how)
            except MaskError as error:
                arms[name] = Arm(name, str(error))
            else:
                makers[name], arms[name] = behind(gate), Arm(name, shut=len(gate.shut) / len(gate.layers))
        return makers, arms

    def _ladder(self, model: LensModel, concept: str, make: MakeArm) -> list[float]:
        """How far the mean margin of the tuning texts falls at every dose."""
        base = self.tuning.base[concept].margin
        return [base - self.tuning.score(model, concept, make(dose))[0].margin for dose in self.doses]

    def _drops(self, model: LensModel, concept: str, masks: Mapping[str, Masking]) -> dict[str, tuple[float, ...]]:
        """How far the margin of every test text of the concept falls under each mask."""
        asked = [r for r in self.tests if any(example.label == concept for example in r.encoded.corpus)]

        def margins(hooks: Hooks | None) -> Float[Tensor, " example"]:
            return torch.cat([r.read(model, hooks, only=concept, progress=False).margin() for r in asked])

        base = margins(None) if masks else torch.empty(0)
        on = {name: mask.by_batch(model, where=self.tuning.where) for name, mask in masks.items()}
        return {name: tuple((base - margins(hooks)).tolist()) for name, hooks in on.items()}

    def _costs(self, model: LensModel, masks: Mapping[str, Masking]) -> dict[str, dict[str, tuple[float, ...]]]:
        """Divergence and log perplexity ratio of every neutral text under each mask."""
        hooks = [mask.by_batch(model, where=self.tuning.where) for mask in masks.values()]
        rows = text_costs(model, self.neutral, hooks, progress=False) if masks else []
        return {
            name: {"kl": tuple(row[i].kl for row in rows), "log_ppl": tuple(math.log(row[i].ppl_ratio) for row in rows)}
            for i, name in enumerate(masks)
        }

    def _file(self, concept: str) -> Path:
        assert self.folder is not None
        return self.folder / "concepts" / f"{concept}.json"
