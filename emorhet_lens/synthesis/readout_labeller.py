"""A readout of a model as a labeller: the label word that the model finds likeliest after a text.

A labeller that is the model to be studied makes the corpus agree with that model; use another one for research.
"""

from dataclasses import replace

from emorhet_lens.models.hosts import LensModel
from emorhet_lens.passes.batches import encode_corpus
from emorhet_lens.passes.prompts import as_prompt
from emorhet_lens.readouts.questions import Question
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot
from emorhet_lens.synthesis.writers import LabelText
from emorhet_lens.texts.concepts import ConceptGroup
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.texts.examples import Example


def readout_labeller(
    readout: ZeroShot | FewShot,
    model: LensModel,
    group: ConceptGroup,
    *,
    themes: tuple[str, ...] | None = None,
    dev: Corpus | None = None,
    train: Corpus | None = None,
) -> LabelText:
    """Prepare a readout once, and label texts with it one by one.

    Args:
        readout: How to ask.
        model: A model of the host.
        group: The concepts.
        themes: The labels to choose from; by default those of the group.
        dev: The texts to calibrate on, for the calibration `"prior"`.
        train: The texts to learn from, for `FewShot`.

    Returns:
        A function from text to label.

    Raises:
        ReadoutError: A split is missing, or an option cannot be used.
    """
    labels = themes or group.labels
    # A readout is prepared for some text; what is calibrated does not depend on it.
    some = Corpus("synthesis", group, (Example("0", "(no text yet)", labels[0], "synthesis"),))
    reading = readout.prepare(model, some, dev=dev, train=train, question=Question(labels), progress=False)
    prompt = as_prompt(reading.options["prompt"])

    def label(text: str) -> str:
        one = Corpus("synthesis", group, (Example("0", text, labels[0], "synthesis"),))
        encoded = encode_corpus(model, one, prompt=prompt, tokens="text")
        answers = replace(reading, encoded=encoded).read(model, progress=False)
        return labels[int(answers.predicted[0])]

    return label
