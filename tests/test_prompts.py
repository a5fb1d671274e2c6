"""Templates: what stands around a text, and where prompts come from."""

import inspect
import json

import pytest
from tiny import word_tokenizer

from emorhet_lens.errors import PromptError
from emorhet_lens.passes.prompts import Prompt, as_prompt
from emorhet_lens.texts.examples import Example

EXAMPLE = Example("1", "so glad", "glad", "made", context=("was it ?", "it was"))


def test_bare_text_is_the_default():
    assert as_prompt(None).render(EXAMPLE, word_tokenizer()) == ("", "so glad", "")


def test_plain_template_with_context():
    prompt = Prompt("{context}\nreview: {text} mood:")
    assert prompt.render(EXAMPLE, None) == ("was it ?\nit was\nreview: ", "so glad", " mood:")
    assert prompt.parts("so glad", ("was it ?", "it was")) == prompt.render(EXAMPLE, None)


def test_chat_messages_go_through_the_chat_template():
    prompt = Prompt((("user", "review: {text}"),))
    assert prompt.render(EXAMPLE, word_tokenizer()) == ("<user>review: ", "so glad", "<eos><assistant>")


@pytest.mark.parametrize("text", ["a {text} b", "a {context} b"])
def test_marks_inside_a_text_are_left_alone(text):
    example = Example("1", text, "glad", "made", context=("{text}", "{context}"))
    assert Prompt("{context}|{text}|").render(example, None) == ("{text}\n{context}|", text, "|")


@pytest.mark.parametrize("template", ["no mark", "{text} and {text}", (("system", "{text}"), ("user", "{text}"))])
def test_the_mark_has_to_be_there_once(template):
    with pytest.raises(PromptError, match="exactly once"):
        Prompt(template)


def test_chat_needs_a_chat_template():
    tokenizer = word_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(PromptError, match="no chat template"):
        Prompt((("user", "{text}"),)).render(EXAMPLE, tokenizer)


def test_chat_template_that_changes_the_mark_is_refused():
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{{ messages[0]['content'] | upper }}"
    with pytest.raises(PromptError, match="did not keep the mark"):
        Prompt((("user", "{text}"),)).render(EXAMPLE, tokenizer)


def test_messages_that_the_chat_template_refuses():
    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no system role here') }}"
    with pytest.raises(PromptError, match="no system role here"):
        Prompt((("system", "{text}"),)).render(EXAMPLE, tokenizer)


def test_parts_need_a_plain_template():
    with pytest.raises(PromptError, match="call render"):
        Prompt((("user", "{text}"),)).parts("x")


def test_prompts_come_from_values_and_files(tmp_path):
    plain, chat = tmp_path / "plain.txt", tmp_path / "chat.json"
    plain.write_text("review: {text}\n", encoding="utf-8")
    messages = [{"role": "user", "content": "{text}"}]
    chat.write_text(json.dumps(messages), encoding="utf-8")
    assert as_prompt(plain) == as_prompt("review: {text}") == Prompt("review: {text}")
    assert as_prompt(chat) == as_prompt(messages) == Prompt((("user", "{text}"),))
    assert as_prompt(as_prompt(plain)) == as_prompt(plain)


@pytest.mark.parametrize("prompt", [Prompt("x {text}"), Prompt((("system", "s"), ("user", "{text}")))])
def test_json_form_leads_back(prompt):
    assert as_prompt(json.loads(json.dumps(prompt.to_json()))) == prompt


@pytest.mark.parametrize("content", ["{", '{"role": "user"}', "3", '[{"role": "user"}]', '[["user", "{text}"]]'])
def test_bad_prompt_files_are_refused(tmp_path, content):
    path = tmp_path / "prompt.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PromptError):
        as_prompt(path)


def test_missing_prompt_file_is_refused(tmp_path):
    with pytest.raises(PromptError, match="could not be read"):
        as_prompt(tmp_path / "none.txt")


def test_values_that_are_no_messages_are_refused():
    with pytest.raises(PromptError, match="have to be a list"):
        inspect.unwrap(as_prompt)([("user", "{text}")])
