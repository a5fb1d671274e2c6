"""The folder in which a feedback loop keeps every step as it is made: one small file a step."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emorhet_lens.causal.options import differing
from emorhet_lens.errors import EffectsError, StoreError
from emorhet_lens.store import read_json, write_json
from emorhet_lens.tuning.dose_search import Trial

PLAN_FILE = "tuning-plan.json"


@dataclass(frozen=True)
class TuningFiles:
    """Files of the loops of one tuning.

    Args:
        folder: Holds `tuning-plan.json`, and one file a step under `tuning`.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path | str, options: Mapping[str, Any]) -> "TuningFiles":
        """Begin a folder, or go on with one of the same tuning.

        Args:
            folder: The folder; it may hold a measurement of effects, too.
            options: What makes two tunings the same.

        Raises:
            StoreError: The folder holds another tuning.
        """
        folder = Path(folder)
        path = folder / PLAN_FILE
        mine = json.loads(json.dumps(options))
        if path.exists():
            others = differing(mine, read_json(path, kind="tuning-plan"))
            if others:
                raise StoreError(
                    f"{folder} holds a tuning with other {', '.join(others)}; name another folder, or delete it"
                )
        else:
            write_json(path, mine, kind="tuning-plan")
        return cls(folder)

    def load(self, concept: str, name: str) -> list[Trial]:
        """The steps of one loop that were kept, from the first on without a gap.

        Raises:
            StoreError: A file is damaged.
        """
        trials: list[Trial] = []
        while (path := self._path(concept, name, len(trials))).exists():
            trials.append(Trial.from_json(read_json(path, kind="tuning-step")))
        return trials

    def save(self, concept: str, name: str, index: int, trial: Trial) -> None:
        """Keep one step."""
        write_json(self._path(concept, name, index), trial.to_json(), kind="tuning-step")

    def _path(self, concept: str, name: str, index: int) -> Path:
        return self.folder / "tuning" / f"{concept}.{name}.{index}.json"


def require_names(concepts: Mapping[str, Any]) -> None:
    """Refuse concepts whose names are not fit for files.

    Raises:
        EffectsError: A name holds something else than letters, digits, - and _.
    """
    unfit = [name for name in concepts if not name.replace("_", "").replace("-", "").isalnum()]
    if unfit:
        raise EffectsError(f"concepts need names of letters, digits, - and _, got {unfit}")
