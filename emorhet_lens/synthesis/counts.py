"""How many of what went into a stage of synthesis, what was left out and why, and what came out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from emorhet_lens.synthesis.answers import Malformed

Found = TypeVar("Found")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Args:
        name: What it does.
        entered: Answers or texts that went in.
        left_out: How many were left out, by reason.
        kept: The rest.
    """

    name: str
    entered: int
    left_out: Mapping[str, int]
    kept: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, reasons in alphabetical order."""
        reasons = dict(sorted(self.left_out.items()))
        return {"name": self.name, "entered": self.entered, "left_out": reasons, "kept": self.kept}


@dataclass(frozen=True)
class Prediction:
    """The most calls that a synthesis can take; malformed answers and kept ones save some.

    Args:
        topics: For other wordings of topics.
        texts: For texts.
        labels: For labels.
    """

    topics: int
    texts: int
    labels: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.topics + self.texts + self.labels


def predict_calls(base_topics: int, themes: int, *, rounds: int, per_cell: int, labellers: int) -> Prediction:
    """How many calls a synthesis takes where every answer is well-formed and new.

    Args:
        base_topics: Number of topics to begin with.
        themes: Number of concepts that texts are written for.
        rounds: Rounds of expansion; each doubles the topics.
        per_cell: Texts a topic and concept.
        labellers: How many label every text.

    Returns:
        The numbers of calls.

    >>> predict_calls(315, 6, rounds=4, per_cell=10, labellers=3)  # study A
    Prediction(topics=4725, texts=302400, labels=907200)
    """
    topics = base_topics * 2**rounds
    texts = topics * themes * per_cell
    return Prediction(topics - base_topics, texts, texts * labellers)


def sorted_out(name: str, answers: Sequence[Found | Malformed]) -> tuple[list[Found | None], Stage]:
    """What answers hold, and how many hold nothing and why.

    Args:
        name: Of the stage.
        answers: What was read of each.

    Returns:
        In the same order, None for a malformed answer; and the counts.
    """
    reasons = Counter(answer.reason for answer in answers if isinstance(answer, Malformed))
    found = [None if isinstance(answer, Malformed) else answer for answer in answers]
    return found, Stage(name, len(answers), reasons, len(answers) - reasons.total())
