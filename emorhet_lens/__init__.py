"""Find the MLP neurons of a language model that respond selectively to emotions and rhetorical devices."""

from emorhet_lens import mask_kinds
from emorhet_lens.answers import Answers
from emorhet_lens.association import Association, associate
from emorhet_lens.coactivation import Coactivation, coactivate
from emorhet_lens.collect import collect_stats
from emorhet_lens.comparison import Comparison, compare
from emorhet_lens.concepts import EMOTIONS, GROUPS, RHETORIC, ConceptGroup
from emorhet_lens.corpora import load_corpus
from emorhet_lens.corpus import Corpus, join, require_disjoint
from emorhet_lens.corpus_files import read_corpus
from emorhet_lens.cross_signal import enhance, plan_enhance
from emorhet_lens.cross_signal_outcomes import CrossSignal
from emorhet_lens.doses import Dose
from emorhet_lens.effect_plan import effects, plan_effects
from emorhet_lens.errors import EmorhetError
from emorhet_lens.examples import Example
from emorhet_lens.feedback import Tuning
from emorhet_lens.gate import Gate
from emorhet_lens.gate_calibration import calibrate_gate
from emorhet_lens.gate_comparison import compare_gates, plan_gates
from emorhet_lens.gate_outcomes import GateComparison
from emorhet_lens.gated import Gated
from emorhet_lens.generated import Generated
from emorhet_lens.generation import Generation, generate
from emorhet_lens.induction import induce, sign_shares
from emorhet_lens.judge import Judge, train_judge
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
from emorhet_lens.residual_steering import ResidualShift, residual_differences
from emorhet_lens.scorers import SCORERS, register_scorer
from emorhet_lens.screening import Screen, screen
from emorhet_lens.selection import ScreenOptions
from emorhet_lens.stats import ActivationStats
from emorhet_lens.steering import plan_steer, steer
from emorhet_lens.steering_outcomes import Steering
from emorhet_lens.study import run_study
from emorhet_lens.study_file import load_study
from emorhet_lens.study_plan import plan_study
from emorhet_lens.study_schema import Study
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
    "Association",
    "Coactivation",
    "Comparison",
    "ConceptGroup",
    "Corpus",
    "CrossSignal",
    "Dose",
    "Effects",
    "EmorhetError",
    "Example",
    "FewShot",
    "Gains",
    "Gate",
    "GateComparison",
    "Gated",
    "Generated",
    "Generation",
    "Judge",
    "Mask",
    "MatchedSets",
    "Neurons",
    "Probe",
    "Prompt",
    "Question",
    "Reading",
    "Readout",
    "ResidualShift",
    "Screen",
    "ScreenOptions",
    "Steering",
    "Study",
    "Sweep",
    "Tuning",
    "Tunings",
    "ZeroShot",
    "add_mask_points",
    "associate",
    "calibrate_gate",
    "coactivate",
    "collect_stats",
    "compare",
    "compare_gates",
    "effects",
    "enhance",
    "generate",
    "induce",
    "join",
    "load_corpus",
    "load_model",
    "load_study",
    "mask_kinds",
    "plan_effects",
    "plan_enhance",
    "plan_gates",
    "plan_steer",
    "plan_study",
    "plan_sweep",
    "questions_for",
    "read_corpus",
    "record_gains",
    "register_scorer",
    "remove_mask_points",
    "require_disjoint",
    "residual_differences",
    "run_study",
    "screen",
    "sign_shares",
    "steer",
    "sweep",
    "train_judge",
    "tune",
    "tune_all",
]
