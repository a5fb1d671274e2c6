"""Target rate against fluency: how far each way of steering gets before the text breaks.

Every method writes a text after every prompt, at several strengths, towards a concept and away from it. A judge that
is independent of the model says which texts carry the concept, and the model without steering how surprising they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from emorhet_lens.errors import EffectsError
from emorhet_lens.generation.generate import encode_prompts, require_options
from emorhet_lens.generation.judge import Judge
from emorhet_lens.generation.tradeoff_methods import Method
from emorhet_lens.generation.tradeoff_outcomes import Tradeoff, judged
from emorhet_lens.generation.tradeoff_store import BASE, Condition, TradeoffFiles, Written
from emorhet_lens.generation.tradeoff_writing import write_conditions
from emorhet_lens.models.hosts import LensModel, ModelIdentity, identify, output_weights
from emorhet_lens.passes.prompts import Prompt, as_prompt

# What an interruption can lose; a GPU takes as long for many texts as for few.
_TEXTS_AT_ONCE = {"cpu": 64, "cuda": 1024}


@dataclass(frozen=True, eq=False)
class TradeoffPlan:
    """What is to be written; `plan_tradeoff` makes it.

    Args:
        concepts: The targets.
        prompts: The prompts.
        methods: By name.
        conditions: Every concept, method and strength, in order.
        done: Texts that are there already, those without steering among them.
        judge: Judges what is written.
        template: What stands around prompts.
        writing: Options of `emorhet_lens.generation.generate.generate`.
        model: The model.
        files: Where texts are kept as they are written, if anywhere.
    """

    concepts: tuple[str, ...]
    prompts: tuple[str, ...]
    methods: dict[str, Method]
    conditions: tuple[Condition, ...]
    done: dict[Condition, Written]
    judge: Judge
    template: Prompt
    writing: dict[str, Any]
    model: ModelIdentity
    files: TradeoffFiles | None

    @property
    def remaining(self) -> tuple[Condition, ...]:
        """Conditions whose texts are still to be written."""
        return tuple(condition for condition in self.conditions if condition not in self.done)

    @property
    def texts(self) -> int:
        """Number of texts that are still to be written."""
        return len(self.remaining) * len(self.prompts)

    @property
    def minutes(self) -> float:
        """Longest duration to be expected, from the time that the texts without steering took.

        Large batches of a GPU take much less.
        """
        return len(self.remaining) * self.done[BASE].seconds / 60

    def run(self, model: LensModel, *, progress: bool = True) -> Tradeoff:
        """Write the texts that are missing, and judge all.

        Args:
            model: The model that the plan was made on.
            progress: Whether to show a progress bar.

        Raises:
            ModelError: The model answers with NaN or infinity at one of the strengths.
            StoreError: It is another model.
        """
        self.model.require_same(identify(model))
        done, left = dict(self.done), list(self.remaining)
        at_once = max(1, _TEXTS_AT_ONCE.get(output_weights(model, 0).device.type, 64) // len(self.prompts))
        chunks = [left[start : start + at_once] for start in range(0, len(left), at_once)]
        for chunk in tqdm(chunks, desc="writing conditions", disable=not progress):
            for condition, written in self._write(model, chunk).items():
                done[condition] = written
                if self.files is not None:
                    self.files.save(condition, written, self.methods[condition.method].about(condition.concept))
        ordered = {condition: done[condition] for condition in (BASE, *self.conditions)}
        return Tradeoff(
            self.concepts,
            ordered,
            {condition: judged(self.judge, written) for condition, written in ordered.items()},
            self.judge.to_dict(),
            self.model,
            {
                "prompts": self.prompts,
                "template": self.template.to_json(),
                "methods": {name: method.strengths for name, method in self.methods.items()},
                **self.writing,
            },
        )

    def _write(
        self, model: LensModel, conditions: Sequence[Condition], *, progress: bool = False
    ) -> dict[Condition, Written]:
        return write_conditions(
            model, conditions, self.methods, self.prompts, template=self.template, progress=progress, **self.writing
        )


def plan_tradeoff(
    model: LensModel,
    concepts: Sequence[str],
    prompts: Sequence[str],
    methods: Sequence[Method],
    judge: Judge,
    *,
    template: Prompt | str | list[dict[str, str]] | None = None,
    folder: Path | str | None = None,
    progress: bool = True,
    **writing: Any,
) -> TradeoffPlan:
    """Check everything, write the texts without steering, and predict the cost of the rest.

    Args:
        model: A model of the host.
        concepts: The targets.
        prompts: Prompts that name none of the targets.
        methods: Ways to steer, see `emorhet_lens.generation.tradeoff_methods`.
        judge: Says which texts carry a target.
        template: What stands around a prompt; chat messages for a chat model.
        folder: Keeps every condition's texts; an interrupted run goes on from it, and strengths may be added.
        progress: Whether to show progress bars.
        **writing: Further arguments of `emorhet_lens.generation.generate.generate`.

    Returns:
        The plan.

    Raises:
        EffectsError: The judge does not know a concept. Further errors are those of `require_tradeoff`.
    """
    strangers = sorted(set(concepts) - set(judge.labels))
    if strangers:
        raise EffectsError(f"concepts={list(concepts)}: the judge tells {', '.join(judge.labels)}")
    done = require_tradeoff(model, concepts, prompts, methods, template=template, folder=folder, **writing)
    conditions, form, identity = _conditions(concepts, methods), as_prompt(template), identify(model)
    files = None
    if folder is not None:
        files = TradeoffFiles.open(Path(folder), _lean(identity, prompts, form, writing))
    named = {method.name: method for method in methods}
    plan = TradeoffPlan(tuple(concepts), tuple(prompts), named, conditions, done, judge, form, writing, identity, files)
    if BASE not in done:
        done |= plan._write(model, [BASE], progress=progress)
        if files is not None:
            files.save(BASE, done[BASE], None)
    return plan


def require_tradeoff(
    model: LensModel,
    concepts: Sequence[str],
    prompts: Sequence[str],
    methods: Sequence[Method],
    *,
    template: Prompt | str | list[dict[str, str]] | None = None,
    folder: Path | str | None = None,
    **writing: Any,
) -> dict[Condition, Written]:
    """Check what can be checked without a pass through the model; arguments are those of `plan_tradeoff`.

    It may be called with some of the methods, where others are still to be computed.

    Returns:
        What the folder holds of these methods already.

    Raises:
        EffectsError: A concept is given twice or none is given, or two methods have one name.
        PromptError: A prompt does not fit into the context, with a method's words too.
        ReadoutError: An option of writing is out of range.
        ScreenError, MaskError: A method does not know a concept, or has no neurons of it.
        StoreError: The folder holds another measurement.
    """
    if not concepts or len(set(concepts)) < len(concepts):
        raise EffectsError(f"concepts={list(concepts)}: at least one is needed, each given once")
    named = {method.name: method for method in methods}
    if not named or len(named) < len(methods) or BASE.method in named:
        raise EffectsError(
            f"methods need names of their own other than {BASE.method!r}, got {[m.name for m in methods]}"
        )
    require_options(**writing)
    conditions, form = _conditions(concepts, methods), as_prompt(template)
    for c in conditions:
        worded = [named[c.method].wording(p, c.concept, c.strength) for p in prompts]
        encode_prompts(model, worded, form, int(writing.get("max_new_tokens", 40)))
    abouts: dict[tuple[str, str], Any] = {}
    for concept in concepts:
        for method in methods:
            abouts[concept, method.name] = method.about(concept)
            # What cannot be put on the model is known with any of the strengths.
            method.interventions(concept, method.strengths[0])
    if folder is None:
        return {}
    files = TradeoffFiles(Path(folder))
    files.require(_lean(identify(model), prompts, form, writing))
    found = {c: files.load(c, abouts.get((c.concept, c.method))) for c in (BASE, *conditions)}
    return {c: written for c, written in found.items() if written is not None}


def _conditions(concepts: Sequence[str], methods: Sequence[Method]) -> tuple[Condition, ...]:
    return tuple(Condition(c, m.name, strength) for c in concepts for m in methods for strength in m.strengths)


def _lean(identity: ModelIdentity, prompts: Sequence[str], form: Prompt, writing: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two measurements the same; another device or batch size goes on with the same texts."""
    lean = {name: value for name, value in writing.items() if name != "batch_size"}
    return lean | {"model": [identity.name, identity.dtype], "prompts": list(prompts), "template": form.to_json()}
