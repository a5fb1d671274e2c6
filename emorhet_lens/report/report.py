"""A report of screenings as one HTML file that asks no network.

`emorhet_lens.report.parts.gather` runs what a report needs of a model; here it is only written. The file states its
options, its warnings and what it does not show, so that it can be read far from the code that made it.
"""

import itertools
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from emorhet_lens.errors import EmorhetError, ScreenError
from emorhet_lens.models import embedded
from emorhet_lens.pictures import layer_picture, stability_picture
from emorhet_lens.report.curves import curves_section
from emorhet_lens.report.effects import effects_section
from emorhet_lens.report.induction import induction_section
from emorhet_lens.report.link import LinkReport, link_section
from emorhet_lens.report.measurements import replication_section, sweep_section, tuning_section
from emorhet_lens.report.parts import GroupReport
from emorhet_lens.report.texts import texts_section
from emorhet_lens.screening.screen import Screen
from emorhet_lens.show import colored_tokens, page_script
from emorhet_lens.store import write_text


def require_report() -> None:
    """Refuse, before anything is computed for it, a report that could not be drawn.

    Raises:
        EmorhetError: matplotlib or circuitsvis is not installed.
    """
    missing = [name for name in ("matplotlib", "circuitsvis") if find_spec(name) is None]
    if missing:
        raise EmorhetError(
            f'a report needs {" and ".join(missing)}, not installed here: pip install "emorhet-lens[show]", or measure '
            "with the commands of the single stages"
        )


def write_report(
    path: Path | str,
    groups: Sequence[GroupReport],
    *,
    link: LinkReport | None = None,
    title: str = "Neurons that respond to emotion and rhetoric",
) -> Path:
    """Write a report.

    Args:
        path: The file, for example `report.html`.
        groups: One entry a concept group.
        link: What two groups share.
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
        loader=PackageLoader("emorhet_lens.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = any(group.views for group in groups)
    linked = frozenset() if link is None else link.changed
    unchanged = [group.screen.stats.group.name for group in groups if not _is_changed(group, linked)]
    page = environment.get_template("report.html").render(
        title=title,
        groups=[_group(group, number) for number, group in enumerate(groups)],
        script=page_script() if drawn else None,
        embedded=any(group.screen.stats.model.name == embedded.NAME for group in groups),
        random_sets=any(group.balance is not None for group in groups),
        link=None if link is None else link_section(link),
        changed=bool(linked) or len(unchanged) < len(groups),
        unchanged=unchanged,
    )
    write_text(Path(path), page)
    return Path(path)


def _is_changed(group: GroupReport, linked: frozenset[str]) -> bool:
    """Whether neurons of a group were masked or pushed for anything that is said, `linked` being those of the link."""
    replicated = None if group.replication is None else group.replication.effects
    parts = (group.effects, group.tuning, group.sweep, replicated, group.induction, group.curves)
    return any(part is not None for part in parts) or not linked.isdisjoint(group.screen.neurons.concepts)


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
        "effects": None if group.effects is None else effects_section(group.effects),
        "tuning": None if group.tuning is None else tuning_section(group.tuning),
        "sweep": None if group.sweep is None else sweep_section(group.sweep),
        "replication": None if group.replication is None else replication_section(group.replication),
        "induction": None if group.induction is None else induction_section(group.induction),
        "curves": None if group.curves is None else curves_section(group.curves),
        "texts": None if group.quality is None else texts_section(group.quality),
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
