"""A logistic regression on the final residual, fitted on the model without hooks.

A probe says what can be read linearly from the residual. It does not say that the model uses it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import LensModel, identify, require_evaluation
from emorhet_lens.passes.batches import Batch, EncodedCorpus, PaddingSide
from emorhet_lens.passes.passes import BatchSize, Hooks, Passes
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.passes.residual import final_residual, last_positions, require_numbers
from emorhet_lens.readouts.encoding import encode_texts
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.readout import Measured, Reading
from emorhet_lens.readouts.splits import choose_splits, describe_run
from emorhet_lens.texts.corpus import Corpus

At = Literal["text", "last"]


@dataclass(frozen=True)
class Probe:
    """Predict the label from the residual after the last block.

    Features are standardised, and labels weigh equally however many texts they have.

    Args:
        at: `"text"` for the mean over the text's own tokens, `"last"` for the last position of the prompt.
        C: Inverse strength of the L2 penalty, as in scikit-learn.
        prompt: A template around the text; the bare text by default.
        seed: Of scikit-learn's solver.

    Raises:
        ReadoutError: An option cannot be used.
    """

    at: At = "text"
    C: float = 0.01
    prompt: Prompt | str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.at not in ("text", "last"):
            raise ReadoutError(f'at={self.at!r} is unknown; it is "text" or "last"')
        if not self.C > 0:
            raise ReadoutError(f"C={self.C} has to be positive")

    def prepare(
        self,
        model: LensModel,
        test: Corpus,
        *,
        dev: Corpus | None = None,
        train: Corpus | None = None,
        question: Question | None = None,
        batch_size: BatchSize = "auto",
        padding_side: PaddingSide = "left",
        progress: bool = True,
    ) -> Reading:
        """See `emorhet_lens.readouts.readout.Readout.prepare`; needs `train`, on which the probe is fitted."""
        require_evaluation(model)
        splits = choose_splits(test, dev, train, question)
        passes = Passes(batch_size, padding_side, progress)
        labels, prompt = splits.question.labels, as_prompt(self.prompt)
        learned = splits.require("train", "Probe")
        # Before the first pass, so that a bad text costs nothing.
        encoded = encode_texts(model, splits.test, prompt)
        features = _features(model, encode_texts(model, learned, prompt), passes, None, at=self.at)
        classifier = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.C, class_weight="balanced", max_iter=5000, random_state=self.seed),
        )
        # The order of the texts would change the fit by rounding.
        order = sorted(range(len(learned)), key=lambda i: learned.examples[i].key)
        targets = np.array([labels.index(example.label) for example in learned])
        classifier.fit(features.numpy()[order], targets[order])
        options: dict[str, Any] = {
            "readout": "Probe",
            "at": self.at,
            "C": self.C,
            "seed": self.seed,
            "prompt": prompt.to_json(),
            "prepend_bos": encoded.prepend_bos,
            **describe_run(splits, passes, train=learned),
        }
        return Reading(identify(model), splits.question, encoded, FittedProbe(classifier, self.at), passes, options)


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """The prepared measure: a fitted classifier over label indices.

    Args:
        classifier: Of scikit-learn.
        at: Where the residual is read.
    """

    classifier: Any
    at: At

    def __call__(self, model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None) -> Measured:
        """Classify every text; of equal labels the first is predicted."""
        scores = torch.from_numpy(
            self.classifier.decision_function(_features(model, encoded, passes, hooks, at=self.at).numpy())
        )
        # scikit-learn's own log-probabilities of two classes reach -inf where p rounds to 0; scores do not.
        if scores.ndim == 1:
            scores = torch.stack([torch.zeros_like(scores), scores], 1)
        log_probs = scores.log_softmax(1)
        return Measured(log_probs, torch.from_numpy(log_probs.numpy().argmax(1)))


def _features(
    model: LensModel, encoded: EncodedCorpus, passes: Passes, hooks: Hooks | None, *, at: At
) -> Float[Tensor, "example model"]:
    def read(batch: Batch) -> Tensor:
        residual = final_residual(model, batch)
        if at == "last":
            rows = torch.arange(len(residual), device=residual.device)
            values = residual[rows, last_positions(batch.attention_mask)].float()
        else:
            # Padding may hold anything, NaN included: it is cut out before it is weighted with zero.
            own = residual.float().masked_fill(~batch.keep[:, :, None], 0)
            total = einsum(own, "batch pos model -> batch model")
            values = total / batch.keep.sum(1, keepdim=True)
        require_numbers(values, model)
        return values

    return passes.run(model, encoded, read, hooks=hooks, what="final residual")
