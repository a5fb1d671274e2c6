"""Two screenings of one model: planted neurons replicate, shuffled labels do not."""

from dataclasses import replace
from typing import Any

import pytest
from tiny import Planted, null_corpus, planted_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.errors import EmorhetError, ScreenError
from emorhet_lens.replication.replicate import replicate
from emorhet_lens.screening.screen import Screen, screen
from emorhet_lens.texts.corpus import Corpus

SHARE = 0.06


def renamed(corpus: Corpus, source: str) -> Corpus:
    return replace(corpus, name=source, examples=tuple(replace(e, source=source) for e in corpus))


def screened(planted: Planted, corpus: Corpus) -> Screen:
    stats = collect_stats(planted.model, corpus, progress=False)
    return screen(stats, top=SHARE, shuffles=0)


@pytest.fixture(scope="module")
def screens(planted: Planted) -> tuple[Screen, Screen]:
    first, second = (renamed(planted_corpus(planted, per_label=20, seed=s), f"made-{s}") for s in (1, 2))
    return screened(planted, first), screened(planted, second)


def test_planted_neurons_are_selected_on_both(planted: Planted, screens: tuple[Screen, Screen]) -> None:
    found = replicate(*screens, draws=300)
    table = found.to_dataframe()
    primary = table[table["family"] == "primary"]
    assert primary["first"].tolist() == primary["second"].tolist() == list(planted.neurons)
    assert (primary["p_holm"] < 0.05).all()
    assert (primary["shared"] > primary["expected"]).all()
    for concept, own in planted.neurons.items():
        assert set(found.shared.sets[concept]) <= set(screens[0].neurons.sets[concept])
        assert len(set(found.shared.sets[concept]) & own) >= 0.8 * len(own)
    assert found.names == ("made-1", "made-2")
    assert "shared" in repr(found)


def test_concepts_do_not_replicate_as_each_other(screens: tuple[Screen, Screen]) -> None:
    table = replicate(*screens, draws=300).to_dataframe()
    others = table[table["family"] == "exploratory"]
    assert len(others) == 6
    assert others["p_holm"].isna().all()
    assert (others["p"] > 0.05).all()


def test_order_of_the_screenings_changes_only_sides(screens: tuple[Screen, Screen]) -> None:
    there, back = replicate(*screens, draws=200), replicate(*reversed(screens), draws=200)
    assert {c: set(s) for c, s in there.shared.sets.items()} == {c: set(s) for c, s in back.shared.sets.items()}
    mine, theirs = (found.pairs["anger", "fear"] for found in (there, back))
    assert mine.n_first == back.pairs["fear", "anger"].n_second
    assert mine.shared == back.pairs["fear", "anger"].shared
    assert theirs.n_second == there.pairs["fear", "anger"].n_first


def test_shuffled_labels_do_not_replicate(planted: Planted) -> None:
    corpora = (renamed(planted_corpus(planted, per_label=20, seed=s), f"made-{s}") for s in (3, 4))
    one, other = (screened(planted, null_corpus(corpus, seed=s)) for s, corpus in enumerate(corpora))
    table = replicate(one, other, draws=300).to_dataframe()
    assert (table["p_holm"].dropna() > 0.05).all()


def test_bad_input(planted: Planted, screens: tuple[Screen, Screen]) -> None:
    first, second = screens
    with pytest.raises(ScreenError, match="all texts of one screening are in the other"):
        replicate(first, first)
    gate = replace(second, neurons=replace(second.neurons, site="gate"))
    with pytest.raises(ScreenError, match="site 'post', the other 'gate'"):
        replicate(first, gate)
    wider = replace(second.neurons.model, n_layers=7)
    with pytest.raises(EmorhetError, match="layers"):
        replicate(first, replace(second, neurons=replace(second.neurons, model=wider)))
    nothing: dict[str, Any] = {c: () for c in second.neurons.sets}
    emptied = replace(second.neurons, sets=nothing, scores=nothing)
    with pytest.raises(ScreenError, match="no concept has neurons in both"):
        replicate(first, replace(second, neurons=emptied))


def test_a_concept_of_one_side_and_shared_texts_are_said(planted: Planted, screens: tuple[Screen, Screen]) -> None:
    first, second = screens
    sets, scores = {**second.neurons.sets, "fear": ()}, {**second.neurons.scores, "fear": ()}
    options = {**second.stats.options, "texts": [*second.stats.options["texts"], first.stats.options["texts"][0]]}
    second = replace(
        second, neurons=replace(second.neurons, sets=sets, scores=scores), stats=replace(second.stats, options=options)
    )
    found = replicate(first, second, draws=20)
    both = ("anger", "happiness")
    assert list(found.pairs) == [(a, b) for a in both for b in both]
    assert found.warnings == ("1 texts are in both corpora", "fear: only in the first screening")
