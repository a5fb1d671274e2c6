"""The streaming pass: the only loop over texts for screening.

One forward pass a batch; inside the hooks each layer is reduced to a few numbers a text and pooled by cell, and the
result is added to the statistics when the pass has ended. A batch therefore counts wholly or not at all.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm.auto import tqdm

from emorhet_lens.activations.accumulate import Membership, PooledLayer, add_batch, membership, pool_layer
from emorhet_lens.activations.design import assign_cells
from emorhet_lens.activations.reduction import reduce_texts
from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.activations.sums import Cell, Extremes, Sums
from emorhet_lens.errors import CorpusError, StatsError, StoreError
from emorhet_lens.models.hosts import LensModel, identify, output_weights, require_evaluation
from emorhet_lens.models.sites import Site, hook_names
from emorhet_lens.passes.batches import (
    TOKENS,
    Batch,
    PaddingSide,
    Tokens,
    encode_corpus,
    pad_batch,
    padding_id,
    plan_batches,
)
from emorhet_lens.passes.forward import read_layers
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.texts.corpus import Corpus
from emorhet_lens.versions import versions

_CHECKPOINT_SECONDS = 60.0


def collect_stats(
    model: LensModel,
    corpus: Corpus,
    *,
    site: Site = "post",
    tokens: Tokens = "text",
    prompt: Prompt | str | list[dict[str, str]] | Path | None = None,
    batch_size: int | Literal["auto"] = "auto",
    prepend_bos: bool | None = None,
    padding_side: PaddingSide = "right",
    long_texts: Literal["error", "skip"] = "error",
    seed: int = 0,
    progress: bool = True,
    checkpoint: Path | str | None = None,
    keep_checkpoint: bool = False,
) -> ActivationStats:
    """Run every text through the model once and keep sums by concept, source and half.

    Args:
        model: A model of the host, in evaluation mode.
        corpus: At least two labels.
        site: Where neurons are read, see `emorhet_lens.models.sites`.
        tokens: Which tokens are counted: `"text"` the text's own, `"last"` the one position where the answer to the
            prompt would be written, `"all"` every token but padding.
        prompt: A template around the text, see `emorhet_lens.passes.prompts.as_prompt`.
        batch_size: Texts a batch, or `"auto"` for batches of about equally many tokens.
        prepend_bos: Whether a BOS token goes first; as the host's configuration says by default.
        padding_side: Where padding goes; changes results by rounding only.
        long_texts: Whether a text longer than the context is an error or is left out and listed.
        seed: Of the halves and the null cells.
        progress: Whether to show a progress bar.
        checkpoint: A file to which the sums go once a minute and whenever the pass is interrupted; if it is there,
            the pass goes on from it. It is deleted at the end.
        keep_checkpoint: Whether it stays at the end, complete, so that what comes after the pass may fail.

    Returns:
        The statistics, on the CPU.

    Raises:
        CorpusError: There are fewer than two labels, or a text is too long or has no token to count.
        ModelError: The model has no dense MLP neurons, has dropout switched on, or its activations are NaN.
        StatsError: An option is unknown.
        StoreError: The checkpoint is of another pass.
    """
    if tokens not in TOKENS:
        raise StatsError(f"tokens={tokens!r} is unknown; it is one of {', '.join(TOKENS)}")
    checkpoint = None if checkpoint is None else Path(checkpoint)
    require_evaluation(model)
    names = hook_names(model, site)
    chosen = as_prompt(prompt)
    encoded = encode_corpus(model, corpus, prompt=chosen, tokens=tokens, prepend_bos=prepend_bos, long_texts=long_texts)
    corpus = encoded.corpus
    present = [label for label, count in corpus.counts().items() if count]
    if len(present) < 2:
        raise CorpusError(f"the corpus {corpus.name!r} holds one class only ({present[0]}); add texts of others")
    device = output_weights(model, 0).device
    plan = plan_batches(corpus, encoded.texts, batch_size=batch_size, device=device.type)
    options: dict[str, Any] = {
        "site": site,
        "tokens": tokens,
        "prompt": chosen.to_json(),
        "frame": chosen.frame(model.tokenizer),
        "prepend_bos": encoded.prepend_bos,
        "padding_side": padding_side,
        # Sums that another device goes on with would be rounded by both.
        "device": device.type,
        "seed": seed,
        "corpora": [{"name": corpus.name, "sha256": corpus.digest, "counts": corpus.counts()}],
        "ids": [example.key for example in corpus],
        "texts": [example.digest for example in corpus],
        "plan": [list(batch) for batch in plan],
        "skipped": list(encoded.skipped),
        "versions": versions(),
    }
    assigned = assign_cells(corpus, seed=seed)
    stats, done = _start(model, corpus, assigned, options, checkpoint)
    pad_id = padding_id(model)
    saved, whole = time.monotonic(), True
    bar = tqdm(desc="screening pass", unit="batch", disable=not progress, initial=done, total=len(plan))
    try:
        for examples in plan[done:]:
            batch = pad_batch(encoded.texts, examples, pad_id=pad_id, side=padding_side, device=device)
            members = membership(stats, batch, assigned)
            layers = _read_batch(model, batch, names, members)
            whole = False
            add_batch(stats, layers, members)
            done, whole = done + 1, True
            bar.update()
            if checkpoint is not None and time.monotonic() - saved > _CHECKPOINT_SECONDS:
                _save_checkpoint(stats, checkpoint, done)
                saved = time.monotonic()
    except BaseException:
        # An interrupt may come while a batch is being added; such sums are worth nothing.
        if checkpoint is not None and whole:
            _save_checkpoint(stats, checkpoint, done)
        raise
    finally:
        bar.close()
    if checkpoint is not None and keep_checkpoint:
        _save_checkpoint(stats, checkpoint, done)
    elif checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return stats


def _read_batch(model: LensModel, batch: Batch, names: Sequence[str], members: Membership) -> list[PooledLayer]:
    layers: list[PooledLayer] = []

    def read(activation: Tensor, layer: int) -> None:
        layers.append(pool_layer(reduce_texts(activation, batch.keep, layer), members))

    read_layers(model, batch, names, read)
    return layers


def _start(
    model: LensModel,
    corpus: Corpus,
    assigned: list[tuple[Cell, Cell]],
    options: dict[str, Any],
    checkpoint: Path | None,
) -> tuple[ActivationStats, int]:
    """Empty statistics, or those of a checkpoint of the same pass, and the number of batches done."""
    identity = identify(model)
    if checkpoint is not None and checkpoint.exists():
        found = ActivationStats.load(checkpoint)
        if "batches_done" not in found.options:
            raise StoreError(f"{checkpoint} holds finished statistics, not a checkpoint; name another file")
        done = found.options.pop("batches_done")
        found.model.require_same(identity)
        # Another precision or host rounds differently: the sum would belong to neither.
        mine, theirs = {**options, **identity.to_dict()}, {**found.options, **found.model.to_dict()}
        differing = [name for name, value in mine.items() if theirs.get(name) != value]
        if differing:
            raise StoreError(f"the checkpoint {checkpoint} is of a pass with other {', '.join(differing)}; delete it")
        return found, int(done)
    layers, neurons = identity.n_layers, identity.d_mlp
    cells = tuple(sorted({true for true, _ in assigned}, key=lambda c: (c.source, c.label or "", c.part)))
    null_cells = tuple(sorted({null for _, null in assigned}, key=lambda c: (c.source, c.part)))
    norms = torch.stack([output_weights(model, layer).float().norm(dim=-1).cpu().double() for layer in range(layers)])
    empty = ActivationStats(
        group=corpus.group,
        model=identity,
        options=options,
        cells=cells,
        sums=Sums.zeros(len(cells), layers, neurons),
        extremes=Extremes.empty(len(cells), layers, neurons),
        null_cells=null_cells,
        null_sums=Sums.zeros(len(null_cells), layers, neurons),
        output_norm=norms,
    )
    return empty, 0


def _save_checkpoint(stats: ActivationStats, path: Path, done: int) -> None:
    replace(stats, options={**stats.options, "batches_done": done}).save(path)
