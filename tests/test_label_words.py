"""Answer words of any number of tokens: how they are tokenised, and their log-probabilities by teacher forcing."""

import numpy as np
import pytest
import torch
from asking import LONG_WORDS, TEMPLATE, in_order, silence, splits, word_scores
from hypothesis import given
from hypothesis import strategies as st
from tiny import PAIR_GROUP, SPECIAL, WORDS, tiny_llama, word_tokenizer
from tiny_masks import neurons_at
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from emorhet_lens import mask_kinds
from emorhet_lens.errors import ReadoutError
from emorhet_lens.masks.masking import BatchHooks
from emorhet_lens.passes.batches import encode_corpus
from emorhet_lens.passes.cached_pass import cached_pass
from emorhet_lens.passes.passes import Passes
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.readouts.label_words import LabelTokens, label_tokens, separator, words_of

LABELS = PAIR_GROUP.labels


def ids(words):
    return tuple([*SPECIAL, *WORDS].index(word) for word in words.split())


def test_tokens_of_words():
    tokens = label_tokens(word_tokenizer(), LABELS, tuple(in_order(LONG_WORDS)), " mood:")
    assert tokens.tokens == (ids("so bright"), ids("so sad cold"), ids("calm"))
    assert tokens.prefixes == ((), ids("so"), ids("so sad"))


def test_single_tokens_need_one_pass():
    tokens = label_tokens(word_tokenizer(), LABELS, ("glad", "sad", "calm"), ":")
    assert tokens.prefixes == ((),)


WORD_TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)


@given(st.lists(WORD_TOKENS, min_size=2, max_size=5, unique=True))
def test_every_token_has_its_prefix_and_no_prefix_is_idle(words):
    prefixes = LabelTokens(tuple(f"l{i}" for i in range(len(words))), tuple(words)).prefixes
    assert prefixes[0] == ()
    assert len(set(prefixes)) == len(prefixes)
    needed = {word[:n] for word in words for n in range(4) if n < len(word)}
    assert set(prefixes) == needed
    assert len(prefixes[-1]) == max(map(len, words)) - 1


def sentencepiece_like():
    """A tokenizer that marks spaces as Llama 2's: a space of its own goes before a text's first word."""
    vocabulary = {token: i for i, token in enumerate(("<unk>", "▁", "▁anger", "▁mood", ":", "▁:"))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Split(Regex("(?<!▁):"), "isolated")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def test_no_second_space_from_the_tokenizer():
    tokenizer = sentencepiece_like()
    known = tokenizer.get_vocab()
    assert tokenizer("mood: anger", add_special_tokens=False)["input_ids"] == [
        known["▁mood"],
        known[":"],
        known["▁anger"],
    ]
    alone = tokenizer(" anger", add_special_tokens=False)["input_ids"]
    assert alone == [known["▁"], known["▁anger"]]
    assert label_tokens(tokenizer, ("a", "b"), ("anger", "mood"), "mood:").tokens == (
        (known["▁anger"],),
        (known["▁mood"],),
    )


def test_space_before_the_word():
    assert [separator(tail) for tail in ("", "mood:", "mood: ", "assistant\n")] == [" ", " ", "", ""]


def test_words_of_labels():
    assert words_of(LABELS, None, PAIR_GROUP) == LABELS
    assert words_of(("sad", "plain"), {"plain": " calm ", "glad": "joice"}, PAIR_GROUP) == ("sad", "calm")


@pytest.mark.parametrize("shortcut", [True, False])
def test_scores_are_those_of_teacher_forcing(any_host, shortcut):
    corpus, words = splits(9)["test"], in_order(LONG_WORDS)
    tokens = label_tokens(any_host.tokenizer, LABELS, tuple(words), ":")
    encoded = encode_corpus(any_host, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    found = tokens.scores(any_host, encoded, Passes(4, "left", False), None, shortcut=shortcut)
    np.testing.assert_allclose(found.numpy(), word_scores(any_host, corpus, words, TEMPLATE), atol=1e-4)


def test_a_word_that_begins_another_is_likelier():
    model, corpus = tiny_llama(), splits(6)["test"]
    tokens = label_tokens(model.tokenizer, ("short", "long"), ("so", "so sad"), ":")
    encoded = encode_corpus(model, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    found = tokens.scores(model, encoded, Passes(progress=False), None, shortcut=True).numpy()
    np.testing.assert_allclose(found, word_scores(model, corpus, ["so", "so sad"], TEMPLATE), atol=1e-4)
    assert (found[:, 0] > found[:, 1]).all()


def test_hooks_act_in_every_pass():
    model, corpus, words = tiny_llama(), splits(6)["test"], in_order(LONG_WORDS)
    tokens = label_tokens(model.tokenizer, LABELS, tuple(words), ":")
    encoded = encode_corpus(model, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    shapes = []

    def hooks(batch):
        shapes.append(tuple(batch.tokens.shape))
        assert batch.keep.sum(1).tolist() == [len(corpus.examples[i].text.split()) for i in batch.examples]
        return [silence(1)]

    found = tokens.scores(model, encoded, Passes(6, "right", False), hooks, shortcut=True).numpy()
    expected = word_scores(model, corpus, words, TEMPLATE, [silence(1)])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected - word_scores(model, corpus, words, TEMPLATE)).max() > 0.05
    assert shapes == [(6, 9), (6, 10), (6, 11)]


@pytest.mark.parametrize("where", ["all", "text", "last", "prompt"])
def test_a_mask_needs_one_pass_a_path(any_host, monkeypatch, where):
    corpus, words = splits(6)["test"], in_order(LONG_WORDS)
    tokens = label_tokens(any_host.tokenizer, LABELS, tuple(words), ":")
    encoded = encode_corpus(any_host, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    mask = mask_kinds.zero(neurons_at(any_host, (0, 2), (1, 3), (1, 9)))
    hooks = mask.by_batch(any_host, where=where)

    def apart(batch):
        marks = {"text": batch.keep, "attention_mask": batch.attention_mask, "prompt_length": batch.prompt_length}
        return mask.fwd_hooks(any_host, where=where, **marks)

    for side in ("left", "right"):
        read = [tokens.scores(any_host, encoded, Passes(6, side, False), of, shortcut=True) for of in (hooks, apart)]
        np.testing.assert_allclose(*read, atol=1e-4)
    seen = []

    def watched(_, batch):
        seen.append(batch.tokens.shape[1])
        return apart(batch)

    monkeypatch.setattr(BatchHooks, "__call__", watched)
    tokens.scores(any_host, encoded, Passes(6, "left", False), hooks, shortcut=True)
    assert seen == [11]


@pytest.mark.parametrize("where", ["last", "prompt", "all"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_words_are_read_under_a_mask_as_they_are_written_under_it(any_host, where, side):
    corpus, words = splits(6)["test"], in_order(LONG_WORDS)
    tokens = label_tokens(any_host.tokenizer, LABELS, tuple(words), ":")
    encoded = encode_corpus(any_host, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    mask = mask_kinds.clamp(neurons_at(any_host, (0, 2), (1, 3), (1, 9)), 3.0)
    hooks = mask.by_batch(any_host, where=where)
    found = tokens.scores(any_host, encoded, Passes(6, side, False), hooks, shortcut=True)
    plain = tokens.scores(any_host, encoded, Passes(6, side, False), None, shortcut=True)
    expected = torch.zeros_like(found)
    for row, text in enumerate(encoded.texts):
        for column, word in enumerate(tokens.tokens):
            expected[row, column] = written_under(any_host, mask, where, text.ids, word)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found - plain).abs().max() > 0.01


def written_under(model, mask, where, prompt, word):
    """Log-probability of a word's tokens, fed one by one to a KV cache with the mask on as in generation."""
    total, cache, fed = 0.0, None, torch.tensor([prompt])
    attention = torch.ones_like(fed)
    for number, token in enumerate(word):
        acts = where != "prompt" or number == 0
        # A prompt pass is masked as a prompt, and what is fed afterwards is the last position of its own pass.
        hooks = mask.fwd_hooks(model, where="all" if where == "prompt" else where) if acts else []
        with torch.no_grad(), model.hooks(fwd_hooks=hooks):
            logits, cache = cached_pass(model, fed, attention, cache)
        total += float(logits[0, -1].double().log_softmax(-1)[token])
        fed = torch.tensor([[token]])
        attention = torch.cat([attention, torch.ones_like(fed)], dim=1)
    return total


def test_paths_of_words():
    tokens = LabelTokens(("a", "b", "c", "d"), ((1, 2, 3), (1, 4, 5), (6,), (1, 4)))
    root, one, two, four = (), (1,), (1, 2), (1, 4)
    assert tokens.prefixes == (root, one, two, four)
    assert tokens.paths(together=False) == ((root,), (one,), (two,), (four,))
    # Every prefix is read once, in the first pass that holds it.
    assert tokens.paths(together=True) == ((root, one, two), (four,))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("glad", "glad", "calm"), "'glad' and 'sad' are the same tokens"),
        (("glad", "joyous", "calm"), "does not know the answer word 'joyous' of 'sad'"),
    ],
)
def test_words_that_cannot_be_told(words, message):
    with pytest.raises(ReadoutError, match=message):
        label_tokens(word_tokenizer(), LABELS, words, ":")


@pytest.mark.parametrize(
    ("words", "message"), [({"angry": "cross"}, r"words are given for \['angry'\]"), ({"sad": " "}, "blank")]
)
def test_words_that_fit_no_label(words, message):
    with pytest.raises(ReadoutError, match=message):
        words_of(LABELS, words, PAIR_GROUP)


def test_words_have_to_fit_into_the_context():
    model, corpus = tiny_llama(), splits(6)["test"]
    encoded = encode_corpus(model, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    longest = max(len(text.ids) for text in encoded.texts)
    tokens = label_tokens(model.tokenizer, LABELS, tuple(in_order(LONG_WORDS)), ":")
    tokens.require_room(encoded, longest + 2)
    with pytest.raises(ReadoutError, match="answer words need 2 more"):
        tokens.require_room(encoded, longest + 1)
