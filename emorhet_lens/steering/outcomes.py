"""What came out when texts were pushed towards concepts that they do not have.

The induction rate is the share of texts without a concept that are given it under the mask, minus the share without
the mask. The primary family: for every concept one test of the induction rate at strength 1 of the form `"contrast"`,
Holm-corrected over the concepts. The concept's own neurons have to exceed matched random sets, and these sets again,
scaled until they write as much; the larger p counts. A matched random set is pushed by its own means, which differ less
between concept and rest than those of neurons that were selected for it, so the first comparison alone asks for little.
The second was made part of the test after the measurements in the README had been seen. All other numbers are
exploratory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emorhet_lens.causal.inference import Excess, bootstrap_interval, excess_over_random, holm, weaker
from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import OWN
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.questions import Question
from emorhet_lens.steering.moved import ALL, Moved, join_moved, moved_between
from emorhet_lens.steering.steps import PRIMARY_FORM, PRIMARY_STRENGTH, TESTED, Push


@dataclass(frozen=True, eq=False, repr=False)
class Steering:
    """Everything that was read, unsteered and steered.

    Args:
        concepts: Towards what texts were pushed.
        questions: What was asked.
        base: Unsteered answers, one a question.
        steered: Answers by mask and question, on the texts without the mask's concept.
        side: Side effects on neutral text by mask.
        sizes: Number of neurons a concept.
        balance: How well the random sets match, see `Neurons.matched_random`.
        options: How it was measured.
        warnings: What a reader has to know.
    """

    concepts: tuple[str, ...]
    questions: tuple[Question, ...]
    base: tuple[Answers, ...]
    steered: Mapping[tuple[Push, int], Answers]
    side: Mapping[Push, SideEffect]
    sizes: Mapping[str, int]
    balance: pd.DataFrame
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        cells = {(push.form, push.strength) for push, _ in self.steered}
        return f"Steering({len(cells)} forms and strengths towards {', '.join(self.concepts)}; {self.n_random} draws)"

    @property
    def n_random(self) -> int:
        """Number of draws of every control."""
        return len({push.draw for push, _ in self.steered} - {OWN})

    @property
    def pushes(self) -> tuple[Push, ...]:
        """The masks, sorted."""
        return tuple(sorted({push for push, _ in self.steered}))

    def moved(self, push: Push) -> Moved | None:
        """What a mask did to the texts without its concept, over all questions that ask for it.

        Args:
            push: The mask.

        Returns:
            The texts, or nothing where that was not read.
        """
        found = [
            moved_between(self.base[number].where(answers.keys), answers, push.concept)
            for number in range(len(self.questions))
            if (answers := self.steered.get((push, number))) is not None
        ]
        return join_moved(found) if found else None

    def excess(self, concept: str, measure: str = "rate") -> tuple[str, Excess] | None:
        """The concept's own induction beyond that of matched random sets, at the primary form and strength.

        Args:
            concept: Which one.
            measure: `"rate"`, or `"log_odds"` of the concept, which is exploratory.

        Returns:
            The control of the weaker comparison (`"random"` or `"scaled"`, as far as they were measured), and that
            comparison, see `emorhet_lens.causal.inference.weaker`; nothing without matched random sets.
        """
        own = self._mean(Push(PRIMARY_FORM, PRIMARY_STRENGTH, concept), measure)
        found = []
        for control in TESTED:
            draws = [Push(PRIMARY_FORM, PRIMARY_STRENGTH, concept, control, draw) for draw in range(self.n_random)]
            random = [mean for draw in draws if (mean := self._mean(draw, measure)) is not None]
            if own is None or (control == TESTED[0] and not random):
                return None
            if random:
                found.append((control, excess_over_random(own, random)))
        return weaker(found)

    def primary(self) -> pd.DataFrame:
        """The primary family: one row a concept; empty where it was not measured.

        Returns:
            Columns concept, neurons, n (texts), base_rate, own (induction rate), random_mean, random_sd, excess, low
            and high (95 %, uncorrected), df, p, p_holm, against (the control of the weaker comparison); exploratory
            beside them log_odds_excess (nats) and log_odds_p. p is NaN where the random sets move no text, or all as
            many.
        """
        found = {concept: self.excess(concept) for concept in self.concepts}
        corrected = holm([math.nan if one is None else one[1].p for one in found.values()])
        rows = []
        for (concept, tested), p_holm in zip(found.items(), corrected, strict=True):
            moved = self.moved(Push(PRIMARY_FORM, PRIMARY_STRENGTH, concept))
            odds = self.excess(concept, "log_odds")
            if tested is not None and odds is not None and moved is not None:
                against, one = tested
                low, high = one.interval()
                rows.append(
                    {"concept": concept, "neurons": self.sizes[concept], "n": len(moved.targets)}
                    | {"base_rate": float(moved.before.double().mean()), "own": one.own}
                    | {"random_mean": one.random_mean, "random_sd": one.random_sd, "excess": one.excess}
                    | {"low": low, "high": high, "df": one.df, "p": one.p, "p_holm": p_holm, "against": against}
                    | {"log_odds_excess": odds[1].excess, "log_odds_p": odds[1].p}
                )
        columns = ("own", "random_mean", "random_sd", "excess", "low", "high", "df", "p", "p_holm", "against")
        head, tail = ("concept", "neurons", "n", "base_rate"), ("log_odds_excess", "log_odds_p")
        return pd.DataFrame(rows, columns=[*head, *columns, *tail])

    def to_dataframe(self) -> pd.DataFrame:
        """One row a mask and label of the texts: what `steering.csv` holds.

        Returns:
            Columns form, strength, concept, control, draw, neurons, read (the texts' label, or `all`), n, base_rate,
            rate (share given the concept), change (the induction rate) with low and high (bootstrap over texts, of
            the concept's own neurons only), log_odds (mean change, nats), unmoved (texts not given the concept under
            the mask), unmoved_accuracy_base and unmoved_accuracy (of those, without and under the mask), ppl_ratio and
            kl (on neutral texts, rows `all`), excess, p and p_holm (the primary test), family.
        """
        tests = {row.concept: row for row in self.primary().itertuples()}
        rows: list[dict[str, Any]] = []
        for push in self.pushes:
            moved = self.moved(push)
            if moved is not None:
                rows += [self._row(push, read, moved.of(read), tests) for read in (ALL, *dict.fromkeys(moved.targets))]
        return pd.DataFrame(rows)

    def _row(self, push: Push, read: str, moved: Moved, tests: Mapping[Any, Any]) -> dict[str, Any]:
        own, stayed = push.draw == OWN, ~moved.after
        low, high = bootstrap_interval(moved.change, seed=int(self.options["seed"])) if own else (math.nan, math.nan)
        side = self.side.get(push, SideEffect(math.nan, math.nan, 0)) if read == ALL else None
        test = tests.get(push.concept) if own and push.primary and read == ALL else None
        return {
            "form": push.form,
            "strength": push.strength,
            "concept": push.concept,
            "control": push.control,
            "draw": None if own else push.draw,
            "neurons": self.sizes[push.concept],
            "read": read,
            "n": len(moved.targets),
            "base_rate": float(moved.before.double().mean()),
            "rate": float(moved.after.double().mean()),
            "change": float(moved.change.mean()),
            "low": low,
            "high": high,
            "log_odds": float(moved.log_odds.mean()),
            "unmoved": int(stayed.sum()),
            "unmoved_accuracy_base": float(moved.right_before[stayed].double().mean()),
            "unmoved_accuracy": float(moved.right_after[stayed].double().mean()),
            "ppl_ratio": math.nan if side is None else side.ppl_ratio,
            "kl": math.nan if side is None else side.kl,
            "excess": math.nan if test is None else test.excess,
            "p": math.nan if test is None else test.p,
            "p_holm": math.nan if test is None else test.p_holm,
            "family": "exploratory" if test is None else "primary",
        }

    def _mean(self, push: Push, measure: str) -> float | None:
        moved = self.moved(push)
        if moved is None:
            return None
        return float((moved.change if measure == "rate" else moved.log_odds).mean())
