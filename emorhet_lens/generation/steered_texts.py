"""Texts written with and without a mask, side by side, with how well each of them reads.

A text that changes under a mask shows that the mask does something. Whether it carries the concept is for a judge to
say, and whether these neurons were needed for it, for matched random sets: see `emorhet_lens.generation.tradeoff`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import MaskError
from emorhet_lens.generation.fluency import Fluency, fluency
from emorhet_lens.generation.generate import Generation, generate
from emorhet_lens.masks.masking import Masking
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.steering.induction import Form, induce
from emorhet_lens.store import write_json, write_text


@dataclass(frozen=True, eq=False)
class SteeredTexts:
    """Pairs of texts.

    Args:
        unsteered: One text a prompt.
        steered: The same under the mask.
        fluency: Of the unsteered texts, and of the steered ones.
        model: The model that wrote.
        options: How it was done.
    """

    unsteered: tuple[Generation, ...]
    steered: tuple[Generation, ...]
    fluency: tuple[tuple[Fluency, ...], tuple[Fluency, ...]]
    model: ModelIdentity
    options: dict[str, Any]

    def to_dataframe(self) -> pd.DataFrame:
        """One row a prompt.

        Columns: prompt; unsteered and steered, the texts; changed; and for both kinds, with the kind before it:
        ended, perplexity (of the model without the mask), repetition (share of repeated runs of four words),
        distinct_1, distinct_2.
        """
        rows = []
        for bare, pushed, *read in zip(self.unsteered, self.steered, *self.fluency, strict=True):
            row: dict[str, Any] = {"prompt": bare.prompt, "unsteered": bare.text, "steered": pushed.text}
            row["changed"] = bare.ids != pushed.ids
            for kind, text, how in (("unsteered", bare, read[0]), ("steered", pushed, read[1])):
                numbers = {"perplexity": how.perplexity, "repetition": how.repetition}
                numbers |= {"distinct_1": how.distinct_1, "distinct_2": how.distinct_2}
                row |= {f"{kind}_{name}": value for name, value in {"ended": text.ended, **numbers}.items()}
            rows.append(row)
        return pd.DataFrame(rows)

    def save(self, folder: Path | str) -> None:
        """Write `generations.json` and `generations.csv` into a folder."""
        folder, table = Path(folder), self.to_dataframe()
        rows = [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]
        facts = {"model": self.model.to_dict(), "options": self.options, "generations": rows}
        write_json(folder / "generations.json", facts, kind="generations")
        write_text(folder / "generations.csv", table.to_csv(index=False))


def concept_mask(
    neurons: Neurons, stats: ActivationStats, strengths: Mapping[str, float], *, form: Form = "contrast"
) -> Masking:
    """A mask that pushes towards some concepts and away from others at once.

    Args:
        neurons: Sets of all these concepts.
        stats: Of the screening texts.
        strengths: Concept to strength; negative pushes away. Where forms do not commute, the first one acts first.
        form: See `emorhet_lens.steering.induction.induce`.

    Raises:
        MaskError: There is no concept, one is unknown or has no neurons, or a strength is 0 or not finite.
    """
    if not strengths:
        raise MaskError("there is no concept to steer by; name at least one, with a strength")
    still = [concept for concept, strength in strengths.items() if strength == 0]
    if still:
        raise MaskError(f"the strength of {still[0]!r} is 0, which changes nothing; leave it out, or give another one")
    masks: list[Masking] = [
        induce(neurons, stats, strength, concept=concept, form=form) for concept, strength in strengths.items()
    ]
    return reduce(lambda first, second: first.then(second), masks)


def steer_texts(
    model: LensModel,
    mask: Masking,
    prompts: Sequence[str],
    *,
    template: Prompt | str | list[dict[str, str]] | None = None,
    batch_size: BatchSize = "auto",
    progress: bool = True,
    **options: Any,
) -> SteeredTexts:
    """Continue every prompt without the mask and under it.

    Args:
        model: A model of the host.
        mask: The mask.
        prompts: The prompts.
        template: What stands around them.
        batch_size: Texts a batch, of writing and of reading.
        progress: Whether to show progress bars.
        **options: Further arguments of `emorhet_lens.generation.generate.generate`.

    Returns:
        The pairs.
    """
    both = [*prompts, *prompts]
    masks = [*[None] * len(prompts), *[mask] * len(prompts)]
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    texts = generate(model, both, masks=masks, template=template, **how, **options)
    read = fluency(model, [t.text for t in texts], [(t.prompt_ids, t.ids) for t in texts], **how)
    n = len(prompts)
    given = {"mask": mask.name, "template": as_prompt(template).to_json(), "batch_size": batch_size, **options}
    return SteeredTexts(texts[:n], texts[n:], (read[:n], read[n:]), identify(model), given)


def _plain(value: Any) -> Any:
    """JSON has no number for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
