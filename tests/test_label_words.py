"""Answer words of any number of tokens: how they are tokenised, and their log-probabilities by teacher forcing."""

import numpy as np
import pytest
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


@pytest.mark.parametrize(("where", "widths"), [("all", [11]), ("text", [11]), ("last", [9, 10, 11])])
def test_a_mask_that_acts_by_position_needs_one_pass_a_path(any_host, monkeypatch, where, widths):
    corpus, words = splits(6)["test"], in_order(LONG_WORDS)
    tokens = label_tokens(any_host.tokenizer, LABELS, tuple(words), ":")
    encoded = encode_corpus(any_host, corpus, prompt=Prompt(TEMPLATE), tokens="text")
    mask = mask_kinds.zero(neurons_at(any_host, (0, 2), (1, 3), (1, 9)))
    hooks = mask.by_batch(any_host, where=where)

    def apart(batch):
        return mask.fwd_hooks(any_host, where=where, text=batch.keep, attention_mask=batch.attention_mask)

    for side in ("left", "right"):
        read = [tokens.scores(any_host, encoded, Passes(6, side, False), of, shortcut=True) for of in (hooks, apart)]
        np.testing.assert_allclose(*read, atol=1e-4)
    seen = []

    def watched(_, batch):
        seen.append(batch.tokens.shape[1])
        return apart(batch)

    monkeypatch.setattr(BatchHooks, "__call__", watched)
    tokens.scores(any_host, encoded, Passes(6, "left", False), hooks, shortcut=True)
    assert seen == widths


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
