"""A judge tells labels apart by words, says how well, and refuses texts that it may not judge."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import PAIR_GROUP, planted_corpus, texts_corpus, tiny_corpus, tiny_llama

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import CorpusError
from emorhet_lens.generation.judge import NOTHING, doubts_of, train_judge

WORDS = {"glad": "sun song bright", "sad": "rain storm dark", "plain": "road house door"}


@pytest.fixture(scope="module")
def stats():
    return collect_stats(tiny_llama(), tiny_corpus(12, source="screened"), progress=False)


def telling(n: int = 40, *, clear: float = 1.0, source: str = "other"):
    """Texts in which every label has words of its own, or with a chance those of any label."""
    generator = np.random.default_rng(0)
    rows = []
    for k in range(n):
        for label in PAIR_GROUP.labels:
            named = label if generator.random() < clear else str(generator.choice(PAIR_GROUP.labels))
            rows.append((label, f"{label[0]}{k} " + " ".join(generator.permutation(WORDS[named].split()))))
    return texts_corpus(*rows, source=source)


def test_a_judge_that_can_tell(stats):
    judge = train_judge(telling(), screened=stats)
    assert judge.accuracy == 1.0
    assert judge.high == 1.0
    assert 0.8 < judge.low < 1
    assert (judge.n_train, judge.n_held_out) == (96, 24)
    assert judge.labels == PAIR_GROUP.labels
    assert judge.predict(["the SUN and a song", "Rain!", "a house", "", "xyz ..."]) == (
        *("glad", "sad", "plain"),
        *(NOTHING, NOTHING),
    )
    found = judge.probabilities(["sun", "qqq"])
    assert found[0].sum().item() == pytest.approx(1)
    assert found[0].argmax().item() == 0
    assert torch.equal(found[1], torch.zeros(3, dtype=torch.float64))
    assert judge.predict([]) == ()


def test_the_stated_accuracy_is_of_texts_it_was_not_trained_on(stats):
    """Labels without meaning can be learned by heart, but not told."""
    judge = train_judge(telling(120, clear=0.0), screened=stats, seed=1)
    assert judge.low < 1 / 3 < judge.high
    assert judge.accuracy == pytest.approx(sum(judge.recall.values()) / 3)
    assert judge.to_dict()["chance"] == pytest.approx(1 / 3)
    assert judge.to_dict()["sources"] == ("other",)


def test_accuracy_across_sources(stats):
    """One source calls the same words by other labels: each alone is learned, neither tells the other."""
    other = {"glad": "sad", "sad": "plain", "plain": "glad"}
    first = telling(40, source="first")
    turned = telling(40, source="second")
    examples = tuple(replace(example, label=other[example.label]) for example in turned)
    judge = train_judge([first, replace(turned, examples=examples)], screened=stats)
    assert judge.across == {"first": 0.0, "second": 0.0}
    agreeing = train_judge([first, telling(40, source="third")], screened=stats)
    assert agreeing.across == {"first": 1.0, "third": 1.0}
    assert train_judge(first, screened=stats).across == {}


def test_texts_it_was_trained_on_are_refused(stats):
    corpus = telling()
    judge = train_judge(corpus, screened=stats)
    known = [example.text for example in corpus if judge.knows(example.text)]
    assert len(known) == judge.n_train
    with pytest.raises(CorpusError, match="trained on 1 of the 2 texts"):
        judge.predict(["the sun", known[0].upper() + "!"])
    with pytest.raises(CorpusError, match=r"Judge\.knows"):
        judge.probabilities(known)


def test_what_was_screened_on_is_refused(stats):
    with pytest.raises(CorpusError, match="screened was screened on"):
        train_judge(tiny_corpus(60, seed=1, source="screened"), screened=stats)
    with pytest.raises(CorpusError, match="screened was screened on"):
        train_judge([telling(), tiny_corpus(12, source="screened")], screened=stats)


def test_too_little_is_refused(stats, planted):
    corpus = telling()
    with pytest.raises(CorpusError, match="'sad' only"):
        train_judge(corpus.where(lambda example: example.label == "sad"), screened=stats)
    few = corpus.where(lambda example: example.label != "sad" or example.id == "001")
    with pytest.raises(CorpusError, match="too few texts of 'sad'"):
        train_judge(few, screened=stats)
    with pytest.raises(CorpusError, match="different concept groups"):
        train_judge([corpus, planted_corpus(planted, per_label=4)], screened=stats)


def test_the_interval_is_of_the_mean_recall(stats):
    """Where one label is common and known and the other rare and not, the plain share of hits is another number."""
    rows = [(label, f"the sun and a song {k}") for label, n in (("glad", 90), ("sad", 9)) for k in range(n)]
    judge = train_judge(texts_corpus(*rows, source="other"), screened=stats)
    assert judge.recall == {"glad": 1.0, "sad": 0.0}
    assert judge.accuracy == 0.5
    assert judge.low < 0.5 < judge.high < 0.9
    [note] = doubts_of(judge)
    assert "its verdicts say nothing" in note and "chance is 0.50" in note
    assert doubts_of(train_judge(telling(), screened=stats)) == ()


def test_a_judge_near_chance_on_other_sources_is_said(stats):
    other = {"glad": "sad", "sad": "plain", "plain": "glad"}
    turned = telling(40, source="second")
    examples = tuple(replace(example, label=other[example.label]) for example in turned)
    judge = train_judge([telling(40, source="first"), replace(turned, examples=examples)], screened=stats)
    assert "near chance (0.33) on first 0.00, second 0.00" in doubts_of(judge)[-1]
