"""A labelled corpus out of a few topics: expand, write to order, label several times, vote, leave out duplicates.

This is how study A (Lee et al. 2025) made EmoPrism. A text that several models give the label that it was ordered for
is typical of how models write the concept, not of how people express it; labellers that are related to the generator,
or to the model that is studied, make that circular.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from emorhet_lens.errors import SynthesisError
from emorhet_lens.store import write_json, write_text
from emorhet_lens.synthesis.asking import Asking
from emorhet_lens.synthesis.calls import CallCache
from emorhet_lens.synthesis.counts import Stage
from emorhet_lens.synthesis.distinct import distinct
from emorhet_lens.synthesis.result import Synthesis
from emorhet_lens.synthesis.stages import Text, by_theme, expand, label_texts, write_texts
from emorhet_lens.synthesis.topics import base_topics_of
from emorhet_lens.synthesis.voting import elect, kappa, votes_needed
from emorhet_lens.synthesis.wording import Kind, Wording
from emorhet_lens.synthesis.writers import Labeller, Writer, as_writer
from emorhet_lens.texts.concepts import EMOTIONS, ConceptGroup
from emorhet_lens.texts.examples import Example

FIELDS = ("topic", "dialogue", "theme", "label", "text", "utterance", "id", "source", "source_label", "pair", "context")
"""Names that a labeller cannot have: they mean something in a file of texts."""

CALLS = "calls"
FACTS_FILE = "synthesis.json"


def synthesize(
    base_topics: Iterable[str],
    group: ConceptGroup,
    *,
    generator: Writer | Callable[[str], str],
    labellers: Mapping[str, Labeller],
    out: str | Path,
    rounds: int = 1,
    per_cell: int = 1,
    agree: int | None = None,
    kind: Kind = "dialogue",
    themes: Sequence[str] | None = None,
    prompts: Wording | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
) -> Synthesis:
    """Make a labelled corpus, and write it with its counts.

    An interrupted run goes on when the same is called again: every answer is kept in `out / "calls"` as soon as it is
    there, and no kept call is made again. Larger runs into the same folder replay the smaller one. Malformed answers
    are counted and not asked for again.

    Args:
        base_topics: Topics to begin with.
        group: The concepts.
        generator: Writes other wordings and texts; a function is called with the prompt.
        labellers: By the names of their columns. A `Writer` is asked in words and a label is looked for in its answer;
            any other callable gets the text and returns a label.
        out: Folder for the results.
        rounds: Rounds of expansion, each of which doubles the topics; study A has 4.
        per_cell: Texts a topic and concept; study A has 10.
        agree: Votes that a label needs, of the labellers' and that of the intended concept; a majority of them all by
            default, as in study A (3 of 4). The label that wins need not be the one that was intended.
        kind: `"dialogue"` (turns of A and B, one a line) or `"sentence"`.
        themes: The labels that texts are written for and labellers choose from. By default the concepts alone for
            emotions, as in study A, and the rest, too, for other groups: a device needs literal texts beside it.
        prompts: The prompts.
        seed: Of sampling.
        workers: Calls of a writer at a time; more than one helps with endpoints.
        progress: Whether to show progress bars.

    Returns:
        Where the corpus is, and how it came about. `out` holds `synthetic-<group>.jsonl` (EmoPrism's schema: topic,
        dialogue or text, theme, one key a labeller, label), `synthesis.json` and `calls`.

    Raises:
        SynthesisError: An option cannot be used, or a writer refuses for good; nothing that was answered is lost.
        CorpusError: A theme is not of the group.
        StoreError: A kept answer is damaged.
    """
    base, writer, wording, folder = base_topics_of(base_topics), as_writer(generator), prompts or Wording(), Path(out)
    needed = _check(labellers, agree, kind, rounds=rounds, per_cell=per_cell, workers=workers)
    labels = tuple(map(group.canonical, themes or (group.concepts if group.name == EMOTIONS.name else group.labels)))
    if len(set(labels)) < len(labels):
        raise SynthesisError(f"the themes {labels} hold one twice; name each once")
    asking = Asking(CallCache(folder / CALLS), seed, workers, progress)

    topics, topic_stages, made = expand(base, rounds, writer, wording, asking)
    cells = [(topic.text, theme, n) for topic in topics for theme in labels for n in range(per_cell)]
    texts, text_stage, more = write_texts(cells, kind, writer, wording, asking)
    votes, label_stages, still_more = label_texts(
        [text.text for text in texts], labellers, group, labels, wording, asking
    )
    made += more + still_more

    intended: list[str | None] = [text.theme for text in texts]
    elected = [elect(row, needed) for row in zip(intended, *votes.values(), strict=True)]
    agreed = [(index, label) for index, label in enumerate(elected) if label is not None]
    missed = len(texts) - len(agreed)
    vote = Stage("votes", len(texts), {"no majority": missed} if missed else {}, len(agreed))
    kept, duplicates = distinct([Example(str(i), texts[i].text, label, "") for i, label in agreed])
    rows = [
        _row(texts[i], kind, {name: given[i] for name, given in votes.items()}, label)
        for i, label in (agreed[k] for k in kept)
    ]
    result = Synthesis(
        path=folder / f"synthetic-{group.name}.jsonl",
        group=group,
        topics=tuple(topics),
        stages=(*topic_stages, text_stage, *label_stages, vote, duplicates),
        by_theme=by_theme(
            labels,
            asked=[theme for _, theme, _ in cells],
            written=[text.theme for text in texts],
            agreed=[texts[i].theme for i, _ in agreed],
            kept=[row["theme"] for row in rows],
        ),
        agreement={"labellers": kappa(votes), "labellers and theme": kappa({"": intended, **votes})},
        options={
            "group": group.name,
            "labels": list(group.labels),
            "themes": list(labels),
            "generator": {"name": writer.name, "parameters": dict(writer.parameters)},
            "labellers": {
                name: {"name": labeller.name, "parameters": dict(labeller.parameters)}
                if isinstance(labeller, Writer)
                else "text to label"
                for name, labeller in labellers.items()
            },
            "rounds": rounds,
            "per_cell": per_cell,
            "agree": needed,
            "kind": kind,
            "prompts": {"expand": wording.expand, "write": wording.template(kind), "label": wording.label}
            | {"manners": {theme: wording.manner(theme) for theme in labels}},
            "seed": seed,
        },
        calls_made=made,
    )
    write_text(result.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_json(folder / FACTS_FILE, result.to_json(), kind="synthesis")
    return result


def _check(
    labellers: Mapping[str, Labeller], agree: int | None, kind: str, *, rounds: int, per_cell: int, workers: int
) -> int:
    """The votes that are needed; refuses what cannot be."""
    if kind not in get_args(Kind):
        raise SynthesisError(f"kind={kind!r}; allowed are {' and '.join(map(repr, get_args(Kind)))}")
    if rounds < 0 or per_cell < 1 or workers < 1:
        raise SynthesisError(f"rounds={rounds}, per_cell={per_cell}, workers={workers}; at least 0, 1 and 1 are needed")
    taken = sorted(set(labellers) & set(FIELDS))
    if taken:
        raise SynthesisError(f"labellers cannot be called {', '.join(taken)}, which are fields of a text; rename them")
    return votes_needed(agree, len(labellers))


def _row(text: Text, kind: Kind, votes: Mapping[str, str | None], label: str) -> dict[str, Any]:
    name = "dialogue" if kind == "dialogue" else "text"
    return {"topic": text.topic, name: text.text, "theme": text.theme, **votes, "label": label}
