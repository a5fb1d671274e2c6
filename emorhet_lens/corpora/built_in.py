"""The corpora that ship with the package, and their parts.

Topics were assigned to parts once, at random, and are written down in the facts: whoever screens on `train` and
measures on `test` shares no topic between them, and neither does anybody who compares with published numbers.
"""

import logging
from dataclasses import replace
from importlib import resources

from emorhet_lens.corpora.facts import Facts
from emorhet_lens.corpora.folders import SPLITS
from emorhet_lens.corpora.sources import WHOLE
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import GROUPS, ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.corpus_files import read_corpus

log = logging.getLogger(__name__)


def load_built_in(
    about: Facts,
    split: str,
    *,
    group: ConceptGroup | None = None,
    limit_per_label: int | None = None,
    seed: int = 0,
    unknown: str = "error",
) -> Corpus:
    """Load a corpus that ships with the package.

    Args:
        about: Its facts.
        split: `"train"`, `"dev"`, `"test"`, or `"all"`.
        group: The group of the labels, by default the built-in one. Pairs of a concept that this group would have to be
            extended with are left out, figure and literal twin; a message of the log counts them.
        limit_per_label: At most so many texts of every label, drawn at random.
        seed: Of the draw.
        unknown: See `read_corpus`.

    Returns:
        The corpus.

    Raises:
        CorpusError: There is no such split, or a label is unknown to the group.
    """
    if split not in (*SPLITS, WHOLE):
        raise CorpusError(f"{about.name!r} has no split {split!r}; it has {', '.join((*SPLITS, WHOLE))}")
    chosen = group or GROUPS[about.group]
    missing = tuple(concept for concept in about.extends if concept not in chosen.labels)
    with resources.as_file(resources.files(__package__) / f"{about.name}.jsonl") as path:
        wide = chosen.extended(*missing) if missing else chosen
        whole = read_corpus(path, group=wide, name=about.name, unknown=unknown)
    left_out = {example.pair for example in whole if example.label in missing}
    if left_out:
        log.info("%s: %d pairs of %s are left out", about.name, len(left_out), ", ".join(missing))
    topics = {topic: part for part, of in about.topics.items() for topic in of}
    examples = tuple(
        example
        for example in whole
        if example.pair not in left_out and split in (WHOLE, topics.get(str(example.topic), SPLITS[0]))
    )
    name = about.name if split == WHOLE else f"{about.name}-{split}"
    corpus = replace(whole, name=name, group=chosen, examples=examples)
    return corpus if limit_per_label is None else corpus.balanced(limit_per_label, seed=seed)
