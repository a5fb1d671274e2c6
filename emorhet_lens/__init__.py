"""Find the MLP neurons of a language model that respond selectively to emotions and rhetorical devices."""

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.association.associate import Association, associate
from emorhet_lens.association.coactivation import Coactivation, coactivate
from emorhet_lens.causal.outcomes import Effects
from emorhet_lens.causal.plan import effects, plan_effects
from emorhet_lens.comparison.compare import Comparison, compare
from emorhet_lens.corpora import load_corpus
from emorhet_lens.cross_signal.enhance import enhance, plan_enhance
from emorhet_lens.cross_signal.outcomes import CrossSignal
from emorhet_lens.errors import EmorhetError
from emorhet_lens.gates.calibration import calibrate_gate
from emorhet_lens.gates.comparison import compare_gates, plan_gates
from emorhet_lens.gates.outcomes import GateComparison
from emorhet_lens.generation.generate import Generation, generate
from emorhet_lens.generation.judge import Judge, train_judge
from emorhet_lens.generation.residual_steering import ResidualShift, residual_differences
from emorhet_lens.masks import mask_kinds
from emorhet_lens.masks.gate import Gate
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_gains import Gains, record_gains
from emorhet_lens.masks.mask_points import add_mask_points, remove_mask_points
from emorhet_lens.models.loading import load_model
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.readouts.answers import Answers
from emorhet_lens.readouts.generated import Generated
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.questions import Question, questions_for
from emorhet_lens.readouts.readout import Reading, Readout
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot
from emorhet_lens.scorers import SCORERS, register_scorer
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.screening.screen import Screen, screen
from emorhet_lens.screening.selection import ScreenOptions
from emorhet_lens.steering.induction import induce, sign_shares
from emorhet_lens.steering.outcomes import Steering
from emorhet_lens.steering.steer import plan_steer, steer
from emorhet_lens.study.file import load_study
from emorhet_lens.study.plan import plan_study
from emorhet_lens.study.run import run_study
from emorhet_lens.study.schema import Study
from emorhet_lens.sweeps.sweep import Sweep, plan_sweep, sweep
from emorhet_lens.texts.concepts import EMOTIONS, GROUPS, RHETORIC, ConceptGroup
from emorhet_lens.texts.corpus import Corpus, join, require_disjoint
from emorhet_lens.texts.corpus_files import read_corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.tuning.doses import Dose
from emorhet_lens.tuning.feedback import Tuning
from emorhet_lens.tuning.loop_matched import tune_all
from emorhet_lens.tuning.tune import tune
from emorhet_lens.tuning.tunings import Tunings

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
