"""Which tokens are counted, how texts are batched, and where padding goes."""

import pytest
import torch
from tiny import SPECIAL, WORDS, texts_corpus, tiny_corpus, tiny_llama, word_tokenizer

from emorhet_lens.errors import CorpusError, ModelError
from emorhet_lens.passes.batches import Encoded, encode, pad_batch, plan_batches
from emorhet_lens.passes.prompts import as_prompt
from emorhet_lens.texts.examples import Example

PAD, BOS, EOS, UNK, USER, ASSISTANT = range(6)


class Reader:
    """All that `encode` needs of a model is a tokenizer; this one is quick to make and passes as a model."""

    cfg = hook_dict = None

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self):
        raise AssertionError("tokenising takes no forward pass")

    hooks = run_with_hooks = run_with_cache = to_tokens = eval = __call__


def encoded(text, *, prompt=None, tokens="text", bos=True, tokenizer=None):
    model = Reader(tokenizer or word_tokenizer())
    return encode(Example("1", text, "glad", "made"), model, prompt=as_prompt(prompt), tokens=tokens, prepend_bos=bos)


def ids(*words):
    return tuple(([*SPECIAL, *WORDS]).index(word) for word in words)


def counted(one):
    return tuple(i for i, keep in zip(one.ids, one.keep, strict=True) if keep)


def test_text_counts_neither_bos_nor_template():
    one = encoded("so glad", prompt="review: {text} mood:")
    assert one.ids == (BOS, *ids("review", ":", "so", "glad", "mood", ":"))
    assert one.keep == (False, False, False, True, True, False, False)


def test_same_word_in_template_and_text_is_counted_in_the_text_only():
    one = encoded("mood", prompt="mood {text} mood")
    assert one.keep == (False, False, True, False)


def test_template_that_touches_the_text_is_not_counted():
    one = encoded("glad", prompt="mood:{text}!")
    assert one.ids == (BOS, *ids("mood", ":", "glad", "!"))
    assert counted(one) == ids("glad")


def test_all_counts_everything():
    assert encoded("so glad", prompt="review: {text}", tokens="all").keep == (True,) * 5


def test_last_counts_the_last_position_of_the_prompt():
    assert encoded("so glad", prompt="{text} mood:", tokens="last").keep == (False,) * 4 + (True,)


def test_bos_is_prepended_on_demand_only_and_once():
    assert encoded("so", bos=False).ids == ids("so")
    assert encoded("so", bos=True).ids == (BOS, *ids("so"))
    assert encoded("so", prompt="<bos>{text}").ids == (BOS, *ids("so"))


def test_chat_prompt_counts_the_text_only():
    one = encoded("so glad", prompt=[{"role": "user", "content": "review: {text}"}])
    assert one.ids == (BOS, USER, *ids("review", ":", "so", "glad"), EOS, ASSISTANT)
    assert counted(one) == ids("so", "glad")


@pytest.mark.parametrize(("prompt", "text"), [("re{text}", "joice"), ("{text}joice", "re"), ("r{text}ce", "ejoi")])
def test_token_that_was_merged_across_the_border_counts_as_text(prompt, text):
    one = encoded(text, prompt=prompt)
    assert one.ids == (BOS, *ids("rejoice"))
    assert counted(one) == ids("rejoice")


def test_special_tokens_inside_a_text_are_not_counted():
    assert counted(encoded("so <eos> glad <user>")) == ids("so", "glad")


def test_unknown_words_of_a_text_are_counted():
    one = encoded("so xylophone glad", prompt="xylophone {text}")
    assert counted(one) == (ids("so")[0], UNK, ids("glad")[0])


def test_unknown_token_that_is_also_the_end_token_is_not_counted():
    tokenizer = word_tokenizer()
    tokenizer.unk_token = "<eos>"
    assert counted(encoded("so <eos> glad", tokenizer=tokenizer)) == ids("so", "glad")


@pytest.mark.parametrize("text", ["<eos>", "<eos> <user>", "\u200b"])
def test_text_without_tokens_of_its_own_is_refused_by_key(text):
    tokenizer = word_tokenizer()
    # Whitespace for Python's regular expressions, but not for `str.strip`, stands for text that tokenizes to nothing.
    if text == "\u200b":
        from tokenizers import normalizers

        tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    with pytest.raises(CorpusError, match=r'made:1 has no token to count under tokens="text"'):
        encoded(text, tokenizer=tokenizer)


def test_slow_tokenizer_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="fast tokenizer"):
        encoded("so", tokenizer=Slow())


LENGTHS = (3, 7, 5, 7, 1)


def lengths_corpus():
    return texts_corpus(*(("glad", f"text {i}") for i in range(len(LENGTHS))))


def of_lengths():
    return [Encoded((9,) * n, (True,) * n) for n in LENGTHS]


def test_long_texts_go_first_and_ties_go_by_key():
    plan = plan_batches(lengths_corpus(), of_lengths(), batch_size=2, device="cpu")
    assert plan == ((1, 3), (2, 0), (4,))


def test_every_text_is_planned_once():
    corpus = tiny_corpus(50)
    model = Reader(word_tokenizer())
    all_encoded = [encode(e, model, prompt=as_prompt(None), tokens="text", prepend_bos=True) for e in corpus]
    for size in (1, 7, "auto"):
        plan = plan_batches(corpus, all_encoded, batch_size=size, device="cpu")
        assert sorted(index for batch in plan for index in batch) == list(range(50))


def test_automatic_batches_hold_a_fixed_number_of_tokens():
    corpus = texts_corpus(*(("glad", f"text {i}") for i in range(9)))
    texts = [Encoded((9,) * 512, (True,) * 512)] * 9
    assert [len(b) for b in plan_batches(corpus, texts, batch_size="auto", device="cpu")] == [4, 4, 1]
    assert [len(b) for b in plan_batches(corpus, texts, batch_size="auto", device="cuda")] == [9]


def test_text_longer_than_an_automatic_batch_goes_alone():
    corpus = texts_corpus(("glad", "a"), ("sad", "b"))
    texts = [Encoded((9,) * 5000, (True,) * 5000)] * 2
    assert plan_batches(corpus, texts, batch_size="auto", device="cpu") == ((0,), (1,))


@pytest.mark.parametrize("size", [0, -3])
def test_batch_size_has_to_be_positive(size):
    with pytest.raises(CorpusError, match=f"batch_size={size}"):
        plan_batches(lengths_corpus(), of_lengths(), batch_size=size, device="cpu")


def test_padding_by_hand():
    texts = [Encoded((5, 6, 7), (False, True, True)), Encoded((8,), (True,))]
    right = pad_batch(texts, (1, 0), pad_id=0, side="right", device=torch.device("cpu"))
    left = pad_batch(texts, (1, 0), pad_id=0, side="left", device=torch.device("cpu"))
    assert right.tokens.tolist() == [[8, 0, 0], [5, 6, 7]]
    assert right.attention_mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert right.keep.tolist() == [[True, False, False], [False, True, True]]
    assert left.tokens.tolist() == [[0, 0, 8], [5, 6, 7]]
    assert left.attention_mask.tolist() == [[0, 0, 1], [1, 1, 1]]
    assert left.keep.tolist() == [[False, False, True], [False, True, True]]
    assert right.examples == left.examples == (1, 0)


def test_pad_tokens_of_the_prompt_itself_are_attended_to():
    texts = [Encoded((5, PAD), (True, True)), Encoded((6, 7, 8), (True, True, True))]
    batch = pad_batch(texts, (0, 1), pad_id=PAD, side="right", device=torch.device("cpu"))
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 1, 1]]


def test_tokens_agree_with_the_host():
    model = tiny_llama()
    one = encode(
        Example("1", "the dog was glad", "glad", "made"), model, prompt=as_prompt(None), tokens="all", prepend_bos=True
    )
    assert list(one.ids) == model.to_tokens("the dog was glad", prepend_bos=True)[0].tolist()
