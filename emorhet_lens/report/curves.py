"""What a report says of what a model writes under a push: rates of a judge beside fluency, and texts to read.

Everything here is exploratory. The strength of each method is the best of several on the very prompts that it is
reported for, which flatters; one judge of words says what a text carries, and its accuracy is that on other texts.
"""

from typing import Any

from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.generation.tradeoff_pictures import tradeoff_picture

SHOWN = 3
_NEURONS = "neurons"


def curves_section(tables: CurveTables) -> dict[str, Any]:
    """Trade-off curves as the report's template takes them.

    Args:
        tables: The measurement.

    Returns:
        The picture, the best fluent strengths, facts of the judge, and texts of the first prompts a concept.

    Raises:
        EmorhetError: matplotlib is not installed.
    """
    judge, options = tables.judge, tables.options
    return {
        "picture": tradeoff_picture(tables.table),
        "judge": judge,
        "across": sorted(judge["across"].items()),
        "recall": [(concept, judge["recall"][concept]) for concept in tables.concepts],
        "prompts": len(options["prompts"]),
        "tokens": options.get("max_new_tokens", 40),
        "tried": ", ".join(
            f"{name} {' '.join(f'{strength:g}' for strength in strengths)}"
            for name, strengths in options["methods"].items()
        ),
        "fluent": tables.fluent,
        "repetition": float(tables.table.loc[tables.table["method"] == "none", "repetition"].iloc[0]),
        "rows": tables.best.to_dict("records"),
        "examples": [_examples(tables, concept) for concept in tables.concepts],
        "minutes": tables.minutes,
    }


def _examples(tables: CurveTables, concept: str) -> dict[str, Any]:
    """Texts of the first prompts without a push, and under the concept's neurons where texts are still fluent."""
    strength = tables.strength(concept, _NEURONS)
    plain = tables.written("", "none", 0.0).head(SHOWN).to_dict("records")
    pushed: list[dict[Any, Any]] = []
    if strength is not None:
        pushed = tables.written(concept, _NEURONS, strength).head(SHOWN).to_dict("records")
    return {
        "concept": concept,
        "strength": strength,
        "pairs": [(bare["prompt"], bare, own) for bare, own in zip(plain, pushed, strict=False)],
    }
