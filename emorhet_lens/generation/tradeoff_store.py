"""The folder in which every condition of a trade-off keeps its texts as soon as they are written."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emorhet_lens.errors import StoreError
from emorhet_lens.generation.generate import Generation
from emorhet_lens.store import read_json, write_json

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Condition:
    """What is tried on all prompts.

    Args:
        concept: Towards or away from what; empty for the texts without steering.
        method: Name of the method.
        strength: How strongly; negative pushes away.
    """

    concept: str
    method: str
    strength: float

    @property
    def file(self) -> str:
        """Name of its file."""
        parts = (self.concept, self.method, f"{self.strength:+g}")
        return re.sub(r"[^\w.+-]+", "_", "-".join(part for part in parts if part)) + ".json"


BASE = Condition("", "none", 0.0)
"""The texts without steering."""


@dataclass(frozen=True, eq=False)
class Written:
    """The texts of one condition.

    Args:
        texts: One a prompt.
        nats: Surprise of the unsteered model at each text after its plain prompt, NaN for an empty text.
        seconds: How long writing and reading took, the texts' share of their batch.
    """

    texts: tuple[Generation, ...]
    nats: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class TradeoffFiles:
    """Files of one measurement: `plan.json` and one file a condition.

    Args:
        folder: Holds them.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path, options: dict[str, Any]) -> "TradeoffFiles":
        """Begin a folder, or go on with one of the same measurement; concepts and strengths may be added.

        Raises:
            StoreError: The folder holds another measurement.
        """
        files = cls(folder)
        files.require(options)
        if not (folder / PLAN_FILE).exists():
            write_json(folder / PLAN_FILE, options, kind="tradeoff-plan")
        return files

    def require(self, options: dict[str, Any]) -> None:
        """Refuse a folder of another measurement; writes nothing.

        Raises:
            StoreError: The folder holds one.
        """
        path, mine = self.folder / PLAN_FILE, json.loads(json.dumps(options))
        if not path.exists():
            return
        found = read_json(path, kind="tradeoff-plan")
        differing = sorted(name for name in {*mine, *found} if mine.get(name) != found.get(name))
        if differing:
            raise StoreError(
                f"{self.folder} holds texts written with other {', '.join(differing)}; name another folder, or delete "
                "it"
            )

    def save(self, condition: Condition, written: Written, about: Any) -> None:
        """Keep the texts of a condition."""
        rows = [
            {"prompt": t.prompt, "text": t.text, "mask": t.mask, "prompt_ids": t.prompt_ids, "ids": t.ids}
            | {"ended": t.ended, "nats": None if math.isnan(nats) else nats}
            for t, nats in zip(written.texts, written.nats, strict=True)
        ]
        facts = {"about": about, "seconds": written.seconds, "texts": rows}
        write_json(self._path(condition), facts, kind="tradeoff-texts")

    def load(self, condition: Condition, about: Any) -> Written | None:
        """What `save` kept, or nothing.

        Raises:
            StoreError: The file is damaged, or its texts were written with other neurons, statistics, directions or
                words.
        """
        path = self._path(condition)
        if not path.exists():
            return None
        found = read_json(path, kind="tradeoff-texts")
        if found["about"] != json.loads(json.dumps(about)):
            raise StoreError(
                f"{path} was written by another method {condition.method!r}: its neurons, layer, words, or the "
                "texts that it was computed from differ; name another folder, or delete the file"
            )
        texts = tuple(
            Generation(t["prompt"], t["text"], t["mask"], tuple(t["prompt_ids"]), tuple(t["ids"]), t["ended"])
            for t in found["texts"]
        )
        nats = tuple(math.nan if t["nats"] is None else float(t["nats"]) for t in found["texts"])
        return Written(texts, nats, float(found["seconds"]))

    def _path(self, condition: Condition) -> Path:
        return self.folder / "texts" / condition.file
