"""What the stage `curves` of a study sends through the model, and whether its judge would be independent."""

from pathlib import Path

from emorhet_lens.generation.costs import count_layer_choice, count_writing
from emorhet_lens.generation.judge_texts import load_judge_texts, require_other_sources, require_unscreened
from emorhet_lens.generation.residual_texts import load_residual_texts
from emorhet_lens.study.curves_section import CurvesSection
from emorhet_lens.study.schema import Study, StudyGroup
from emorhet_lens.texts.corpus import Corpus


def count_curves(
    section: CurvesSection, group: StudyGroup, seen: Corpus, study: Study, data_dir: Path | None
) -> tuple[int, int]:
    """Texts of the difference, those that layers are chosen on without a shift, and a pass a token that is written.

    Args:
        section: The section.
        group: Of it.
        seen: The texts that are screened.
        study: Of the group.
        data_dir: Folder of named corpora.

    Returns:
        At most so many, and those that are read once for every layer of the model on top.

    Raises:
        CorpusError: A corpus is missing, or the judge would not be independent.
        EffectsError: The judge could not tell a concept.
    """
    drawn = {"concepts": section.concepts, "data_dir": data_dir, "seed": study.seed, **group.loading}
    judged = load_judge_texts(section.judge, seen.group, prompts=section.chosen, **drawn)
    require_unscreened(judged, seen.sources, {example.digest for example in seen})
    train, dev = load_residual_texts(section.corpora or group.corpora, seen.group, limit=section.texts, **drawn)
    require_other_sources(judged, train)
    writing = count_writing(
        len(section.concepts),
        len(section.chosen),
        strengths=section.strengths,
        residual_strengths=section.residual_strengths,
        max_new_tokens=section.max_new_tokens,
    )
    chosen_on = count_layer_choice(section.concepts, dev)
    return len(train) + chosen_on + writing, chosen_on
