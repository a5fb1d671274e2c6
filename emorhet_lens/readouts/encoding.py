"""Texts as a readout reads them: tokens of the text count, and no text is left out."""

from emorhet_lens.errors import CorpusError
from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import EncodedCorpus, encode_corpus
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.texts.corpus import Corpus


def encode_texts(model: LensModel, corpus: Corpus, prompt: Prompt) -> EncodedCorpus:
    """Tokenise texts that a readout asks about or learns from.

    Args:
        model: Gives tokenizer and context length.
        corpus: The texts.
        prompt: The template around them.

    Returns:
        The tokens.

    Raises:
        CorpusError: A text is too long or has no token of its own.
    """
    try:
        return encode_corpus(model, corpus, prompt=prompt, tokens="text")
    except CorpusError as cause:
        # Screening has an option for such texts, which is looked for here in vain.
        raise CorpusError(
            f"{cause}; readouts leave no text out and have no such option: give a corpus without this text"
        ) from cause
