"""What a study is: which corpora are screened, and what is measured with the neurons that are found.

Everything is checked when the value is made, before a model is loaded: a study takes hours, and a typing error should
not be found in the last one. `emorhet_lens.study.file` reads it from a file.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from emorhet_lens.causal.inputs import NEEDS_STATS
from emorhet_lens.causal.steps import ADAPTIVE
from emorhet_lens.corpora.held_out import MIN_TEXTS
from emorhet_lens.errors import EffectsError
from emorhet_lens.models import embedded
from emorhet_lens.models.loading import Host
from emorhet_lens.screening.job import require_options
from emorhet_lens.screening.presets import PRESETS
from emorhet_lens.sweeps.layer_ranges import NAMES, layer_ranges
from emorhet_lens.texts.concepts import GROUPS
from emorhet_lens.tuning.dose_search import Search
from emorhet_lens.validation.validate import READOUTS

MASKS = ("zero", *NEEDS_STATS, ADAPTIVE)
_MANY_LAYERS = 10_000


def _one_of(names: Sequence[str]) -> AfterValidator:
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


# Lists are read as tuples, and what is in them as strictly as everything else.
_LIST = Field(strict=False, min_length=1)
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], _LIST, AfterValidator(_distinct)]
Masks = Annotated[tuple[Annotated[str, _one_of(MASKS)], ...], _LIST, AfterValidator(_distinct)]
Ratios = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], _LIST, AfterValidator(_distinct)]
Layers = Annotated[tuple[str, ...], _LIST, AfterValidator(_known_layers)]
Doses = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], _LIST, AfterValidator(_distinct)]
ReadoutName = Annotated[str, _one_of(tuple(READOUTS))]
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
    mask: Annotated[str, _one_of(("zero", *NEEDS_STATS))] = "zero"
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


class StudyGroup(BaseModel, frozen=True, extra="forbid", strict=True):
    """One concept group of a study.

    Attributes:
        name: Of the group.
        corpora: What is screened, by name or file.
        limit: Most screening texts a label and source.
        preset: Of the screening.
        top: Share of neurons to select, in place of the preset's.
        shuffles: Shuffled labellings for the stability; 0 leaves it out.
        allow_missing_rest: Whether sources without a rest class are accepted.
        validation: The section `validate`; not measured without it.
        sweep: The section `sweep`; not measured without it.
        replication: The section `replicate`; not measured without it.
    """

    name: Annotated[str, _one_of(tuple(GROUPS))]
    corpora: Names
    limit: Positive = 200
    preset: Annotated[str, _one_of(tuple(PRESETS))] = "default"
    top: Annotated[float, Field(gt=0, le=1)] | None = None
    shuffles: Annotated[int, Field(ge=0)] = 20
    allow_missing_rest: bool = False
    validation: ValidateSection | None = Field(default=None, alias="validate")
    sweep: SweepSection | None = None
    replication: ReplicateSection | None = Field(default=None, alias="replicate")

    @property
    def changes(self) -> dict[str, Any]:
        """Options of the screening that differ from the preset's."""
        named = {"top": self.top, "allow_missing_rest": self.allow_missing_rest or None}
        return {name: value for name, value in named.items() if value is not None}

    @model_validator(mode="after")
    def _fits(self) -> "StudyGroup":
        require_options(self.preset, self.changes)
        if self.shuffles == 1:
            raise ValueError("shuffles: an interval needs at least 2; 0 leaves stability out")
        concepts = GROUPS[self.name].concepts
        unknown = sorted(set((self.sweep and self.sweep.concepts) or ()) - set(concepts))
        if unknown:
            raise ValueError(f"sweep.concepts: unknown {unknown}; there are {', '.join(concepts)}")
        foreign = sorted(set((self.replication and self.replication.tested) or ()) - set(self.corpora))
        if foreign:
            raise ValueError(f"replicate.tested: {foreign} are not screened; there are {', '.join(self.corpora)}")
        return self


class Study(BaseModel, frozen=True, extra="forbid", strict=True):
    """A study: one model, one or both concept groups, and what is measured of them.

    Attributes:
        model: Hub id, folder, .gguf file, or the embedded model.
        host: Class of the model object.
        device: `cpu`, `cuda`, ...; results do not depend on it beyond rounding.
        dtype: Precision of the weights.
        seed: Of all draws.
        groups: At least one, each once.
    """

    model: Annotated[str, Field(min_length=1)] = embedded.NAME
    host: Host = "bridge"
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    groups: Annotated[tuple[StudyGroup, ...], _LIST]

    @model_validator(mode="after")
    def _each_group_once(self) -> "Study":
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError(f"each group may occur once, got {', '.join(names)}")
        return self
