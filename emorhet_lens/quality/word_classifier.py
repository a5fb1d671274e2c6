"""The bag-of-words classifier that leakage is measured with, and its predictions for texts that it has not seen."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from emorhet_lens.texts.splitting import random_stream


def fit_words(texts: Sequence[str], labels: Sequence[str]) -> Pipeline:
    """Fit a logistic regression on TF-IDF weights of single words, classes weighted alike.

    Args:
        texts: Texts.
        labels: Their labels, at least two different ones.

    Returns:
        The fitted classifier, with `predict`.
    """
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    classifier = make_pipeline(words, LogisticRegression(C=10, class_weight="balanced", max_iter=2000))
    # The products are so small that threads would spend their time waiting for each other: many times slower.
    with threadpool_limits(1):
        return classifier.fit(texts, labels)


def telling_words(classifier: Pipeline, n: int) -> dict[str, tuple[str, ...]]:
    """The words with the most weight for each label.

    Args:
        classifier: From `fit_words`.
        n: Words a label.

    Returns:
        For every label its words, the weightiest first; words with a negative weight are left out.
    """
    vectorizer, regression = classifier[0], classifier[-1]
    words, weights = vectorizer.get_feature_names_out(), regression.coef_
    if len(regression.classes_) == 2:
        weights = np.concatenate([-weights, weights])
    return {
        str(label): tuple(str(words[i]) for i in np.argsort(-row, kind="stable")[:n] if row[i] > 0)
        for label, row in zip(regression.classes_, weights, strict=True)
    }


def out_of_fold(
    texts: Sequence[str],
    labels: Sequence[str],
    blocks: Sequence[int],
    *,
    folds: int,
    seed: int,
    size: int | None = None,
) -> list[str]:
    """Predict the label of every text by a classifier that has seen no text of its block.

    Args:
        texts: Texts.
        labels: Their labels.
        blocks: For every text the number of its block; a block stays in one fold.
        folds: Number of folds, at most as many as there are blocks and texts of the largest label.
        seed: Of the folds, and of the draw of training texts.
        size: Texts a label to train on, drawn from the other folds; by default all.

    Returns:
        One label a text.
    """
    columns: Any = np.array(texts, dtype=object), np.array(labels, dtype=object), np.array(blocks)
    x, y, groups = columns
    predicted = np.empty(len(y), dtype=object)
    cut = StratifiedGroupKFold(folds, shuffle=True, random_state=int(random_stream(seed, "folds").integers(2**31)))
    with warnings.catch_warnings():
        # A label with fewer texts than folds is missing in some, which pooled predictions allow for.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = list(cut.split(x, y, groups))
    for number, (train, test) in enumerate(parts):
        if size is not None:
            train = _drawn(y, train, size, seed, number)
        if not len(test):
            continue
        if len(set(y[train])) == 1:
            predicted[test] = y[train][0]
        else:
            predicted[test] = fit_words(x[train].tolist(), y[train].tolist()).predict(x[test])
    return [str(label) for label in predicted]


def _drawn(labels: np.ndarray, train: np.ndarray, size: int, seed: int, fold: int) -> np.ndarray:
    kept = []
    for label in sorted(set(labels[train])):
        members = train[labels[train] == label]
        kept.append(random_stream(seed, "train", label, str(fold)).permutation(members)[:size])
    return np.sort(np.concatenate(kept))
