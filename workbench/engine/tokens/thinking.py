"""Which parts of an answer are the model's thinking aloud, and which are said to the person."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from workbench.engine.values import Step

if TYPE_CHECKING:
    from workbench.engine.tokens.vocabulary import Vocabulary

#: How families of checkpoints open and close their thinking where their tokenizer does not describe it.
MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
)
_SPELLED = frozenset(mark for pair in MARKS for mark in pair)
_FIELDS = ("reasoning", "thinking", "thought")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an answer.

    Attributes:
        kind: ``thinking`` or ``answer``.
        text: What is read, without the marks around it.
        tokens: How many tokens begin in it, those of the marks left out.
        closed: Whether it has ended; the last one of a text that is still being written has not.
    """

    kind: str
    text: str
    tokens: int
    closed: bool


def pieces(steps: Sequence[Step], vocabulary: Vocabulary | None, template: object = None) -> list[str]:
    """What each token of an answer reads as, with the special tokens by which thinking is told from the rest.

    Args:
        steps: Of the answer.
        vocabulary: Spells special tokens; None leaves them out.
        template: ``tokenizer.response_template``; where there is one, every special token counts.
    """
    if vocabulary is None:
        return [step.text for step in steps]
    found = []
    for step in steps:
        text = step.text
        if not text and step.token_id in vocabulary.special:
            spelled = vocabulary.spell([step.token_id])[0]
            text = spelled if template or spelled in _SPELLED else ""
        found.append(text)
    return found


def sections(
    pieces: Sequence[str], prompt: str = "", template: dict[str, Any] | None = None, *, done: bool = True
) -> tuple[Section, ...]:
    """Take an answer apart, by the tokenizer's own description where there is one, else by the known marks.

    A mark counts at the beginning of a line only, so that an answer may speak of ``<think>``.

    Args:
        pieces: Its tokens as `pieces` gives them, or one piece of text.
        prompt: What the model was given; a template may have opened the thinking there.
        template: ``tokenizer.response_template``.
        done: Whether nothing follows. Otherwise the beginning of a mark at the end is held back.

    References:
        transformers, Chat templates, Response parsing: ``response_template``, ``parse_response``
    """
    text = "".join(pieces)
    spans = _described(text, prompt, template, done=done) if template else None
    if spans is None:
        spans = _marked(text, prompt, done=done)
    starts = [0, *accumulate(len(piece) for piece in pieces)][:-1] if len(pieces) > 1 else []
    found = []
    for number, (kind, start, end, closed) in enumerate(spans):
        said = text[start:end]
        # Blank lines around a section stand for nothing; one that is still written may go on with a blank.
        said = said.strip() if closed or kind == "thinking" else said.lstrip("\n")
        if not said and ((kind == "answer" and len(spans) > 1) or closed):
            continue
        tokens = bisect_left(starts, end) - bisect_left(starts, start)
        found.append(Section(kind, said, tokens, closed or (done and number < len(spans) - 1)))
    return tuple(found)


def _marked(text: str, prompt: str, *, done: bool) -> list[tuple[str, int, int, bool]]:
    """Sections as (kind, start, end, closed), by `MARKS`."""
    spans: list[tuple[str, int, int, bool]] = []
    place = 0
    inside = next((pair for pair in MARKS if prompt.rstrip().endswith(pair[0])), None) or _opened_unseen(text)
    while True:
        if inside is not None:
            end = text.find(inside[1], place)
            if end < 0:
                spans.append(("thinking", place, _held(text, [inside[1]], place, done=done), done))
                return spans
            spans.append(("thinking", place, end, True))
            place, inside = end + len(inside[1]), None
        found = None
        for opened, closed in MARKS:
            mark = re.compile(rf"^[ \t]*{re.escape(opened)}", re.MULTILINE).search(text, place)
            # Right behind another section a line need not begin anew.
            near = place + len(text[place:]) - len(text[place:].lstrip())
            if text.startswith(opened, near) and place:
                start, end = near, near + len(opened)
            elif mark:
                start, end = mark.span()
            else:
                continue
            if found is None or start < found[0]:
                found = (start, end, (opened, closed))
        if found is None:
            end = _held(text, [pair[0] for pair in MARKS], place, done=done)
            spans.append(("answer", place, end, done))
            return spans
        spans.append(("answer", place, found[0], True))
        place, inside = found[1], found[2]


def _opened_unseen(text: str) -> tuple[str, str] | None:
    """The marks of a thinking whose closing alone is in the text, on a line's edge."""
    for opened, closed in MARKS:
        end = text.find(closed)
        if end < 0 or opened in text[:end]:
            continue
        behind = text[end + len(closed) : end + len(closed) + 1]
        if text[:end].endswith("\n") or behind in ("\n", ""):
            return opened, closed
    return None


def _held(text: str, marks: Sequence[str], place: int, *, done: bool) -> int:
    """Where what may be shown ends: in front of a mark that has only begun."""
    if done:
        return len(text)
    longest = max(map(len, marks))
    for start in range(max(place, len(text) - longest + 1), len(text)):
        if any(mark.startswith(text[start:]) for mark in marks):
            return start
    return len(text)


def _described(
    text: str, prompt: str, template: dict[str, Any], *, done: bool
) -> list[tuple[str, int, int, bool]] | None:
    """Sections by the tokenizer's own description; None when the library can't follow it."""
    from transformers.utils.chat_parsing import ResponseParser

    try:
        parser = ResponseParser(template, prefix=prompt)
        events = [*parser.initial_events, *parser.feed(text)]
    except (ValueError, TypeError, KeyError):
        return None
    spans: list[tuple[str, int, int, bool]] = []
    place = 0
    open_field = None
    for event in events[: len(parser.initial_events)]:
        open_field = None if event["type"] == "region_close" else event["field"]
    for event in events[len(parser.initial_events) :]:
        kind = "thinking" if any(word in event["field"] for word in _FIELDS) else "answer"
        if event["type"] == "region_chunk":
            start = text.find(event["text"], place)
            place = start + len(event["text"])
            if spans and spans[-1][0] == kind and not spans[-1][3]:
                spans[-1] = (kind, spans[-1][1], place, False)
            else:
                spans.append((kind, start, place, False))
        elif event["type"] == "region_close" and spans:
            spans[-1] = (*spans[-1][:3], True)
        open_field = None if event["type"] == "region_close" else event["field"]
    if done and spans and not spans[-1][3] and open_field is not None:
        # What was held back as the possible beginning of a mark turned out to be none.
        spans[-1] = (spans[-1][0], spans[-1][1], len(text), True)
    return spans or [("answer", 0, len(text), done)]
