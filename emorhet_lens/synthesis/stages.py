"""The stages of a synthesis that ask writers: topics, texts, labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emorhet_lens.synthesis.answers import Malformed, read_given_label, read_label, read_text, read_topic
from emorhet_lens.synthesis.asking import Asking
from emorhet_lens.synthesis.counts import Stage, sorted_out
from emorhet_lens.synthesis.topics import Topic, plain_topic
from emorhet_lens.synthesis.wording import Kind, Wording
from emorhet_lens.synthesis.writers import Labeller, Writer
from emorhet_lens.texts.concepts import ConceptGroup


@dataclass(frozen=True)
class Text:
    """A text that was written to order.

    Args:
        topic: What it is about.
        theme: The concept that it was written for.
        text: The sentence or the dialogue.
    """

    topic: str
    theme: str
    text: str


def expand(
    base: Sequence[Topic], rounds: int, writer: Writer, wording: Wording, asking: Asking
) -> tuple[list[Topic], list[Stage], int]:
    """Say every topic so far in other words, once a round.

    Args:
        base: The topics to begin with.
        rounds: How often.
        writer: Says it.
        wording: The prompts.
        asking: Makes the calls.

    Returns:
        All topics, the base topics first, without repetitions; counts by round; calls made.
    """
    topics, stages, made = list(base), [], 0
    for number in range(1, rounds + 1):
        questions = [
            (wording.expansion(topic.text), asking.seed_of("topic", str(number), topic.text)) for topic in topics
        ]
        answers, calls = asking.writer(writer, questions, f"topics, round {number}")
        made += calls
        known = {plain_topic(topic.text) for topic in topics}
        read: list[Topic | Malformed] = []
        for parent, answer in zip(topics, answers, strict=True):
            found = read_topic(answer)
            if isinstance(found, str) and plain_topic(found) in known:
                found = Malformed("known already")
            if isinstance(found, str):
                known.add(plain_topic(found))
            read.append(found if isinstance(found, Malformed) else Topic(found, parent.origin, number))
        new, stage = sorted_out(f"topics, round {number}", read)
        topics += [topic for topic in new if topic is not None]
        stages.append(stage)
    return topics, stages, made


def write_texts(
    cells: Sequence[tuple[str, str, int]], kind: Kind, writer: Writer, wording: Wording, asking: Asking
) -> tuple[list[Text], Stage, int]:
    """Write one text for each topic, theme and number.

    Args:
        cells: Topic, theme, number of the text among those of one topic and theme.
        kind: Sentence or dialogue.
        writer: Writes it.
        wording: The prompts.
        asking: Makes the calls.

    Returns:
        The well-formed texts in order, counts, calls made.
    """
    questions = [
        (wording.text(kind, topic, theme), asking.seed_of("text", kind, topic, theme, str(number)))
        for topic, theme, number in cells
    ]
    answers, made = asking.writer(writer, questions, f"{kind}s")
    found, stage = sorted_out(f"{kind}s", [read_text(answer, kind) for answer in answers])
    pairs = zip(cells, found, strict=True)
    return [Text(topic, theme, text) for (topic, theme, _), text in pairs if text is not None], stage, made


def label_texts(
    texts: Sequence[str],
    labellers: Mapping[str, Labeller],
    group: ConceptGroup,
    themes: Sequence[str],
    wording: Wording,
    asking: Asking,
) -> tuple[dict[str, list[str | None]], list[Stage], int]:
    """Let every labeller label every text.

    Args:
        texts: The texts.
        labellers: By the names of their columns.
        group: The concept group, whose labels count.
        themes: The options that a writer is given.
        wording: The prompts.
        asking: Makes the calls.

    Returns:
        For every labeller the labels, None where there is none; counts by labeller; calls made.
    """
    votes: dict[str, list[str | None]] = {}
    stages, made = [], 0
    for name, labeller in labellers.items():
        what = f"labels of {name}"
        read: list[str | Malformed]
        if isinstance(labeller, Writer):
            questions = [(wording.question(text, themes), asking.seed_of("label")) for text in texts]
            answers, calls = asking.writer(labeller, questions, what)
            read = [read_label(answer, group) for answer in answers]
        else:
            labels, calls = asking.function(name, labeller, texts, what)
            read = [read_given_label(label, group) for label in labels]
        votes[name], stage = sorted_out(what, read)
        stages.append(stage)
        made += calls
    return votes, stages, made


def by_theme(themes: Sequence[str], **stages: Sequence[str]) -> dict[str, dict[str, int]]:
    """For every theme how many texts each stage has of it."""
    counts = {stage: Counter(found) for stage, found in stages.items()}
    return {theme: {stage: found[theme] for stage, found in counts.items()} for theme in themes}
