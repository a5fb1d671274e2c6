"""The section `curves` of a study: what is written under a push, judged by texts that were not screened."""

from pydantic import BaseModel

from emorhet_lens.generation.job import RESIDUAL_STRENGTHS, STRENGTHS
from emorhet_lens.generation.openings import OPENINGS
from emorhet_lens.steering.induction import Form
from emorhet_lens.study.sections import Names, Positive, Pushes


class CurvesSection(BaseModel, frozen=True, extra="forbid", strict=True):
    """`curves`: target rate against fluency of what is written under a push; see `emorhet curves`.

    Attributes:
        concepts: Towards and away from what.
        judge: Corpora that the judge is trained on; none of them may be screened.
        corpora: Texts of the residual difference; by default those of the group.
        strengths: Of neurons and of random neurons.
        residual_strengths: Multiples of the residual difference.
        form: How neurons are pushed.
        prompts: What is continued; built-in openings by default.
        limit: Only the first so many prompts.
        max_new_tokens: Length at which writing ends.
        n_random: Random sets a concept; prompts take turns.
        texts: Most texts a label and source of the residual difference.
        judge_texts: Most texts a label and source of the judge.
    """

    concepts: Names
    judge: Names
    corpora: Names | None = None
    strengths: Pushes = STRENGTHS
    residual_strengths: Pushes = RESIDUAL_STRENGTHS
    form: Form = "contrast"
    prompts: Names = OPENINGS
    limit: Positive = len(OPENINGS)
    max_new_tokens: Positive = 40
    n_random: Positive = 4
    texts: Positive = 100
    judge_texts: Positive = 1000

    @property
    def chosen(self) -> tuple[str, ...]:
        """The prompts that are continued."""
        return self.prompts[: self.limit]
