"""What came out when concept neurons were masked: per-example outcomes, the primary tests, and everything else.

The primary family is fixed in advance: for every concept one test of the change of its own margin under its own mask
minus that under matched random sets, Holm-corrected over the concepts of the group, one family a kind of mask. All
other numbers are exploratory. `p_any` is the paired test that passes random sets too; it is there to be compared.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from emorhet_lens.causal.changes import Change, Measure
from emorhet_lens.causal.inference import Excess, bootstrap_interval, excess_over_random, holm, paired_p, weaker
from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import ADAPTIVE, OWN, SAME_DOSE, Step, claims
from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question


@dataclass(frozen=True, eq=False, repr=False)
class Effects:
    """Everything that was read, masked and unmasked.

    Args:
        concepts: Whose neurons were masked.
        masks: Names of the kinds of mask.
        questions: What was asked.
        base: Unmasked answers, one a question.
        masked: Answers by step.
        side: Side effects on neutral text by (mask, masked concept, draw).
        sizes: Number of neurons a concept.
        balance: How well the random sets match, see `Neurons.matched_random`.
        options: How it was measured.
        warnings: What a reader has to know.
    """

    concepts: tuple[str, ...]
    masks: tuple[str, ...]
    questions: tuple[Question, ...]
    base: tuple[Answers, ...]
    masked: Mapping[Step, Answers]
    side: Mapping[tuple[str, str, int], SideEffect]
    sizes: Mapping[str, int]
    balance: pd.DataFrame
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Effects({', '.join(self.masks)} on {', '.join(self.concepts)}; {self.n_random} random sets a concept)"

    @property
    def n_random(self) -> int:
        """Number of random sets a concept."""
        return len({step.draw for step in self.masked} - {OWN})

    @property
    def measure(self) -> Measure:
        """The primary measure: the margin, or accuracy for readouts that give no log-probabilities."""
        return "accuracy" if any(bool(a.log_probs.isnan().any()) for a in self.base) else "margin"

    @property
    def reads(self) -> tuple[str, ...]:
        """All labels that were asked about, in order."""
        return tuple(dict.fromkeys(label for question in self.questions for label in question.labels))

    def change(self, mask: str, masked: str, read: str, draw: int = OWN) -> Change | None:
        """What a mask did to the texts of one label, over all questions that ask for the label.

        Args:
            mask: Name of the kind of mask.
            masked: Whose neurons are masked.
            read: Label of the texts.
            draw: Which random set stands in for them; the concept's own by default.

        Returns:
            The change, or nothing where that was not read.
        """
        pairs = [
            (self.base[step.question], answers)
            for step, answers in self.masked.items()
            if (step.mask, step.masked, step.draw) == (mask, masked, draw) and read in answers.targets
        ]
        if not pairs:
            return None
        found, read_keys = [], []
        for base, answers in pairs:
            keys = [key for key, target in zip(answers.keys, answers.targets, strict=True) if target == read]
            before, after = base.where(keys), answers.where(keys)
            if before.keys != after.keys:
                raise EffectsError("masked and unmasked answers are of different texts; measure them again")
            found.append((after.margin() - before.margin(), before.correct().double(), after.correct().double()))
            read_keys += keys
        # A text that several questions ask about is one observation, or intervals would be too narrow.
        place = {key: index for index, key in enumerate(dict.fromkeys(read_keys))}
        rows = torch.tensor([place[key] for key in read_keys])
        asked = torch.bincount(rows)
        margin, before_correct, after_correct = (
            torch.zeros(len(place), dtype=torch.float64).index_add(0, rows, torch.cat(parts)) / asked
            for parts in zip(*found, strict=True)
        )
        return Change(margin, after_correct - before_correct, float(before_correct.mean()), float(after_correct.mean()))

    def excess_over(self, mask: str, concept: str) -> Excess | None:
        """The concept's own change beyond that of its random sets under one mask; None without random sets."""
        own = self.change(mask, concept, concept)
        draws = [self.change(mask, concept, concept, draw) for draw in range(self.n_random)]
        random = [float(change.of(self.measure).mean()) for change in draws if change is not None]
        if own is None or not random:
            return None
        return excess_over_random(float(own.of(self.measure).mean()), random)

    def excess(self, mask: str, concept: str) -> tuple[str, Excess] | None:
        """What the primary test of a mask and concept compares; nothing without random sets.

        Tuned doses differ, and with them how much changes vary. A set with a high dose stands out among random sets of
        which some have a low one; a set whose loop ended early stands out at its own dose, because that is why it
        ended. So a tuned set has to exceed both its loop-matched random sets and those at its own dose.

        Returns:
            Under which mask the random sets are, and the comparison by the primary measure. For tuned masks that of
            the two with the larger p; where one says that the set does more and the other that it does less, they
            contradict each other, and p is 1.
        """
        kinds = (mask, SAME_DOSE) if mask == ADAPTIVE and SAME_DOSE in self.masks else (mask,)
        return weaker([(kind, one) for kind in kinds if (one := self.excess_over(kind, concept)) is not None])

    def primary(self) -> pd.DataFrame:
        """The primary family: one row a kind of mask and concept.

        Returns:
            Columns mask, concept, neurons, n, own (mean change of the own margin, in nats), random_mean, random_sd,
            excess, low and high (95 %, uncorrected), df, p, p_holm (over the concepts, within the kind of mask),
            against: the mask of the random sets, see `excess`, and family: see `emorhet_lens.causal.steps.claims`.
        """
        rows: list[dict[str, Any]] = []
        for mask in self.masks:
            found = {concept: self.excess(mask, concept) for concept in self.concepts}
            corrected = holm([math.nan if one is None else one[1].p for one in found.values()])
            for (concept, one), p_holm in zip(found.items(), corrected, strict=True):
                change = self.change(mask, concept, concept)
                if one is not None and change is not None:
                    against, excess = one
                    low, high = excess.interval()
                    rows.append(
                        {"mask": mask, "concept": concept, "neurons": self.sizes[concept], "n": len(change.margin)}
                        | {"own": excess.own, "random_mean": excess.random_mean, "random_sd": excess.random_sd}
                        | {"excess": excess.excess, "low": low, "high": high, "df": excess.df}
                        | {"p": excess.p, "p_holm": p_holm, "against": against}
                        | {"family": "primary" if claims(mask, self.masks) else "exploratory"}
                    )
        columns = ("own", "random_mean", "random_sd", "excess", "low", "high", "df", "p", "p_holm", "against", "family")
        return pd.DataFrame(rows, columns=["mask", "concept", "neurons", "n", *columns])

    def matrix(self, mask: str, measure: Measure = "margin") -> pd.DataFrame:
        """Mean change of every label's texts (columns) when each concept (rows) is masked; NaN where not read."""
        values = {
            concept: [
                math.nan if (change := self.change(mask, concept, read)) is None else float(change.of(measure).mean())
                for read in self.reads
            ]
            for concept in self.concepts
        }
        return pd.DataFrame.from_dict(values, orient="index", columns=list(self.reads))

    def to_dataframe(self) -> pd.DataFrame:
        """One row a mask, masked set, read label and draw: what `effects.csv` holds.

        Returns:
            Columns mask, masked, read, control (`own`; `random`, with its draw; `other`, texts of another concept;
            `rest`, texts of the rest), draw, neurons, n, accuracy_base, accuracy_masked, delta (of accuracy) with
            ci_low and ci_high (bootstrap over examples), margin_delta with margin_low and margin_high, excess, p and
            p_holm (the primary test; own rows only), p_any (paired test of this mask alone), specificity (own change
            minus the mean change of the other concepts), ppl_ratio, kl, family (`primary` or `exploratory`).
        """
        tests = {(row.mask, row.concept): row for row in self.primary().itertuples()}
        rows = []
        for mask in self.masks:
            for masked in self.concepts:
                for draw in (OWN, *range(self.n_random)):
                    for read in self.reads:
                        change = self.change(mask, masked, read, draw)
                        if change is not None:
                            rows.append(self._row(mask, masked, read, draw, change, tests.get((mask, masked))))
        return pd.DataFrame(rows)

    def _row(self, mask: str, masked: str, read: str, draw: int, change: Change, test: Any) -> dict[str, Any]:
        seed = int(self.options.get("seed", 0))
        low, high = bootstrap_interval(change.correct, seed=seed)
        margin_low, margin_high = bootstrap_interval(change.margin, seed=seed)
        own = draw == OWN and masked == read
        control = "random" if draw != OWN else "own" if own else "rest" if read == self._rest else "other"
        tested = own and test is not None
        side = self.side.get((mask, masked, draw), SideEffect(math.nan, math.nan, 0))
        return {
            "mask": mask,
            "masked": masked,
            "read": read,
            "control": control,
            "draw": draw if draw != OWN else None,
            "neurons": self.sizes[masked],
            "n": len(change.margin),
            "accuracy_base": change.accuracy_base,
            "accuracy_masked": change.accuracy_masked,
            "delta": float(change.correct.mean()),
            "ci_low": low,
            "ci_high": high,
            "margin_delta": float(change.margin.mean()),
            "margin_low": margin_low,
            "margin_high": margin_high,
            "excess": test.excess if tested else math.nan,
            "p": test.p if tested else math.nan,
            "p_holm": test.p_holm if tested else math.nan,
            "p_any": paired_p(change.of(self.measure)),
            "specificity": self._specificity(mask, masked) if own else math.nan,
            "ppl_ratio": side.ppl_ratio,
            "kl": side.kl,
            "family": "primary" if tested and claims(mask, self.masks) else "exploratory",
        }

    @property
    def _rest(self) -> str | None:
        rest: str | None = self.options.get("rest")
        return rest

    def _specificity(self, mask: str, concept: str) -> float:
        row = {read: self.change(mask, concept, read) for read in self.reads if read != self._rest}
        means = {read: float(change.of(self.measure).mean()) for read, change in row.items() if change is not None}
        own = means.pop(concept, math.nan)
        return own - sum(means.values()) / len(means) if means else math.nan
