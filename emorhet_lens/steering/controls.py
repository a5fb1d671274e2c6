"""What a shift of concept neurons is compared with: shifts that write as much into the residual stream.

Selected neurons differ between concept and rest more than matched random ones, so the same form pushes random sets
less. Two further controls take that away: random sets whose shift is scaled until every layer writes a vector of the
same length, and noise, a random shift of random columns of the same layers, of that length too. Equal length is not
equal effect: what later layers make of a vector depends on its direction.
"""

from dataclasses import replace

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.errors import EffectsError
from emorhet_lens.masks.mask import Mask, sorted_columns
from emorhet_lens.models.hosts import LensModel, output_weights
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.splitting import random_stream


def written_lengths(model: LensModel, mask: Mask) -> Float[Tensor, " layer"]:
    """Length of the vector that a mask's shift adds to the residual stream, layer by layer; 0 in other layers.

    Args:
        model: The model.
        mask: A mask; what is not a shift does not count.

    Returns:
        One length a layer of the model, float64 on the CPU.
    """
    lengths = torch.zeros(mask.model.n_layers, dtype=torch.float64)
    for part in mask.parts():
        weights = output_weights(model, part.layer)
        rows = weights[part.neurons.to(weights.device)].cpu().double()
        lengths[part.layer] = einsum(part.shift, rows, "masked, masked model -> model").norm()
    return lengths


def scaled_to(mask: Mask, lengths: Float[Tensor, " layer"], model: LensModel) -> Mask:
    """The same shift, scaled in every layer until it writes a vector of a given length.

    Args:
        mask: A mask that only shifts.
        lengths: One a layer, from `written_lengths`.
        model: The model.

    Returns:
        The mask; a layer whose shift writes nothing stays as it is.
    """
    mine = written_lengths(model, mask)
    factor = torch.where(mine > 0, lengths / mine.where(mine > 0, 1), 1)
    return replace(mask, shift=mask.shift * factor[mask.columns[:, 0]], name=f"{mask.name}, equal length")


def noise_like(mask: Mask, neurons: Neurons, model: LensModel, *, seed: int, words: tuple[str, ...]) -> Mask:
    """A random shift of as many random columns of the same layers, which writes vectors of the same length.

    Args:
        mask: A mask that only shifts.
        neurons: Whose columns, and those that its background holds as taken, are left out.
        model: The model.
        seed: Of the draw.
        words: What the draw is for; masks at several strengths that share these get one direction.

    Returns:
        The noise.

    Raises:
        EffectsError: A layer has too few other columns.
    """
    generator = random_stream(seed, "noise", *words)
    taken = torch.zeros(mask.model.n_layers, mask.model.d_mlp, dtype=torch.bool)
    if neurons.background is not None:
        taken |= neurons.background.taken
    taken[tuple(neurons.coordinates().unbind(1))] = True
    columns = []
    for part in mask.parts():
        free = (~taken[part.layer]).nonzero().flatten().numpy()
        if len(free) < len(part.neurons):
            raise EffectsError(
                f"layer {part.layer} has {len(free)} columns left for noise over {len(part.neurons)}; leave the "
                "control noise out, or select fewer neurons"
            )
        chosen = generator.choice(free, size=len(part.neurons), replace=False)
        columns += [(part.layer, int(column)) for column in chosen]
    places = torch.tensor(columns, dtype=torch.int64)
    places = places[sorted_columns(places, mask.model)]
    amounts = torch.from_numpy(generator.normal(size=len(places)))
    noise = replace(mask, columns=places, shift=amounts, name=f"noise like {mask.name}")
    return scaled_to(noise, written_lengths(model, mask), model)
