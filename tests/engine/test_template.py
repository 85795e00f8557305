"""A template's text is the library's, each part knows whose words it is, and an error knows its line."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from transformers import ByT5Tokenizer

from tests.tiny import CHATML
from workbench.engine import tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tokens import template
from workbench.engine.tokens.template import Talk, Turn, Written, messages_of, source, write
from workbench.engine.tokens.template_errors import TemplateError
from workbench.engine.values import Checkpoint

TURNS = (Turn("system", "Be brief."), Turn("user", "Hi 🦊"), Turn("assistant", "Hello"), Turn("user", "Bye"))
#: Writes the system's message before its loop, and brackets what the assistant says.
BRACKETED = """{%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n' }}{% endif %}
{% for turn in messages %}
{% if turn.role == 'assistant' %}A: {% generation %}{{ turn.content }}{% endgeneration %}

{% elif turn.role == 'user' %}
U: {{ turn.content | trim }}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}A: {% endif %}"""
#: Puts words of its own into the system's mouth, as SmolLM's does.
DEFAULTED = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '<system> Be kind.\\n' }}{% endif %}"
    "{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}"
)
TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {}}}]'


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Checkpoint) -> Any:
    return tokens.load_tokenizer(tiny_llama)


def parts(written: Written) -> list[tuple[str, int | None, str]]:
    text = written.encoding.text
    return [(each.role, each.turn, text[each.start : each.end]) for each in written.stretches]


@pytest.mark.parametrize("template", [None, BRACKETED, DEFAULTED, "{{ messages[0].content }}", "nothing"])
@pytest.mark.parametrize("prompt", [False, True])
def test_text_and_ids_are_those_of_the_library(tokenizer: Any, template: str | None, prompt: bool) -> None:
    made = write(tokenizer, Talk(TURNS, template=template, add_generation_prompt=prompt))
    given = {"chat_template": template, "add_generation_prompt": prompt}
    messages = messages_of(TURNS)
    assert made.encoding.text == tokenizer.apply_chat_template(messages, tokenize=False, **given)
    assert list(made.encoding.input_ids) == tokenizer.apply_chat_template(messages, **given)["input_ids"]
    assert "".join(text for _, _, text in parts(made)) == made.encoding.text


def test_a_system_message_written_into_the_first_question_is_the_systems(tokenizer: Any) -> None:
    quoted = (
        "{% for m in messages[1:] %}{% set said = m.content %}"
        "{% if loop.first %}{% set said = '<' + messages[0].content + '> ' + said %}{% endif %}"
        "{{ '[' + said + ']' }}{% endfor %}"
    )
    made = write(tokenizer, Talk(TURNS, template=quoted))
    assert parts(made)[:3] == [("user", 1, "[<"), ("system", 0, "Be brief."), ("user", 1, "> Hi 🦊]")]
    # Where the question says the same, nobody can tell whose words they are.
    both = (Turn("system", "Be brief."), Turn("user", "Be brief. Hi"))
    assert parts(write(tokenizer, Talk(both, template=quoted))) == [("user", 1, "[<Be brief.> Be brief. Hi]")]


def test_each_part_is_the_message_that_the_loop_was_at(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS, add_generation_prompt=True))
    assert parts(made) == [
        *(
            (turn.role, number, f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n")
            for number, turn in enumerate(TURNS)
        ),
        ("generation prompt", None, "<|im_start|>assistant\n"),
    ]
    owners = list(made.owners)
    assert owners == sorted(owners)
    assert set(owners) == set(range(5))


def test_a_system_message_before_the_loop_is_the_systems(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS, template=BRACKETED, add_generation_prompt=True))
    assert parts(made) == [
        ("system", 0, "Be brief.\n"),
        ("user", 1, "U: Hi 🦊\n"),
        ("assistant", 2, "A: Hello\n"),
        ("user", 3, "U: Bye\n"),
        ("generation prompt", None, "A: "),
    ]


def test_words_of_the_template_s_own_are_the_template_s(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS[1:], template=DEFAULTED))
    assert parts(made)[:2] == [("template", None, "<system> Be kind.\n"), ("user", 0, "user: Hi 🦊\n")]


def test_what_stands_before_the_loop_is_the_template_s_unless_it_is_the_system_s(tokenizer: Any) -> None:
    folded = (
        "{{ bos_token }}{% set says = messages[0].content %}{% for m in messages[1:] %}"
        "{{ (says + ' ' if loop.first else '') + m.content + '\n' }}{% endfor %}"
    )
    made = write(tokenizer, Talk(TURNS, template=folded))
    assert parts(made) == [
        ("template", None, tokenizer.bos_token),
        ("system", 0, "Be brief."),
        ("user", 1, " Hi 🦊\n"),
        ("assistant", 2, "Hello\n"),
        ("user", 3, "Bye\n"),
    ]


def test_a_question_written_before_the_loop_is_its_own(tokenizer: Any) -> None:
    # As by Llama 3.1, which writes the tools and the first question together.
    together = (
        "[{{ messages[0].content }}] {% if tools %}{{ tools | tojson }} {{ messages[1].content }}\n"
        "{% set messages = messages[2:] %}{% endif %}{% for m in messages %}{{ m.content }}\n{% endfor %}"
    )
    made = write(tokenizer, Talk(TURNS, tools='[{"name": "f"}]', template=together))
    assert [(role, turn) for role, turn, _ in parts(made)] == [
        ("system", 0), ("user", 1), ("system", 0), ("assistant", 2), ("user", 3),
    ]  # fmt: skip
    assert ("user", 1, "Hi 🦊") in parts(made)


def test_a_system_message_alone_is_the_systems(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS[:1], template=BRACKETED, add_generation_prompt=True))
    assert parts(made) == [("system", 0, "Be brief.\n"), ("generation prompt", None, "A: ")]
    assert not any("can't be told" in note for note in made.notes)


@pytest.mark.parametrize("field", ["thinking", "reasoning", "reasoning_content"])
def test_reasoning_reaches_the_template_under_its_other_names(tokenizer: Any, field: str) -> None:
    template = "{% for m in messages %}{{ m.reasoning_content or '-' }}{{ m.content }}\n{% endfor %}"
    turns = (TURNS[1], Turn("assistant", "4", f'{{"{field}": "2 and 2. ", "name": null}}'))
    made = write(tokenizer, Talk(turns, template=template))
    assert parts(made) == [("user", 0, "-Hi 🦊\n"), ("assistant", 1, "2 and 2. 4\n")]


def test_a_template_without_a_loop_says_that_its_parts_can_not_be_told(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS, template="{{ messages[0].content }}"))
    assert parts(made) == [("template", None, "Be brief.")]
    assert any("can't be told" in note for note in made.notes)


def test_the_assistant_mask_is_the_librarys(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS, template=BRACKETED))
    wanted = tokenizer.apply_chat_template(
        messages_of(TURNS), chat_template=BRACKETED, return_dict=True, return_assistant_tokens_mask=True
    )
    assert list(made.assistant or ()) == wanted["assistant_masks"]
    said = [token.text for token, mask in zip(made.encoding.tokens, made.assistant or (), strict=True) if mask]
    assert "".join(said).strip() == "Hello"
    without = write(tokenizer, Talk(TURNS))
    assert without.assistant is None
    assert any("generation" in note for note in without.notes)


def test_the_last_message_is_left_open(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS[:3], continue_final_message=True))
    wanted = tokenizer.apply_chat_template(messages_of(TURNS[:3]), tokenize=False, continue_final_message=True)
    assert made.encoding.text == wanted
    assert parts(made)[-1] == ("assistant", 2, "<|im_start|>assistant\nHello")
    with pytest.raises(InputError, match="both"):
        write(tokenizer, Talk(TURNS[:3], continue_final_message=True, add_generation_prompt=True))


def test_tools_calls_and_variables_reach_the_template(tokenizer: Any) -> None:
    template = (
        "{{ tools | tojson }}{{ mood }}{% for m in messages %}{{ m.role }}{{ m.content is defined }}"
        "{% for call in m.tool_calls or [] %}{{ call.function.name }}{% endfor %}{% endfor %}"
    )
    call = Turn("assistant", None, '{"tool_calls": [{"type": "function", "function": {"name": "look"}}]}')
    made = write(tokenizer, Talk((TURNS[1], call), TOOLS, '{"mood": "glad"}', template=template))
    assert made.encoding.text.endswith("gladuserTrueassistantFalselook")
    assert made.encoding.text.startswith('[{"type": "function"')
    assert [(role, turn) for role, turn, _ in parts(made)] == [("template", None), ("user", 0), ("assistant", 1)]


@pytest.mark.parametrize(
    ("template", "line", "said"),
    [
        ("a\nb{% for %}", 2, "Expected an expression"),
        ("a\n\n{{ messages[9].content + 1 }}", 3, "no element 9"),
        ("{% for m in messages %}\n{{ raise_exception('No ' + m.role) }}\n{% endfor %}", 2, "No system"),
        ("a\n{{ 1 / 0 }}", 2, "division by zero"),
        ("{% for m in messages %}", 1, "Jinja says"),
        ("a\n{% include 'other' %}", 2, "a chat template stands alone. Correct the line: {% include 'other' %}"),
        ("a\n{% macro say(m) %}\n{{ raise_exception('No tools') }}{% endmacro %}\n{{ say(1) }}", 3, "No tools. Many"),
        ("{% macro say(m) %}\n{{ m.gone.far }}\n{% endmacro %}\n{{ say(messages[0]) }}", 2, "no attribute 'gone'."),
    ],
)
def test_an_error_names_its_line(tokenizer: Any, template: str, line: int, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        write(tokenizer, Talk(TURNS, template=template))
    assert (caught.value.line, caught.value.where) == (line, "template")
    assert said in str(caught.value)
    assert f"Line {line} " in caught.value.what


def test_a_template_without_an_end_is_stopped(tokenizer: Any) -> None:
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{{ 'a' * 5000 }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match="without an end"):
        write(tokenizer, Talk(TURNS, template=loops))


SILENT = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


def test_a_template_that_never_writes_is_stopped_and_can_be_cancelled(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "PATIENCE", 0.2)
    with pytest.raises(TemplateError, match="does not come to an end"):
        write(tokenizer, Talk(TURNS, template=SILENT))
    monkeypatch.setattr(template, "PATIENCE", 60.0)

    class Stopped(Silent):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks > 10:
                raise Cancelled

    before = sys.gettrace()
    with pytest.raises(Cancelled):
        write(tokenizer, Talk(TURNS, template=SILENT), task=Stopped())
    assert sys.gettrace() is before


@pytest.mark.parametrize(
    ("talk", "where", "line"),
    [
        (Talk(TURNS, tools="[\n{]"), "tools", 2),
        (Talk(TURNS, tools="{}"), "tools", None),
        (Talk(TURNS, tools="[1]"), "tools", None),
        (Talk(TURNS, tools="[" * 100_000), "tools", None),
        (Talk(TURNS, variables='{"messages": 1}'), "variables", None),
        (Talk((Turn("user", "a", "{\n\n'x'}"),)), "message 1", 3),
    ],
)
def test_json_that_can_not_be_read_is_told_with_its_line(
    tokenizer: Any, talk: Talk, where: str, line: int | None
) -> None:
    with pytest.raises(TemplateError) as caught:
        write(tokenizer, talk)
    assert (caught.value.where, caught.value.line) == (where, line)
    assert caught.value.remedy


def test_no_template_and_no_message_are_told(tiny_bert: Checkpoint, tokenizer: Any) -> None:
    with pytest.raises(NotSupported, match="no chat template"):
        write(tokens.load_tokenizer(tiny_bert), Talk(TURNS))
    with pytest.raises(InputError, match="no message"):
        write(tokenizer, Talk(()))
    assert source(tokenizer) == CHATML


def test_a_tokenizer_without_offsets_says_what_can_not_be_shown() -> None:
    tokenizer = ByT5Tokenizer()
    made = write(tokenizer, Talk(TURNS, template=BRACKETED))
    assert list(made.encoding.input_ids) == tokenizer(made.encoding.text, add_special_tokens=False)["input_ids"]
    assert made.assistant is None
    assert set(made.owners) == {None}
    assert len(parts(made)) == 4
    assert len(made.notes) == 2
