"""Do several labellers agree, and do two corpora agree on the texts that both hold?

Labellers who agree can be wrong together. Kappa depends on how frequent the labels are: compare it only between sets
with like shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.corpus import Corpus


@dataclass(frozen=True)
class Agreement:
    """How far labels agree.

    Args:
        texts: Labelled by all.
        labellers: How many there are.
        observed: Share of pairs of labels of a text that are equal.
        kappa: Agreement beyond chance: 1 is perfect, 0 chance; NaN where everybody gives one and the same label.
        coefficient: Which kappa: Fleiss' for labellers, Cohen's for two corpora.
    """

    texts: int
    labellers: int
    observed: float
    kappa: float
    coefficient: str


def label_agreement(labels: Mapping[str, Sequence[str]]) -> Agreement:
    """Agreement of labellers who have all labelled the same texts.

    Args:
        labels: For every labeller the labels, in the same order of texts; columns of a table will do.

    Returns:
        Observed agreement and Fleiss' kappa. Which labeller is which does not matter.

    Raises:
        CorpusError: There are fewer than two labellers, no texts, or not equally many labels.
    """
    columns = {name: list(given) for name, given in labels.items()}
    lengths = {len(given) for given in columns.values()}
    if len(columns) < 2 or lengths == {0} or len(lengths) > 1:
        numbers = {name: len(given) for name, given in columns.items()}
        raise CorpusError(f"agreement needs two labellers or more with equally many labels, got {numbers}")
    table = np.array(list(columns.values()), dtype=str).T
    counts, _ = aggregate_raters(table)
    n, k = table.shape
    observed = float((counts * (counts - 1)).sum() / (n * k * (k - 1)))
    # With one label only chance agreement is complete, too: 0 / 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = float(fleiss_kappa(counts))
    return Agreement(n, k, observed, kappa, "Fleiss' kappa")


def corpus_agreement(first: Corpus, second: Corpus) -> tuple[Agreement, pd.DataFrame]:
    """Agreement of two corpora on the texts that both hold, case and punctuation aside, context counted.

    Args:
        first: A corpus.
        second: Another one; labels are compared by name.

    Returns:
        Observed agreement and Cohen's kappa, and the table of counts: labels of `first` in rows, of `second` in
        columns. Texts that one of the corpora labels in two ways are left out.

    Raises:
        CorpusError: There is no text that both hold and each labels in one way.
    """
    mine, theirs = _single_labels(first), _single_labels(second)
    both = mine.keys() & theirs.keys()
    if not both:
        raise CorpusError(f"{first.name!r} and {second.name!r} share no text with one label in each; see overlaps()")
    names = list(dict.fromkeys((*first.group.labels, *second.group.labels)))
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for text in both:
        counts[names.index(mine[text]), names.index(theirs[text])] += 1
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = float(cohens_kappa(counts, return_results=False))
    observed = float(np.trace(counts) / counts.sum())
    table = pd.DataFrame(counts, index=pd.Index(names, name=first.name), columns=pd.Index(names, name=second.name))
    return Agreement(len(both), 2, observed, kappa, "Cohen's kappa"), table


def _single_labels(corpus: Corpus) -> dict[object, str]:
    labels: dict[object, set[str]] = {}
    for example in corpus:
        labels.setdefault(example.normalized, set()).add(example.label)
    return {text: next(iter(found)) for text, found in labels.items() if len(found) == 1}
