"""Texts go through the model batch by batch, under hooks, and a few numbers of each are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.models.hosts import LensModel, NamedHook, output_weights
from emorhet_lens.passes.batches import Batch, EncodedCorpus, PaddingSide, pad_batch, padding_id, plan_batches

Hooks = Callable[[Batch], list[NamedHook]]
"""Hooks for one batch; `Batch.keep` marks the text's own tokens, `Batch.attention_mask` the real ones."""
BatchSize = int | Literal["auto"]


def acts_by_position(hooks: Hooks | None) -> bool:
    """Whether hooks do at a position what they would do if the text went on, which hooks say of themselves.

    Args:
        hooks: Of a reading; without an attribute `by_position` they are taken to look for the last position.

    Returns:
        Whether one pass can be read at several positions.
    """
    return hooks is None or bool(getattr(hooks, "by_position", False))


@dataclass(frozen=True)
class Passes:
    """How texts go through the model.

    Args:
        batch_size: Texts a batch, or `"auto"` for batches of about equally many tokens.
        padding_side: Where padding goes; changes results by rounding only.
        progress: Whether to show a progress bar.
    """

    batch_size: BatchSize = "auto"
    padding_side: PaddingSide = "left"
    progress: bool = True

    def run(
        self,
        model: LensModel,
        encoded: EncodedCorpus,
        read: Callable[[Batch], Float[Tensor, "batch column"]],
        *,
        hooks: Hooks | None = None,
        what: str = "reading",
    ) -> Float[Tensor, "example column"]:
        """Read a few numbers of every text, batch by batch, under hooks.

        Args:
            model: A model of the host.
            encoded: The texts.
            read: Runs a batch and gives one row a text; called while the hooks are on.
            hooks: Gives the hooks of a batch; called once a batch.
            what: Title of the progress bar.

        Returns:
            Float64 on the CPU, rows in the order of the texts.
        """
        device = output_weights(model, 0).device
        plan = plan_batches(encoded.corpus, encoded.texts, batch_size=self.batch_size, device=device.type)
        pad_id = padding_id(model)
        rows: dict[int, Tensor] = {}
        for examples in tqdm(plan, desc=what, unit="batch", disable=not self.progress):
            batch = pad_batch(encoded.texts, examples, pad_id=pad_id, side=self.padding_side, device=device)
            with torch.no_grad(), model.hooks(fwd_hooks=[] if hooks is None else hooks(batch)):
                values = read(batch)
            rows |= dict(zip(examples, values.cpu().double(), strict=True))
        return torch.stack([rows[index] for index in range(len(encoded.texts))])
