"""A report of screenings as one HTML file that asks no network.

`gather` runs what a report needs of a model; `write_report` only writes. The file states its options, its warnings and
what it does not show, so that it can be read far from the code that made it.
"""

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from emorhet_lens import embedded
from emorhet_lens.corpus import Corpus
from emorhet_lens.effect_pictures import excess_picture, matrix_picture
from emorhet_lens.effect_steps import OWN
from emorhet_lens.errors import CorpusError, ScreenError
from emorhet_lens.hosts import LensModel
from emorhet_lens.outcomes import Effects
from emorhet_lens.pictures import layer_picture, stability_picture
from emorhet_lens.screening import Screen
from emorhet_lens.shortlist import TextActivations, driving_texts, exact_auroc, read_shortlist
from emorhet_lens.show import NeuronView, colored_tokens, neuron_views, page_script
from emorhet_lens.store import write_text


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
    """

    screen: Screen
    auroc: pd.DataFrame | None = None
    driving: pd.DataFrame | None = None
    views: tuple[NeuronView, ...] = ()
    balance: pd.DataFrame | None = None
    seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    top: int = 10
    checked_on: str | None = None
    effects: Effects | None = None


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


def write_report(
    path: Path | str, groups: Sequence[GroupReport], *, title: str = "Neurons that respond to emotion and rhetoric"
) -> Path:
    """Write a report.

    Args:
        path: The file, for example `report.html`.
        groups: One entry a concept group.
        title: Of the page.

    Returns:
        The path.

    Raises:
        ScreenError: There is no group, or `driving` names a text or neuron that `views` lack.
        EmorhetError: matplotlib or circuitsvis is not installed.
    """
    if not groups:
        raise ScreenError("a report needs at least one group")
    environment = Environment(
        loader=PackageLoader("emorhet_lens"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = any(group.views for group in groups)
    page = environment.get_template("report.html").render(
        title=title,
        groups=[_group(group, number) for number, group in enumerate(groups)],
        script=page_script() if drawn else None,
        embedded=any(group.screen.stats.model.name == embedded.NAME for group in groups),
        random_sets=any(group.balance is not None for group in groups),
        masked=all(group.effects is not None for group in groups),
    )
    write_text(Path(path), page)
    return Path(path)


def _checked_on(read: TextActivations, name: str, screen: Screen) -> str:
    known = len(set(read.keys) & set(screen.stats.options["ids"]))
    words = {0: "none of which the screening used", len(read.keys): "the same that the screening used"}
    return f"{len(read.keys)} texts of {name}, {words.get(known, f'{known} of which the screening used')}"


def _group(group: GroupReport, number: int) -> dict[str, Any]:
    screen = group.screen
    table = screen.to_dataframe()
    if group.auroc is not None:
        table = table.merge(group.auroc, how="left", on=["concept", "layer", "neuron"])
    stability = screen.stability
    drawings = _drawings(group, number)
    return {
        "name": screen.stats.group.name,
        "rest": screen.stats.group.rest,
        "id": f"group{number}",
        "facts": _facts(group),
        "counts": _counts(screen),
        "warnings": screen.warnings,
        "stability": stability,
        "stability_picture": None if stability is None else stability_picture(stability),
        "layers": layer_picture(screen.neurons.layer_histogram()),
        "balance": None if group.balance is None else group.balance.to_dict("records"),
        "scorer": screen.options.scorers[0],
        "against": screen.options.against,
        "has_auroc": group.auroc is not None,
        "highest_entropy": math.log(sum(count > 0 for count in screen.stats.summed("texts")[:-1].tolist())),
        "checked_on": group.checked_on,
        "effects": None if group.effects is None else _effects(group.effects),
        "concepts": [
            {
                "name": concept,
                "selected": len(screen.neurons.sets[concept]),
                "rows": table[table["concept"] == concept].head(group.top).to_dict("records"),
                "drawings": drawings.get(concept, []),
            }
            for concept in screen.neurons.concepts
        ],
    }


def _effects(effects: Effects) -> dict[str, Any]:
    """The first kind of mask, in words, numbers and pictures."""
    mask = effects.masks[0]
    primary = effects.primary()
    rows = primary[primary["mask"] == mask].to_dict("records")
    unit = "nats" if effects.measure == "margin" else "share of texts"
    established = [row["concept"] for row in rows if row["p_holm"] < 0.05]
    side = {concept: effects.side.get((mask, concept, OWN)) for concept in effects.concepts}
    return {
        "mask": mask,
        "measure": effects.measure,
        "unit": unit,
        "n_random": effects.n_random,
        "rows": rows,
        "established": established,
        "matrix": matrix_picture(effects.matrix(mask, effects.measure), unit),
        "excess": excess_picture(effects, mask),
        "side": {concept: one for concept, one in side.items() if one is not None},
        "asked": [
            {"name": question.name, "n": len(base), "accuracy": base.accuracy(), "chance": 1 / len(question.labels)}
            for question, base in zip(effects.questions, effects.base, strict=True)
        ],
        "warnings": effects.warnings,
    }


def _drawings(group: GroupReport, number: int) -> dict[str, list[dict[str, Any]]]:
    """For every concept its shown neurons, and for those their texts, drawn on one colour scale a neuron."""
    found: dict[str, list[dict[str, Any]]] = {}
    if group.driving is None:
        return found
    views = {view.example.key: view for view in group.views}
    ids = (f"text-{number}-{place}" for place in itertools.count())
    missing = sorted(set(group.driving["key"]) - set(views))
    if missing:
        raise ScreenError(f"{len(missing)} driving texts have no view, for example {missing[0]!r}; see neuron_views")
    for (concept, layer, neuron), rows in group.driving.groupby(["concept", "layer", "neuron"], sort=False):
        label = f"L{layer}N{neuron}"
        mine = rows.to_dict("records")
        bound = max(float(views[row["key"]].values(label).abs().max()) for row in mine)
        texts = []
        for row in mine:
            view = views[row["key"]]
            drawn = colored_tokens(view, label, bound=bound).to_html(next(ids))
            texts.append({**row, "id": view.example.id, "html": drawn})
        found.setdefault(str(concept), []).append({"layer": layer, "neuron": neuron, "texts": texts, "bound": bound})
    return found


def _facts(group: GroupReport) -> list[tuple[str, str]]:
    """What was run, as terms and descriptions."""
    screen, stats = group.screen, group.screen.stats
    model, options = stats.model, stats.options
    chosen = ", ".join(f"{name} {value}" for name, value in screen.options.to_dict().items() if name != "scorers")
    versions = ", ".join(f"{name} {version}" for name, version in options["versions"].items())
    corpora = "; ".join(
        f"{corpus['name']}, {sum(corpus['counts'].values())} texts, SHA-256 {corpus['sha256'][:12]}"
        for corpus in options["corpora"]
    )
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in group.seconds.items())
    return [
        ("model", f"{model.name}, {model.n_layers} layers of {model.d_mlp} neurons, {model.dtype} weights"),
        ("host", f"{model.host}, weights {'processed by the host' if model.processed else 'as they are'}"),
        ("versions", versions),
        ("corpora", corpora),
        ("site", options["site"]),
        ("tokens", f"{options['tokens']}, BOS {'first' if options['prepend_bos'] else 'not added'}"),
        ("prompt", str(options["prompt"])),
        ("preset", screen.preset),
        ("scorers", ", ".join(screen.options.scorers)),
        ("options", f"{chosen}, seed {options['seed']} (collection) and {screen.seed} (shuffles)"),
        ("selected", f"{len(screen.neurons):,} of {stats.output_norm.numel():,} neurons"),
        ("time", seconds or "not recorded"),
    ]


def _counts(screen: Screen) -> list[dict[str, Any]]:
    stats = screen.stats
    texts, tokens = stats.summed("texts").tolist(), stats.summed("tokens").tolist()
    return [
        {"label": label, "texts": texts[row], "tokens": tokens[row]} for row, label in enumerate(stats.group.labels)
    ]
