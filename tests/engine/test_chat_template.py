"""A conversation as its template writes it."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.engine import codegen, generate, tokens
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel
from workbench.engine.tokens.chat import rendered, roles
from workbench.engine.values import Message, Sampling

TALK = (Message("system", "Be brief."), Message("user", "Hi"))
STRICT = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ message['role'] + ': ' + message['content'] | trim + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def test_the_generation_prompt_is_told_from_the_conversation(llama: LoadedModel) -> None:
    found = rendered(llama.tokenizer, TALK)
    assert found.encoding == generate.prepare(llama, "", TALK)
    assert found.encoding.text[found.opening :] == "<|im_start|>assistant\n"
    opened = found.encoding.tokens[found.opened_at :]
    assert opened[0].special
    assert opened[0].offsets[0] == found.opening


def test_an_answer_that_was_begun_is_gone_on_with(llama: LoadedModel) -> None:
    begun = (*TALK, Message("assistant", "The fox"))
    found = rendered(llama.tokenizer, begun)
    assert found.encoding.text.endswith("<|im_start|>assistant\nThe fox")
    assert found.opening == len(found.encoding.text)
    assert found.opened_at == len(found.encoding.tokens)
    assert tokens.render_chat(llama.tokenizer, begun, add_generation_prompt=False).endswith("The fox<|im_end|>\n")


def test_the_code_of_a_begun_answer_gives_the_same_ids(llama: LoadedModel, capsys: Any) -> None:
    begun = (*TALK, Message("assistant", "The fox"))
    knobs = Sampling(temperature=1.0, seed=3, max_new_tokens=8)
    made = generate.run(llama, "", begun, knobs)
    exec(codegen.generate(llama.checkpoint, "", begun, knobs, llama.dtype, llama.device), {})
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(list(made.ids))


def test_only_roles_that_the_template_writes_are_offered(llama: LoadedModel, monkeypatch: Any) -> None:
    tokenizer = tokens.own_tokenizer(llama.tokenizer)
    assert roles(tokenizer) == ("user", "system", "tool", "assistant")
    monkeypatch.setattr(tokenizer, "chat_template", STRICT)
    assert roles(tokenizer) == ("user", "assistant")
    silent = STRICT.replace("{{ raise_exception('System role not supported') }}", "{% continue %}")
    monkeypatch.setattr(tokenizer, "chat_template", silent)
    assert "system" not in roles(tokenizer)
    monkeypatch.setattr(tokenizer, "chat_template", None)
    assert roles(tokenizer) == ()


def test_a_template_that_stumbles_is_quoted(llama: LoadedModel, monkeypatch: Any) -> None:
    tokenizer = tokens.own_tokenizer(llama.tokenizer)
    monkeypatch.setattr(tokenizer, "chat_template", "{{ messages[0]['content'] + 1 }}")
    with pytest.raises(InputError, match="It says"):
        tokens.render_chat(tokenizer, TALK)
    monkeypatch.setattr(tokenizer, "chat_template", "nothing")
    with pytest.raises(InputError, match="It says"):
        tokens.render_chat(tokenizer, (*TALK, Message("assistant", "The fox")))
