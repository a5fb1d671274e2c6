"""What a study is: which corpora are screened, and what is measured with the neurons that are found.

Everything is checked when the value is made, before a model is loaded: a study takes hours, and a typing error should
not be found in the last one. `emorhet_lens.study.file` reads it from a file.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from emorhet_lens.models import embedded
from emorhet_lens.models.loading import Host
from emorhet_lens.screening.job import require_options
from emorhet_lens.screening.presets import PRESETS
from emorhet_lens.study.curves_section import CurvesSection
from emorhet_lens.study.sections import (
    LIST,
    InduceSection,
    LinkSection,
    Names,
    Positive,
    ReplicateSection,
    SweepSection,
    ValidateSection,
    one_of,
)
from emorhet_lens.texts.concepts import EMOTIONS, GROUPS, RHETORIC


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
        hub: Whether publishers' data sets may be taken from the hub, in all sections.
        drop_unknown: Whether texts with labels of no concept are left out, in all sections.
        validation: The section `validate`; not measured without it.
        sweep: The section `sweep`; not measured without it.
        induction: The section `induce`; not measured without it.
        curves: The section `curves`; not measured without it.
        replication: The section `replicate`; not measured without it.
    """

    name: Annotated[str, one_of(tuple(GROUPS))]
    corpora: Names
    limit: Positive = 200
    preset: Annotated[str, one_of(tuple(PRESETS))] = "default"
    top: Annotated[float, Field(gt=0, le=1)] | None = None
    shuffles: Annotated[int, Field(ge=0)] = 20
    allow_missing_rest: bool = False
    hub: bool = False
    drop_unknown: bool = False
    validation: ValidateSection | None = Field(default=None, alias="validate")
    sweep: SweepSection | None = None
    induction: InduceSection | None = Field(default=None, alias="induce")
    curves: CurvesSection | None = None
    replication: ReplicateSection | None = Field(default=None, alias="replicate")

    @property
    def loading(self) -> dict[str, Any]:
        """The same as options of `load_corpus`."""
        return {"hub": self.hub, "unknown": "drop" if self.drop_unknown else "error"}

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
        for name, section in (("sweep", self.sweep), ("induce", self.induction), ("curves", self.curves)):
            unknown = sorted(set((section and section.concepts) or ()) - set(concepts))
            if unknown:
                raise ValueError(f"{name}.concepts: unknown {unknown}; there are {', '.join(concepts)}")
        screened = sorted(set((self.curves and self.curves.judge) or ()) & set(self.corpora))
        if screened:
            raise ValueError(
                f"curves.judge: {screened} are screened, so a judge trained on them would not be independent; name "
                "other corpora"
            )
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
        link: The section `link`, which needs both groups; not measured without it.
    """

    model: Annotated[str, Field(min_length=1)] = embedded.NAME
    host: Host = "bridge"
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    groups: Annotated[tuple[StudyGroup, ...], LIST]
    link: LinkSection | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Study":
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError(f"each group may occur once, got {', '.join(names)}")
        if self.link is not None and set(names) != {EMOTIONS.name, RHETORIC.name}:
            raise ValueError(
                f"link: needs both groups, {EMOTIONS.name} and {RHETORIC.name}, got {', '.join(names)}; add the other "
                "one, or leave the section out"
            )
        return self

    def group(self, name: str) -> StudyGroup:
        """One of the groups; `KeyError` where there is none of that name."""
        return {group.name: group for group in self.groups}[name]
