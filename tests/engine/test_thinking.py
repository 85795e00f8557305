"""Thinking is told from what is said, also while it is being written."""

from __future__ import annotations

import pytest

from workbench.engine.tokens.thinking import MARKS, pieces, sections
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Sampling, Step


def parts(*pieces: str, prompt: str = "", template=None, done: bool = True) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for part in sections(pieces, prompt, template, done=done)]


@pytest.mark.parametrize(("opened", "closed"), MARKS)
def test_every_family_of_marks_is_known(opened: str, closed: str) -> None:
    assert parts(f"{opened}\nHm.\n{closed}\n\nYes.") == [("thinking", "Hm."), ("answer", "Yes.")]


def test_tokens_of_the_thinking_are_counted_without_its_marks() -> None:
    found = sections(["<think>", "\n", "one", " two", "\n", "</think>", "\n\n", "Yes", "."])
    assert [(part.kind, part.tokens, part.closed) for part in found] == [("thinking", 4, True), ("answer", 3, True)]


def test_an_answer_without_thinking_is_one_answer() -> None:
    assert parts("Use `<think>` to open it, or <think> in a line.") == [
        ("answer", "Use `<think>` to open it, or <think> in a line.")
    ]
    assert parts("") == []


def test_thinking_that_goes_on_is_open() -> None:
    (part,) = sections(["<think>", "Hm", " and"], done=False)
    assert (part.kind, part.text, part.tokens, part.closed) == ("thinking", "Hm and", 2, False)
    assert sections(["<think>", "Hm"], done=True)[0].closed


def test_no_half_mark_is_ever_shown() -> None:
    text = "<think>\nHm.\n</think>\nYes, <b>."
    shown = ["".join(part for _, part in parts(text[:end], done=False)) for end in range(len(text))]
    assert not any("<" in part.replace("<b", "").replace(", <", "") for part in shown)
    assert parts("a <thi", done=True) == [("answer", "a <thi")]


def test_a_template_that_opened_the_thinking_is_seen_in_the_prompt() -> None:
    assert parts("Hm.\n</think>\nYes.", prompt="<|assistant|>\n<think>\n") == [("thinking", "Hm."), ("answer", "Yes.")]
    assert parts("Hm", prompt="<|assistant|><think>", done=False) == [("thinking", "Hm")]
    assert parts("Yes.", prompt="<|assistant|>\n<think>\n\n</think>\n\n") == [("answer", "Yes.")]
    assert parts("Hm.\n</think>\n\nYes.") == [("thinking", "Hm."), ("answer", "Yes.")]


def test_thinking_can_come_again() -> None:
    text = "<think>a</think>b\n<think>c</think>d"
    assert parts(text) == [("thinking", "a"), ("answer", "b"), ("thinking", "c"), ("answer", "d")]


def test_the_tokenizers_own_description_goes_first() -> None:
    template = {
        "start_anchor": "<|bot|>",
        "fields": {
            "reasoning_content": {"open": "<|hm|>", "close": "<|said|>"},
            "content": {"close": "<|end|>"},
        },
    }
    written = ["<|hm|>", "One", " two", "<|said|>", "Yes", ".", "<|end|>"]
    assert parts(*written, prompt="<|bot|>", template=template) == [("thinking", "One two"), ("answer", "Yes.")]
    found = sections(written[:3], "<|bot|>", template, done=False)
    assert [(part.kind, part.text, part.tokens, part.closed) for part in found] == [("thinking", "One two", 2, False)]
    assert parts("One", prompt="<|bot|><|hm|>", template=template, done=False) == [("thinking", "One")]
    assert parts("<think>a</think>b", template={"nonsense": 1}) == [("thinking", "a"), ("answer", "b")]


def test_special_tokens_are_spelled_where_they_are_marks() -> None:
    words = Vocabulary(None, ["a", "[THINK]", "<eos>"], special=[1, 2])
    steps = [
        Step(index, token_id, text, None, Sampling(), 0.0, 1.0, 1)
        for index, (token_id, text) in enumerate([(1, ""), (0, "a"), (2, "")])
    ]
    assert pieces(steps, words) == ["[THINK]", "a", ""]
    assert pieces(steps, words, {"fields": {}}) == ["[THINK]", "a", "<eos>"]
    assert pieces(steps, None) == ["", "a", ""]
