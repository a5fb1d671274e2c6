"""What a report says of effects: every kind of mask in numbers and pictures, and all of them in words."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from emorhet_lens.causal.pictures import excess_picture, matrix_picture
from emorhet_lens.causal.steps import ADAPTIVE, SAME_DOSE, claims
from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.report.verdicts import MATTERS, Verdict, verdicts

KINDS = MappingProxyType(
    {
        "zero": "The neurons' activations were set to zero.",
        "mean": "The neurons' activations were replaced by their mean over the screening texts.",
        "attenuate": "The neurons' activations were lowered, the further the larger they were.",
        ADAPTIVE: (
            "The neurons' activations were lowered by the dose that the feedback loop found on development texts. A "
            "claim needs more harm than two kinds of random sets do: those for which the same loop looked for a dose, "
            "and those that were given the concept's. A row shows the weaker of the two comparisons."
        ),
        SAME_DOSE: (
            "One of the two comparisons of adaptive masks by itself: the random sets have the concept's own dose, for "
            "which no loop looked on their behalf. It carries no claim of its own."
        ),
    }
)


def effects_section(tables: EffectTables) -> dict[str, Any]:
    """Effects as the report's template takes them.

    Args:
        tables: The effects.

    Returns:
        What was asked, one entry a kind of mask with its tests, costs and pictures, and the words.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    found = verdicts(tables)
    return {
        "measure": tables.measure,
        "unit": tables.unit,
        "n_random": tables.n_random,
        "kinds": [_kind(tables, mask, _established(found, mask)) for mask in tables.masks],
        "asked": [
            {"name": one.question.name, "n": one.n, "accuracy": one.accuracy, "chance": one.chance}
            for one in tables.asked
        ],
        "warnings": tables.warnings,
        "minutes": tables.minutes,
        "words": _words(tables, found),
    }


def _kind(tables: EffectTables, mask: str, established: list[str]) -> dict[str, Any]:
    own = tables.own(mask)
    rows = []
    for row in tables.primary[tables.primary["mask"] == mask].to_dict("records"):
        mine, random = own[row["concept"]], tables.random(mask, row["concept"])
        found: dict[str, Any] = {str(name): value for name, value in row.items()}
        for name in ("ppl_ratio", "kl"):
            found |= {name: mine[name], f"random_{name}": float(random[name].mean())}
        rows.append(found | {"recall": mine["accuracy_base"], "recall_masked": mine["accuracy_masked"]})
    return {
        "mask": mask,
        "what": KINDS.get(mask, ""),
        "rows": rows,
        "claims": claims(mask, tables.masks),
        "two": any(row["against"] != mask for row in rows),
        "established": established,
        "excess": excess_picture(tables, mask),
        # The concepts' own masks are those of `adaptive`.
        "matrix": None if mask == SAME_DOSE else matrix_picture(tables.matrix(mask), tables.unit),
    }


def _words(tables: EffectTables, found: Sequence[Verdict]) -> dict[str, Any]:
    masks = [mask for mask in tables.masks if claims(mask, tables.masks)]
    by_concept: dict[str, dict[str, Any]] = {}
    for one in found:
        if one.mask in masks:
            by_concept.setdefault(one.concept, {})[one.mask] = one
    shown = {mask: _established(found, mask) for mask in masks}
    return {
        "masks": masks,
        "concepts": by_concept,
        "established": shown,
        "only_adaptive": [
            (concept, zero.word if (zero := by_concept[concept].get("zero")) is not None else "not measured")
            for concept in shown.get(ADAPTIVE, [])
            if concept not in shown.get("zero", [])
        ],
        "compared": {ADAPTIVE, "zero"} <= set(masks),
        "matters": MATTERS[tables.measure],
    }


def _established(found: Sequence[Verdict], mask: str) -> list[str]:
    """Concepts of which a kind of mask establishes a harm."""
    return [one.concept for one in found if one.mask == mask and one.word == "established"]
