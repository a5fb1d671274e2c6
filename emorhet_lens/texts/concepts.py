"""Concept groups: which concepts are looked for, in which order, and what the texts without any are called.

The order is part of every result: it is the order of the concept axis, and ties between concepts go to the
first one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from emorhet_lens.errors import CorpusError


@dataclass(frozen=True)
class ConceptGroup:
    """An ordered list of concepts and a name for the rest.

    Args:
        name: What the group is called on the command line and in files.
        concepts: The concepts, in the order of the concept axis.
        rest: The label of texts that carry none of them.
        aliases: Other names of the same labels, for example `joy` for `happiness`.

    Raises:
        CorpusError: A concept is blank, named twice or also the rest, there is none, or an alias leads nowhere or
            is a label itself.

    >>> EMOTIONS.canonical("Joy")
    'happiness'
    >>> RHETORIC.extended("personification").concepts
    ('metaphor', 'hyperbole', 'sarcasm', 'simile', 'personification')
    """

    name: str
    concepts: tuple[str, ...]
    rest: str
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        labels = self.labels
        if not self.concepts or len({_plain(label) for label in labels} - {""}) != len(labels):
            raise CorpusError(f"a concept group needs distinct concepts and a rest besides them, got {labels}")
        strangers = sorted(set(self.aliases.values()) - set(labels))
        if strangers:
            raise CorpusError(f"aliases lead to {strangers}, which are not among the labels {labels}")
        aliases = {_plain(alias): label for alias, label in self.aliases.items()}
        shadowed = sorted(own for own in labels if aliases.get(_plain(own), own) != own)
        if shadowed:
            raise CorpusError(f"{shadowed} are labels of the group and cannot be aliases of other ones; leave them out")
        object.__setattr__(self, "aliases", MappingProxyType(aliases))

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...], str, dict[str, str]]]:
        # A read-only mapping can be neither pickled nor deep-copied.
        return type(self), (self.name, self.concepts, self.rest, dict(self.aliases))

    @property
    def labels(self) -> tuple[str, ...]:
        """The concepts, then the rest."""
        return (*self.concepts, self.rest)

    def canonical(self, label: str) -> str:
        """The group's own name of a label; case and aliases do not matter.

        Args:
            label: A label as some file spells it.

        Returns:
            One of `labels`.

        Raises:
            CorpusError: The label is unknown.
        """
        plain = _plain(label)
        known = {**{_plain(own): own for own in self.labels}, **self.aliases}
        if plain not in known:
            raise CorpusError(
                f"unknown label {label!r} for the group {self.name!r}: allowed are {', '.join(self.labels)}"
                + (f" and the aliases {', '.join(self.aliases)}" if self.aliases else "")
                + "; pass aliases={...} to rename labels, or extend the group"
            )
        return known[plain]

    def extended(self, *concepts: str) -> "ConceptGroup":
        """The same group with further concepts at the end of the concept axis.

        Args:
            *concepts: Their names; an alias of that name goes, so that `RHETORIC.extended("irony")`
                tells irony from sarcasm.

        Returns:
            The larger group.

        Raises:
            CorpusError: A concept is there already.
        """
        own = {_plain(concept) for concept in concepts}
        aliases = {alias: label for alias, label in self.aliases.items() if alias not in own}
        return replace(self, concepts=(*self.concepts, *concepts), aliases=aliases)


def _plain(label: str) -> str:
    return label.strip().lower()


EMOTIONS = ConceptGroup(
    name="emotion",
    concepts=("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    rest="neutral",
    aliases={"joy": "happiness"},
)
"""Ekman's six emotions; texts without one are `neutral`."""

RHETORIC = ConceptGroup(
    name="rhetoric",
    concepts=("metaphor", "hyperbole", "sarcasm", "simile"),
    rest="literal",
    aliases={"irony": "sarcasm"},
)
"""Four rhetorical devices; texts without the device that their set is about are `literal`."""

GROUPS = MappingProxyType({group.name: group for group in (EMOTIONS, RHETORIC)})
"""The built-in groups by name."""
