"""A corpus: labelled texts of one concept group, with the sampling and splitting that keeps matched texts together.

A corpus says where each text comes from (`source`), because texts of different sources differ in register before
they differ in anything else. Balanced classes do not make a corpus free of confounds.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.matched_texts import matched_texts
from emorhet_lens.texts.splitting import TIES, assign_parts, random_stream


@dataclass(frozen=True)
class Corpus:
    """Labelled texts of one concept group.

    Args:
        name: For reports and files.
        group: The concepts that the labels belong to.
        examples: At least one; keys are unique and texts are not blank.

    Raises:
        CorpusError: The corpus is empty, an id occurs twice within a source, a label is not of the group, or a
            text is blank.
    """

    name: str
    group: ConceptGroup
    examples: tuple[Example, ...]

    def __post_init__(self) -> None:
        if not self.examples:
            raise CorpusError(f"the corpus {self.name!r} is empty; it needs at least one labelled text")
        repeated = [key for key, count in Counter(e.key for e in self.examples).items() if count > 1]
        if repeated:
            raise CorpusError(f"the corpus {self.name!r} holds {len(repeated)} ids twice, for example {repeated[0]!r}")
        for example in self.examples:
            if example.label not in self.group.labels:
                raise CorpusError(
                    f"{example.key} has the unknown label {example.label!r}; the group {self.group.name!r} has "
                    f"{', '.join(self.group.labels)}"
                )
            if not example.text.strip():
                raise CorpusError(f"{example.key} has a blank text; leave such rows out")

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def __repr__(self) -> str:
        counts = ", ".join(f"{label} {count}" for label, count in self.counts().items() if count)
        return f"Corpus({self.name!r}, {len(self)} texts of {len(self.sources)} source(s): {counts})"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, in order of first appearance."""
        return tuple(dict.fromkeys(example.source for example in self.examples))

    @property
    def digest(self) -> str:
        """SHA-256 over keys, labels and texts in order: equal for equal content."""
        state = hashlib.sha256()
        for example in self.examples:
            state.update("\x1f".join((example.key, example.label, example.text, *example.context)).encode())
            state.update(b"\x1e")
        return state.hexdigest()

    def counts(self) -> dict[str, int]:
        """Number of texts of every label of the group, zeros included."""
        found = Counter(example.label for example in self.examples)
        return {label: found[label] for label in self.group.labels}

    def among(self, seen: Collection[str]) -> tuple[Example, ...]:
        """The examples that are among others.

        Args:
            seen: The digests of the others, or their keys where their texts are not known.
        """
        return tuple(example for example in self.examples if example.digest in seen or example.key in seen)

    def where(self, keep: Callable[[Example], bool]) -> "Corpus":
        """The examples for which `keep` is true, in the same order.

        Raises:
            CorpusError: None is left.
        """
        return self._with(tuple(example for example in self.examples if keep(example)))

    def balanced(self, n: int | None = None, *, seed: int = 0) -> "Corpus":
        """Draw equally many texts of every label within each source, at random; another order gives another draw.

        Args:
            n: Texts a label and source; a label that has fewer keeps all it has. By default the size of the
                source's smallest label that occurs.
            seed: Of the draw.

        Returns:
            A corpus with the drawn examples in their former order.

        Raises:
            CorpusError: `n` is not positive.
        """
        if n is not None and n < 1:
            raise CorpusError(f"n={n} texts a label were asked for; it has to be at least 1")
        cells: dict[tuple[str, str], list[int]] = {}
        for index, example in enumerate(self.examples):
            cells.setdefault((example.source, example.label), []).append(index)
        drawn: list[int] = []
        for (source, label), members in sorted(cells.items()):
            wanted = min(len(m) for (s, _), m in cells.items() if s == source) if n is None else n
            generator = random_stream(seed, source, label)
            drawn += [members[i] for i in generator.permutation(len(members))[:wanted]]
        return self._with(tuple(self.examples[index] for index in sorted(drawn)))

    def matched(self, *, bins: int = 5, topics: bool = False, seed: int = 0) -> "Corpus":
        """Draw texts so that within each source all labels have the same lengths, and the same topics if asked.

        Args:
            bins: Quantile bins of the number of words, over all texts of a source; every label gets equally many
                texts of each. More bins match more closely and keep fewer texts.
            topics: Whether every label also gets equally many texts of each topic and bin.
            seed: Of the draw.

        Returns:
            A corpus with the drawn examples in their former order. Texts of a pair are drawn one by one.

        Raises:
            CorpusError: `bins` is not positive, no text has a topic, or nothing can be matched.
        """
        return self._with(tuple(self.examples[i] for i in matched_texts(self.examples, bins, topics, seed=seed)))

    def split(
        self, shares: Mapping[str, float], *, seed: int = 0, keep_together: Sequence[str] = ("pair",)
    ) -> dict[str, "Corpus"]:
        """Split into parts, stratified by source and label, with tied texts and duplicates in one part.

        Args:
            shares: Part name to share, for example `{"train": 0.8, "dev": 0.1, "test": 0.1}`; they sum to 1.
            seed: Of the assignment.
            keep_together: Any of `"pair"` and `"topic"`: examples that share one never cross parts.

        Returns:
            One corpus a part, examples in their former order.

        Raises:
            CorpusError: Shares do not sum to 1, a tie is unknown, or a part would be empty.
        """
        if not shares or min(shares.values()) <= 0 or not abs(sum(shares.values()) - 1) < 1e-9:
            raise CorpusError(f"the shares of a split have to be positive and sum to 1, got {dict(shares)}")
        unknown = sorted(set(keep_together) - set(TIES))
        if unknown:
            raise CorpusError(f"keep_together knows {', '.join(TIES)}, got {unknown}")
        assigned, blocks = assign_parts(self.examples, shares, seed=seed, ties=keep_together)
        empty = [part for part, members in assigned.items() if not members]
        if empty:
            raise CorpusError(
                f"nothing is left for {', '.join(map(repr, empty))}: the corpus {self.name!r} has {len(self)} texts in "
                f"{blocks} groups that stay together; ask for fewer parts or larger shares"
            )
        return {part: self._with(tuple(self.examples[i] for i in sorted(m))) for part, m in assigned.items()}

    def to_dataframe(self) -> pd.DataFrame:
        """One row an example, one column a property."""
        return pd.DataFrame([vars(example) for example in self.examples])

    def _with(self, examples: tuple[Example, ...]) -> "Corpus":
        return type(self)(name=self.name, group=self.group, examples=examples)


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Put corpora of one group together; each keeps its sources.

    Raises:
        CorpusError: There is none, their groups differ, or an id occurs twice within a source.
    """
    if not corpora:
        raise CorpusError("there is no corpus to join; give at least one")
    groups = {corpus.group.labels for corpus in corpora}
    if len(groups) > 1:
        raise CorpusError(f"corpora of different concept groups cannot be joined: {sorted(groups)}")
    examples = tuple(example for corpus in corpora for example in corpus)
    return Corpus(name="+".join(corpus.name for corpus in corpora), group=corpora[0].group, examples=examples)


def require_disjoint(**parts: Corpus) -> None:
    """Refuse parts of which two hold the same text (case and punctuation aside, context counted).

    Args:
        **parts: The corpora by the names that the error should use.

    Raises:
        CorpusError: A text occurs in two parts.
    """
    owner: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
    for part, corpus in parts.items():
        for example in corpus:
            first_part, first_key = owner.setdefault(example.normalized, (part, example.key))
            if first_part != part:
                raise CorpusError(
                    f"{first_key} in {first_part!r} and {example.key} in {part!r} are the same text; leave one out, "
                    "or let Corpus.split make the parts, which keeps duplicates together"
                )
