"""At which positions a mask acts: everywhere, on the text, at the last token, on the prompt, or on what is generated.

A mask keeps no count of passes. What is prompt and what is generated is told by shape: with a KV cache a hook sees
`[batch, prompt, d]` first and `[batch, 1, d]` for every generated token. So a prompt of one token looks like a
generated one: give it a BOS token, or generate with `use_past_kv_cache=False` and pass `prompt_length=1`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from emorhet_lens.errors import MaskError

Where = Literal["all", "text", "last", "prompt", "generated"]
WHERE: tuple[Where, ...] = get_args(Where)


@dataclass(frozen=True, eq=False)
class Positions:
    """A choice of positions, made before anything runs. What the choice does not need is not looked at.

    Args:
        where: `"all"`; `"text"`, the positions marked in `text`; `"last"`, the last real position of every row;
            `"prompt"` or `"generated"`, see the module.
        text: For `"text"`: which positions are the text's own, as `Batch.keep`. What is generated with a KV cache
            after them is none.
        attention_mask: For `"last"`: which positions are no padding. Without it the last position is position -1,
            which is right for one text, for padding on the left, and for generation with a KV cache.
        prompt_length: For `"last"`, `"prompt"` and `"generated"` without a KV cache: width of the prompt, padding
            before it included, or one by row; what follows is generated. `"last"` is then the last position of the
            prompt and all that follow, as in generation, where each of them is the last one in its turn. A pass over
            one position is still taken for a generated one, unless `prompt_length` is 1.

    Raises:
        MaskError: `where` is unknown, or it needs something that is missing or wrong.
    """

    where: Where = "all"
    text: Bool[Tensor, "batch pos"] | None = None
    attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None
    prompt_length: int | Int[Tensor, " batch"] | None = None

    def __post_init__(self) -> None:
        require_where(self.where)
        if self.where == "text" and self.text is None:
            raise MaskError('where="text" needs text=, which marks the positions of the text (Batch.keep)')
        if self.prompt_length is not None and bool((torch.as_tensor(self.prompt_length) < 1).any()):
            raise MaskError(f"prompt_length={self.prompt_length} has to be at least 1")
        if self.where == "last" and self.attention_mask is not None:
            empty = (~self.attention_mask.bool().any(-1)).nonzero().flatten().tolist()
            if empty:
                raise MaskError(f"the attention mask has no real position in rows {empty}; leave these rows out")

    def chosen(self, batch: int, pos: int, device: torch.device) -> Bool[Tensor, "batch pos"] | None:
        """Where the mask acts in a pass over `[batch pos]`; nothing means everywhere.

        Raises:
            MaskError: `text`, `attention_mask` or `prompt_length` is of another shape.
        """
        place = torch.arange(pos, device=device)
        prompt = self._prompt(batch, device)
        if self.where == "all":
            return None
        if self.where == "text":
            if _is_step(self.text, batch, pos):
                return torch.zeros(batch, pos, dtype=torch.bool, device=device)
            return _fitting(self.text, "text", batch, pos).to(device)
        if self.where == "last":
            real = torch.ones(batch, pos, dtype=torch.bool, device=device)
            if self.attention_mask is not None and not _is_step(self.attention_mask, batch, pos):
                real = _fitting(self.attention_mask, "attention_mask", batch, pos).to(device)
            last = torch.where(real, place, -1).amax(-1, keepdim=True)
            return real & (place >= (last if prompt is None else torch.minimum(last, prompt - 1)))
        if prompt is None:
            generated = torch.full_like(place, pos == 1, dtype=torch.bool)
        else:
            generated = (place >= prompt) | ((prompt > 1) & (pos == 1))
        return (generated if self.where == "generated" else ~generated).expand(batch, pos)

    def _prompt(self, batch: int, device: torch.device) -> Int[Tensor, "row 1"] | None:
        """The width of the prompt: one for all rows, or one a row."""
        if self.prompt_length is None:
            return None
        widths = torch.as_tensor(self.prompt_length, device=device)
        if widths.ndim == 1 and len(widths) != batch:
            raise MaskError(f"prompt_length= is of {len(widths)} rows, the model runs {batch}")
        return widths.reshape(-1, 1)


def require_where(where: str) -> None:
    """Refuse a choice of positions that is unknown.

    Raises:
        MaskError: It is.
    """
    if where not in WHERE:
        raise MaskError(f"where={where!r} is unknown; it is one of {', '.join(WHERE)}")


def _is_step(marks: Tensor | None, batch: int, pos: int) -> bool:
    """Whether this is a generated token after the prompt that was marked: it is no text, and it is the last."""
    return marks is not None and pos == 1 < marks.shape[1] and batch == marks.shape[0]


def _fitting(marks: Tensor | None, name: str, batch: int, pos: int) -> Tensor:
    if marks is None or tuple(marks.shape) != (batch, pos):
        shape = None if marks is None else tuple(marks.shape)
        raise MaskError(
            f"{name}= has shape {shape}, the model runs [batch pos] = {(batch, pos)}; pass the marks of this very "
            'batch (in generation, use where="prompt" or "generated")'
        )
    return marks.bool()
