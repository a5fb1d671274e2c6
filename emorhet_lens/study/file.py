"""Read a study from a TOML or YAML file, with complaints that name the key and what is allowed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from emorhet_lens.errors import StudyError
from emorhet_lens.study.curves_section import CurvesSection
from emorhet_lens.study.schema import Study, StudyGroup
from emorhet_lens.study.sections import (
    InduceSection,
    LinkSection,
    ReplicateSection,
    SweepSection,
    ValidateSection,
)


def load_study(path: Path | str) -> Study:
    """Read a study from a TOML or YAML file and check all of it.

    Args:
        path: The file; `.yaml` and `.yml` are YAML, all others TOML. Files that it names are relative to the folder
            in which the command runs.

    Returns:
        The study.

    Raises:
        StudyError: The file is missing or unreadable, or something in it is unknown, missing or of the wrong type;
            the message names every such key and what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"there is no study file {path}")
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.safe_load(text) if path.suffix.lower() in (".yaml", ".yml") else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as cause:
        raise StudyError(f"{path} cannot be read: {cause}") from cause
    try:
        return Study.model_validate(raw)
    except ValidationError as cause:
        raise StudyError(f"{path} cannot be used: {'; '.join(_complaints(cause))}") from cause


def _complaints(error: ValidationError) -> list[str]:
    found = [(one["loc"], one) for one in error.errors(include_url=False)]
    # A list whose members are wrong is also called too short.
    inner = [loc for loc, _ in found]
    kept = [
        (loc, one) for loc, one in found if not any(len(other) > len(loc) == _common(loc, other) for other in inner)
    ]
    return [f"{_key(loc)}: {_words(loc, one)}" for loc, one in kept]


def _common(first: tuple[Any, ...], second: tuple[Any, ...]) -> int:
    return next(
        (k for k, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def _key(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "the file"


def _words(loc: tuple[int | str, ...], one: Any) -> str:
    if one["type"] == "extra_forbidden":
        return f"unknown key; there are {', '.join(_keys(loc[:-1]))}"
    if one["type"] == "missing":
        return "is missing"
    words = str(one["msg"]).removeprefix("Value error, ").replace("valid tuple", "list").replace("Tuple", "List")
    words = re.sub("valid dictionary or instance of .*", "table", words)
    return (
        words
        if one["type"] == "value_error" and not isinstance(one["input"], str | int | float)
        else (f"{words}, got {one['input']!r}")
    )


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the table at a place of the file."""
    tables: dict[str, type[BaseModel]] = {
        "groups": StudyGroup, "validate": ValidateSection, "sweep": SweepSection, "induce": InduceSection,
        "curves": CurvesSection, "replicate": ReplicateSection, "link": LinkSection,
    }  # fmt: skip
    named = [part for part in loc if isinstance(part, str)]
    table = tables[named[-1]] if named else Study
    return [field.alias or name for name, field in table.model_fields.items()]
