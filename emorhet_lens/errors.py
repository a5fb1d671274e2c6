"""The errors this package raises on purpose.

Each message says what was received, what is allowed and what to do. All are `ValueError`s, so code that
already guards calls with `except ValueError` keeps working.
"""


class EmorhetError(ValueError):
    """Base class of every error raised on purpose by `emorhet_lens`."""


class CorpusError(EmorhetError):
    """A corpus, a label or a text cannot be used as it is."""


class ModelError(EmorhetError):
    """A model cannot be loaded, or does not have the neurons that were asked for."""


class PromptError(EmorhetError):
    """A prompt template does not mark where the text goes, or cannot be rendered."""


class StatsError(EmorhetError):
    """Activation statistics that do not belong together, or are not enough for what was asked."""


class ScreenError(EmorhetError):
    """An option of the screening is unknown or contradicts another one."""


class ReadoutError(EmorhetError):
    """A question cannot be asked of a model, or its answers cannot be had, the way that was asked for."""


class MaskError(EmorhetError):
    """A mask cannot be made, combined or put on a model the way that was asked for."""


class EffectsError(EmorhetError):
    """Effects of masks cannot be measured or tested the way that was asked for."""


class SynthesisError(EmorhetError):
    """Texts cannot be written or labelled the way that was asked for, or a writer refuses for good."""


class StudyError(EmorhetError):
    """A study file asks for what is not known, or leaves out what is needed."""


class StoreError(EmorhetError):
    """A file of results is missing, truncated, of another schema, or of another model."""
