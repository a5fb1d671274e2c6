"""What a report says of one concept group, and the passes that this takes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.errors import CorpusError
from emorhet_lens.generation.tables import CurveTables
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.quality import Quality
from emorhet_lens.replication.tables import ReplicationTables
from emorhet_lens.screening.screen import Screen
from emorhet_lens.screening.shortlist import TextActivations, read_shortlist
from emorhet_lens.screening.text_ranking import driving_texts, exact_auroc
from emorhet_lens.show import NeuronView, neuron_views
from emorhet_lens.steering.tables import SteeringTables
from emorhet_lens.sweeps.tables import SweepTables
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.validation.tuning_record import TuningRecord


@dataclass(frozen=True, eq=False)
class GroupReport:
    """What is reported of one concept group.

    Args:
        screen: The screening.
        auroc: From `exact_auroc`; its column stays empty without it.
        driving: From `driving_texts`, for the neurons whose texts are shown.
        views: From `neuron_views`, of at least the texts and neurons in `driving`.
        balance: From `Neurons.matched_random`.
        seconds: What took how long, by name.
        top: Rows of a concept's table.
        checked_on: In words, which texts the second pass read.
        effects: What masking the neurons did.
        quality: The figures of the texts that were screened.
        tuning: How the doses of adaptive masks were found.
        sweep: What masking other shares of other layers did.
        replication: What a second screening shares.
        induction: How many texts followed a push towards a concept.
        curves: What the model writes under a push.
    """

    screen: Screen
    auroc: pd.DataFrame | None = None
    driving: pd.DataFrame | None = None
    views: tuple[NeuronView, ...] = ()
    balance: pd.DataFrame | None = None
    seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    top: int = 10
    checked_on: str | None = None
    effects: EffectTables | None = None
    quality: Quality | None = None
    tuning: TuningRecord | None = None
    sweep: SweepTables | None = None
    replication: ReplicationTables | None = None
    induction: SteeringTables | None = None
    curves: CurveTables | None = None


def gather(
    model: LensModel,
    corpus: Corpus,
    screen: Screen,
    *,
    top: int = 10,
    shown: int = 3,
    texts: int = 4,
    random_sets: int = 8,
    seed: int = 0,
    seconds: Mapping[str, float] | None = None,
    progress: bool = True,
) -> GroupReport:
    """Run a model for what a report says beyond its screening.

    One more pass over the corpus for the first neurons of every concept, and a few texts one by one.

    Args:
        model: The model that was screened.
        corpus: The texts of the second pass: those of the screening, or better others.
        screen: The screening.
        top: Neurons a concept with an exact AUROC.
        shown: Neurons a concept whose texts are shown.
        texts: Texts a shown neuron.
        random_sets: Matched random sets for the balance table; 0 leaves it out.
        seed: Of the random sets.
        seconds: What took how long before, for example `{"screening pass": 31.0}`.
        progress: Whether to show progress bars.

    Returns:
        Everything that `write_report` needs.

    Raises:
        ScreenError: Nothing was selected, or a layer has too few neurons to match with.
        StoreError: The model is not the screened one.
        CorpusError: The corpus is of another group, or a text does not fit.
    """
    if corpus.group.labels != screen.stats.group.labels:
        raise CorpusError(f"the corpus is of {corpus.group.labels}, the screen of {screen.stats.group.labels}")
    took = dict(seconds or {})
    # Before the passes: it is the step that may refuse.
    balance = screen.neurons.matched_random(seed, random_sets).balance if random_sets else None
    started = time.perf_counter()
    read = read_shortlist(model, corpus, screen, top=max(top, shown), progress=progress)
    took["second pass"] = time.perf_counter() - started
    options, heads = screen.options, screen.neurons.head(shown)
    driving = driving_texts(read, heads, n=texts)
    keys = set(driving["key"])
    started = time.perf_counter()
    collected = {name: screen.stats.options[name] for name in ("tokens", "prompt", "prepend_bos")}
    views = neuron_views(model, heads, corpus.where(lambda example: example.key in keys), **collected)
    took["texts token by token"] = time.perf_counter() - started
    by_source = not options.allow_missing_rest
    auroc = exact_auroc(read, screen.neurons.head(top), against=options.against, by_source=by_source)
    return GroupReport(screen, auroc, driving, views, balance, took, top, _checked_on(read, corpus.name, screen))


def _checked_on(read: TextActivations, name: str, screen: Screen) -> str:
    known = len(set(read.keys) & set(screen.stats.options["ids"]))
    words = {0: "none of which the screening used", len(read.keys): "the same that the screening used"}
    return f"{len(read.keys)} texts of {name}, {words.get(known, f'{known} of which the screening used')}"
