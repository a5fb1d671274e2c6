"""When two measurements are the same, so that one may go on with what the other kept."""

import json
import math
from collections.abc import Mapping
from typing import Any

FITTED = {"prior": 1e-2, "fingerprint": 1e-3}
"""What is computed with the model, by name, and how far it may differ: another device or number of threads rounds
differently. Everything else is compared exactly."""


def differing(options: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of the options that differ from those of what was found in a folder.

    Args:
        options: Anything that JSON can hold, by name.
        found: What was written there, as JSON gives it back.
    """
    mine = json.loads(json.dumps(options))
    return [name for name, value in mine.items() if not _alike(value, found.get(name), FITTED.get(name, 0.0))]


def _alike(mine: Any, found: Any, tolerance: float) -> bool:
    """Equal, but for the rounding of what was fitted."""
    if isinstance(mine, float) and isinstance(found, float):
        return math.isclose(mine, found, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(mine, dict) and isinstance(found, dict):
        pairs = ((value, found[name], FITTED.get(name, tolerance)) for name, value in mine.items() if name in found)
        return mine.keys() == found.keys() and all(_alike(*pair) for pair in pairs)
    if isinstance(mine, list) and isinstance(found, list):
        return len(mine) == len(found) and all(_alike(a, b, tolerance) for a, b in zip(mine, found, strict=True))
    return bool(mine == found)
