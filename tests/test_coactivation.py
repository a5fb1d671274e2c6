"""Sets that are active on the same texts are found, beyond random sets; length and source are partialled out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import Planted, planted_model
from two_groups import FEELINGS, screened, two_groups

from emorhet_lens.association.coactivation import Coactivation, coactivate
from emorhet_lens.association.set_scores import SetScores, partial_out
from emorhet_lens.errors import EffectsError, ScreenError
from emorhet_lens.screening.screen import Screen
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


@pytest.fixture(scope="module")
def wide() -> Planted:
    """Wide enough for many random sets."""
    return planted_model(d_mlp=160, seed=1)


@pytest.fixture(scope="module")
def screens(wide: Planted) -> tuple[Screen, Screen]:
    first, second = two_groups(wide)
    # The same share of a wider model would be more than is planted.
    both = [screened(wide, corpus) for corpus in (first, second)]
    cut = [replace(one, neurons=one.neurons.head(6)) for one in both]
    return cut[0], cut[1]


def mixed(wide: Planted, pairs: tuple[tuple[str, str], ...], n: int = 60) -> Corpus:
    """Texts that hold words of both concepts of a pair or of none, in random numbers."""
    generator = np.random.default_rng(7)
    examples = []
    for k in range(n):
        words = [str(w) for w in generator.choice(wide.words["neutral"], size=int(generator.integers(4, 9)))]
        for pair in pairs:
            count = int(generator.integers(0, 4))
            for concept in pair:
                words += [str(w) for w in generator.choice(wide.words[concept], size=count)]
        examples.append(Example(f"m{k}", " ".join(generator.permutation(words)), "neutral", f"mixed{k % 2}"))
    return Corpus("mixed", FEELINGS, tuple(examples))


@pytest.fixture(scope="module")
def found(wide: Planted, screens: tuple[Screen, Screen]) -> Coactivation:
    corpus = mixed(wide, (("anger", "happiness"), ("fear",)))
    return coactivate(wide.model, *screens, corpus, n_random=8, progress=False)


def test_what_occurs_together_is_found_and_what_does_not_is_not(found: Coactivation) -> None:
    table = found.table.set_index(["first", "second"])
    together, apart = table.loc[("anger", "simile")], table.loc[("fear", "simile")]
    assert together["r"] > 0.6 and together["p"] < 0.01 and together["excess"] > 0
    assert together["low"] > 0 and together["df"] == 7
    assert apart["r"] < together["r"] - 0.4
    assert found.texts == 60
    assert found.options["n_random"] == 8 and found.options["corpus"]["name"] == "mixed"


def test_neurons_of_both_are_left_out(found: Coactivation, screens: tuple[Screen, Screen]) -> None:
    shared = set(screens[0].neurons.sets["anger"]) & set(screens[1].neurons.sets["metaphor"])
    row = found.table.set_index(["first", "second"]).loc[("anger", "metaphor")]
    assert row["shared"] == len(shared) > 2


def test_sets_that_are_all_shared_have_no_correlation(wide: Planted, screens: tuple[Screen, Screen]) -> None:
    mine, other = screens
    same = {"metaphor": mine.neurons.sets["anger"], "simile": other.neurons.sets["simile"]}
    scores = {concept: (0.0,) * len(places) for concept, places in same.items()}
    other = replace(other, neurons=replace(other.neurons, sets=same, scores=scores))
    table = coactivate(wide.model, mine, other, mixed(wide, (("fear",),)), n_random=2, progress=False).table
    row = table.set_index(["first", "second"]).loc[("anger", "metaphor")]
    assert row["shared"] == 6 and math.isnan(row["r"]) and math.isnan(row["p"])


def test_source_and_length_are_partialled_out() -> None:
    sources, lengths = ["a", "b", "a", "b", "a", "b"], [3, 5, 8, 13, 21, 34]
    source = torch.tensor([float(name == "a") for name in sources], dtype=torch.float64)
    length = torch.tensor(lengths, dtype=torch.float64).log()
    noise = torch.tensor([1.0, -1, 2, 0, -2, 3], dtype=torch.float64)
    values = torch.stack([5 * source - 2 * length + 7, noise, noise + 3 * length - source], dim=1)
    left = partial_out(values, sources, lengths)
    assert left[:, 0].abs().max() < 1e-9
    assert torch.allclose(left[:, 1], left[:, 2])
    for predictor in (source, 1 - source, length):
        assert abs(float(left[:, 1] @ predictor)) < 1e-9
    # Equal lengths within a source add nothing, and do no harm.
    flat = partial_out(values, sources, [4, 9] * 3)
    assert torch.allclose(flat[::2, 1], noise[::2] - noise[::2].mean())


def test_a_score_is_a_mean_over_neurons() -> None:
    values = torch.tensor([[1.0, 2.0, 6.0], [0.0, 4.0, -4.0]], dtype=torch.float64)
    scores = SetScores({("a", -1): ((0, 1), (2, 0))}, values, {(0, 1): 0, (1, 1): 1, (2, 0): 2})
    whole, part = scores.score("a"), scores.score("a", without=frozenset({(2, 0)}))
    assert whole is not None and whole.tolist() == [3.5, -2.0]
    assert part is not None and part.tolist() == [1.0, 0.0]
    assert scores.score("a", without=frozenset({(2, 0), (0, 1)})) is None


def test_batches_change_rounding_only(wide: Planted, screens: tuple[Screen, Screen], found: Coactivation) -> None:
    corpus = mixed(wide, (("anger", "happiness"), ("fear",)))
    again = coactivate(wide.model, *screens, corpus, n_random=8, batch_size=7, progress=False)
    assert np.allclose(again.table["r"], found.table["r"], atol=1e-5, equal_nan=True)


def test_bad_input(wide: Planted, screens: tuple[Screen, Screen]) -> None:
    corpus = mixed(wide, (("fear",),), n=20)
    with pytest.raises(EffectsError, match="were screened on"):
        coactivate(wide.model, *screens, two_groups(wide)[1], progress=False)
    with pytest.raises(EffectsError, match="n_random=1"):
        coactivate(wide.model, *screens, corpus, n_random=1, progress=False)
    with pytest.raises(EffectsError, match="8 texts are too few"):
        coactivate(wide.model, *screens, mixed(wide, (("fear",),), n=8), progress=False)
    stats = replace(screens[1].stats, options={**screens[1].stats.options, "tokens": "last"})
    with pytest.raises(ScreenError, match="other tokens"):
        coactivate(wide.model, screens[0], replace(screens[1], stats=stats), corpus, progress=False)
