"""Draw texts so that labels do not differ in length, nor in topic.

Labels then have equally many texts in every bin of lengths; within a bin they can still differ, and nothing else
(register, single words) is matched.
"""

from collections.abc import Sequence

import numpy as np

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import random_stream


def matched_texts(examples: Sequence[Example], bins: int, topics: bool, *, seed: int) -> list[int]:
    """Draw within each source equally many texts of every label from each bin of lengths, and from each topic.

    Sources with a single label have nothing to match and are left out. Which texts are drawn does not depend on the
    order of the examples.

    Args:
        examples: What to draw from.
        bins: Quantile bins of the number of words.
        topics: Whether to match topics, too; texts without a topic match each other.
        seed: Of the draw.

    Returns:
        Indices of the drawn examples, in order.

    Raises:
        CorpusError: `bins` is not positive, topics are asked for and there is none, or nothing can be matched.
    """
    if bins < 1:
        raise CorpusError(f"bins={bins}; lengths need at least 1 bin")
    if topics and all(example.topic is None for example in examples):
        raise CorpusError("no text has a topic, so topics cannot be matched; leave topics=False")
    by_source: dict[str, list[int]] = {}
    for index in sorted(range(len(examples)), key=lambda i: examples[i].key):
        by_source.setdefault(examples[index].source, []).append(index)
    drawn: list[int] = []
    for source, members in by_source.items():
        labels = sorted({examples[i].label for i in members})
        if len(labels) < 2:
            continue
        lengths = np.array([examples[i].n_words for i in members])
        edges = np.quantile(lengths, np.arange(1, bins) / bins)
        cells: dict[tuple[int, str], dict[str, list[int]]] = {}
        for index, place in zip(members, np.searchsorted(edges, lengths, side="right").tolist(), strict=True):
            topic = (examples[index].topic or "") if topics else ""
            cells.setdefault((place, topic), {}).setdefault(examples[index].label, []).append(index)
        for (place, topic), found in cells.items():
            wanted = min(len(found.get(label, ())) for label in labels)
            for label, candidates in found.items():
                order = random_stream(seed, "matched", source, label, str(place), topic).permutation(len(candidates))
                drawn += [candidates[i] for i in order[:wanted]]
    if not drawn:
        raise CorpusError(
            f"in no source do all labels share {'a topic and ' if topics else ''}a bin of lengths ({bins} bins); ask "
            "for fewer bins, leave topics out, or leave out rare labels with Corpus.where"
        )
    return sorted(drawn)
