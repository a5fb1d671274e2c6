"""Activations token by token, drawn by circuitsvis in a page that asks no network.

circuitsvis' own display looks for a network, and its text form loads its script from one. Here its local form is
taken apart: the script goes into a page once (`page_script`), and every picture is a small call of it.

A coloured text shows where a neuron fires on that text. It does not show why, nor what the model does with it.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from jaxtyping import Float
from torch import Tensor

from emorhet_lens.errors import EmorhetError, ScreenError
from emorhet_lens.models.hosts import LensModel, identify, output_weights, require_evaluation
from emorhet_lens.models.sites import hook_names
from emorhet_lens.passes.batches import Tokens, encode, pad_batch, padding_id
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.screening.neurons import Neurons
from emorhet_lens.texts.examples import Example

# Nearly everyone can tell blue from orange, and on these black letters stay legible at full colour.
POSITIVE, NEGATIVE = "#6aa9ec", "#f0a060"
_DIGITS = 4
_BATCH = 8
_OPENING = re.compile(r"\s*<div[^>]*>\s*<script[^>]*>")
_CALL = re.compile(
    r'CircuitsVis\.render\(\s*"[\w-]+",\s*CircuitsVis\.(\w+),\s*(\{.*\})\s*\)\s*</script>\s*$', re.DOTALL
)


@dataclass(frozen=True, eq=False)
class NeuronView:
    """Activations of some neurons on one text.

    Args:
        example: The text.
        tokens: The shown tokens: the text's own and the counted ones.
        labels: Names of the neurons, as `Neurons.labels` gives them.
        activations: One row a token; the middle axis is circuitsvis' layer axis and has one entry.
    """

    example: Example
    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    activations: Float[Tensor, "pos 1 neuron"]

    def values(self, label: str) -> Float[Tensor, " pos"]:
        """Activations of one neuron.

        Raises:
            ScreenError: The neuron is not in the view.
        """
        if label not in self.labels:
            raise ScreenError(f"the view of {self.example.key} has no neuron {label}; it has {', '.join(self.labels)}")
        return self.activations[:, 0, self.labels.index(label)]


@dataclass(frozen=True)
class Drawing:
    """One picture of circuitsvis.

    Args:
        component: Name of the component that draws it.
        props: What is drawn, as JSON that is safe inside a script.
    """

    component: str
    props: str

    def to_html(self, element_id: str) -> str:
        """HTML for a page that holds `page_script` further up.

        Args:
            element_id: Of the element; must be unique on the page.
        """
        return f'<div id="{element_id}"></div>\n<script>{self._call(element_id)}</script>'

    def _repr_html_(self) -> str:
        """HTML with circuitsvis' script inside, as a notebook needs it."""
        element_id = f"emorhet-{uuid4().hex}"
        return (
            f'<div id="{element_id}"></div>\n<script type="module">{page_script()}\n{self._call(element_id)}</script>'
        )

    def _call(self, element_id: str) -> str:
        return f'CircuitsVis.render("{element_id}", CircuitsVis.{self.component}, {self.props});'


def neuron_views(
    model: LensModel,
    neurons: Neurons,
    examples: Iterable[Example],
    *,
    tokens: Tokens = "text",
    prompt: Prompt | str | list[dict[str, str]] | Path | None = None,
    prepend_bos: bool | None = None,
) -> tuple[NeuronView, ...]:
    """Run texts, a few at a time, and keep what some neurons do on every token.

    Args:
        model: The model that the neurons are of.
        neurons: Which neurons; their layers alone are cached.
        examples: The texts.
        tokens: As in the screening. Shown are the text's own tokens and those that this counts.
        prompt: A template around the text.
        prepend_bos: Whether a BOS token goes first; as the host's configuration says by default.

    Returns:
        One view a text, on the CPU.

    Raises:
        ScreenError: There is no neuron in the sets.
        StoreError: The neurons are of another model.
        CorpusError: A text has no token to count.
    """
    if len(neurons) == 0:
        raise ScreenError("this set of neurons is empty; there is nothing to show")
    require_evaluation(model)
    neurons.model.require_same(identify(model))
    every = hook_names(model, neurons.site)
    names = [every[layer] for layer in sorted(set(neurons.coordinates()[:, 0].tolist()))]
    chosen = as_prompt(prompt)
    bos = bool(getattr(model.cfg, "default_prepend_bos", True)) if prepend_bos is None else prepend_bos
    tokenizer: Any = model.tokenizer
    texts = list(examples)
    own, counted = (
        [encode(e, model, prompt=chosen, tokens=t, prepend_bos=bos) for e in texts] for t in ("text", tokens)
    )
    device = output_weights(model, 0).device
    views = []
    for start in range(0, len(texts), _BATCH):
        members = tuple(range(start, min(start + _BATCH, len(texts))))
        batch = pad_batch(own, members, pad_id=padding_id(model), side="right", device=device)
        with torch.no_grad():
            _, found = model.run_with_cache(batch.tokens, names_filter=names, attention_mask=batch.attention_mask)
        for row, index in enumerate(members):
            shown = torch.tensor(own[index].keep) | torch.tensor(counted[index].keep)
            # Padding is on the right and not shown.
            activations = neurons.activations(found, batch=row).detach().float().cpu()[: len(shown)][shown]
            words = tuple(tokenizer.decode([token]) for token in torch.tensor(own[index].ids)[shown].tolist())
            views.append(NeuronView(texts[index], words, tuple(neurons.labels()), activations))
    return tuple(views)


def colored_tokens(view: NeuronView, label: str, *, bound: float | None = None) -> Drawing:
    """A text with every token coloured by one neuron's activation; the value shows under the pointer.

    Args:
        view: From `neuron_views`.
        label: Name of the neuron.
        bound: Activation, up or down, of the full colour; the largest in the text by default. Give texts that are
            compared the same bound.

    Returns:
        The drawing.

    Raises:
        ScreenError: The neuron is not in the view.
        EmorhetError: circuitsvis is not installed.
    """
    values = view.values(label)
    # circuitsvis divides by the bound.
    bound = max(float(values.abs().max()) if bound is None else bound, 1e-6)
    drawn = _circuitsvis().tokens.colored_tokens(
        _as_html(view.tokens), _rounded(values), -bound, bound, negative_color=NEGATIVE, positive_color=POSITIVE
    )
    return _drawing(drawn.local_src)


def browse_neurons(views: Sequence[NeuronView]) -> Drawing:
    """Texts with a choice of neuron, for a notebook: the last value of a cell shows itself.

    Args:
        views: From `neuron_views`, all of the same neurons.

    Returns:
        The drawing, with one colour scale for all texts and neurons.

    Raises:
        ScreenError: There is no view, or the neurons differ.
        EmorhetError: circuitsvis is not installed.
    """
    if len({view.labels for view in views}) != 1:
        raise ScreenError("browse_neurons needs at least one view, and the same neurons in all of them")
    drawn = _circuitsvis().activations.text_neuron_activations(
        [_as_html(view.tokens) for view in views],
        [view.activations.mul(10**_DIGITS).round().div(10**_DIGITS) for view in views],
        first_dimension_name="Site",
        first_dimension_labels=["neurons of the set"],
        second_dimension_labels=list(views[0].labels),
    )
    return _drawing(drawn.local_src)


@cache
def page_script() -> str:
    """circuitsvis' script, to stand once in a page before its drawings.

    Raises:
        EmorhetError: circuitsvis is not installed, or builds its HTML in an unknown way.
    """
    source = _circuitsvis().tokens.colored_tokens(["a"], [0.0]).local_src
    opening, call = _OPENING.match(source), _CALL.search(source)
    if opening is None or call is None:
        raise _unknown_form()
    # A source map would be asked for by the browser's tools.
    return re.sub(r"//# sourceMappingURL=\S+", "", source[opening.end() : call.start()]).strip()


def _drawing(source: str) -> Drawing:
    call = _CALL.search(source)
    if call is None:
        raise _unknown_form()
    # A text must not be able to end the script that it stands in.
    return Drawing(call[1], call[2].replace("<", "\\u003c"))


def _as_html(tokens: Sequence[str]) -> list[str]:
    """circuitsvis puts tokens into the page as HTML, so that a text could bring its own."""
    return [html.escape(token, quote=False) for token in tokens]


def _rounded(values: Float[Tensor, " pos"]) -> list[float]:
    return [round(value, _DIGITS) for value in values.tolist()]


def _circuitsvis() -> Any:
    try:
        import circuitsvis
        import circuitsvis.activations
        import circuitsvis.tokens
    except ImportError as cause:
        raise EmorhetError(
            'coloured texts need circuitsvis, which is not installed: pip install "emorhet-lens[show]"'
        ) from cause
    return circuitsvis


def _unknown_form() -> EmorhetError:
    return EmorhetError(
        f"circuitsvis {_circuitsvis().__version__} builds its HTML in a way that is not known here; install 1.43"
    )
