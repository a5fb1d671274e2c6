"""What a model writes is what its full passes say, and label words are found in it as words."""

import re

import numpy as np
import pytest
import torch
from asking import TEMPLATE, WORDS_OF, hooks_on, in_order, next_log_probs, silence, splits, token_ids
from hypothesis import given
from hypothesis import strategies as st
from tiny import WORDS, tiny_llama

from emorhet_lens.errors import CorpusError, ReadoutError
from emorhet_lens.readouts.generated import Generated, parse_answer

TEST = splits(12)["test"]
LABEL_WORDS = ("anger", "fear", "so sad", "sad", "dis-like")
READOUT = Generated(TEMPLATE, WORDS_OF, 6)


def greedy(model, text, n, hooks=()):
    """Greedy text, one full pass a token."""
    start = [1, *token_ids(model, TEMPLATE.replace("{text}", text))]
    ids = list(start)
    for _ in range(n):
        ids.append(int(next_log_probs(model, ids, hooks).argmax()))
        if ids[-1] == model.tokenizer.eos_token_id:
            break
    return model.tokenizer.decode(ids[len(start) :], skip_special_tokens=True)


def test_text_is_greedy(any_host):
    expected = [greedy(any_host, example.text, 6) for example in TEST]
    for size in (1, 4, 32):
        reading = READOUT.prepare(any_host, TEST, batch_size=size, progress=False)
        found = reading.read(any_host, progress=False)
        assert list(found.texts) == expected, size
    assert found.predicted.tolist() == [parse_answer(text, in_order(WORDS_OF)) for text in found.texts]
    assert found.log_probs.isnan().all()
    assert hooks_on(any_host) == []


def test_text_is_written_under_hooks(any_host):
    reading = READOUT.prepare(any_host, TEST, progress=False)
    found = reading.read(any_host, lambda _: [silence(0), silence(1)], progress=False)
    expected = [greedy(any_host, example.text, 6, [silence(0), silence(1)]) for example in TEST]
    assert list(found.texts) == expected
    assert found.texts != reading.read(any_host, progress=False).texts
    assert hooks_on(any_host) == []


def test_nothing_is_padded():
    model = tiny_llama()
    lengths = []

    def hooks(batch):
        assert batch.attention_mask.all()
        lengths.append(batch.tokens.shape)
        return []

    READOUT.prepare(model, TEST, batch_size=32, progress=False).read(model, hooks, progress=False)
    assert sum(rows for rows, _ in lengths) == len(TEST)
    assert max(rows for rows, _ in lengths) > 1


def test_writing_ends_with_the_end_of_the_text():
    model = tiny_llama()
    weights = model.original_model.lm_head.weight.data
    weights[2] = 10 * weights.abs().sum(0)
    model.original_model.lm_head.bias = torch.nn.Parameter(torch.zeros(len(weights)))
    model.original_model.lm_head.bias.data[2] = 1e4
    found = READOUT.prepare(model, TEST, progress=False).read(model, progress=False)
    assert set(found.texts) == {""}
    assert set(found.predicted.tolist()) == {-1}
    assert found.accuracy() == 0


def test_some_of_the_texts():
    model = tiny_llama()
    reading = READOUT.prepare(model, TEST, progress=False)
    found = reading.read(model, only="sad", progress=False)
    assert found.texts == reading.read(model, progress=False).where(found.keys).texts
    assert set(found.targets) == {"sad"}


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("fear", 1),
        (" FEAR.", 1),
        ("Not fearful, angered or a-fear", 1),
        ("fearful angers", -1),
        ("sad, then fear", 3),
        ("so\n sad and fear", 2),
        ("also sad", 3),
        ("dis-like", 4),
        ("dis like", -1),
        ("_fear_", -1),
        ("", -1),
    ],
)
def test_parsing_by_hand(text, index):
    assert parse_answer(text, LABEL_WORDS) == index


@given(st.lists(st.sampled_from([*LABEL_WORDS, "fearful", "unsad", "x", "also"]), max_size=6), st.sampled_from(" ,.\n"))
def test_the_first_word_wins(parts, between):
    found = parse_answer(between.join(parts).upper(), LABEL_WORDS)
    # "so sad" may also come about from its two words in a row; none of the parts is "so" alone.
    hits = [LABEL_WORDS.index(part) for part in parts if part in LABEL_WORDS]
    assert found == (hits[0] if hits else -1)


@given(st.text(alphabet="anger fsd.-\n", max_size=20), st.permutations(LABEL_WORDS))
def test_the_order_of_the_words_does_not_matter(text, words):
    index, other = parse_answer(text, LABEL_WORDS), parse_answer(text, words)
    assert (index == -1) == (other == -1)
    if index >= 0:
        assert words[other] == LABEL_WORDS[index]
        first = r"\s+".join(map(re.escape, LABEL_WORDS[index].split()))
        assert re.search(rf"\b{first}\b", text)


@given(st.lists(st.sampled_from(WORDS[:20]), max_size=5))
def test_text_without_label_words_has_no_answer(words):
    assert parse_answer(" ".join(words), LABEL_WORDS) == -1


@pytest.mark.parametrize(
    ("readout", "error", "message"),
    [
        (Generated(TEMPLATE, {"plain": "GLAD"}), ReadoutError, "'glad' and 'plain' have the same answer word"),
        (Generated(TEMPLATE, {"glad": "so  Sad", "sad": "so sad"}), ReadoutError, "the same answer word"),
        (Generated(TEMPLATE, None, 40), ReadoutError, "do not fit into the context of 48"),
        (Generated("so " * 60 + "{text}", None, 1), CorpusError, "the context holds 48"),
    ],
)
def test_what_cannot_be_asked(readout, error, message):
    with pytest.raises(error, match=message):
        readout.prepare(tiny_llama(), TEST, progress=False)


def test_something_has_to_be_written():
    with pytest.raises(ReadoutError, match="at least 1"):
        Generated(max_new_tokens=0)


def test_margins_are_not_available():
    model = tiny_llama()
    found = READOUT.prepare(model, TEST, progress=False).read(model, progress=False)
    assert found.margin().isnan().all()
    assert np.isfinite(found.macro_f1())
