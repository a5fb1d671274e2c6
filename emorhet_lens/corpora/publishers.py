"""Data sets as their publishers give them: files or the hub in, a corpus of the group's labels out.

Nothing is downloaded unless it is asked for. Rows that the mapping leaves out are counted, and the log says how many.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from emorhet_lens.corpora.facts import Facts, facts
from emorhet_lens.corpora.folders import split_file
from emorhet_lens.corpora.layouts import LOOK_BACK, READERS, Fields, Labelled, Row
from emorhet_lens.corpora.sources import WHOLE, file_rows, how_to_get, hub_rows, label_codes
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.corpus_files import corpus_of

log = logging.getLogger(__name__)


def load_published(
    name: str,
    split: str | None,
    *,
    folder: Path | None,
    hub: bool | str,
    group: ConceptGroup | None,
    limit_per_label: int | None,
    seed: int,
    unknown: str,
) -> Corpus:
    """Load a data set in its publisher's own layout.

    Args:
        name: The publisher's name of it.
        split: One of its splits, or `"all"` where it has none; by default `"train"` or `"all"`.
        folder: With the files, where there is one; it counts before `hub=True`.
        hub: Whether the hub may be asked; or the id there, or the local copy of it, which then counts.
        group: By default that of the facts.
        limit_per_label: See `load_corpus`.
        seed: See `load_corpus`.
        unknown: See `load_corpus`.

    Returns:
        The corpus. Its source is the name; ids begin with the split, if there are splits.

    Raises:
        CorpusError: It is neither here nor to be had from the hub, a file is not in the layout that the facts say, or
            nothing is left.
    """
    about = facts(name)
    part = split or (WHOLE if WHOLE in about.files else "train")
    if part not in about.files:
        raise CorpusError(f"{name!r} has no split {split!r}; it has {', '.join(about.files)}")
    if folder is not None and not isinstance(hub, str):
        file = split_file(folder, part)
        origin, rows, codes = str(file), file_rows(about, file), label_codes(about, folder)
    elif hub:
        origin, rows, codes = *hub_rows(about, part, hub), about.codes
    else:
        raise CorpusError(how_to_get(about))
    left: Counter[str] = Counter()
    texts = _texts(about, rows, origin)
    corpus = corpus_of(
        _classed(about, texts, codes, left, origin=origin, split=part, drop=unknown == "drop"),
        origin=origin,
        group=group or about.concepts,
        name=name,
        unknown=unknown,
        limit_per_label=limit_per_label,
        seed=seed,
    )
    if left:
        reasons = ", ".join(f"{reason} {count}" for reason, count in left.most_common())
        log.warning("%s: left out %d texts that are of no one class: %s", origin, left.total(), reasons)
    return corpus if part == WHOLE else Corpus(f"{name}-{part}", corpus.group, corpus.examples)


def _texts(about: Facts, rows: Iterable[tuple[int, Fields]], origin: str) -> Iterator[tuple[int, Labelled]]:
    before: deque[Fields] = deque(maxlen=LOOK_BACK)
    for number, fields in rows:
        try:
            for text in READERS[about.name](Row(number, fields, tuple(before))):
                yield number, text
        except CorpusError as cause:
            raise CorpusError(f"{origin}, row {number}: {cause}; expected is this layout: {about.layout}") from cause
        before.append(fields)


def _classed(
    about: Facts,
    texts: Iterable[tuple[int, Labelled]],
    codes: Mapping[str, str],
    left: Counter[str],
    *,
    origin: str,
    split: str,
    drop: bool,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each text the class that its labels become; count in `left` those of no class, or of several."""
    classes = {source.lower(): label for label, sources in about.mapping.items() for source in sources}
    left_out = {source.lower() for source in about.left_out}
    for number, text in texts:
        names = [codes.get(label, label) for label in text.labels]
        found = dict.fromkeys(classes.get(name.lower(), "") for name in names)
        strange = [name for name in names if name.lower() not in left_out | classes.keys()]
        if strange and not drop:
            raise CorpusError(
                f"{origin}, row {number}: {about.name} has no label {strange[0]!r}; it has "
                f"{', '.join((*classes, *left_out))}; mend the row, or pass unknown='drop'"
            )
        if len(found) > 1 or "" in found:
            left["several classes" if "" not in found else names[0].lower()] += 1
            continue
        yield (
            number,
            {
                "id": text.id if split == WHOLE else f"{split}-{text.id}",
                "text": text.text,
                "label": next(iter(found)),
                "source": about.name,
                "source_label": ";".join(filter(None, (",".join(names), text.also))),
                "context": list(text.context),
                "topic": text.topic,
                "pair": text.pair,
            },
        )
