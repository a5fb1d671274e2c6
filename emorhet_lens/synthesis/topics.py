"""More topics from a few: in every round each topic so far is said in other words, so that their number doubles.

Study A: 315 topics, and 315 + 630 + 1,260 + 2,520 paraphrases in four rounds. Paraphrases drift: a topic of the fourth
round may be about something else than the first one. Topics of one origin should not cross the parts of a split.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from emorhet_lens.errors import SynthesisError
from emorhet_lens.texts.examples import Example


@dataclass(frozen=True)
class Topic:
    """What texts are about.

    Args:
        text: In words.
        origin: The base topic that it comes from.
        round: In which it came up; 0 for a base topic.
    """

    text: str
    origin: str
    round: int


def base_topics_of(topics: Iterable[str]) -> tuple[Topic, ...]:
    """The topics to begin with, white space collapsed.

    Raises:
        SynthesisError: There is none, or one is blank or there twice (case and punctuation aside).
    """
    found = [" ".join(topic.split()) for topic in topics]
    if not found or not all(found):
        raise SynthesisError(
            f"{len(found)} base topics, {found.count('')} of them blank; give at least one, none blank"
        )
    plain = [plain_topic(topic) for topic in found]
    repeated = sorted({topic for topic, name in zip(found, plain, strict=True) if plain.count(name) > 1})
    if repeated:
        raise SynthesisError(f"base topics occur twice: {', '.join(map(repr, repeated[:5]))}; leave one of each out")
    return tuple(Topic(topic, topic, 0) for topic in found)


def plain_topic(topic: str) -> str:
    """A topic without case and punctuation: equal for duplicates."""
    return Example("", topic, "", "").normalized[0]
