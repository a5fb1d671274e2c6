"""What two screenings need to be compared across concept groups."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emorhet_lens.corpora.held_out import MIN_TEXTS, HeldOut, load_held_out
from emorhet_lens.errors import CorpusError, EmorhetError, ScreenError
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.screening.screen import Screen
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC
from emorhet_lens.texts.corpus import join


def require_groups(emotion: Screen, rhetoric: Screen) -> None:
    """Refuse two screenings that are not of one model and site and of different concepts, or in the other order.

    Raises:
        ScreenError: The sites differ, a concept is in both groups, or devices come before emotions.
        StoreError: The screenings are of different models.
    """
    emotion.neurons.model.require_same(rhetoric.neurons.model)
    sites = emotion.neurons.site, rhetoric.neurons.site
    if sites[0] != sites[1]:
        raise ScreenError(f"one screening read site {sites[0]!r}, the other {sites[1]!r}; screen both at one site")
    both = [c for c in emotion.stats.group.concepts if c in rhetoric.stats.group.concepts]
    if both:
        raise ScreenError(
            f"{', '.join(both)} in both screenings; an association is of two groups of concepts. Two screenings of one "
            "group are compared by replicate"
        )
    if emotion.stats.group.name == RHETORIC.name or rhetoric.stats.group.name == EMOTIONS.name:
        raise ScreenError(
            "the screening of emotions comes first and that of devices second: which direction is primary was fixed "
            "in advance; exchange them"
        )


def keeping_clear(neurons: Neurons, other: Neurons) -> Neurons:
    """The same neurons, whose random sets hold none that the other group selected either.

    Args:
        neurons: One set a concept.
        other: Those of the other group, of the same model and site.

    Raises:
        ScreenError: The sites differ.
        StoreError: They are of another model.
    """
    joined = neurons | other
    return replace(neurons, background=joined.background)


def selection_warnings(emotion: Screen, rhetoric: Screen) -> list[str]:
    """In words, what of the two selections makes their comparison doubtful."""
    warnings = []
    repeated = emotion.stats.seen & rhetoric.stats.seen
    if repeated:
        warnings.append(f"{len(repeated)} texts were screened in both groups")
    for one in (emotion, rhetoric):
        missing = [concept for concept, found in one.neurons.sets.items() if not found]
        warnings += [f"{concept}: no neurons were selected" for concept in missing]
    if emotion.preset != rhetoric.preset:
        warnings.append(f"the presets differ: {emotion.preset} and {rhetoric.preset}")
    return warnings


def texts_by_group(
    emotion: Screen,
    rhetoric: Screen,
    names: Sequence[str],
    *,
    limit: int | None = 100,
    min_texts: int = MIN_TEXTS,
    data_dir: Path | None = None,
    seed: int = 0,
) -> dict[str, HeldOut]:
    """Load texts that neither screening has seen; each corpus goes to the group whose labels it has.

    One that a screening names is tried with its group first, and all are loaded as that group's screening was told to.

    Args:
        emotion: A screening.
        rhetoric: Another, of other concepts.
        names: Corpora by name or file, of either group.
        limit: Most test texts a label and source.
        min_texts: A concept with fewer test texts in a source is left out there.
        data_dir: Folder of named corpora.
        seed: Of all draws.

    Returns:
        The parts by name of the group, that of `emotion` first; without a group that no corpus belongs to.

    Raises:
        CorpusError: A corpus fits neither group, or nothing unseen is left of it.
    """
    screens = (emotion, rhetoric)
    seen = emotion.stats.seen | rhetoric.stats.seen
    found: dict[str, list[HeldOut]] = {one.stats.group.name: [] for one in screens}
    for name in names:
        complaints = []
        for screen in sorted(screens, key=lambda one: Path(name).stem not in one.stats.sources):
            group = screen.stats.group
            try:
                one = load_held_out(
                    [name],
                    group,
                    seen=seen,
                    limit=limit,
                    min_texts=min_texts,
                    data_dir=data_dir,
                    seed=seed,
                    **screen.stats.loading,
                )
            except EmorhetError as error:
                complaints.append(f"as {group.name}: {error}")
                continue
            # Without the labels that are unknown to it, a group may keep texts of the rest alone.
            if not any(one.test.counts()[concept] for concept in group.concepts):
                complaints.append(f"as {group.name}: no text of a concept")
                continue
            found[group.name].append(one)
            break
        else:
            raise CorpusError(f"{name} fits neither group; {'; '.join(complaints)}")
    return {
        name: HeldOut(
            join([one.dev for one in parts]),
            join([one.test for one in parts]),
            tuple(note for one in parts for note in one.left_out),
        )
        for name, parts in found.items()
        if parts
    }
