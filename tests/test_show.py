"""Token-by-token views: by hand, over hosts, and what goes into a page."""

import json
import re
import sys
import urllib.request
from types import SimpleNamespace

import pytest
import torch
from test_shortlist import by_hand
from tiny import micro_model, texts_corpus, tiny_corpus, tiny_gpt2

from emorhet_lens import show
from emorhet_lens.errors import EmorhetError, ScreenError, StoreError
from emorhet_lens.models.loading import load_model
from emorhet_lens.show import NeuronView, browse_neurons, colored_tokens, neuron_views, page_script
from emorhet_lens.texts.examples import Example

pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")


@pytest.fixture(scope="module")
def micro():
    return micro_model()


def view_of(*tokens, values=None) -> NeuronView:
    numbers = torch.tensor(values or [float(i) for i in range(len(tokens))])
    return NeuronView(Example("1", " ".join(tokens), "glad", "made"), tokens, ("L0N0",), numbers.reshape(-1, 1, 1))


def test_views_by_hand(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "c a a"))
    neurons = by_hand(micro, glad=[(1, 0), (0, 2)])
    first, second = neuron_views(micro, neurons, corpus, prepend_bos=True)
    assert first.tokens == ("a", "b")
    assert first.labels == ("L1N0", "L0N2")
    assert first.activations.tolist() == [[[4, 3]], [[0, 0]]]
    assert second.activations.tolist() == [[[0, 0]], [[4, 3]], [[4, 3]]]
    assert second.example is corpus.examples[1]
    assert second.values("L0N2").tolist() == [0, 3, 3]
    with pytest.raises(ScreenError, match="no neuron L9N9; it has L1N0, L0N2"):
        second.values("L9N9")


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [("text", ("a", "b")), ("last", ("a", "b", "c")), ("all", ("<bos>", "c", "a", "b", "c"))],
)
def test_own_and_counted_tokens_are_shown(micro, tokens, shown):
    [view] = neuron_views(
        micro,
        by_hand(micro, glad=[(0, 2)]),
        texts_corpus(("glad", "a b")),
        tokens=tokens,
        prompt="c {text} c",
        prepend_bos=True,
    )
    assert view.tokens == shown
    assert view.activations.flatten().tolist() == [{"<bos>": -3, "a": 3, "b": 0, "c": 0}[token] for token in shown]


def test_padding_and_order_change_nothing(any_host):
    # More texts than one batch holds, of unlike lengths.
    corpus = tiny_corpus(10)
    neurons = by_hand(any_host, glad=[(0, 3), (1, 7)])
    together = neuron_views(any_host, neurons, corpus)
    assert [view.example.key for view in together] == [example.key for example in corpus]
    for view in together:
        [alone] = neuron_views(any_host, neurons, [view.example])
        assert view.tokens == alone.tokens
        assert torch.allclose(view.activations, alone.activations, atol=1e-5)


def test_what_cannot_be_shown_is_refused(micro):
    corpus = texts_corpus(("glad", "a b"))
    with pytest.raises(ScreenError, match="empty"):
        neuron_views(micro, by_hand(micro, glad=[]), corpus)
    with pytest.raises(StoreError, match="d_mlp"):
        neuron_views(tiny_gpt2(), by_hand(micro, glad=[(0, 0)]), corpus)


def test_drawn_values_and_bounds():
    drawing = colored_tokens(view_of("a", "b", "c", values=[0.123456, -2.0, 1.0]), "L0N0")
    props = json.loads(drawing.props)
    assert drawing.component == "ColoredTokens"
    assert props["tokens"] == ["a", "b", "c"]
    assert props["values"] == [0.1235, -2, 1]
    assert (props["minValue"], props["maxValue"]) == (-2, 2)
    shared = json.loads(colored_tokens(view_of("a"), "L0N0", bound=5.0).props)
    assert (shared["minValue"], shared["maxValue"]) == (-5, 5)
    # Where nothing fires circuitsvis would divide by zero.
    assert json.loads(colored_tokens(view_of("a"), "L0N0").props)["maxValue"] > 0


def test_a_text_brings_no_html_of_its_own():
    drawing = colored_tokens(view_of("</script>", "<img src=x onerror=alert(1)>", "R&B"), "L0N0")
    written = drawing.to_html("here")
    assert written.count("</script") == 1
    assert "<img" not in written
    assert json.loads(drawing.props)["tokens"] == [
        "&lt;/script&gt;",
        "&lt;img src=x onerror=alert(1)&gt;",
        "R&amp;B",
    ]


def test_a_name_brings_no_html_of_its_own():
    view = NeuronView(Example("1", "a", "glad", "made"), ("a",), ("</script><b>",), torch.ones(1, 1, 1))
    drawing = browse_neurons([view])
    assert drawing.to_html("here").count("</script") == 1
    assert json.loads(drawing.props)["secondDimensionLabels"] == ["</script><b>"]


def test_the_script_stands_in_a_page_once():
    script = page_script()
    assert "var CircuitsVis=" in script
    assert "</script" not in script
    assert "sourceMappingURL" not in script
    assert not re.search(r"(?:src|href)=[\"']https?:|@import|import\(", script)
    # A drawing of its own is small.
    assert len(colored_tokens(view_of("a"), "L0N0").to_html("here")) < 1000


def test_a_notebook_gets_everything_without_a_network(monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("asked the network"))
    shown = colored_tokens(view_of("a", "b"), "L0N0")._repr_html_()
    assert page_script() in shown
    assert shown.count("<script") - page_script().count("<script") == 1
    assert "https://unpkg.com" not in shown


def test_browsing_has_one_choice_a_neuron(micro):
    corpus = texts_corpus(("glad", "a b"), ("sad", "c"))
    views = neuron_views(micro, by_hand(micro, glad=[(1, 0), (0, 2)]), corpus)
    props = json.loads(browse_neurons(views).props)
    assert props["tokens"] == [["a", "b"], ["c"]]
    assert props["activations"] == [[[[4, 3]], [[0, 0]]], [[[0, 0]]]]
    assert props["secondDimensionLabels"] == ["L1N0", "L0N2"]
    other = neuron_views(micro, by_hand(micro, glad=[(0, 1)]), corpus)
    for unfit in ([], [*views, *other]):
        with pytest.raises(ScreenError, match="same neurons"):
            browse_neurons(unfit)


@pytest.mark.real
def test_tokens_of_the_embedded_model_spell_the_text():
    model = load_model()
    text = "The sea lay as flat as an ironed sheet; nobody spoke."
    prompt = [{"role": "user", "content": "Say more: {text}"}]
    [view] = neuron_views(model, by_hand(model, glad=[(20, 7), (3, 1)]), texts_corpus(("glad", text)), prompt=prompt)
    assert "".join(view.tokens).strip() == text
    assert view.activations.shape == (len(view.tokens), 1, 2)


def test_without_circuitsvis_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "circuitsvis", None)
    with pytest.raises(EmorhetError, match=r'pip install "emorhet-lens\[show\]"'):
        colored_tokens(view_of("a"), "L0N0")


def test_an_unknown_form_of_circuitsvis_is_refused(monkeypatch):
    drawn = SimpleNamespace(local_src="<div></div>")
    strange = SimpleNamespace(__version__="9.9", tokens=SimpleNamespace(colored_tokens=lambda *_, **__: drawn))
    monkeypatch.setattr(show, "_circuitsvis", lambda: strange)
    with pytest.raises(EmorhetError, match=r"circuitsvis 9\.9"):
        colored_tokens(view_of("a"), "L0N0")
