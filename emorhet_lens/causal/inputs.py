"""Check and complete what a measurement of effects is given."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import EffectsError
from emorhet_lens.masks import mask_kinds
from emorhet_lens.masks.gated import Gated
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_positions import require_where
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot
from emorhet_lens.screening.neurons import MatchedSets, Neurons
from emorhet_lens.texts.corpus import Corpus

MakeMask = Callable[[Neurons], Mask | Gated]
NEEDS_STATS = ("mean", "attenuate")


def make_masks(masks: Sequence[str] | Mapping[str, MakeMask], stats: ActivationStats | None) -> dict[str, MakeMask]:
    """Functions from neurons to a mask, from names or as they are.

    Raises:
        EffectsError: A name is unknown, or needs statistics that were not given.
    """
    if isinstance(masks, Mapping):
        return {name: _once(make) for name, make in masks.items()}
    names = (masks,) if isinstance(masks, str) else tuple(masks)
    unknown = sorted(set(names) - {"zero", *NEEDS_STATS})
    if unknown:
        raise EffectsError(
            f"unknown masks {unknown}; there are zero, {', '.join(NEEDS_STATS)}, or pass functions by name"
        )
    needy = [name for name in names if name in NEEDS_STATS]
    if needy and stats is None:
        raise EffectsError(f"the masks {', '.join(needy)} need stats=, the statistics of the screening")

    def make(name: str) -> MakeMask:
        if name == "zero" or stats is None:
            return mask_kinds.zero
        if name == "mean":
            return lambda neurons: mask_kinds.mean(neurons, stats)
        return lambda neurons: mask_kinds.attenuate(neurons, stats)

    return {name: _once(make(name)) for name in names}


def _once(make: MakeMask) -> MakeMask:
    """The same masks, each made when it is asked for first."""
    made: dict[object, Mask | Gated] = {}

    def mask_of(neurons: Neurons) -> Mask | Gated:
        key = (tuple(neurons.sets.items()), tuple(neurons.scores.items()))
        if key not in made:
            made[key] = make(neurons)
        return made[key]

    return mask_of


def make_all(made: Mapping[str, MakeMask], matched: MatchedSets | None) -> None:
    """Make the masks of all random sets, so that what is wrong with one is known before anything is read.

    Args:
        made: Functions from neurons to a mask, from `make_masks`.
        matched: The random sets, if there are any. Errors are those of the functions.
    """
    for one in () if matched is None else matched.sets:
        for concept in one.concepts:
            for make in made.values():
                make(one[concept])


def require_unseen(stats: ActivationStats | None, **parts: Corpus | None) -> None:
    """Refuse texts that the neurons were selected on.

    Raises:
        EffectsError: A part holds one.
    """
    seen = frozenset() if stats is None else stats.seen
    for part, corpus in parts.items():
        shared = () if corpus is None else corpus.among(seen)
        if shared:
            raise EffectsError(
                f"{len(shared)} {part} texts were screened on, for example {min(one.key for one in shared)!r}; neurons "
                "look better on the texts that they were chosen on. Use another split"
            )


def neutral_texts(corpus: Corpus, seed: int, n: int = 32) -> Corpus | None:
    """Some texts of the rest, for side effects; nothing if there are none."""
    if not corpus.counts()[corpus.group.rest]:
        return None
    rest = corpus.where(lambda example: example.label == corpus.group.rest)
    return rest.balanced(max(1, n // len(rest.sources)), seed=seed)


def require_acting(where: str, readout: Readout | None) -> None:
    """Refuse positions at which no mask would act while answers are read.

    Args:
        where: At which positions masks act.
        readout: How predictions are read; `ZeroShot()` where nothing is given.

    Raises:
        MaskError: `where` is unknown.
        EffectsError: It is `"generated"`, and the readout reads prompts in one pass and lets nothing be written.
    """
    require_where(where)
    if where == "generated" and (readout is None or isinstance(readout, ZeroShot | FewShot | Probe)):
        raise EffectsError(
            f'where="generated": {type(readout or ZeroShot()).__name__} reads prompts and nothing is written, so no '
            "mask would act; read with Generated() (--readout generated), or choose other positions"
        )


def with_costs(neutral: Corpus | None, where: str) -> tuple[Corpus | None, list[str]]:
    """Neutral texts that can show what masks at some positions cost, and a warning where none can.

    Args:
        neutral: Texts for the side effects, if there are any.
        where: At which positions masks act. No token comes after the last one of a neutral text and none is generated
            after it, so that a mask there would always seem to cost nothing.
    """
    if neutral is None or where not in ("last", "generated"):
        return neutral, []
    return None, [
        f"side effects were not measured: where={where!r} acts where no prediction of neutral text is counted"
    ]


def mask_digest(mask: Mask | Gated) -> str:
    """SHA-256 of what a mask does: equal for equal masks."""
    state = hashlib.sha256(mask.name.encode())
    plain, gate = (mask.inner, mask.gate.tensors().values()) if isinstance(mask, Gated) else (mask, ())
    for tensor in (plain.columns, plain.gain, plain.alpha, plain.maximum, plain.reference, plain.shift, *gate):
        state.update(tensor.contiguous().numpy().tobytes())
    return state.hexdigest()


def sets_digest(matched: MatchedSets) -> str:
    """SHA-256 of which neurons the random sets hold."""
    return hashlib.sha256(repr([sorted(one.sets.items()) for one in matched.sets]).encode()).hexdigest()


def with_texts(neurons: Neurons, corpus: Corpus) -> tuple[Neurons, list[str]]:
    """The concepts that have both neurons and texts, and a warning for each of the others.

    Raises:
        EffectsError: There is none.
    """
    counts = corpus.counts()
    chosen = [c for c in neurons.concepts if neurons.sets[c] and counts.get(c)]
    if not chosen:
        raise EffectsError(
            f"no concept has both neurons and test texts: neurons are of "
            f"{', '.join(c for c in neurons.concepts if neurons.sets[c]) or 'none'}, texts of "
            f"{', '.join(label for label, count in counts.items() if count)}"
        )
    warnings = [f"{c}: no neurons, so nothing was masked" for c in neurons.concepts if not neurons.sets[c]]
    warnings += [f"{c}: no test texts" for c in neurons.concepts if neurons.sets[c] and not counts.get(c)]
    kept = {name: {c: getattr(neurons, name)[c] for c in chosen} for name in ("sets", "scores")}
    return replace(neurons, sets=kept["sets"], scores=kept["scores"]), warnings
