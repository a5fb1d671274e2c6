"""Find the MLP neurons of a language model that respond selectively to emotions and rhetorical devices."""

from emorhet_lens.collect import collect_stats
from emorhet_lens.concepts import EMOTIONS, GROUPS, RHETORIC, ConceptGroup
from emorhet_lens.corpora import load_corpus
from emorhet_lens.corpus import Corpus, Example, join, require_disjoint
from emorhet_lens.corpus_files import read_corpus
from emorhet_lens.errors import EmorhetError
from emorhet_lens.models import load_model
from emorhet_lens.neurons import MatchedSets, Neurons
from emorhet_lens.prompts import Prompt
from emorhet_lens.scorers import SCORERS, register_scorer
from emorhet_lens.screening import Screen, screen
from emorhet_lens.selection import ScreenOptions
from emorhet_lens.stats import ActivationStats

__all__ = [
    "EMOTIONS",
    "GROUPS",
    "RHETORIC",
    "SCORERS",
    "ActivationStats",
    "ConceptGroup",
    "Corpus",
    "EmorhetError",
    "Example",
    "MatchedSets",
    "Neurons",
    "Prompt",
    "Screen",
    "ScreenOptions",
    "collect_stats",
    "join",
    "load_corpus",
    "load_model",
    "read_corpus",
    "register_scorer",
    "require_disjoint",
    "screen",
]
