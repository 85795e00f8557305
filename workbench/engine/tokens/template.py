"""A chat template at work: whose words each part of its text is, its errors by line, and the mask of the answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sys
import time
import types
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Silent, Task
from workbench.engine.tokens import mistral
from workbench.engine.tokens.chat import parting
from workbench.engine.tokens.encoding import encode
from workbench.engine.tokens.positions import takes_none
from workbench.engine.tokens.template_errors import TEMPLATE, TemplateError, told
from workbench.engine.values import Encoding, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROLES = ("system", "user", "assistant", "tool", "developer")
"""Roles that templates know; any other word can be tried."""

#: Characters of the longest text that a template may write.
LONGEST_TEXT = 2_000_000
#: Seconds that a template may run.
PATIENCE = 5.0
#: Lines of a running template between two looks at whether the task was cancelled.
_STRIDE = 512
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as a template is given it.

    Attributes:
        role: One of `ROLES`, or another.
        content: What is said; None leaves the field out, as in a message that only calls tools.
        more: Further fields as a JSON object, such as ``{"tool_calls": [...]}``; empty for none.
    """

    role: str
    content: str | None
    more: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """All that a template is given.

    Attributes:
        turns: The messages.
        tools: A JSON list of JSON schemas, as ``apply_chat_template(tools=)`` takes them; empty for none.
        variables: A JSON object of further variables of the template, such as ``{"enable_thinking": false}``.
        add_generation_prompt: End with the opening of the assistant's next turn.
        continue_final_message: Leave the last message open, to be gone on with.
        template: Source of an edited template; None takes the tokenizer's own.
    """

    turns: tuple[Turn, ...]
    tools: str = ""
    variables: str = ""
    add_generation_prompt: bool = False
    continue_final_message: bool = False
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters ``[start, end)`` of the text, and whom they belong to.

    Attributes:
        start: First character.
        end: Character after the last.
        role: Role of the message, ``template`` for what belongs to none, ``generation prompt`` for the opening of the
            answer.
        turn: Place of the message, or None.
    """

    start: int
    end: int
    role: str
    turn: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a template wrote.

    Attributes:
        encoding: The text and its tokens, exactly as ``apply_chat_template`` gives them.
        stretches: The text in parts, one behind the other without a gap.
        assistant: The assistant mask, 1 for what the assistant said, of shape ``(seq,)``; None where there is none.
        owners: Per token the stretch that it begins in, or None when the tokenizer gives no offsets.
        notes: What can't be shown, in sentences.
    """

    encoding: Encoding
    stretches: tuple[Stretch, ...]
    assistant: tuple[int, ...] | None
    owners: tuple[int | None, ...]
    notes: tuple[str, ...]


def source(tokenizer: PreTrainedTokenizerBase, tools: bool = False) -> str:
    """The template of a tokenizer; of several, the one that is used with or without tools.

    Raises:
        NotSupported: It has none.
    """
    try:
        return str(tokenizer.get_chat_template(tools=[{}] if tools else None))
    except NotImplementedError as error:
        raise NotSupported(
            "This tokenizer has no chat template.",
            why="It is Mistral's own (mistral-common), which writes conversations with a program.",
            remedy="Look at what that writes.",
        ) from error
    except ValueError as error:
        raise NotSupported(
            "This checkpoint has no chat template.",
            why="It was not trained on conversations, or its template was not saved with it.",
            remedy="Load a checkpoint whose name says Instruct or Chat, or write a template in its place here.",
        ) from error


def messages_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Messages as ``apply_chat_template`` takes them.

    Raises:
        TemplateError: The further fields of one are no JSON object.
    """
    made = []
    for number, turn in enumerate(turns, start=1):
        message: dict[str, Any] = {"role": turn.role}
        if turn.content is not None:
            message["content"] = turn.content
        made.append({**message, **_parsed(turn.more, dict, f"message {number}")})
    return made


def tools_of(talk: Talk) -> list[dict[str, Any]] | None:
    """Tools as ``apply_chat_template`` takes them, or None.

    Raises:
        TemplateError: They are no JSON list of objects.
    """
    tools = _parsed(talk.tools, list, "tools")
    if not all(isinstance(tool, dict) for tool in tools):
        raise TemplateError(
            "These tools can't be used.",
            why="Each tool has to be a JSON object: its schema, with name, description and parameters.",
            remedy="Write [{...}, {...}].",
            where="tools",
        )
    return tools or None


def variables_of(talk: Talk) -> dict[str, Any]:
    """Further variables of the template.

    Raises:
        TemplateError: They are no JSON object.
    """
    variables = _parsed(talk.variables, dict, "variables")
    if taken := sorted(set(variables) & {"messages", "tools", "add_generation_prompt", "conversation", "tokenize"}):
        raise TemplateError(
            f"{taken[0]} is no variable of one's own.",
            why="The workbench hands it to the template itself.",
            remedy="Use its own control.",
            where="variables",
        )
    return variables


def write(tokenizer: PreTrainedTokenizerBase, talk: Talk, *, task: Task | None = None) -> Written:
    """Write a conversation exactly as ``apply_chat_template`` does, and say which message each part comes from.

    Args:
        tokenizer: Left as it was found.
        talk: Messages, tools, switches and the template, where that is an edited one.
        task: Asked now and then whether to stop.

    Raises:
        NotSupported: There is no template.
        TemplateError: The template, a tool, a variable or a message is wrong; with its line where there is one.
        InputError: As for `encode`.

    References:
        transformers, Chat templates: apply_chat_template, return_assistant_tokens_mask; Jinja, Template.generate
    """
    task = task or Silent()
    messages, tools, variables = messages_of(talk.turns), tools_of(talk), variables_of(talk)
    if not messages:
        raise InputError("There is no message yet.", remedy="Add a message.")
    if talk.add_generation_prompt and talk.continue_final_message:
        raise InputError(
            "A conversation can't both open a new answer and go on with its last message.",
            why="apply_chat_template refuses add_generation_prompt together with continue_final_message.",
            remedy="Switch one of them off.",
        )
    ways = {
        "add_generation_prompt": talk.add_generation_prompt,
        "continue_final_message": talk.continue_final_message,
    }
    if takes_none(tokenizer):
        return _without(mistral.conversation(tokenizer, messages, tools, variables, ways, task), talk)
    template = talk.template if talk.template is not None else source(tokenizer, tools is not None)
    given = {"tools": tools, "chat_template": template, **variables}
    with told(template):
        chunks = _traced(tokenizer, template, messages, tools, variables, talk.add_generation_prompt, task)
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, **given, **ways))
    opening = len(text)
    if talk.add_generation_prompt:
        with told(template):
            bare = str(tokenizer.apply_chat_template(messages, tokenize=False, **given))
        opening = parting(text, bare)
    encoding = encode(tokenizer, text, TokenizerOptions(add_special_tokens=False), task=task)
    notes: list[str] = []
    stretches = _stretches(chunks, messages, text, opening)
    if stretches is None:
        stretches = (Stretch(0, len(text), "template", None),)
        notes.append("Which part comes from which message can't be told: this template writes no message by itself.")
    if not tokenizer.is_fast:
        notes.append("The tokens have no colours: a tokenizer written in Python does not say where they stand.")
    assistant = None
    if talk.continue_final_message:
        notes.append("There is no assistant mask while the last message is left open.")
    elif not _GENERATION.search(template):
        notes.append("There is no assistant mask: the template has no {% generation %} around what the assistant says.")
    elif not tokenizer.is_fast:
        notes.append("There is no assistant mask: it needs a tokenizer that knows where its tokens stand.")
    else:
        with told(template):
            assistant = tuple(
                int(each)
                for each in tokenizer.apply_chat_template(
                    messages, return_dict=True, return_assistant_tokens_mask=True, **given, **ways
                )["assistant_masks"]
            )
    starts = [each.start for each in stretches]
    owners = (
        bisect_right(starts, token.offsets[0]) - 1 if token.offsets is not None and starts else None
        for token in encoding.tokens
    )
    return Written(encoding, stretches, assistant, tuple(owners), tuple(notes))


def _without(encoding: Encoding, talk: Talk) -> Written:
    """A conversation that no template wrote."""
    notes = ["A program of Mistral's own writes it: whose words are where, and an assistant mask, are not told."]
    if talk.template is not None:
        notes.append("A template written here is not used.")
    if talk.add_generation_prompt:
        notes.append("There is no generation prompt: the answer follows at once.")
    none = (None,) * len(encoding.tokens)
    return Written(encoding, (Stretch(0, len(encoding.text), "template", None),), None, none, tuple(notes))


def _parsed(text: str, kind: type, where: str) -> Any:
    if not text.strip():
        return kind()
    wanted = "a JSON list, as in [{...}]" if kind is list else 'a JSON object, as in {"name": "value"}'
    names = {"tools": "The tools", "variables": "The variables of the template"}
    what = f"{names.get(where, f'The further fields of {where}')} can't be read."
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        why = f"Line {error.lineno}, column {error.colno}: {error.msg}."
        raise TemplateError(what, why=why, remedy=f"Write {wanted}.", line=error.lineno, where=where) from error
    except (RecursionError, ValueError) as error:
        why = "It is nested too deep, or holds a number that is too long."
        raise TemplateError(what, why=why, remedy=f"Write {wanted}.", where=where) from error
    if not isinstance(value, kind):
        raise TemplateError(what, why="It is JSON, but of another kind.", remedy=f"Write {wanted}.", where=where)
    return value


def _traced(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None,
    variables: Mapping[str, Any],
    add_generation_prompt: bool,
    task: Task,
) -> list[tuple[str, int | None]]:
    """The template's output chunk by chunk, each with the message whose turn it was in the template's own loop."""
    from transformers.utils.chat_template_utils import _alias_reasoning_fields, _compile_jinja_template

    compiled = _compile_jinja_template(template)
    names = {**tokenizer.special_tokens_map, **variables}
    # As apply_chat_template prepares them; copies, so that each message is an object of its own.
    chat = _alias_reasoning_fields([{k: v for k, v in message.items() if v is not None} for message in messages])
    chat = [dict(message) for message in chat]
    flow = compiled.generate(
        messages=chat, tools=tools, documents=None, add_generation_prompt=add_generation_prompt, **names
    )
    places = {id(message): number for number, message in enumerate(chat)}
    chunks: list[tuple[str, int | None]] = []
    size = 0
    with _watched(task):
        for chunk in flow:
            size += len(chunk)
            if size > LONGEST_TEXT:
                raise TemplateError(
                    "The template writes without an end.",
                    why=f"It wrote more than {LONGEST_TEXT:,} characters.",
                    remedy="Look at its loops, or take fewer messages.",
                    where="template",
                )
            chunks.append((chunk, _turn(flow, places)))
    return chunks


@contextlib.contextmanager
def _watched(task: Task) -> Iterator[None]:
    """Let a template be cancelled while it runs, and stop one that does not come to an end."""
    end = time.monotonic() + PATIENCE
    lines = 0

    def watch(frame: types.FrameType, _event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != TEMPLATE:
            return None
        lines += 1
        if lines % _STRIDE == 0:
            task.check()
            if time.monotonic() > end:
                raise TemplateError(
                    "The template does not come to an end.",
                    why=f"It ran for {PATIENCE:.0f} seconds.",
                    remedy="Look at its loops, or take fewer messages.",
                    where="template",
                )
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def _turn(flow: Any, places: Mapping[int, int]) -> int | None:
    """The message that the innermost loop of a running template holds; Jinja calls its variables ``l_depth_name``."""
    inner = flow.gi_yieldfrom
    frame = inner.gi_frame if inner is not None else None
    if frame is None:
        return None
    found, deepest = None, 0
    for name, value in frame.f_locals.items():
        match = re.match(r"l_(\d+)_", name)
        if match and int(match[1]) > deepest and id(value) in places and isinstance(value, dict):
            found, deepest = places[id(value)], int(match[1])
    return found


def _stretches(
    chunks: list[tuple[str, int | None]], messages: list[dict[str, Any]], text: str, opening: int
) -> tuple[Stretch, ...] | None:
    """Chunks as stretches of the text, or None where they say nothing of it."""
    written = "".join(chunk for chunk, _ in chunks)
    owners = {owner for _, owner in chunks}
    # A message left open ends before the template does.
    if not written.startswith(text):
        return None
    # What stands before the loop is of the first message where that one is written there, as system messages often are.
    before = "".join(chunk for chunk, _ in itertools.takewhile(lambda each: each[1] is None, chunks))
    content = messages[0].get("content")
    first = 0 if isinstance(content, str) and content.strip() and content.strip() in before else None
    if owners <= {None} and (first is None or len(messages) > 1):
        return None
    found: list[Stretch] = []
    place, begun = 0, False
    for chunk, owner in chunks:
        begun = begun or owner is not None
        turn = owner if begun else first
        if turn == 0 and owner == 0 and _speaks_for_system(chunk, messages[0]):
            turn = None
        role = str(messages[turn]["role"]) if turn is not None else "template"
        start, end = place, min(place + len(chunk), len(text))
        place += len(chunk)
        for part, kind, of in ((slice(start, min(end, opening)), role, turn),
                               (slice(max(start, opening), end), "generation prompt", None)):  # fmt: skip
            if part.start >= part.stop:
                continue
            if found and (found[-1].role, found[-1].turn) == (kind, of):
                found[-1] = Stretch(found[-1].start, part.stop, kind, of)
            else:
                found.append(Stretch(part.start, part.stop, kind, of))
    return tuple(_with_missing(found, messages, text))


def _with_missing(found: list[Stretch], messages: list[dict[str, Any]], text: str) -> list[Stretch]:
    """Cut messages out that have no turn of their own and are written into another's.

    Llama 2 does so with the system's words, Llama 3.1 with the first question where there are tools.
    """
    held = {each.turn for each in found}
    for number in range(len(messages)):
        if number not in held:
            found = list(_cut_out(found, number, messages, text))
    return found


def _cut_out(found: list[Stretch], number: int, messages: list[dict[str, Any]], text: str) -> Iterator[Stretch]:
    content = messages[number].get("content")
    said = content.strip() if isinstance(content, str) else ""
    for each in found:
        # A question is written beside what comes before or after it, the system's words beside any.
        near = each.turn is not None and (number == 0 or abs(each.turn - number) == 1)
        place = text.find(said, each.start, each.end) if said and near else -1
        # What is there twice, or is said by the other as well, can't be told apart.
        alone = text.count(said, each.start, each.end) == 1 and said not in str(messages[each.turn or 0].get("content"))
        if place < 0 or not alone:
            yield each
            continue
        middle = Stretch(place, place + len(said), str(messages[number]["role"]), number)
        around = replace(each, end=middle.start), middle, replace(each, start=middle.end)
        yield from (part for part in around if part.start < part.end)
        said = ""


def _speaks_for_system(chunk: str, message: Mapping[str, Any]) -> bool:
    """Whether a template puts words of its own into the system's mouth while its loop is at another's message."""
    role, content = str(message["role"]), message.get("content")
    own = role in chunk or (isinstance(content, str) and content.strip() and content.strip() in chunk)
    return role != "system" and not own and re.search(r"\bsystem\b", chunk) is not None
