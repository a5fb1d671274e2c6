"""Which labels stand against each other in one question, and for which texts.

Emotions are told from each other. A rhetorical device is told from the literal texts of its own source: texts of
different sources differ in register before they differ in rhetoric.
"""

from dataclasses import dataclass
from typing import Literal

from emorhet_lens.errors import ReadoutError
from emorhet_lens.texts.concepts import RHETORIC
from emorhet_lens.texts.corpus import Corpus

Contrast = Literal["all", "rest"]


@dataclass(frozen=True)
class Question:
    """Labels that a model has to choose from.

    Args:
        labels: At least two labels of one group.
        source: The source whose texts are asked about; any by default.

    Raises:
        ReadoutError: There are fewer than two labels, or one twice.

    >>> Question(("simile", "literal"), "poems").name
    'simile/literal in poems'
    """

    labels: tuple[str, ...]
    source: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) != len(self.labels):
            raise ReadoutError(f"a question needs at least two different labels, got {list(self.labels)}")

    @property
    def name(self) -> str:
        """For tables and messages."""
        return "/".join(self.labels) + (f" in {self.source}" if self.source else "")

    def select(self, corpus: Corpus, part: str) -> Corpus:
        """The texts of a corpus that the question is about.

        Args:
            corpus: Texts of the labels' group.
            part: What the corpus is used for; for the error.

        Raises:
            ReadoutError: The corpus has no such text.
        """
        chosen = [e for e in corpus if e.label in self.labels and self.source in (None, e.source)]
        if not chosen:
            present = ", ".join(label for label, count in corpus.counts().items() if count)
            raise ReadoutError(
                f"the {part} corpus {corpus.name!r} has no text for the question {self.name!r}; it holds {present} in "
                f"{', '.join(corpus.sources)}"
            )
        return Corpus(corpus.name, corpus.group, tuple(chosen))


def questions_for(corpus: Corpus, contrast: Contrast | None = None) -> tuple[Question, ...]:
    """The questions that a corpus allows.

    Args:
        corpus: The texts to be asked about.
        contrast: `"all"` asks one question with all labels that occur, the rest included; `"rest"` asks, for every
            source and every concept in it, whether a text has the concept or is of that source's rest. By default
            `"rest"` for the group of rhetoric and its extensions, `"all"` otherwise.

    Returns:
        The questions, in order of sources and concepts.

    Raises:
        ReadoutError: The contrast is unknown, fewer than two labels occur, or a source has no concept or no rest.
    """
    if contrast is None:
        contrast = "rest" if corpus.group.name == RHETORIC.name else "all"
    if contrast not in ("all", "rest"):
        raise ReadoutError(f'contrast={contrast!r} is unknown; it is "all" or "rest"')
    if contrast == "all":
        present = tuple(label for label, count in corpus.counts().items() if count)
        if len(present) < 2:
            raise ReadoutError(f"the corpus {corpus.name!r} holds one label only ({present[0]}); add texts of others")
        return (Question(present),)
    questions = []
    for source in corpus.sources:
        labels = {example.label for example in corpus if example.source == source}
        concepts = [concept for concept in corpus.group.concepts if concept in labels]
        rest = corpus.group.rest
        if rest not in labels or not concepts:
            missing = rest if rest not in labels else f"other than {rest}"
            raise ReadoutError(
                f'the source {source!r} has no texts {missing}, and contrast="rest" tells a concept from the {rest} '
                'texts of its own source; leave this source out (Corpus.where), or use contrast="all"'
            )
        questions += [Question((concept, rest), source) for concept in concepts]
    return tuple(questions)
