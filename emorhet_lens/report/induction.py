"""What a report says of induction: how many texts followed a push, beside what random sets and noise do."""

from typing import Any

import pandas as pd

from emorhet_lens.report.gains import MATTERS_RATE, judge_gain
from emorhet_lens.steering.rate_pictures import rates_picture
from emorhet_lens.steering.steps import PRIMARY_FORM, PRIMARY_STRENGTH
from emorhet_lens.steering.tables import SteeringTables

FORMS = {
    "contrast": "strength times the difference of the means of the concept and of the rest was added to every neuron",
    "zheng2026": "strength times the mean on texts of the concept was added, as in Zheng et al. (2026); where that "
    "mean is below zero this pushes a neuron down",
    "quantile": "neurons were set to a high quantile of their activations on the concept",
    "extreme": "neurons were set to their largest activation on the concept",
    "amplify": "activations were multiplied by one plus the strength",
}
CONTROLS = {
    "random": "matched random sets, pushed by their own means",
    "scaled": "the same sets, scaled until they write as much as the concept's own neurons",
    "noise": "a random shift of random columns that writes as much",
}


def induction_section(tables: SteeringTables) -> dict[str, Any]:
    """Induction as the report's template takes it.

    Args:
        tables: The measurement.

    Returns:
        The words, one entry a form with rates, costs and a picture, and notes.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    words = _words(tables)
    return {
        "form": PRIMARY_FORM,
        "strength": PRIMARY_STRENGTH,
        "matters": MATTERS_RATE,
        "n_random": tables.options["n_random"],
        "words": words,
        "established": [one["concept"] for one in words if one["word"] == "established"],
        "controls": [(name, CONTROLS[name]) for name in tables.controls],
        "forms": [_form(tables, form) for form in tables.forms],
        "warnings": tables.warnings,
        "minutes": tables.minutes,
    }


def _form(tables: SteeringTables, form: str) -> dict[str, Any]:
    rates = tables.rates(form)
    nothing = {f"{name}{part}": float("nan") for name in CONTROLS for part in ("", "_ppl_ratio", "_kl")}
    return {
        "form": form,
        "what": FORMS.get(form, ""),
        "rows": [nothing | row for row in rates.to_dict("records")],
        "picture": rates_picture(tables, form),
        "costs": bool(rates["ppl_ratio"].notna().any()),
    }


def _words(tables: SteeringTables) -> list[dict[str, Any]]:
    """A verdict a concept of the primary family, with what pushes of equal length did beside it."""
    if tables.primary.empty:
        return []
    rates = tables.rates(PRIMARY_FORM)
    beside = rates[rates["strength"] == PRIMARY_STRENGTH].set_index("concept")
    found = []
    for row in tables.primary.to_dict("records"):
        word, reason = judge_gain({str(k): v for k, v in row.items()}, matters=MATTERS_RATE, unit="of the texts")
        found.append(
            {"concept": row["concept"], "word": word, "reason": reason, "own": row["own"], "n": row["n"]}
            | {"beside": _beside(beside.loc[row["concept"]], tables.controls)}
        )
    return found


def _beside(row: pd.Series, controls: tuple[str, ...]) -> str:
    """The controls that push as hard, and whether one of their draws did as much."""
    said = []
    for control, name in (("scaled", "random sets that write as much"), ("noise", "noise that writes as much")):
        if control in controls:
            reached = ", one of them as many or more" if row[f"{control}_high"] >= row["own"] else ""
            said.append(f"{name} {row[control]:+.3f} on average{reached}")
    return "; ".join(said)
