"""What a model answered: log-probabilities of the labels, one row a text.

A margin says how much the model prefers the right label to the other labels that were asked about, in the way the
readout asked. It does not say that the model would have named the label by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import f1_score
from torch import Tensor

from emorhet_lens.errors import ReadoutError
from emorhet_lens.models.hosts import ModelIdentity
from emorhet_lens.store import read_tensors, write_tensors

NO_ANSWER = -1
"""The `predicted` of a text for which no label was found."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to one question, one row a text.

    Args:
        labels: The labels that were asked about, in the order of the concept axis.
        keys: Keys of the texts.
        targets: The label of each text.
        sources: The source of each text.
        log_probs: Natural logarithms, normalised over the labels; NaN where the readout gives none.
        predicted: Index into `labels`, -1 where no label was found.
        model: Which model answered.
        options: How the question was asked.
        texts: What the model wrote, where it wrote.

    Raises:
        ReadoutError: The parts are not of one length, or a target is not among the labels.
    """

    labels: tuple[str, ...]
    keys: tuple[str, ...]
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    log_probs: Float[Tensor, "example concept"]
    predicted: Int[Tensor, " example"]
    model: ModelIdentity
    options: dict[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.keys)
        lengths = {len(self.targets), len(self.sources), len(self.log_probs), len(self.predicted)}
        if lengths | {n if self.texts is None else len(self.texts)} != {n}:
            raise ReadoutError(f"answers need one row a text; there are {n} keys and parts of {sorted(lengths)} rows")
        if self.log_probs.shape[1] != len(self.labels):
            raise ReadoutError(f"answers to {len(self.labels)} labels have {self.log_probs.shape[1]} columns")
        strangers = sorted(set(self.targets) - set(self.labels))
        if strangers:
            raise ReadoutError(f"targets {strangers} were not asked about; the labels are {', '.join(self.labels)}")

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"Answers({len(self)} texts, labels {', '.join(self.labels)}, accuracy {self.accuracy():.3f})"

    @property
    def target_indices(self) -> Int[Tensor, " example"]:
        """Column of each text's own label."""
        return torch.tensor([self.labels.index(target) for target in self.targets])

    def own_log_prob(self) -> Float[Tensor, " example"]:
        """Log-probability of each text's own label."""
        return self.log_probs.gather(1, self.target_indices[:, None])[:, 0]

    def margin(self) -> Float[Tensor, " example"]:
        """Log odds of each text's own label against all others: log p_own - log(sum of the other p).

        Returns:
            Nats; NaN where the readout gives no log-probabilities.
        """
        own = torch.nn.functional.one_hot(self.target_indices, len(self.labels)).bool()
        # Summing the others keeps digits that 1 - p_own would lose where p_own is nearly 1.
        return self.own_log_prob() - self.log_probs.masked_fill(own, -torch.inf).logsumexp(1)

    def correct(self) -> Bool[Tensor, " example"]:
        """Whether the predicted label is the text's own."""
        return self.predicted == self.target_indices

    def accuracy(self) -> float:
        """Share of texts whose predicted label is their own."""
        return float(self.correct().double().mean())

    def recall(self) -> dict[str, float]:
        """Share of each label's texts that were given that label; NaN for a label without texts."""
        correct, target = self.correct().double(), self.target_indices
        return {label: float(correct[target == column].mean()) for column, label in enumerate(self.labels)}

    def macro_f1(self) -> float:
        """Mean of the F1 scores of the labels that have texts; no answer counts as wrong."""
        target = self.target_indices.numpy()
        columns = sorted(set(target.tolist()))
        return float(f1_score(target, self.predicted.numpy(), labels=columns, average="macro", zero_division=0.0))

    def where(self, keys: Collection[str]) -> "Answers":
        """The rows of some texts, in their former order.

        Raises:
            ReadoutError: A key is not among the answers, or none was given.
        """
        wanted = set(keys)
        unknown = sorted(wanted - set(self.keys))
        if unknown or not wanted:
            raise ReadoutError(f"there are no answers for {unknown[:3] or 'an empty set of keys'}; see Answers.keys")
        rows = [row for row, key in enumerate(self.keys) if key in wanted]

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[row] for row in rows)

        return replace(
            self,
            keys=pick(self.keys),
            targets=pick(self.targets),
            sources=pick(self.sources),
            log_probs=self.log_probs[rows],
            predicted=self.predicted[rows],
            texts=None if self.texts is None else pick(self.texts),
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One row a text: key, source, target, predicted label (or none), margin, a log-probability a label."""
        table = pd.DataFrame({"key": self.keys, "source": self.sources, "target": self.targets})
        found = [None if i == NO_ANSWER else self.labels[i] for i in self.predicted.tolist()]
        table["predicted"] = pd.Series(found, dtype=object)
        table["margin"] = self.margin().numpy()
        for column, label in enumerate(self.labels):
            table[f"log_p_{label}"] = self.log_probs[:, column].numpy()
        if self.texts is not None:
            table["text"] = self.texts
        return table

    def save(self, path: Path) -> None:
        """Write one safetensors file; `load` gives the same answers back, bit for bit."""
        names = ("labels", "keys", "targets", "sources", "texts", "options")
        facts = {name: getattr(self, name) for name in names} | {"model": self.model.to_dict()}
        write_tensors(path, {"log_probs": self.log_probs, "predicted": self.predicted}, facts, kind="answers")

    @classmethod
    def load(cls, path: Path) -> "Answers":
        """Read what `save` wrote.

        Raises:
            StoreError: The file is missing, damaged or holds something else.
        """
        tensors, facts = read_tensors(path, kind="answers")
        rows = {name: tuple(facts[name]) for name in ("labels", "keys", "targets", "sources")}
        return cls(
            **rows,
            log_probs=tensors["log_probs"],
            predicted=tensors["predicted"],
            model=ModelIdentity.from_dict(facts["model"]),
            options=facts["options"],
            texts=None if facts["texts"] is None else tuple(facts["texts"]),
        )
