"""The stages of a study on disk: each has a folder and a note of what it was made with, so that a study can go on.

A stage that is done is not done again, one that was begun goes on from what its folder holds, and one that was made
with other options is refused: results of two sets of options are never mixed.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emorhet_lens.errors import StoreError, StudyError
from emorhet_lens.store import read_json, write_json
from emorhet_lens.study.schema import Study, StudyGroup

StageName = Literal["screen", "validate", "sweep", "induce", "curves", "screen2", "replicate", "link"]
STAGE_FILE = "stage.json"


@dataclass(frozen=True)
class Stage:
    """One step of a study.

    Args:
        group: For which concepts; nothing where it is for both groups.
        name: What is done; `screen2` is the second screening.
        folder: Gets the results.
        options: What makes two of them the same, those of the stages before it included.
    """

    group: StudyGroup | None
    name: StageName
    folder: Path
    options: Mapping[str, Any]

    @property
    def owner(self) -> str:
        """Name of the group, or `both`."""
        return "both" if self.group is None else self.group.name

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.owner}/{self.name}"

    def of_group(self) -> StudyGroup:
        """The group that the stage is for.

        Raises:
            StudyError: It is for both.
        """
        if self.group is None:
            raise StudyError(f"{self.title}: the stage belongs to no single group")
        return self.group

    def is_done(self) -> bool:
        """Whether the results are there.

        Raises:
            StoreError: The folder holds a stage with other options, or its note is damaged.
        """
        path = self.folder / STAGE_FILE
        if not path.exists():
            return False
        found = read_json(path, kind="study-stage")
        mine, theirs = _flat(json.loads(json.dumps(self.options))), _flat(found["options"])
        differing = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
        if differing:
            changes = ", ".join(f"{key} (was {theirs.get(key)!r}, is {mine.get(key)!r})" for key in differing[:4])
            more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
            raise StoreError(
                f"the stage {self.title} in {self.folder} was made with other options: {changes}{more}. Change the "
                f"study file back, give another --out, or delete {self.folder} to make this stage again"
            )
        return bool(found["done"])

    def minutes(self) -> float:
        """How long it has taken so far; 0 where nothing was done."""
        path = self.folder / STAGE_FILE
        return float(read_json(path, kind="study-stage")["minutes"]) if path.exists() else 0.0

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Note the options before the work, and after it, if nothing went wrong, that it is done."""
        spent, started, done = self.minutes(), time.monotonic(), False
        self._write(done, spent)
        try:
            yield
            done = True
        finally:
            self._write(done, spent + (time.monotonic() - started) / 60)

    def _write(self, done: bool, minutes: float) -> None:
        facts = {"options": dict(self.options), "done": done, "minutes": round(minutes, 3)}
        write_json(self.folder / STAGE_FILE, facts, kind="study-stage")


def stages_of(study: Study, folder: Path) -> tuple[Stage, ...]:
    """All stages of a study, in the order in which they are run.

    Args:
        study: The study.
        folder: Gets one folder a group, with one a stage in it, and `link`.
    """
    # Not the device: it changes results by rounding only, and a study may go on elsewhere.
    common = study.model_dump(mode="json", include={"model", "host", "dtype", "seed"})
    found: list[Stage] = []
    screenings: dict[str, Any] = {}
    for group in study.groups:
        place = folder / group.name
        sections = group.model_dump(mode="json", by_alias=True)
        parts = {name: sections.pop(name) for name in ("validate", "sweep", "induce", "curves", "replicate")}
        # Folders from before these options did not ask for them.
        sections = {name: value for name, value in sections.items() if value or name not in ("hub", "drop_unknown")}
        screened = common | {"screen": sections}
        screenings[group.name] = sections
        found.append(Stage(group, "screen", place / "screen", screened))
        if group.validation is not None:
            found.append(Stage(group, "validate", place / "validate", screened | {"validate": parts["validate"]}))
        if group.sweep is not None:
            found.append(Stage(group, "sweep", place / "sweep", screened | {"sweep": parts["sweep"]}))
        if group.induction is not None:
            found.append(Stage(group, "induce", place / "induce", screened | {"induce": parts["induce"]}))
        if group.curves is not None:
            found.append(Stage(group, "curves", place / "curves", screened | {"curves": parts["curves"]}))
        if group.replication is not None:
            # What is measured afterwards changes nothing about the second screening.
            second = {name: parts["replicate"][name] for name in ("corpora", "screen_limit")}
            found.append(Stage(group, "screen2", place / "screen2", screened | {"replicate": second}))
            found.append(Stage(group, "replicate", place / "replicate", screened | {"replicate": parts["replicate"]}))
    if study.link is not None:
        link = {"screens": screenings, "link": study.link.model_dump(mode="json")}
        found.append(Stage(None, "link", folder / "link", common | link))
    return tuple(found)


def _flat(options: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found
