"""What the model reads before it answers."""

import pytest
from tiny import word_tokenizer

from emorhet_lens.errors import PromptError
from emorhet_lens.passes.prompts import Prompt
from emorhet_lens.readouts.answer_prompts import answer_prompt, holds_marks, prompt_tail, with_shots
from emorhet_lens.texts.examples import Example

CHAT = [{"role": "system", "content": "be short {options}"}, {"role": "user", "content": "{context}{text} mood?"}]


def shot(text, *context):
    return Example(text, text, "glad", "made", context=context)


def test_options_are_written_out():
    prompt = answer_prompt("{text} Is it {options}?", ("glad", "so sad", "calm"), "two")
    assert prompt == Prompt("{text} Is it glad, so sad or calm?")
    chat = answer_prompt(CHAT, ("glad", "sad"), "two").template
    assert chat[0] == ("system", "be short glad or sad")


def test_defaults_by_group():
    assert answer_prompt(None, ("a", "b"), "emotion").template.endswith("Emotion:")
    assert answer_prompt(None, ("simile", "literal"), "rhetoric").template.endswith("simile or literal? It is")


def test_shots_go_before_a_plain_text():
    prompt = with_shots(Prompt("{context}Text: {text}\nMood:"), [(shot("so", "He: no."), "glad"), (shot("not"), "sad")])
    assert prompt.template == "He: no.Text: so\nMood: glad\n\nText: not\nMood: sad\n\n{context}Text: {text}\nMood:"
    assert with_shots(Prompt("{text}\n"), [(shot("so"), "glad")]).template == "so\nglad\n\n{text}\n"


def test_shots_are_turns_of_a_chat():
    prompt = with_shots(answer_prompt(CHAT, ("glad", "sad"), "two"), [(shot("so", "He: no."), "glad")])
    assert prompt.template == (
        ("system", "be short glad or sad"),
        ("user", "He: no.so mood?"),
        ("assistant", "glad"),
        ("user", "{context}{text} mood?"),
    )


def test_texts_that_look_like_templates():
    assert holds_marks(shot("see {text}"))
    assert holds_marks(shot("so", "a {context} b"))
    assert not holds_marks(shot("see {options} or text", "so"))


def test_tail():
    assert prompt_tail(Prompt("review: {text} mood:"), word_tokenizer()) == " mood:"
    assert prompt_tail(Prompt("{text}"), word_tokenizer()) == ""
    assert prompt_tail(answer_prompt(CHAT, ("a", "b"), "two"), word_tokenizer()) == " mood?<eos><assistant>"


def test_the_place_of_the_text_has_to_be_marked():
    with pytest.raises(PromptError, match="exactly once"):
        answer_prompt("Is it {options}?", ("a", "b"), "two")
