"""The folder in which a measurement of effects keeps every reading as it is made."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.causal.options import differing
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.side_effects import SideEffect
from emorhet_lens.causal.steps import Step
from emorhet_lens.errors import StoreError
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.store import read_json, write_json, write_text

PLAN_FILE = "plan.json"
RESULTS = ("answers", "side", "concepts")
"""Folders in which what was measured is kept; the last one is that of a comparison of gates."""


def write_effects(folder: Path, effects: Effects, **facts: Any) -> None:
    """Write the tables that people read.

    Args:
        folder: Gets `effects.csv`, `primary.csv`, `balance.csv` and `effects.json`.
        effects: What came out.
        **facts: Anything that JSON can hold, for `effects.json`.
    """
    tables = {"effects": effects.to_dataframe(), "primary": effects.primary(), "balance": effects.balance}
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    lean = {name: value for name, value in effects.options.items() if name != "readings"}
    asked = [
        {"question": list(question.labels), "source": question.source, "n": len(base), "accuracy": base.accuracy()}
        | {"prompt": base.options.get("prompt"), "recall": {k: v for k, v in base.recall().items() if v == v}}
        for question, base in zip(effects.questions, effects.base, strict=True)
    ]
    report = {"options": lean, "questions": asked, "warnings": list(effects.warnings), **facts}
    write_json(folder / "effects.json", report, kind="effects")


@dataclass(frozen=True)
class EffectFiles:
    """Files of one measurement.

    Args:
        folder: Holds `plan.json`, and one file a step and a side effect.
    """

    folder: Path

    @classmethod
    def open(
        cls, folder: Path | str, options: Mapping[str, Any], *, stale: Literal["refuse", "replace"] = "refuse"
    ) -> "EffectFiles":
        """Begin a folder, or go on with one of the same measurement; a plan without any result is replaced.

        Args:
            folder: The folder.
            options: What makes two measurements the same.
            stale: Whether the readings of another measurement are an error or are deleted.

        Raises:
            StoreError: The folder holds another measurement.
        """
        folder = Path(folder)
        path = folder / PLAN_FILE
        mine = json.loads(json.dumps(options))
        begun = any((folder / part).is_dir() for part in RESULTS)
        if path.exists() and begun:
            others = differing(mine, read_json(path, kind="effect-plan"))
            if others and stale == "replace":
                for part in RESULTS:
                    shutil.rmtree(folder / part, ignore_errors=True)
                write_json(path, mine, kind="effect-plan")
            elif others:
                raise StoreError(
                    f"{folder} holds a measurement with other {', '.join(others)}; name another folder, or delete it"
                )
        else:
            write_json(path, mine, kind="effect-plan")
        return cls(folder)

    def has(self, step: Step) -> bool:
        """Whether a step's answers are there."""
        return self._answers(step).exists()

    def save(self, step: Step, answers: Answers) -> None:
        """Keep a step's answers."""
        answers.save(self._answers(step))

    def load(self, step: Step) -> Answers:
        """A step's answers.

        Raises:
            StoreError: The file is missing or damaged.
        """
        return Answers.load(self._answers(step))

    def save_side(self, mask: str, concept: str, found: list[SideEffect]) -> None:
        """Keep the side effects of a concept's set and its random sets."""
        # As text: JSON has no number for what is not finite.
        draws = [{name: str(value) for name, value in asdict(one).items()} for one in found]
        write_json(self._side(mask, concept), {"draws": draws}, kind="side-effects")

    def load_side(self, mask: str, concept: str) -> list[SideEffect] | None:
        """What `save_side` kept, or nothing."""
        path = self._side(mask, concept)
        if not path.exists():
            return None
        return [
            SideEffect(float(one["ppl_ratio"]), float(one["kl"]), int(one["tokens"]))
            for one in read_json(path, kind="side-effects")["draws"]
        ]

    def _answers(self, step: Step) -> Path:
        return self.folder / "answers" / f"{step.name}.safetensors"

    def _side(self, mask: str, concept: str) -> Path:
        return self.folder / "side" / f"{mask}.{concept}.json"
