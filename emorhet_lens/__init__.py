"""Find the MLP neurons of a language model that respond selectively to emotions and rhetorical devices."""

from emorhet_lens import mask_kinds
from emorhet_lens.answers import Answers
from emorhet_lens.collect import collect_stats
from emorhet_lens.concepts import EMOTIONS, GROUPS, RHETORIC, ConceptGroup
from emorhet_lens.corpora import load_corpus
from emorhet_lens.corpus import Corpus, join, require_disjoint
from emorhet_lens.corpus_files import read_corpus
from emorhet_lens.doses import Dose
from emorhet_lens.effect_plan import effects, plan_effects
from emorhet_lens.errors import EmorhetError
from emorhet_lens.examples import Example
from emorhet_lens.feedback import Tuning
from emorhet_lens.generated import Generated
from emorhet_lens.loop_matched import tune_all
from emorhet_lens.mask_gains import Gains, record_gains
from emorhet_lens.mask_points import add_mask_points, remove_mask_points
from emorhet_lens.masks import Mask
from emorhet_lens.models import load_model
from emorhet_lens.neurons import MatchedSets, Neurons
from emorhet_lens.outcomes import Effects
from emorhet_lens.probe import Probe
from emorhet_lens.prompts import Prompt
from emorhet_lens.questions import Question, questions_for
from emorhet_lens.readouts import Reading, Readout
from emorhet_lens.scorers import SCORERS, register_scorer
from emorhet_lens.screening import Screen, screen
from emorhet_lens.selection import ScreenOptions
from emorhet_lens.stats import ActivationStats
from emorhet_lens.sweep import Sweep, plan_sweep, sweep
from emorhet_lens.tuning import tune
from emorhet_lens.tunings import Tunings
from emorhet_lens.zero_shot import FewShot, ZeroShot

__all__ = [
    "EMOTIONS",
    "GROUPS",
    "RHETORIC",
    "SCORERS",
    "ActivationStats",
    "Answers",
    "ConceptGroup",
    "Corpus",
    "Dose",
    "Effects",
    "EmorhetError",
    "Example",
    "FewShot",
    "Gains",
    "Generated",
    "Mask",
    "MatchedSets",
    "Neurons",
    "Probe",
    "Prompt",
    "Question",
    "Reading",
    "Readout",
    "Screen",
    "ScreenOptions",
    "Sweep",
    "Tuning",
    "Tunings",
    "ZeroShot",
    "add_mask_points",
    "collect_stats",
    "effects",
    "join",
    "load_corpus",
    "load_model",
    "mask_kinds",
    "plan_effects",
    "plan_sweep",
    "questions_for",
    "read_corpus",
    "record_gains",
    "register_scorer",
    "remove_mask_points",
    "require_disjoint",
    "screen",
    "sweep",
    "tune",
    "tune_all",
]
