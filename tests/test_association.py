"""Two groups of concepts on one model: a planted overlap is found, shuffled labels have none, order changes nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from tiny import Planted, null_corpus, planted_model
from two_groups import FEELINGS, FIGURES, screened, two_groups

from emorhet_lens.association.associate import Association, associate
from emorhet_lens.association.inputs import keeping_clear
from emorhet_lens.association.profile_clusters import cluster_profiles
from emorhet_lens.association.profiles import correlate_profiles, profile
from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.screen import Screen, screen


@pytest.fixture(scope="module")
def screens(planted: Planted) -> tuple[Screen, Screen]:
    first, second = (screened(planted, corpus) for corpus in two_groups(planted))
    return first, second


@pytest.fixture(scope="module")
def found(screens: tuple[Screen, Screen]) -> Association:
    return associate(*screens, draws=400, shuffles=12)


def test_a_planted_overlap_is_found_and_no_other(planted: Planted, found: Association) -> None:
    table = found.to_dataframe().set_index(["first", "second"])
    assert list(table.index) == [(a, b) for a in FEELINGS.concepts for b in FIGURES.concepts]
    same = table.loc[("anger", "metaphor")]
    assert same["p_holm"] < 0.05 and same["excess"] > 2
    assert (table.drop(index=[("anger", "metaphor")])["p_holm"] > 0.05).all()
    at = {(row.layer, row.neuron) for row in found.shared.query("first == 'anger'").itertuples()}
    assert len(at & planted.neurons["anger"]) >= 0.8 * len(at)
    assert same["shared"] == len(found.shared.query("first == 'anger' and second == 'metaphor'"))
    assert "Association(anger, fear x metaphor, simile" in repr(found)


def test_labels_that_mean_nothing_have_no_association(planted: Planted) -> None:
    p_overlap, p_first = [], []
    for seed in range(1, 6):
        first, second = two_groups(planted, seed, per_label=12)
        screens = [screened(planted, null_corpus(corpus, seed)) for corpus in (first, second)]
        result = associate(screens[0], screens[1], draws=100, shuffles=0, seed=seed)
        p_overlap += result.to_dataframe()["p"].tolist()
        alike = correlate_profiles(screens[0], screens[1], shuffles=8, seed=seed)
        p_first += [one.first.p for one in alike.values() if one.first is not None]
    # With few shared neurons p is 1 often and small seldom; nominal size, failing in less than 1 of 1000.
    assert np.mean(np.array(p_overlap) <= 0.05) <= 0.25
    assert len(p_first) == 20
    assert kstest(p_first, "uniform").pvalue > 1e-3


def test_order_of_the_concepts_changes_the_order_of_the_rows_only(screens: tuple[Screen, Screen]) -> None:
    turned = []
    for one in screens:
        group = replace(one.stats.group, concepts=one.stats.group.concepts[::-1])
        turned.append(screen(replace(one.stats, group=group), top=0.06, shuffles=0))
    there, back = (associate(a, b, draws=50, shuffles=4).to_dataframe() for a, b in (screens, turned))
    assert list(back["first"]) == list(there["first"])[::-1]
    there, back = (table.sort_values(["first", "second"], ignore_index=True) for table in (there, back))
    pd.testing.assert_frame_equal(there, back, rtol=1e-6)


def test_groups_by_concept_are_beyond_selection_and_clusters_follow_them(found: Association) -> None:
    assert set(found.clusters) == {"both"}
    assert [note for note in found.warnings if note.startswith("no clusters of feelings")]
    both = found.clusters["both"]
    assert both.concepts.excess > 0 and both.concepts.p < 0.05
    assert both.clusters.own > both.clusters.random_mean
    assert both.agreement > 0.3
    # All neurons of metaphor are anger's, too, which comes first.
    assert list(both.table.index) == ["anger", "fear", "simile"]
    facts = both.to_dict()
    assert facts["k"] == both.table.shape[1] and facts["concepts"]["excess"] == both.concepts.excess


def test_a_neuron_of_both_groups_counts_once_and_shuffled_labels_have_no_groups(planted: Planted) -> None:
    first, second = (screened(planted, null_corpus(corpus, 3)) for corpus in two_groups(planted, 5))
    clusters = cluster_profiles([first, second], shuffles=8)
    union = {at for one in (first, second) for found in one.neurons.sets.values() for at in found}
    assert int(clusters.table.to_numpy().sum()) == len(union)
    assert clusters.concepts.p > 0.01


def test_random_sets_keep_clear_of_both_groups(screens: tuple[Screen, Screen]) -> None:
    mine, other = (one.neurons for one in screens)
    clear = keeping_clear(mine, other)
    assert clear.sets == mine.sets
    selected = {at for one in (mine, other) for found in one.sets.values() for at in found}
    drawn = {at for one in clear.matched_random(n=2).sets for found in one.sets.values() for at in found}
    assert not drawn & selected


def test_bad_input(planted: Planted, screens: tuple[Screen, Screen]) -> None:
    first, second = screens
    with pytest.raises(ScreenError, match="compared by replicate"):
        associate(first, first)
    gate = replace(second, neurons=replace(second.neurons, site="gate"))
    with pytest.raises(ScreenError, match="site 'post', the other 'gate'"):
        associate(first, gate)
    empty = replace(second, neurons=second.neurons.head(0))
    with pytest.raises(ScreenError, match="selected no neurons"):
        associate(first, empty)
    other = planted_model(seed=4)
    with pytest.raises(ValueError, match="fingerprints differ"):
        associate(first, screened(other, two_groups(other)[1]))
    for scorer in ("entropy", "nothing"):
        with pytest.raises(ScreenError, match="no profile by concept"):
            profile(first.stats, first.options, scorer)
    with pytest.raises(ScreenError, match="no form"):
        cluster_profiles([first])
    with pytest.raises(ScreenError, match="shuffles=1"):
        cluster_profiles([first, second], shuffles=1)
    few = associate(first, second, draws=10, shuffles=0)
    assert any("take 80 or more" in note for note in few.warnings)
    assert few.clusters == {} and np.isnan(few.profiles["anger", "simile"].p)
