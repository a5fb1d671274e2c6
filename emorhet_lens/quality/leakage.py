"""How far single words tell the labels: the balanced accuracy of a bag-of-words classifier on texts held out.

A high value says that neurons which respond to words would pass for neurons of the concept. It is no fault where the
concept is made of words; a low value says only that this classifier, with this many texts, finds nothing.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality.word_classifier import fit_words, out_of_fold, telling_words
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import TIES, random_stream, tied_blocks

N_WORDS = 5
"""Telling words a label."""


@dataclass(frozen=True)
class Leakage:
    """How well single words tell the labels of texts.

    Args:
        accuracy: Balanced accuracy, the mean of the recalls; over repeats.
        chance: What guessing gives: one over the number of labels.
        spread: Standard deviation of the balanced accuracy of guesses, if texts were independent.
        recalls: For every label the share of its texts that are told, over repeats.
        words: For every label the words with the most weight for it, the weightiest first.
        texts: Number of texts that were judged.
        design: In words, what was held out from what.
        repeats: The balanced accuracy of each repeat.
    """

    accuracy: float
    chance: float
    spread: float
    recalls: Mapping[str, float]
    words: Mapping[str, tuple[str, ...]]
    texts: int
    design: str
    repeats: tuple[float, ...]

    @property
    def above_chance(self) -> float:
        """Accuracy on a scale on which guessing is 0 and knowing is 1."""
        return (self.accuracy - self.chance) / (1 - self.chance)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a label. Columns: label, recall, chance, words (joined by spaces)."""
        rows = [(label, recall, self.chance, " ".join(self.words[label])) for label, recall in self.recalls.items()]
        return pd.DataFrame(rows, columns=["label", "recall", "chance", "words"])


def leakage(
    corpus: Corpus,
    *,
    by: str | None = None,
    folds: int = 10,
    repeats: int = 3,
    seed: int = 0,
    at_most: int | None = None,
    size: int | None = None,
) -> Leakage:
    """Measure how well single words tell the labels of texts that the classifier has not seen.

    Texts that are the same but for case and punctuation are held out together, always.

    Args:
        corpus: Texts of at least two labels.
        by: What is held out as a whole: texts of a topic, or of a pair; None holds out texts one by one. Twins with
            different labels have to be held out together: one of them in training teaches the wrong label.
        folds: Folds; fewer where there are not as many blocks.
        repeats: How often the folds are drawn anew.
        seed: Of folds and draws.
        at_most: Texts a label to use; whole blocks are drawn until every label has as many, if it has them. By default
            all.
        size: Texts a label to train on; by default all of the other folds. See `learning_curve`.

    Returns:
        The leakage, whatever the order of the texts.

    Raises:
        CorpusError: A number is too small, no text has the tie, there is one label only, or a label is found in one
            block only.
    """
    if folds < 2 or repeats < 1 or min(n for n in (at_most, size, 1) if n is not None) < 1:
        raise CorpusError(f"{folds=}, {repeats=}, {at_most=}, {size=}: folds start at 2, the others at 1")
    examples, blocks = _blocks(corpus, by, at_most, seed)
    labels = [example.label for example in examples]
    present = [label for label in corpus.group.labels if label in set(labels)]
    if len(present) < 2:
        raise CorpusError(f"leakage needs two labels or more, {corpus.name!r} has {', '.join(present)}")
    spread_over = Counter(label for label, _ in {*zip(labels, blocks, strict=True)})
    narrow = [label for label in present if spread_over[label] < 2]
    if narrow:
        what = "text" if by is None else by
        raise CorpusError(
            f"in {corpus.name!r} {', '.join(narrow)} occurs in one {what} only, which cannot be held out and learnt "
            f"from; leave it out with Corpus.where{'' if by is None else ', or pass by=None'}"
        )
    texts = [example.text for example in examples]
    folds = min(folds, len(set(blocks)), max(Counter(labels).values()))
    told: list[dict[str, float]] = []
    for repeat in range(repeats):
        drawn = int(random_stream(seed, "leakage", str(repeat)).integers(2**31))
        told.append(recalls(labels, out_of_fold(texts, labels, blocks, folds=folds, seed=drawn, size=size), present))
    words = telling_words(fit_words(texts, labels), N_WORDS)
    held_out = "texts" if by is None else f"{by}s as a whole"
    return of_recalls(told, labels, words, f"{folds} folds, {held_out}, {repeats} repeats")


def recalls(labels: Sequence[str], predicted: Sequence[str], present: Sequence[str]) -> dict[str, float]:
    """For every label the share of its texts for which it is predicted.

    Args:
        labels: True labels.
        predicted: Predicted ones.
        present: The labels to report, each of which occurs.
    """
    right = Counter(true for true, guess in zip(labels, predicted, strict=True) if true == guess)
    counts = Counter(labels)
    return {label: right[label] / counts[label] for label in present}


def of_recalls(
    told: Sequence[Mapping[str, float]], labels: Sequence[str], words: Mapping[str, tuple[str, ...]], design: str
) -> Leakage:
    """The leakage that the recalls of one or more repeats make.

    Args:
        told: For every repeat the recall of every label.
        labels: True labels of the texts.
        words: Telling words of at least these labels.
        design: In words, what was held out from what.
    """
    present, counts = list(told[0]), Counter(labels)
    chance = 1 / len(present)
    spread = math.sqrt(sum(chance * (1 - chance) / counts[label] for label in present)) / len(present)
    each = tuple(fmean(one.values()) for one in told)
    mean = {label: fmean(one[label] for one in told) for label in present}
    shown = {label: words[label] for label in present}
    return Leakage(fmean(each), chance, spread, mean, shown, len(labels), design, each)


def _blocks(corpus: Corpus, by: str | None, at_most: int | None, seed: int) -> tuple[list[Example], list[int]]:
    """The texts to use, and for each the number of its block; the order of the corpus does not matter."""
    if by is not None and by not in TIES:
        raise CorpusError(f"by={by!r}; what can be held out is {', '.join(map(repr, TIES))}, or None")
    if by is not None and all(getattr(example, by) is None for example in corpus):
        raise CorpusError(f"no text of {corpus.name!r} has a {by}, so {by}s cannot be held out; pass by=None")
    examples = sorted(corpus, key=lambda example: example.key)
    blocks = tied_blocks(examples, () if by is None else (by,))
    if at_most is not None:
        have: Counter[str] = Counter()
        kept = []
        for number in random_stream(seed, "leakage", "texts").permutation(len(blocks)).tolist():
            found = Counter(examples[i].label for i in blocks[number])
            if any(have[label] < at_most for label in found):
                have.update(found)
                kept.append(number)
        blocks = [blocks[number] for number in sorted(kept)]
    numbered = sorted((index, number) for number, block in enumerate(blocks) for index in block)
    return [examples[index] for index, _ in numbered], [number for _, number in numbered]
