"""What a mask did to the answers about some texts, text by text.

A change shows that the mask did something to these texts. Whether its neurons matter is asked of `Effects`.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

Measure = Literal["margin", "accuracy"]


@dataclass(frozen=True, eq=False)
class Change:
    """One label's texts, unmasked and masked, text by text.

    Args:
        margin: Masked minus unmasked margin, in nats; NaN for readouts without log-probabilities.
        correct: Masked minus unmasked correctness: -1, 0 or 1, or their mean where several questions ask about a text.
        accuracy_base: Share of right answers without the mask, which is the recall of the label.
        accuracy_masked: The same under the mask.
    """

    margin: Float[Tensor, " example"]
    correct: Float[Tensor, " example"]
    accuracy_base: float
    accuracy_masked: float

    def of(self, measure: Measure) -> Float[Tensor, " example"]:
        """The change by one measure."""
        return self.margin if measure == "margin" else self.correct
