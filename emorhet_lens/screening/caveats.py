"""What should make a reader doubt a screening: few texts, ties at the cut, neurons that never fire, no stability.

The bounds are conventions; a screening without any of these caveats has still found correlates only.
"""

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.screening.selection import ScreenOptions, Selection
from emorhet_lens.screening.stability import Stability

_FEW, _THIN = 40, 10
"""Texts of a label, and of a label in one of several sources, below which a screening is doubted."""


def caveats(
    stats: ActivationStats, options: ScreenOptions, selection: Selection, stability: Stability | None
) -> tuple[str, ...]:
    """In words, what of texts, options and selection should make a reader doubt.

    Args:
        stats: What was screened.
        options: How neurons were selected.
        selection: What was selected.
        stability: Agreement of halves, if it was measured.
    """
    found: list[str] = []
    fired = stats.summed("texts_fired")[:-1][:, selection.layer, selection.neuron].sum(0)
    dead, single = int((fired == 0).sum()), int((fired == 1).sum())
    if dead or single:
        found.append(
            f"{dead} of {len(fired)} selected neurons never fire for any concept and {single} fire in one text only; "
            "their entropy is 0 for lack of data (support=2 leaves them out)"
        )
    for scope, (tied, places) in selection.ties.items():
        found.append(f"{tied} neurons tie at the cut ({scope}) for {places} places; layer and index decided")
    texts = dict(zip(stats.group.labels, stats.summed("texts").tolist(), strict=True))
    missing = [label for label, count in texts.items() if count == 0]
    if missing:
        found.append(f"there are no texts of: {', '.join(missing)}")
    few = [f"{label} ({count})" for label, count in texts.items() if 0 < count < _FEW]
    if few:
        found.append(f"fewer than {_FEW} texts of: {', '.join(few)}; expect unstable selections")
    if len(stats.sources) > 1 and not options.allow_missing_rest:
        thin = [
            f"{label} in {source} ({count})"
            for source in stats.sources
            for label, count in zip(stats.group.labels, stats.summed("texts", source).tolist(), strict=True)
            if 0 < count < _THIN
        ]
        if thin:
            found.append(
                f"fewer than {_THIN} texts of: {', '.join(thin)}; sources are averaged with equal weight, so these "
                "count as much as any other and blur the selection; leave such a source out, or give it more texts"
            )
    none = [concept for index, concept in enumerate(stats.group.concepts) if not (selection.concept == index).any()]
    if none:
        found.append(f"no neurons were selected for: {', '.join(none)}")
    if stats.options["skipped"]:
        found.append(f"{len(stats.options['skipped'])} texts were longer than the context and left out")
    if options.allow_missing_rest:
        found.append(
            "sources were not kept apart (allow_missing_rest): what tells sources apart may pass for a concept"
        )
    if stability is None:
        found.append("stability was not measured")
    elif stability.low <= 0:
        found.append("the selection is no more stable than one from shuffled labels")
    return tuple(found)
