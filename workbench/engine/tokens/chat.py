"""A conversation as its template writes it: what may be said by whom, and where the model takes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, WorkbenchError
from workbench.engine.task import Silent, Task
from workbench.engine.tokens import mistral
from workbench.engine.tokens.encoding import encode
from workbench.engine.tokens.positions import takes_none
from workbench.engine.values import Encoding, Message, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as the model is given it.

    Attributes:
        encoding: The exact text and its tokens.
        opening: Character from which on it is the generation prompt, with which the assistant's turn opens; the length
            of the text where there is none, as in a turn of the assistant that is gone on with.
    """

    encoding: Encoding
    opening: int

    @property
    def opened_at(self) -> int:
        """Position of the first token of the generation prompt."""
        tokens = self.encoding.tokens
        return next(
            (token.position for token in tokens if token.offsets is not None and token.offsets[0] >= self.opening),
            len(tokens),
        )


def converses(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer writes conversations: by a chat template, or as Mistral's own by a program."""
    return bool(getattr(tokenizer, "chat_template", None)) or takes_none(tokenizer)


def render_chat(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], add_generation_prompt: bool = True
) -> str:
    """Write a conversation as the checkpoint's own chat template does.

    Args:
        tokenizer: One with a chat template.
        messages: The turns so far.
        add_generation_prompt: End with the opening of the assistant's next turn. Where the assistant has the last word
            already, that turn is left open instead, to be gone on with (``continue_final_message``).

    Raises:
        NotSupported: The tokenizer has no chat template.
        InputError: The template refuses these turns, for instance because roles must alternate.

    References:
        transformers, Chat templates: apply_chat_template
    """
    if not getattr(tokenizer, "chat_template", None):
        raise untold()
    return write(tokenizer, _turns(messages), add_generation_prompt)


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def write(
    writer: PreTrainedTokenizerBase | ProcessorMixin,
    turns: Sequence[Mapping[str, Any]],
    add_generation_prompt: bool = True,
    *,
    template: str | None = None,
) -> str:
    """Write turns by the template of a tokenizer or a processor.

    Args:
        writer: What writes; its own template is taken unless there is another.
        turns: As ``apply_chat_template`` takes them.
        add_generation_prompt: As for `render_chat`.
        template: Another one, as Jinja.

    Raises:
        InputError: The template refuses these turns.
    """
    from jinja2 import TemplateError

    goes_on = add_generation_prompt and bool(turns) and turns[-1]["role"] == "assistant"
    try:
        return str(
            writer.apply_chat_template(
                list(turns),
                chat_template=template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt and not goes_on,
                continue_final_message=goes_on,
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise InputError(
            "The chat template refused this conversation.",
            why=f"It says: {error}",
            remedy="Many templates want user and assistant to alternate, and allow one system message at the start.",
        ) from error


def untold() -> NotSupported:
    """The refusal of a conversation where there is no template to write it by."""
    return NotSupported(
        "This checkpoint has no chat template.",
        why="It was not trained on conversations, or its template was not saved with it.",
        remedy="Write a plain prompt instead, or load a checkpoint whose name says Instruct or Chat.",
    )


def encode_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    add_generation_prompt: bool = True,
    *,
    task: Task | None = None,
) -> Encoding:
    """Encode a conversation; what writes it writes the special tokens too, so none are added.

    Args:
        tokenizer: One that `converses`.
        messages: The turns so far.
        add_generation_prompt: End with the opening of the assistant's next turn.
        task: Asked now and then whether to stop.

    Raises:
        NotSupported, InputError: As for `render_chat` and `encode`.
    """
    if takes_none(tokenizer):
        # Its ids can't be had from their text, in which it takes special tokens for what a person wrote.
        goes_on = add_generation_prompt and bool(messages) and messages[-1].role == "assistant"
        ways = {"add_generation_prompt": add_generation_prompt and not goes_on, "continue_final_message": goes_on}
        return mistral.conversation(tokenizer, _turns(messages), None, {}, ways, task or Silent())
    text = render_chat(tokenizer, messages, add_generation_prompt)
    return encode(tokenizer, text, TokenizerOptions(add_special_tokens=False), task=task)


def rendered(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, task: Task | None = None) -> Rendered:
    """Write a conversation for its next answer, exactly as a generation does.

    Args:
        tokenizer: One that `converses`.
        messages: The turns so far; where the assistant has the last word, it is gone on with.
        task: Asked now and then whether to stop.

    Raises:
        NotSupported, InputError: As for `encode_chat`.
    """
    task = task or Silent()
    encoding = encode_chat(tokenizer, messages, task=task)
    # Mistral's own writes nothing with which an answer opens.
    if takes_none(tokenizer) or (messages and messages[-1].role == "assistant"):
        return Rendered(encoding, len(encoding.text))
    task.check()
    without = render_chat(tokenizer, messages, add_generation_prompt=False)
    return Rendered(encoding, parting(encoding.text, without))


def parting(text: str, other: str) -> int:
    """The first character at which two texts differ; where one begins with the other, the length of the shorter."""
    return next(
        (place for place, (one, two) in enumerate(zip(text, other, strict=False)) if one != two),
        min(len(text), len(other)),
    )


def roles(tokenizer: PreTrainedTokenizerBase, *, task: Task | None = None) -> tuple[str, ...]:
    """Who may say the next message, by what the template makes of it: of user, system, tool and assistant.

    A template may refuse a role or leave out what it says; either way it is not offered. The assistant is offered where
    its beginning can be written for it and gone on with.

    Args:
        tokenizer: One that `converses`; any other allows nobody.
        task: Asked now and then whether to stop.
    """
    begun = (Message("user", "probe one"), Message("assistant", "probe two"))
    tries = {
        "user": (*begun, Message("user", "probe three")),
        "system": (*begun, Message("system", "probe three"), Message("user", "probe four")),
        "tool": (*begun, Message("tool", "probe three")),
        "assistant": (begun[0], Message("assistant", "probe three")),
    }
    offered = []
    for role, messages in tries.items():
        (task or Silent()).check()
        try:
            text = encode_chat(tokenizer, messages).text
        except WorkbenchError:
            continue
        if "probe three" in text:
            offered.append(role)
    return tuple(offered)
