"""Are the neurons of two concepts active on the same texts?

Scores of any two sets go together (see `emorhet_lens.association.set_scores`): texts differ in length, register and
frequency of words, and activations vary in few directions. Source and length are therefore partialled out, neurons of
both concepts are left out of both scores, and the correlation is compared with those of matched random sets in the
place of the one set and of the other. What is left is that texts which move the one set move the other; which of the
two leads, or whether either does anything, it does not say. Everything here is exploratory.
"""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from emorhet_lens.association.inputs import keeping_clear, require_groups
from emorhet_lens.association.profiles import fisher_z
from emorhet_lens.association.set_scores import Scores, SetScores
from emorhet_lens.causal.inference import Excess, excess_over_random
from emorhet_lens.causal.inputs import require_unseen
from emorhet_lens.errors import EffectsError, ScreenError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import encode_corpus
from emorhet_lens.passes.passes import BatchSize
from emorhet_lens.passes.prompts import as_prompt
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import Screen
from emorhet_lens.screening.shortlist import read_texts
from emorhet_lens.texts.corpus import Corpus

MIN_TEXTS = 10
_ALIKE = ("tokens", "prompt", "prepend_bos")


@dataclass(frozen=True, eq=False)
class Coactivation:
    """Correlations of scores across texts, pair by pair.

    Args:
        table: One row a pair: first, second, shared (neurons left out of both), r (partial correlation), and of the
            way whose p is larger random (`first` or `second`: whose sets are random), r_random (of the mean in Fisher's
            z), excess, low, high (in Fisher's z, 95 %), df, p.
        texts: Number of texts.
        options: How it was computed.
        warnings: In words, what to keep in mind.
    """

    table: pd.DataFrame
    texts: int
    options: dict[str, Any]
    warnings: tuple[str, ...] = ()


def incomparable(emotion: Screen, rhetoric: Screen) -> str | None:
    """Why neurons of two screenings have no common scores of a text; nothing where they have.

    Args:
        emotion: A screening.
        rhetoric: Another of the same model.
    """
    mine, theirs = emotion.stats.options, rhetoric.stats.options
    differing = [name for name in _ALIKE if mine[name] != theirs[name]]
    if not differing:
        return None
    return f"the screenings were made with other {', '.join(differing)}; screen both in one way"


def require_correlatable(emotion: Screen, rhetoric: Screen, corpus: Corpus, n_random: int) -> None:
    """Refuse texts over which scores cannot be correlated, before any is read.

    Args:
        emotion: A screening.
        rhetoric: Another.
        corpus: The texts.
        n_random: Matched random sets a concept.

    Raises:
        EffectsError: Texts were screened on, there are too few, or fewer than two random sets.
    """
    for stats in (emotion.stats, rhetoric.stats):
        require_unseen(stats, corpus=corpus)
    if len(corpus) < MIN_TEXTS + len(corpus.sources):
        raise EffectsError(f"{len(corpus)} texts are too few to correlate over; give {MIN_TEXTS} and one a source more")
    if n_random < 2:
        raise EffectsError(f"n_random={n_random} sets cannot show how sets vary; draw at least 2 (8 by default)")


def coactivate(
    model: LensModel,
    emotion: Screen,
    rhetoric: Screen,
    corpus: Corpus,
    *,
    n_random: int = 8,
    seed: int = 0,
    batch_size: BatchSize = "auto",
    progress: bool = True,
) -> Coactivation:
    """Read texts once, and correlate the scores of the concepts of two groups.

    Args:
        model: The model of both screenings, in evaluation mode.
        emotion: A screening.
        rhetoric: Another, of other concepts, which counted the same tokens with the same prompt.
        corpus: Texts that neither has seen; their labels do not matter, their sources are partialled out.
        n_random: Matched random sets a concept.
        seed: Of the random sets.
        batch_size: Texts a batch, or `"auto"`.
        progress: Whether to show a progress bar.

    Returns:
        The correlations.

    Raises:
        EffectsError: Texts were screened on, there are too few, or fewer than two random sets.
        ScreenError: The screenings do not belong together, or too few neurons are left to match with.
        StoreError: They are of another model.
        CorpusError: A text is longer than the context or has no token to count.
    """
    require_groups(emotion, rhetoric)
    require_correlatable(emotion, rhetoric, corpus, n_random)
    if (why := incomparable(emotion, rhetoric)) is not None:
        raise ScreenError(why)
    how: dict[str, Any] = {name: emotion.stats.options[name] for name in _ALIKE}
    sides = [keeping_clear(emotion.neurons, rhetoric.neurons), keeping_clear(rhetoric.neurons, emotion.neurons)]
    drawn = [[side, *side.matched_random(seed=seed + i, n=n_random).sets] for i, side in enumerate(sides)]
    whole = {at for sets in drawn for one in sets for found in one.sets.values() for at in found}
    everything = Neurons({"all": tuple(sorted(whole))}, {"all": (0.0,) * len(whole)}, sides[0].model, sides[0].site)
    texts = read_texts(model, corpus, everything, **how, batch_size=batch_size, progress=progress)
    how["prompt"] = as_prompt(how["prompt"])
    lengths = [sum(text.keep) for text in encode_corpus(model, corpus, **how).texts]
    scored = [
        SetScores.of(
            texts, lengths, own.stats, {(c, draw): one.sets[c] for draw, one in enumerate(sets, -1) for c in one.sets}
        )
        for own, sets in zip((emotion, rhetoric), drawn, strict=True)
    ]
    rows = [
        {"first": a, "second": b, **_compare(scored[0], a, scored[1], b, n_random)}
        for a, found in sides[0].sets.items()
        for b, others in sides[1].sets.items()
        if found and others
    ]
    options = {"corpus": {"name": corpus.name, "sha256": corpus.digest, "counts": corpus.counts()}, "seed": seed}
    options |= {"n_random": n_random, "partialled_out": ["source", "log of counted tokens"], "tokens": how["tokens"]}
    return Coactivation(pd.DataFrame(rows), len(corpus), options)


def _compare(mine: SetScores, a: str, theirs: SetScores, b: str, n_random: int) -> dict[str, Any]:
    shared = frozenset(mine.sets[a, -1]) & frozenset(theirs.sets[b, -1])
    first, second = mine.score(a, without=shared), theirs.score(b, without=shared)
    own = _fisher(first, second)
    ways: dict[str, Excess] = {}
    if math.isfinite(own):
        ways["first"] = excess_over_random(own, [_fisher(mine.score(a, k), second) for k in range(n_random)])
        ways["second"] = excess_over_random(own, [_fisher(first, theirs.score(b, k)) for k in range(n_random)])
    row: dict[str, Any] = {"shared": len(shared), "r": math.tanh(own)}
    if not ways:
        nothing = dict.fromkeys(("r_random", "excess", "low", "high", "df", "p"), math.nan)
        return {**row, "random": None, **nothing}
    # A p that could not be had is the larger.
    name, found = max(ways.items(), key=lambda way: 2.0 if math.isnan(way[1].p) else way[1].p)
    low, high = found.interval()
    row |= {"random": name, "r_random": math.tanh(found.random_mean), "excess": found.excess, "low": low, "high": high}
    return {**row, "df": found.df, "p": found.p}


def _fisher(first: Scores | None, second: Scores | None) -> float:
    """Fisher's z of a correlation; NaN where a score is missing or does not vary."""
    if first is None or second is None or float(first.norm()) < 1e-12 or float(second.norm()) < 1e-12:
        return math.nan
    return fisher_z(float(torch.nn.functional.cosine_similarity(first, second, dim=0)))
