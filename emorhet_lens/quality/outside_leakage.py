"""How far words learnt from other corpora tell the labels of this one.

Unlike leakage within a corpus it does not see what is peculiar to this corpus; it sees the words that the field uses
for its labels anywhere.
"""

from collections.abc import Sequence

from emorhet_lens.errors import CorpusError
from emorhet_lens.quality.leakage import N_WORDS, Leakage, of_recalls, recalls
from emorhet_lens.quality.word_classifier import fit_words, telling_words
from emorhet_lens.texts.corpus import Corpus


def outside_leakage(corpus: Corpus, training: Sequence[Corpus]) -> Leakage:
    """Train the classifier on other corpora and judge it on this one.

    Only labels that both sides have count. Texts that this corpus holds, too, are left out of training (case and
    punctuation aside); near copies are not, see `overlaps`.

    Args:
        corpus: The texts to judge.
        training: The corpora to learn from.

    Returns:
        The leakage; its words are those of the training texts.

    Raises:
        CorpusError: There is no corpus to train on, or fewer than two labels are on both sides.
    """
    known = {example.normalized for example in corpus}
    examples = [example for other in training for example in other if example.normalized not in known]
    learnt, judged = {e.label for e in examples}, {e.label for e in corpus}
    present = [label for label in corpus.group.labels if label in learnt & judged]
    if len(present) < 2:
        raise CorpusError(
            f"two labels or more have to be in {corpus.name!r} and in what is trained on; both have "
            f"{', '.join(present) or 'none'}"
        )
    # In one order, so that the order of the corpora does not show in the last digits.
    examples = sorted((example for example in examples if example.label in present), key=lambda e: (e.key, e.text))
    own = [example for example in corpus if example.label in present]
    classifier = fit_words([e.text for e in examples], [e.label for e in examples])
    labels = [example.label for example in own]
    predicted = classifier.predict([example.text for example in own])
    told = recalls(labels, [str(label) for label in predicted], present)
    names = ", ".join(other.name for other in training)
    design = f"trained on {len(examples)} texts of {names}"
    return of_recalls([told], labels, telling_words(classifier, N_WORDS), design)
