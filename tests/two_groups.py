"""Two groups of concepts on one model with known neurons: feelings, and figures whose metaphors are angry words.

first, second = two_groups(planted)                 # corpora of both groups
screens = screened(planted, first), screened(planted, second)
"""

from dataclasses import replace

from tiny import Planted, planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.screening.screen import Screen, screen
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus

FEELINGS = ConceptGroup("feelings", ("anger", "fear"), "neutral")
FIGURES = ConceptGroup("figures", ("metaphor", "simile"), "literal")
NAMES = {"anger": "metaphor", "happiness": "simile", "neutral": "literal"}
"""Which words the texts of the second group are made of: its metaphors are angry."""


def two_groups(planted: Planted, seed: int = 0, per_label: int = 20) -> tuple[Corpus, Corpus]:
    """Texts of both groups, from a source each."""
    first, second = (
        planted_corpus(planted, per_label=per_label, seed=2 * seed + k, sources=(f"s{k}",)) for k in (0, 1)
    )
    feelings = tuple(e for e in first if e.label in FEELINGS.labels)
    figures = tuple(replace(e, label=NAMES[e.label]) for e in second if e.label in NAMES)
    return Corpus("feelings", FEELINGS, feelings), Corpus("figures", FIGURES, figures)


def screened(planted: Planted, corpus: Corpus) -> Screen:
    """A screening that selects about as many neurons as are planted."""
    return screen(collect_stats(planted.model, corpus, progress=False), top=0.06, shuffles=0)
