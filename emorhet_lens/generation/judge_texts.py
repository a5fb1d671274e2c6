"""Texts that a judge is trained on, and what makes them independent of what it judges."""

from collections.abc import Collection, Sequence
from pathlib import Path

from emorhet_lens.corpora.named import load_corpus
from emorhet_lens.errors import CorpusError, EffectsError
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus, join
from emorhet_lens.texts.examples import Example


def load_judge_texts(
    names: Sequence[str],
    group: ConceptGroup,
    *,
    concepts: Sequence[str],
    prompts: Sequence[str],
    limit: int | None = None,
    data_dir: Path | None = None,
    hub: bool = False,
    unknown: str = "error",
    seed: int = 0,
) -> Corpus:
    """Load the texts of a judge, and refuse them where it could not judge fairly.

    Args:
        names: Corpora by name or file, as `load_corpus` takes them; of data sets with splits the train split.
        group: Of the concepts.
        concepts: What the judge has to tell.
        prompts: What will be continued.
        limit: Most texts a label and source.
        data_dir: See `load_corpus`, for this, hub and unknown.
        hub: Whether publishers' data sets may be taken from the hub.
        unknown: What a label that is not the group's does.
        seed: Of the draw.

    Returns:
        The texts, sources kept apart.

    Raises:
        EffectsError: No corpus is given, the group lacks a concept, or the texts lack one.
        CorpusError: A corpus cannot be loaded, or holds one of the prompts as a text.
    """
    if not names:
        raise EffectsError(f"no corpus for a judge of {group.name}; name one that was not screened")
    strange = sorted(set(concepts) - set(group.concepts))
    if strange or not concepts:
        raise EffectsError(f"unknown concepts {strange}; name some of {', '.join(group.concepts)}")
    whole = join([load_corpus(name, group=group, data_dir=data_dir, hub=hub, unknown=unknown) for name in names])
    counts = whole.counts()
    lacking = [concept for concept in concepts if not counts[concept]]
    if lacking:
        raise EffectsError(
            f"{whole.name!r} has no texts of {', '.join(lacking)}, so a judge trained on it cannot tell them; add a "
            "corpus that has, or leave these concepts out"
        )
    asked = {Example("", prompt, "", "").normalized[0]: prompt for prompt in prompts}
    held = sorted({asked[plain] for plain in (example.normalized[0] for example in whole) if plain in asked})
    if held:
        raise CorpusError(
            f"{whole.name!r} holds {len(held)} of the prompts that are to be judged, for example {held[0]!r}; train "
            "the judge on other corpora, or give other prompts"
        )
    return whole if limit is None else whole.balanced(limit, seed=seed)


def require_unscreened(corpus: Corpus, sources: Collection[str], seen: Collection[str]) -> None:
    """Refuse texts of a judge that had a part in the screening.

    Args:
        corpus: The texts of the judge.
        sources: Of the texts that were screened.
        seen: Their digests, or keys.

    Raises:
        CorpusError: A source or a text was screened on.
    """
    both = sorted(set(corpus.sources) & set(sources) | {example.source for example in corpus.among(seen)})
    if both:
        raise CorpusError(
            f"{', '.join(both)} was screened on, so a judge trained on it would not be independent; train it on other "
            "corpora"
        )


def require_other_sources(judged: Corpus, residual: Corpus) -> None:
    """Refuse a judge of texts like those of the residual difference: it would favour that method.

    Args:
        judged: The texts of the judge.
        residual: The texts of the difference.

    Raises:
        CorpusError: They share a source.
    """
    both = sorted(set(judged.sources) & set(residual.sources))
    if both:
        raise CorpusError(
            f"{', '.join(both)} gives the residual difference, so a judge trained on it would favour that method; "
            "train it on other corpora"
        )
