"""An independent judge of what a text carries: words and a logistic regression, trained on texts of other origin.

The judge shares nothing with the model that writes: neither weights nor the texts that neurons were screened on. It
sees single words only, so it takes a text that names a feeling for one that shows it, and its held-out accuracy holds
for texts like those it was trained on. What it says of generated text can be trusted less than that number suggests.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from sklearn.pipeline import Pipeline
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import CorpusError
from emorhet_lens.generation.judge_texts import require_unscreened
from emorhet_lens.quality.word_classifier import fit_words
from emorhet_lens.texts.corpus import Corpus, join
from emorhet_lens.texts.examples import Example

NOTHING = "nothing"
"""What the judge says of a text without any word that it knows."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier and how far it can be trusted; `train_judge` makes it.

    Args:
        classifier: Has been trained on a part of the texts.
        labels: What it tells apart, in the group's order.
        accuracy: Share of held-out texts that it labels right, every label counting alike.
        low: Lower end of its 95 % interval over texts.
        high: Its upper end.
        recall: Share that it labels right of each label's held-out texts.
        across: For every source, the accuracy on its held-out texts of a judge that was trained on the other sources
            alone: how far a verdict on texts of another kind can be trusted. Empty for one source.
        n_train: Texts that it was trained on.
        n_held_out: Texts that it was tried on.
        sources: Where the texts come from.
        known: The texts that it was trained on, without case and punctuation.
    """

    classifier: Pipeline
    labels: tuple[str, ...]
    accuracy: float
    low: float
    high: float
    recall: dict[str, float]
    across: dict[str, float]
    n_train: int
    n_held_out: int
    sources: tuple[str, ...]
    known: frozenset[str]

    def __repr__(self) -> str:
        return (
            f"Judge(of {', '.join(self.labels)}: held-out accuracy {self.accuracy:.2f}, chance "
            f"{1 / len(self.labels):.2f}, trained on {self.n_train} texts of {', '.join(self.sources)})"
        )

    def knows(self, text: str) -> bool:
        """Whether it was trained on this text, case and punctuation aside."""
        return _plain(text) in self.known

    def probabilities(self, texts: Sequence[str]) -> Float[Tensor, "example label"]:
        """How likely it finds every label; zeros for a text without any word that it knows.

        Raises:
            CorpusError: It was trained on one of the texts.
        """
        seen = [text for text in texts if self.knows(text)]
        if seen:
            raise CorpusError(
                f"the judge was trained on {len(seen)} of the {len(texts)} texts, for example {seen[0][:60]!r}; train "
                "it on other corpora, or leave these texts out (Judge.knows finds them)"
            )
        if not texts:
            return torch.zeros(0, len(self.labels), dtype=torch.float64)
        order = [list(self.classifier.classes_).index(label) for label in self.labels]
        found = torch.from_numpy(self.classifier.predict_proba(list(texts))[:, order])
        empty = torch.from_numpy(self.classifier[0].transform(list(texts)).getnnz(axis=1) == 0)
        return found.double().masked_fill(empty.unsqueeze(1), 0.0)

    def predict(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The likeliest label of every text, `"nothing"` for one without any word that it knows.

        Raises:
            CorpusError: It was trained on one of the texts.
        """
        found = self.probabilities(texts)
        best = found.argmax(-1).tolist() if len(texts) else []
        return tuple(self.labels[index] if bool(row.any()) else NOTHING for index, row in zip(best, found, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """What has to stand beside its verdicts, as plain values for JSON."""
        names = ("labels", "accuracy", "low", "high", "recall", "across", "n_train", "n_held_out", "sources")
        return {"kind": "TF-IDF of words, logistic regression", "chance": 1 / len(self.labels)} | {
            name: getattr(self, name) for name in names
        }


def train_judge(
    corpora: Corpus | Sequence[Corpus], *, screened: ActivationStats, held_out: float = 0.2, seed: int = 0
) -> Judge:
    """Train a judge on texts that had no part in the screening.

    Args:
        corpora: Labelled texts of one group, of at least two labels.
        screened: The statistics that the neurons were selected from.
        held_out: Share of texts, by source and label, that it is tried on and not trained on.
        seed: Of the division.

    Returns:
        The judge.

    Raises:
        CorpusError: A source was screened on, there is one label only, or a part would be empty.
    """
    corpus = corpora if isinstance(corpora, Corpus) else join(corpora)
    require_unscreened(corpus, screened.sources, screened.seen)
    labels = tuple(label for label, count in corpus.counts().items() if count)
    if len(labels) < 2:
        raise CorpusError(f"{corpus.name!r} has texts of {labels[0]!r} only; a judge needs at least two labels")
    parts = corpus.split({"train": 1 - held_out, "held_out": held_out}, seed=seed)
    train, tried = parts["train"], parts["held_out"]
    absent = [label for label in labels for part in (train, tried) if not part.counts()[label]]
    if absent:
        raise CorpusError(f"too few texts of {absent[0]!r} to train a judge and to try it; give more, or leave it out")
    classifier = _fit(train)
    right = _hits(classifier, tried)
    recall = _recall(right, tried)
    low, high = _interval(right, tried)
    return Judge(
        classifier=classifier,
        labels=labels,
        accuracy=_mean(recall),
        low=low,
        high=high,
        recall=recall,
        across=_across(train, tried) if len(corpus.sources) > 1 else {},
        n_train=len(train),
        n_held_out=len(tried),
        sources=corpus.sources,
        known=frozenset(_plain(example.text) for example in train),
    )


def doubts_of(judge: Judge) -> tuple[str, ...]:
    """In words, why the verdicts of a judge may say nothing.

    Args:
        judge: The judge.

    Returns:
        A note for accuracies that chance explains, on held-out texts and on sources that it was not trained on.
    """
    chance = 1 / len(judge.labels)
    notes = []
    if not judge.low > chance:
        notes.append(
            f"the judge is right for {judge.accuracy:.2f} [{judge.low:.2f}, {judge.high:.2f}] of held-out texts, "
            f"chance is {chance:.2f}: its verdicts say nothing"
        )
    weak = [f"{source} {accuracy:.2f}" for source, accuracy in judge.across.items() if accuracy < 2 * chance]
    if weak:
        notes.append(
            f"trained on its other sources alone, the judge is near chance ({chance:.2f}) on {', '.join(weak)}: it "
            "may be on any texts unlike its own, such as written ones"
        )
    return tuple(notes)


def _fit(corpus: Corpus) -> Pipeline:
    return fit_words([example.text for example in corpus], [example.label for example in corpus])


def _hits(classifier: Pipeline, tried: Corpus) -> list[bool]:
    predicted = classifier.predict([example.text for example in tried])
    return [str(found) == example.label for found, example in zip(predicted, tried, strict=True)]


def _recall(right: Sequence[bool], tried: Corpus) -> dict[str, float]:
    """Share of hits for every label that has texts."""
    counts = {label: count for label, count in tried.counts().items() if count}
    hits = Counter(example.label for hit, example in zip(right, tried, strict=True) if hit)
    return {label: hits[label] / count for label, count in counts.items()}


def _interval(right: Sequence[bool], tried: Corpus) -> tuple[float, float]:
    """Interval of the mean recall, from Wilson's of every label (method of variance recovery, Zou and Donner 2008)."""
    below, above = [], []
    recall, counts = _recall(right, tried), tried.counts()
    for label, share in recall.items():
        low, high = proportion_confint(round(share * counts[label]), counts[label], method="wilson")
        below.append(share - low)
        above.append(high - share)
    mean = _mean(recall)
    reach = [math.hypot(*side) / len(recall) for side in (below, above)]
    return max(0.0, mean - reach[0]), min(1.0, mean + reach[1])


def _mean(recall: dict[str, float]) -> float:
    return sum(recall.values()) / len(recall)


def _across(train: Corpus, tried: Corpus) -> dict[str, float]:
    """Accuracy in every source without its own texts, over the labels that the other sources have too."""
    found = {}
    for source in train.sources:
        others = _among(train, {e.key for e in train if e.source != source})
        known = {label for label, count in others.counts().items() if count}
        asked = {e.key for e in tried if e.source == source and e.label in known}
        if len(known) > 1 and asked:
            alone = _among(tried, asked)
            found[source] = _mean(_recall(_hits(_fit(others), alone), alone))
    return found


def _among(corpus: Corpus, keys: set[str]) -> Corpus:
    return corpus.where(lambda example: example.key in keys)


def _plain(text: str) -> str:
    return Example("", text, "", "").normalized[0]
