"""The texts of one question by their job: to be asked about, to calibrate on, to learn from.

Checked here: no text has two jobs. Not checked: that texts of different splits are independent of each other.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from emorhet_lens.errors import ReadoutError
from emorhet_lens.passes.passes import Passes
from emorhet_lens.readouts.questions import Question, questions_for
from emorhet_lens.texts.corpus import Corpus, require_disjoint
from emorhet_lens.versions import versions


@dataclass(frozen=True, eq=False)
class Splits:
    """The texts of one question, by their job.

    Args:
        question: What is asked.
        test: The texts to ask about.
        dev: The texts to calibrate on.
        train: The texts to learn from.
    """

    question: Question
    test: Corpus
    dev: Corpus | None
    train: Corpus | None

    def require(self, part: Literal["dev", "train"], why: str) -> Corpus:
        """A split that is needed, with texts of every label.

        Raises:
            ReadoutError: It was not given, or has no text of some label.
        """
        corpus = self.dev if part == "dev" else self.train
        if corpus is None:
            raise ReadoutError(
                f"{why} needs a {part} split; pass {part}=, a part of Corpus.split that nothing else uses"
            )
        selected = self.question.select(corpus, part)
        missing = [label for label in self.question.labels if not selected.counts()[label]]
        if missing:
            raise ReadoutError(
                f"the {part} split has no text of {', '.join(missing)} for the question {self.question.name!r}, which "
                f"{why} needs; use a larger split"
            )
        return selected


def choose_splits(test: Corpus, dev: Corpus | None, train: Corpus | None, question: Question | None) -> Splits:
    """Check that splits are of one group and share no text, and find the question.

    Raises:
        CorpusError: Two splits share a text.
        ReadoutError: Two splits share a key or are of different groups, or there are several questions.
    """
    parts = {name: part for name, part in (("test", test), ("dev", dev), ("train", train)) if part is not None}
    require_disjoint(**parts)
    for (first, one), (second, other) in combinations(parts.items(), 2):
        if one.group.labels != other.group.labels:
            raise ReadoutError(f"{first!r} has the labels {one.group.labels}, {second!r} has {other.group.labels}")
        shared = sorted({example.key for example in one} & {example.key for example in other})
        if shared:
            raise ReadoutError(f"{first!r} and {second!r} share {len(shared)} keys, for example {shared[0]!r}")
    if question is None:
        questions = questions_for(test)
        if len(questions) > 1:
            raise ReadoutError(
                f"the corpus {test.name!r} asks {len(questions)} questions "
                f"({', '.join(q.name for q in questions)}): pass question= for one of them, or use prepare_all"
            )
        question = questions[0]
    return Splits(question, question.select(test, "test"), dev, train)


def describe_run(splits: Splits, passes: Passes, **used: Corpus) -> dict[str, Any]:
    """The options that every readout repeats: question, batches, versions, and keys of the texts that were used."""
    return {
        "question": {"labels": list(splits.question.labels), "source": splits.question.source},
        "batch_size": passes.batch_size,
        "padding_side": passes.padding_side,
        "splits": {part: [e.key for e in corpus] for part, corpus in {"test": splits.test, **used}.items()},
        "sha256": {part: corpus.digest for part, corpus in {"test": splits.test, **used}.items()},
        "versions": versions(),
    }
