"""Write texts under a push and judge them for the concepts of a screening: the steps of `emorhet curves`.

The curves are exploratory: one judge of words, few prompts, and the best of several strengths flatters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emorhet_lens.causal.unseen import timed
from emorhet_lens.errors import EffectsError, EmorhetError
from emorhet_lens.generation.judge import doubts_of, train_judge
from emorhet_lens.generation.judge_texts import load_judge_texts, require_other_sources, require_unscreened
from emorhet_lens.generation.openings import OPENINGS
from emorhet_lens.generation.outputs import outputs_of
from emorhet_lens.generation.residual_layer import choose_layer
from emorhet_lens.generation.residual_steering import residual_differences
from emorhet_lens.generation.residual_texts import load_residual_texts
from emorhet_lens.generation.tradeoff import TradeoffPlan, plan_tradeoff, require_tradeoff
from emorhet_lens.generation.tradeoff_methods import (
    by_neurons,
    by_prompt,
    by_random_neurons,
    by_residual,
    require_strengths,
)
from emorhet_lens.generation.tradeoff_outcomes import Tradeoff
from emorhet_lens.generation.tradeoff_pictures import write_tradeoff_picture
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.screening.screen import Screen
from emorhet_lens.steering.induction import Form
from emorhet_lens.store import write_text

LAYERS_FILE, OUTPUTS_FILE = "residual_layers.csv", "outputs.md"
GENERATIONS_PLACE = "generations"
STRENGTHS = (-16.0, -8.0, -4.0, 4.0, 8.0, 16.0)
"""Of neurons and of random neurons."""
RESIDUAL_STRENGTHS = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
SHOWN = 3
"""Prompts whose texts are shown."""


@dataclass(frozen=True, eq=False)
class CurvesJob:
    """A planned measurement of what is written under a push.

    Args:
        plan: The texts to write.
        layers: By concept the layer of the residual stream, and what was tried; see `choose_layer`.
        folder: Gets the results.
        show: Prompts whose texts go into `outputs.md`.
        facts: What is written beside the results.
    """

    plan: TradeoffPlan
    layers: Mapping[str, tuple[int, pd.DataFrame]]
    folder: Path
    show: int
    facts: dict[str, Any]

    def run(self, model: LensModel, *, progress: bool = True) -> tuple[Tradeoff, tuple[str, ...]]:
        """Write the texts that are missing, then tables, outputs and picture.

        Args:
            model: The model that the plan was made with.
            progress: Whether to show a progress bar.

        Returns:
            What came out, and what a reader has to know. Errors are those of `TradeoffPlan.run`.
        """
        found, minutes = timed(
            self.plan.minutes,
            partial(self.plan.run, model, progress=progress),
            self.folder / "tradeoff.json",
            "tradeoff",
        )
        write_text(self.folder / LAYERS_FILE, _layers_table(self.layers))
        write_text(self.folder / OUTPUTS_FILE, outputs_of(found, self.show))
        found.save(self.folder, minutes=minutes, **self.facts)
        notes = doubts_of(self.plan.judge)
        try:
            write_tradeoff_picture(self.folder, found.to_dataframe())
        except EmorhetError as error:
            # The numbers are written, and a picture can be drawn from them later.
            notes = (*notes, str(error))
        return found, notes


def plan_curves_job(
    model: LensModel,
    screen: Screen,
    corpora: Sequence[str],
    judge_corpora: Sequence[str],
    folder: Path,
    *,
    concepts: Sequence[str],
    prompts: Sequence[str] = OPENINGS,
    strengths: Sequence[float] = STRENGTHS,
    residual_strengths: Sequence[float] = RESIDUAL_STRENGTHS,
    form: Form = "contrast",
    neurons: int | None = None,
    n_random: int = 4,
    template: Prompt | str | list[dict[str, str]] | None = None,
    texts: int = 100,
    judge_texts: int = 1000,
    max_new_tokens: int = 40,
    show: int = SHOWN,
    batch_size: BatchSize = "auto",
    data_dir: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> CurvesJob:
    """Train the judge, choose layers of the residual stream, and plan what is written; writes the unsteered texts.

    Args:
        model: The model of the screening.
        screen: Gives neurons and means.
        corpora: Texts of the residual difference; see `load_residual_texts`, for this and texts. They are loaded as the
            screening's were, and so are the next.
        judge_corpora: Corpora that were not screened; see `load_judge_texts`.
        folder: For the results; a measurement that was interrupted goes on from it.
        concepts: Towards and away from what.
        prompts: Openings that carry none of the concepts.
        strengths: Of neurons and of random neurons.
        residual_strengths: Multiples of the residual difference.
        form: How neurons are pushed.
        neurons: Only the first so many neurons of every concept.
        n_random: Random sets a concept; prompts take turns.
        template: What stands around a prompt.
        texts: Most texts a label and source of the residual difference.
        judge_texts: Most texts a label and source of the judge.
        max_new_tokens: Length at which writing ends.
        show: Prompts whose texts go into `outputs.md`.
        batch_size: Texts a batch, or `"auto"`.
        data_dir: Folder of named corpora.
        seed: Of all draws.
        progress: Whether to show progress bars.

    Returns:
        The job.

    Raises:
        EffectsError: A concept or prompt is given twice or not at all, or the judge cannot tell a concept.
        CorpusError: A corpus cannot be used, the judge would not be independent of what it judges, or a concept has
            no residual difference.
        MaskError: A strength is 0, given twice or not finite, or a concept has no neurons.
        PromptError: A prompt does not fit into the context.
        ReadoutError: An option of writing is out of range.
        StoreError: The folder holds another measurement.
    """
    # What costs no pass goes first, so that its errors cost none.
    if len(set(prompts)) < len(prompts):
        raise EffectsError("a prompt is given twice; intervals are over prompts, so give each once")
    chosen = screen.neurons if neurons is None else screen.neurons.head(neurons)
    own = by_neurons(chosen, screen.stats, strengths, form=form)
    random = by_random_neurons(model, chosen, screen.stats, strengths, form=form, n_random=n_random, seed=seed)
    asked = by_prompt()
    require_strengths("residual", residual_strengths)
    group = screen.stats.group
    drawn = {"data_dir": data_dir, "seed": seed, **screen.stats.loading}
    judged = load_judge_texts(judge_corpora, group, concepts=concepts, prompts=prompts, limit=judge_texts, **drawn)
    require_unscreened(judged, screen.stats.sources, screen.stats.seen)
    train, dev = load_residual_texts(corpora, group, concepts=concepts, limit=texts, **drawn)
    require_other_sources(judged, train)
    writing: dict[str, Any] = {
        "template": template,
        "folder": folder / GENERATIONS_PLACE,
        "max_new_tokens": max_new_tokens,
        "batch_size": batch_size,
    }
    require_tradeoff(model, concepts, prompts, [own, random, asked], **writing)
    judge = train_judge(judged, screened=screen.stats, seed=seed)
    differences = residual_differences(model, train, batch_size=batch_size, progress=progress)
    layers = {
        concept: choose_layer(model, differences, concept, dev, batch_size=batch_size, progress=progress)
        for concept in concepts
    }
    shifted = by_residual(differences, {concept: layer for concept, (layer, _) in layers.items()}, residual_strengths)
    plan = plan_tradeoff(model, concepts, prompts, [own, random, shifted, asked], judge, progress=progress, **writing)
    facts = {
        "screen": {"preset": screen.preset, "corpora": screen.stats.options["corpora"]},
        "corpora": {"residual": list(corpora), "judge": list(judge_corpora)},
        "form": form,
        "shown": show,
    }
    return CurvesJob(plan, layers, folder, show, facts)


def _layers_table(layers: Mapping[str, tuple[int, pd.DataFrame]]) -> str:
    rows = [
        f"{concept},{row.layer},{row.concept:.6f},{row.rest:.6f}"
        for concept, (_, table) in layers.items()
        for row in table.itertuples()
    ]
    return "\n".join(["concept,layer,gain,gain_of_rest", *rows]) + "\n"
