"""How far single words tell each rhetorical device from literal text of its own kind.

Literal twins are the fair comparison: they share topic and most words. Against other literal texts of the source, the
words of its topics count, too.
"""

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality.leakage import Leakage, leakage
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example
from emorhet_lens.texts.splitting import tied_blocks


def device_leakage(
    corpus: Corpus, *, folds: int = 10, repeats: int = 3, seed: int = 0, at_most: int | None = None
) -> dict[str, Leakage]:
    """Measure for each device how well single words tell it from its literal twins, or from literal texts.

    Where texts of the device form pairs with texts of the rest, only those pairs count and are held out as a whole.
    Otherwise the rest's texts of the sources that hold the device are taken.

    Args:
        corpus: Texts with a rest class, such as literal ones.
        folds: Folds.
        repeats: How often the folds are drawn anew.
        seed: Of folds and draws.
        at_most: Texts a label to use; by default all.

    Returns:
        The leakage of every device that has texts to be compared with, in the group's order.

    Raises:
        CorpusError: No device has at least two texts and two of the rest beside them.
    """
    found: dict[str, Leakage] = {}
    for device in corpus.group.concepts:
        part, by = _beside_rest(corpus, device)
        if _can_be_held_out(part, (device, corpus.group.rest), by):
            texts = Corpus(corpus.name, corpus.group, part)
            found[device] = leakage(texts, by=by, folds=folds, repeats=repeats, seed=seed, at_most=at_most)
    if not found:
        raise CorpusError(
            f"no concept of {corpus.name!r} has two texts and two of {corpus.group.rest!r} in its pairs or its source; "
            "leakage() compares the labels with each other"
        )
    return found


def _beside_rest(corpus: Corpus, device: str) -> tuple[tuple[Example, ...], str | None]:
    """Texts of a device and of the rest: pairs of both, else of the same sources; and what is to be held out."""
    compared = [example for example in corpus if example.label in (device, corpus.group.rest)]
    labels: dict[tuple[str, str | None], set[str]] = {}
    for example in compared:
        labels.setdefault((example.source, example.pair), set()).add(example.label)
    twins = {tie for tie, found in labels.items() if len(found) == 2 and tie[1] is not None}
    if twins:
        return tuple(e for e in compared if (e.source, e.pair) in twins), "pair"
    sources = {example.source for example in compared if example.label == device}
    return tuple(example for example in compared if example.source in sources), None


def _can_be_held_out(part: tuple[Example, ...], labels: tuple[str, str], by: str | None) -> bool:
    blocks = tied_blocks(part, () if by is None else (by,))
    return all(sum(any(part[i].label == label for i in block) for block in blocks) > 1 for label in labels)
