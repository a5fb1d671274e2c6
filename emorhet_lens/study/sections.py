"""The sections of a study: what is measured, each with the options of the command of its name.

Everything is checked when the value is made; `emorhet_lens.study.schema` puts the sections together.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from emorhet_lens.causal.inputs import NEEDS_STATS
from emorhet_lens.causal.steps import ADAPTIVE
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.cross_signal.enhance import OMEGAS
from emorhet_lens.cross_signal.runs import Choice
from emorhet_lens.errors import EffectsError
from emorhet_lens.readouts.named import READOUTS
from emorhet_lens.steering.induction import Form
from emorhet_lens.steering.steer import STRENGTHS
from emorhet_lens.steering.steps import CONTROLS, Control
from emorhet_lens.sweeps.layer_ranges import NAMES, layer_ranges
from emorhet_lens.tuning.dose_search import Search

FIXED = ("zero", *NEEDS_STATS)
MASKS = (*FIXED, ADAPTIVE)
_MANY_LAYERS = 10_000


def one_of(names: Sequence[str]) -> AfterValidator:
    """A check that a value is one of some names."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"it is one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each may be named once")
    return values


def _known_layers(values: tuple[str, ...]) -> tuple[str, ...]:
    # How many layers there are is known with the model; whether a name means anything is known now.
    try:
        layer_ranges(values, _MANY_LAYERS)
    except EffectsError as cause:
        raise ValueError(f"layers are {', '.join(NAMES)}, and ranges such as 0-9, each once") from cause
    return values


def _moving() -> AfterValidator:
    def check(values: tuple[float, ...]) -> tuple[float, ...]:
        if 0 in values:
            raise ValueError("at 0 nothing is pushed, so there is no effect to measure")
        return values

    return AfterValidator(check)


# Lists are read as tuples, and what is in them as strictly as everything else.
LIST = Field(strict=False, min_length=1)
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], LIST, AfterValidator(_distinct)]
Masks = Annotated[tuple[Annotated[str, one_of(MASKS)], ...], LIST, AfterValidator(_distinct)]
Ratios = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], LIST, AfterValidator(_distinct)]
Layers = Annotated[tuple[str, ...], LIST, AfterValidator(_known_layers)]
Doses = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], LIST, AfterValidator(_distinct)]
Pushes = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], LIST, AfterValidator(_distinct), _moving()]
Forms = Annotated[tuple[Form, ...], LIST, AfterValidator(_distinct)]
# An empty list leaves the controls out.
Controls = Annotated[tuple[Control, ...], Field(strict=False), AfterValidator(_distinct)]
FixedMasks = Annotated[tuple[Annotated[str, one_of(FIXED)], ...], LIST, AfterValidator(_distinct)]
ReadoutName = Annotated[str, one_of(tuple(READOUTS))]
Positive = Annotated[int, Field(gt=0)]
RandomSets = Annotated[int, Field(ge=2)]


class Section(BaseModel, frozen=True, extra="forbid", strict=True):
    """What the measurements have in common.

    Attributes:
        corpora: Whose unseen texts are read; by default those of the group.
        readout: How predictions are read.
        limit: Most test texts a class and source.
        min_texts: A concept with fewer test texts in a source is left out there.
        n_random: Matched random sets a concept.
    """

    corpora: Names | None = None
    readout: ReadoutName = "zero-shot"
    limit: Positive = 100
    min_texts: Positive = MIN_TEXTS
    n_random: RandomSets = 8


class ValidateSection(Section, frozen=True):
    """`validate`: kinds of mask beside matched random sets; see `emorhet validate`.

    Attributes:
        masks: Kinds of mask; `adaptive` is tuned on development texts first.
        delta: Of adaptive masks: how far recall has to fall.
        search: Of adaptive masks: how the dose is looked for.
    """

    masks: Masks = ("zero", "mean", ADAPTIVE)
    delta: Annotated[float, Field(gt=0, le=1)] = 0.05
    search: Search = "ladder"


class SweepSection(Section, frozen=True):
    """`sweep`: ratios by ranges of layers by doses; see `emorhet sweep`.

    Attributes:
        concepts: Whose neurons; all of the group by default.
        ratios: Shares of a range's neurons.
        layers: `bottom`, `middle`, `top`, `all`, and ranges such as `0-9`.
        doses: How far the mask is put on.
        equal: Whether every range gets the number of neurons of the smallest.
        mask: The kind of mask.
    """

    concepts: Names | None = None
    ratios: Ratios = (0.001, 0.002, 0.005, 0.01, 0.02)
    layers: Layers = NAMES
    doses: Doses = (1.0,)
    equal: bool = False
    mask: Annotated[str, one_of(FIXED)] = "zero"
    n_random: RandomSets = 4


class ReplicateSection(Section, frozen=True):
    """`replicate`: screen other corpora, compare the selections, and mask each one's neurons on the other's texts.

    Attributes:
        corpora: Of the second screening.
        tested: Corpora of the group on whose texts the second screening's neurons are masked; all by default.
        screen_limit: Most texts a label and source of the second screening; that of the group by default.
        draws: Matched draws each way for the comparison of selections.
        effects: Whether neurons are masked; without, only selections are compared.
    """

    corpora: Names
    tested: Names | None = None
    screen_limit: Positive | None = None
    draws: Positive = 1000
    effects: bool = True


class InduceSection(Section, frozen=True):
    """`induce`: texts without a concept pushed towards it by its neurons; see `emorhet induce`.

    Attributes:
        concepts: Towards what; all of the group by default.
        strengths: How far.
        forms: How neurons are pushed.
        controls: Any of `random`, `scaled` and `noise`.
    """

    concepts: Names | None = None
    strengths: Pushes = STRENGTHS
    forms: Forms = ("contrast",)
    controls: Controls = CONTROLS
    limit: Positive = 60


class LinkSection(BaseModel, frozen=True, extra="forbid", strict=True):
    """`link`: what the neurons of emotions and of devices share; see `emorhet associate` and `emorhet enhance`.

    Attributes:
        emotion: Corpora whose unseen texts of emotions are read; by default those of the group.
        rhetoric: The same for devices.
        draws: Matched draws each way for overlaps and layers.
        shuffles: Shuffled labellings for profiles and clusters; 0 leaves these nulls out.
        effects: Whether the neurons of each group are masked while the other is read.
        masks: Kinds of mask.
        readout: How predictions are read under masks; injections are read by the zero-shot readout.
        cross_signal: Whether the signal of devices is injected while emotions are read.
        reverse: Whether the signal of emotions is injected while devices are read, too, which is exploratory.
        omegas: The doses to choose from.
        choice: By what a dose is chosen.
        form: What is injected.
        limit: Most test texts a class and source.
        min_texts: A concept with fewer test texts in a source is left out there.
        n_random: Matched random sets a concept.
    """

    emotion: Names | None = None
    rhetoric: Names | None = None
    draws: Positive = 1000
    shuffles: Annotated[int, Field(ge=0)] = 40
    effects: bool = True
    masks: FixedMasks = ("zero",)
    readout: ReadoutName = "zero-shot"
    cross_signal: bool = True
    reverse: bool = False
    omegas: Pushes = OMEGAS
    choice: Choice = "margin"
    form: Literal["contrast", "zheng2026"] = "contrast"
    limit: Positive = 60
    min_texts: Positive = MIN_TEXTS
    n_random: RandomSets = 8

    @model_validator(mode="after")
    def _reverse_of_something(self) -> "LinkSection":
        if self.reverse and not self.cross_signal:
            raise ValueError("reverse: there is no other direction without cross_signal; set cross_signal = true")
        return self
