"""The tables of a measurement of steering, as files that people read."""

from pathlib import Path
from typing import Any

from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.store import write_json, write_text
from emorhet_lens.sweeps.inputs import describe_base


def write_steering(folder: Path, steering: Steering, **facts: Any) -> None:
    """Write what came out.

    Args:
        folder: Gets `steering.csv`, `primary.csv`, `balance.csv` and `steering.json`.
        steering: What came out.
        **facts: Anything that JSON can hold, for `steering.json`.
    """
    tables = {"steering": steering.to_dataframe(), "primary": steering.primary(), "balance": steering.balance}
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    lean = {name: value for name, value in steering.options.items() if name != "readings"}
    asked = [describe_base(one, answers) for one, answers in zip(steering.questions, steering.base, strict=True)]
    report = {"options": lean, "questions": asked, "warnings": list(steering.warnings), **facts}
    write_json(folder / "steering.json", report, kind="steering")
