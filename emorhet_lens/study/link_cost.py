"""What the stage `link` of a study sends through the model, counted from the texts alone."""

from pathlib import Path

from emorhet_lens.association.costs import count_cross_effects
from emorhet_lens.cross_signal.costs import count_injections
from emorhet_lens.readouts.questions import questions_for
from emorhet_lens.study.schema import Study
from emorhet_lens.study.sections import LinkSection
from emorhet_lens.study.texts import link_texts
from emorhet_lens.texts.corpus import Corpus


def count_link(section: LinkSection, study: Study, data_dir: Path | None) -> int:
    """Co-activation, masks both ways, and injections; concepts with screening texts are taken to have neurons.

    Args:
        section: The section.
        study: Of it.
        data_dir: Folder of named corpora.
    """
    seen, texts = link_texts(section, study, data_dir)
    emotion, rhetoric = texts
    # Co-activation reads every test text once.
    total = sum(len(one.test) for one in texts.values())
    draws = {"n_random": section.n_random, "seed": study.seed}
    for number, (changed, read) in enumerate(((rhetoric, emotion), (emotion, rhetoric))):
        test, dev = texts[read].test, texts[read].dev
        asked, concepts = questions_for(test), _with_texts(seen[changed])
        if section.effects:
            total += count_cross_effects(test, asked, concepts, masks=section.masks, **draws)
        if section.cross_signal and (number == 0 or section.reverse):
            total += count_injections(dev, test, asked, concepts, n_omegas=len(section.omegas), **draws)
    return total


def _with_texts(seen: Corpus) -> list[str]:
    counts = seen.counts()
    return [concept for concept in seen.group.concepts if counts[concept]]
