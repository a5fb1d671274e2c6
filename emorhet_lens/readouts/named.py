"""Readouts by name, as commands, study files and jobs give them, and what each does with the development texts."""

from types import MappingProxyType
from typing import Any

from emorhet_lens.errors import ReadoutError
from emorhet_lens.readouts.generated import Generated
from emorhet_lens.readouts.probe import Probe
from emorhet_lens.readouts.readout import Readout
from emorhet_lens.readouts.zero_shot import FewShot, ZeroShot
from emorhet_lens.texts.corpus import Corpus

READOUTS = MappingProxyType({"zero-shot": ZeroShot, "few-shot": FewShot, "probe": Probe, "generated": Generated})
"""Ways of reading predictions by name, with their default options."""


def require_readout(name: str) -> None:
    """Refuse a name that is not one of `READOUTS`, before anything is loaded.

    Raises:
        ReadoutError: It is not.
    """
    if name not in READOUTS:
        raise ReadoutError(f"unknown readout {name!r}; there are {', '.join(READOUTS)}")


def readout_named(name: str) -> Readout:
    """The readout of a name, with its default options.

    Raises:
        ReadoutError: There is none.
    """
    require_readout(name)
    ways: dict[str, Any] = dict(READOUTS)
    made: Readout = ways[name]()
    return made


def lessons_of(name: str, held_out: Corpus, seed: int) -> tuple[Corpus | None, Corpus | None]:
    """The development texts by what a readout uses them for.

    Args:
        name: A name of `READOUTS`.
        held_out: The development texts.
        seed: Of the halves that `few-shot` needs.

    Returns:
        Texts to calibrate on, and texts to learn from.
    """
    if name == "probe":
        return None, held_out
    if name == "few-shot":
        halves = held_out.split({"train": 0.5, "dev": 0.5}, seed=seed)
        return halves["dev"], halves["train"]
    return held_out, None
