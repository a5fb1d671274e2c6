"""Labelled corpora out of a few topics, written and labelled by models, functions or both."""

from emorhet_lens.synthesis.counts import Prediction, Stage, predict_calls
from emorhet_lens.synthesis.endpoint import Endpoint
from emorhet_lens.synthesis.local import LocalModel
from emorhet_lens.synthesis.readout_labeller import readout_labeller
from emorhet_lens.synthesis.result import Synthesis
from emorhet_lens.synthesis.retries import Backoff
from emorhet_lens.synthesis.synthesize import synthesize
from emorhet_lens.synthesis.topics import Topic
from emorhet_lens.synthesis.wording import Wording
from emorhet_lens.synthesis.writers import FunctionWriter, Labeller, LabelText, Writer

__all__ = [
    "Backoff",
    "Endpoint",
    "FunctionWriter",
    "LabelText",
    "Labeller",
    "LocalModel",
    "Prediction",
    "Stage",
    "Synthesis",
    "Topic",
    "Wording",
    "Writer",
    "predict_calls",
    "readout_labeller",
    "synthesize",
]
