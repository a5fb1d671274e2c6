"""The arms of a comparison of gates: a concept's mask without a gate, behind its own, and behind those of random sets.

The dose of every arm is looked for on development texts, so what it does there is no finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.masks.mask import Mask
from emorhet_lens.masks.mask_kinds import attenuate, zero
from emorhet_lens.screening.neurons import Neurons

Kind = Literal["attenuate", "zero"]
"""`"attenuate"` dampens by how large an activation is, `"zero"` all activations of a neuron by the same share."""

PLAIN, GATED, RANDOM = "plain", "gated", "random-gate"


@dataclass(frozen=True)
class Arm:
    """One way of masking a concept's neurons.

    Args:
        name: `"plain"`, `"gated"`, or `"random-gate"` with a number: the same mask behind the gate of a random set.
        reason: Why it was not measured; empty if it was.
        ladder: By dose, how far the mean margin of the tuning texts falls, in nats.
        alpha: The dose that was taken.
        reached: Whether the equal drop is reached at that dose; otherwise it is the highest.
        drops: How far the own margin of every test text falls, in nats.
        kl: By neutral text, divergence of predictions in nats a token.
        log_ppl: By neutral text, the logarithm of the perplexity ratio.
        shut: Share of the gate's layers after which it stays shut; 0 without a gate.
    """

    name: str
    reason: str = ""
    ladder: tuple[float, ...] = ()
    alpha: float = 0.0
    reached: bool = False
    drops: tuple[float, ...] = ()
    kl: tuple[float, ...] = ()
    log_ppl: tuple[float, ...] = ()
    shut: float = 0.0


@dataclass(frozen=True)
class ConceptGates:
    """All arms of one concept.

    Args:
        concept: The concept.
        neurons: Number of its neurons.
        target: The drop at which arms are compared, in nats; not above 0 where there is nothing to compare.
        arms: Plain and gated, then the gates of random sets.
    """

    concept: str
    neurons: int
    target: float
    arms: tuple[Arm, ...]

    def arm(self, name: str) -> Arm:
        """An arm by name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def random(self) -> tuple[Arm, ...]:
        """The arms with gates of random sets."""
        return tuple(arm for arm in self.arms if arm.name.startswith(RANDOM))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ConceptGates":
        """The inverse of `to_json`."""
        rows = [{n: tuple(v) if isinstance(v, list) else v for n, v in one.items()} for one in values["arms"]]
        arms = tuple(Arm(**dict[str, Any](row)) for row in rows)
        return cls(values["concept"], int(values["neurons"]), float(values["target"]), arms)


def masked_at(neurons: Neurons, stats: ActivationStats, kind: Kind, dose: int | float) -> Mask:
    """The plain mask at a dose, from 0, nothing, to 1."""
    return attenuate(neurons, stats, dose) if kind == "attenuate" else zero(neurons) * dose


def dose_for(drops: Sequence[float], doses: Sequence[float], target: int | float) -> float | None:
    """The lowest dose at which a drop is reached, on straight lines between the doses that were read.

    Args:
        drops: At every dose; at dose 0 it is 0.
        doses: Rising, above 0.
        target: Above 0.

    Returns:
        The dose, or nothing where none reaches the target.

    >>> dose_for([0.1, 0.3], [0.5, 1.0], 0.2)
    0.75
    """
    before, start = 0.0, 0.0
    for dose, drop in zip(doses, drops, strict=True):
        if drop >= target:
            return start + (dose - start) * (target - before) / (drop - before)
        before, start = drop, dose
    return None
