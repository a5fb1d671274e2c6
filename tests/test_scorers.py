"""Scorers against numbers worked out by hand, against scipy and numpy, and the laws they keep."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import stats_by_hand
from scipy.stats import norm, ttest_ind
from sklearn.metrics import roc_auc_score
from tiny import PAIR_GROUP

from emorhet_lens.errors import ScreenError, StatsError
from emorhet_lens.scorers import SCORERS, register_scorer, require_references
from emorhet_lens.scorers.registry import require_against
from emorhet_lens.screening.screen import screen
from emorhet_lens.screening.selection import ScreenOptions, select
from emorhet_lens.texts.concepts import ConceptGroup

CONTRASTS = (
    *("difference", "difference_signed", "difference_scaled", "standardized"),
    *("rate_z", "mean_z", "mutual_information", "auroc"),
)
# Neurons: selective, silent, uniform, mixed, firing in one text only.
TEXTS = [
    ("glad", [[1, -1, 2, 1, 5], [3, -1, 2, -1, -1]]),
    ("glad", [[2, -1, 2, -1, -1], [-2, -1, 2, -1, -1]]),
    ("sad", [[-1, -1, 2, 1, -1], [-1, -1, 2, 1, -1], [-1, -1, 2, 1, -1], [-1, -1, 2, -1, -1]]),
    ("plain", [[-1, -1, 2, -1, -1], [-1, -1, 2, -1, -1]]),
    ("plain", [[1, -1, 2, 1, -1], [-1, -1, 2, 1, -1]]),
]
STATS = stats_by_hand([text for _, text in TEXTS], [label for label, _ in TEXTS])
ABC = ConceptGroup("letters", ("a", "b", "c"), "rest")


def scored(name, stats=STATS, against="rest"):
    return SCORERS[name].compute(stats, against)[:, 0]


def expect(scores, rows):
    torch.testing.assert_close(scores, torch.tensor(rows, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def random_texts(seed, n=60, neurons=6, group=PAIR_GROUP):
    generator = np.random.default_rng(seed)
    labels = [str(label) for label in generator.choice(group.labels, size=n)]
    offsets = {label: generator.normal(size=neurons) for label in group.labels}
    texts = [
        offsets[label] + generator.normal(size=neurons) + generator.normal(size=(generator.integers(1, 9), neurons))
        for label in labels
    ]
    return texts, labels


def text_values(texts, labels, keep, quantity):
    values = [text.mean(0) if quantity == "mean" else (text > 0).mean(0) for text in texts]
    return np.stack([value for value, label in zip(values, labels, strict=True) if keep(label)])


def both_sides(texts, labels, concept, against, quantity):
    other = (lambda label: label == "plain") if against == "rest" else (lambda label: label != concept)
    return (
        text_values(texts, labels, lambda label: label == concept, quantity),
        text_values(texts, labels, other, quantity),
    )


def test_firing_statistics_by_hand():
    expect(scored("frequency"), [[3, 0, 4, 1, 1], [0, 0, 4, 3, 0]])
    expect(scored("probability"), [[0.75, 0, 1, 0.25, 0.25], [0, 0, 1, 0.75, 0]])
    expect(scored("normalized"), [[1, 0, 0.5, 0.25, 1], [0, 0, 0.5, 0.75, 0]])
    # -(1/4 log 1/4 + 3/4 log 3/4) = 0.5623351446...
    expect(scored("entropy"), [[0, 0, math.log(2), 0.5623351446188083, 0]] * 2)


def test_miller_correction_by_hand():
    # (C - 1) / 2N with C = 2 and N texts of the concepts that fire: 2, 0, 3, 2, 1; never above log 2.
    expect(scored("entropy_corrected"), [[0.25, math.log(2), math.log(2), math.log(2), 0.5]] * 2)


def test_entropy_of_uniform_firing_is_the_logarithm_of_the_number_of_concepts():
    stats = stats_by_hand([[[1.0]], [[2.0]], [[3.0]], [[-1.0]]], [*ABC.concepts, "rest"], group=ABC)
    expect(scored("entropy", stats), [[math.log(3)]] * 3)


def test_one_concept_leaves_nothing_to_correct():
    group = ConceptGroup("one", ("a",), "rest")
    stats = stats_by_hand([[[1.0, -1.0]], [[-1.0, -1.0]]], ["a", "rest"], group=group)
    expect(scored("entropy_corrected", stats), [[0, 0]])


def test_differences_by_hand():
    # Mean of max(x, 0): glad 6/4, sad 0, plain 1/4, all 7/12 for the first neuron.
    positive = scored("difference")
    expect(positive[:, 0], [1.25 / (7 / 12), 0.25 / (7 / 12)])
    expect(positive[:, 1:], [[0, 0, 0.5, 0], [0, 0, 0.5, 0]])
    expect(scored("difference", against="others")[0, 0], 1.375 / (7 / 12))
    # Signed means: glad 1, plain -1/2, all -1/6; the denominator makes it negative.
    signed = scored("difference_signed")
    expect(signed[0, :3], [-9, 0, 0])
    # One text alone: glad mean 2/4, plain -1, all -6/12.
    expect(signed[0, 4], -3)
    # Mean square 26/12, so the variance is 77/36.
    expect(scored("difference_scaled")[0, 0], 9 / math.sqrt(77))
    expect(scored("difference_scaled")[:, 1:3], [[0, 0], [0, 0]])


def test_mutual_information_by_hand():
    # Mean text rates: glad 3/4, plain 1/4, sad 0.
    log = math.log
    expect(scored("mutual_information")[0, 0], log(2) + 0.75 * log(0.75) + 0.25 * log(0.25))
    sad = -(0.125 * log(0.125) + 0.875 * log(0.875)) + (0.25 * log(0.25) + 0.75 * log(0.75)) / 2
    expect(scored("mutual_information")[1, 0], sad)
    expect(scored("mutual_information")[:, 1:3], [[0, 0], [0, 0]])


def test_mutual_information_has_no_sign():
    texts = [[[1, -1]], [[1, -1]], [[-1, 1]], [[-1, 1]]]
    stats = stats_by_hand(texts, ["glad", "glad", "plain", "plain"])
    expect(scored("mutual_information", stats)[0], [math.log(2), math.log(2)])


@pytest.mark.parametrize("against", ["rest", "others"])
@pytest.mark.parametrize("seed", range(3))
def test_text_contrasts_are_those_of_scipy_and_numpy(seed, against):
    texts, labels = random_texts(seed)
    stats = stats_by_hand(texts, labels)
    for row, concept in enumerate(PAIR_GROUP.concepts):
        for quantity in ("rate", "mean"):
            mine, other = both_sides(texts, labels, concept, against, quantity)
            welch = ttest_ind(mine, other, equal_var=False).statistic
            expect(scored(f"{quantity}_z", stats, against)[row], welch.tolist())
        n1, n0 = len(mine), len(other)
        v1, v0 = mine.var(0, ddof=1), other.var(0, ddof=1)
        apart = mine.mean(0) - other.mean(0)
        cohen = apart / np.sqrt(((n1 - 1) * v1 + (n0 - 1) * v0) / (n1 + n0 - 2))
        expect(scored("standardized", stats, against)[row], cohen.tolist())
        expect(scored("auroc", stats, against)[row], norm.cdf(apart / np.sqrt(v1 + v0)).tolist())


def test_binormal_auroc_is_near_the_exact_one_on_normal_data():
    generator = np.random.default_rng(0)
    shift, spread = np.linspace(-2, 2, 5), np.linspace(0.5, 2, 5)
    positive = shift + spread * generator.normal(size=(800, 5))
    negative = generator.normal(size=(800, 5))
    labels = ["glad"] * 800 + ["plain"] * 800
    mine = scored("auroc", stats_by_hand([*positive[:, None], *negative[:, None]], labels))[0]
    truth = [1] * 800 + [0] * 800
    exact = [roc_auc_score(truth, np.concatenate([positive[:, k], negative[:, k]])) for k in range(5)]
    assert min(exact) < 0.1 and max(exact) > 0.8
    torch.testing.assert_close(mine, torch.tensor(exact, dtype=torch.float64), atol=0.015, rtol=0)


def two_sources(seed=0):
    parts = [random_texts(seed, n=40), random_texts(seed + 1, n=70)]
    texts = [text for part, _ in parts for text in part]
    labels = [label for _, part in parts for label in part]
    sources = [name for name, (part, _) in zip(("one", "two"), parts, strict=True) for _ in part]
    return parts, stats_by_hand(texts, labels, sources=sources)


@pytest.mark.parametrize("against", ["rest", "others"])
@pytest.mark.parametrize("name", CONTRASTS)
def test_several_sources_give_the_mean_of_their_scores(name, against):
    parts, joined = two_sources()
    single = [scored(name, stats_by_hand(*part), against) for part in parts]
    expect(scored(name, joined, against), ((single[0] + single[1]) / 2).tolist())


def test_a_source_without_the_concept_has_no_say():
    (texts, labels), (others, _) = random_texts(0), random_texts(1)
    second = ["sad" if k % 2 else "plain" for k in range(len(others))]
    joined = stats_by_hand([*texts, *others], [*labels, *second], sources=["one"] * len(texts) + ["two"] * len(others))
    for name in CONTRASTS:
        alone, both = scored(name, stats_by_hand(texts, labels)), scored(name, joined)
        expect(both[0], alone[0].tolist())
        assert not torch.allclose(both[1], alone[1])


def test_what_tells_sources_apart_is_no_concept():
    generator = np.random.default_rng(0)
    texts, labels, sources = [], [], []
    for source, level, counts in (("one", 3, (90, 30)), ("two", -3, (30, 90))):
        for label, count in zip(("glad", "plain"), counts, strict=True):
            texts += list(level + 0.5 * generator.normal(size=(count, 4, 8)))
            labels += [label] * count
            sources += [source] * count
    stats = stats_by_hand(texts, labels, sources=sources)
    apart = {name: scored(name, stats)[0] for name in CONTRASTS}
    pooled = {name: scored(name, stats.without_sources())[0] for name in CONTRASTS}
    assert (apart["standardized"].abs() < 0.5).all() and (pooled["standardized"] > 0.9).all()
    assert (apart["mean_z"].abs() < 3.5).all() and (pooled["mean_z"] > 7).all()
    assert (apart["difference_scaled"] < 0.3).all() and (pooled["difference_scaled"] > 0.8).all()
    assert ((apart["auroc"] - 0.5).abs() < 0.15).all() and (pooled["auroc"] > 0.75).all()
    # Within a source these neurons always or never fire.
    assert not apart["rate_z"].any() and (pooled["rate_z"] > 7).all()
    assert not apart["mutual_information"].any() and (pooled["mutual_information"] > 0.1).all()
    # The firing statistics do without the difference, too.
    alike = SCORERS["probability"].compute(stats, "rest")[0]
    assert (SCORERS["probability"].compute(stats.without_sources(), "rest")[0] > 0.7).all()
    assert (alike < 0.5).all()


def test_probability_over_two_sources_by_hand():
    def tokens(*fired_of):
        """One text: for every neuron how many of its tokens fire."""
        count = fired_of[0][1]
        return [[1.0 if token < fired else -1.0 for fired, _ in fired_of] for token in range(count)]

    texts = [
        tokens((3, 4), (0, 4), (4, 4)),
        tokens((1, 4), (0, 4), (1, 4)),
        tokens((2, 2), (0, 2), (2, 2)),
        tokens((1, 6), (0, 6), (6, 6)),
    ]
    stats = stats_by_hand(texts, ["glad", "plain"] * 2, sources=["one", "one", "two", "two"])
    first = (2.5 / 11) * math.sqrt((3.5 / 1.5) * ((2.5 / 3) / (1.5 / 7)))
    silent = (0.5 / 11) * math.sqrt(1 * ((0.5 / 3) / (0.5 / 7)))
    # The third would be 1.12.
    expect(scored("probability", stats)[0], [first, silent, 1])
    assert scored("probability", stats)[1].isnan().all()


def test_probability_without_a_rest_in_one_source_takes_that_of_the_others():
    texts = [[[1.0], [-1.0]], [[1.0], [-1.0], [-1.0]], [[1.0]]]
    stats = stats_by_hand(texts, ["glad", "plain", "sad"], sources=["one", "one", "two"])
    overall = 1.5 / 4
    expect(scored("probability", stats), [[1.5 / 3], [min(1, overall * (1.5 / 2) / overall)]])


@pytest.mark.parametrize("name", SCORERS)
def test_absent_concepts_have_no_score_and_are_never_selected(name):
    texts, labels = random_texts(0)
    labels = ["b" if label == "glad" else "rest" if label == "plain" else "c" for label in labels]
    stats = stats_by_hand(texts, labels, group=ABC)
    scores = SCORERS[name].compute(stats, "rest")
    assert scores[0].isnan().all()
    assert scores[1:].isfinite().all()
    for assign in ("argmax", "threshold"):
        picked = select(stats, ScreenOptions((name,), top=1.0, scope="global", assign=assign, bar=0.1, support=0))
        assert len(picked.concept) > 0
        assert 0 not in picked.concept


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(3)), st.sampled_from(["rest", "others"]))
def test_the_order_of_concepts_moves_their_scores_only(order, against):
    texts, labels = random_texts(3, n=36, neurons=3, group=ABC)
    turned = ConceptGroup("turned", tuple(ABC.concepts[place] for place in order), "rest")
    sources = ["one" if k % 2 else "two" for k in range(len(texts))]
    for names in (None, sources):
        mine = stats_by_hand(texts, labels, sources=names, group=ABC)
        other = stats_by_hand(texts, labels, sources=names, group=turned)
        for name in SCORERS:
            expect(scored(name, other, against), scored(name, mine, against)[list(order)].tolist())


def test_references_are_required():
    one = stats_by_hand([[[1.0]], [[2.0]]], ["glad", "sad"])
    with pytest.raises(StatsError, match=r"'made' has no 'plain' texts .* against=.others."):
        require_references(one, "rest")
    require_references(one, "others")
    two = stats_by_hand([[[1.0]], [[2.0]], [[3.0]]], ["glad", "sad", "sad"], sources=["one", "one", "two"])
    with pytest.raises(StatsError, match="'two' holds one label only"):
        require_references(two, "others")


def test_a_scorer_of_ones_own():
    try:

        @register_scorer("loudest")
        def loudest(stats, against="rest"):
            return stats.summed("positive_total")[:-1]

        found = screen(STATS, scorers="loudest", top=0.2, support=0, shuffles=0)
        assert found.preset == "default*"
        assert found.neurons.sets == {"glad": ((0, 2),), "sad": ((0, 3),)}
        assert found.scores("loudest")[0, 0].tolist() == [6, 0, 8, 1, 5]
        with pytest.raises(ScreenError, match="there is a scorer 'loudest' already"):
            register_scorer("loudest")
    finally:
        SCORERS.pop("loudest", None)
    with pytest.raises(ScreenError, match="unknown scorers"):
        ScreenOptions(scorers=("loudest",))


@pytest.mark.parametrize("name", ["rate_z", "mean_z", "auroc"])
def test_a_single_text_has_no_variance(name):
    """One text of glad in the first source: only the second can say how texts vary."""
    texts, labels = random_texts(3, n=40)
    others = [label if label != "glad" else "sad" for label in labels[:20]]
    first = [*others[:-1], "glad"]
    sources = ["one"] * 20 + ["two"] * 20
    both = stats_by_hand(texts, [*first, *labels[20:]], sources=sources)
    alone = stats_by_hand(texts[20:], labels[20:], sources=["two"] * 20)
    expect(scored(name, both)[0], scored(name, alone)[0].tolist())
    # Without a second source there is no score, and a screening says that it found none.
    single = stats_by_hand(texts[:20], first)
    assert scored(name, single)[0].isnan().all()
    found = screen(single, scorers=name, top=0.5, shuffles=0)
    assert "no neurons were selected for: glad" in found.warnings


def test_comparisons_are_known():
    with pytest.raises(ScreenError, match="against='reste' is unknown; it is one of rest, others"):
        require_against("reste")
