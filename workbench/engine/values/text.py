"""Texts as the tokenizer makes ids of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Token:
    """One position as the model sees it.

    Attributes:
        position: Index in ``input_ids``.
        id: Vocabulary id.
        piece: The vocabulary's own spelling (``Ġquick``, ``##ing``, ``▁the``).
        text: The characters this token stands for, empty when they are only part of a character.
        bytes: The exact bytes where the vocabulary is byte-level or the offsets give them, else None.
        offsets: ``(start, end)`` in characters of the text, or None when the tokenizer can't say.
        word: Word index, or None.
        mask: attention_mask, 1 or 0.
        type_id: token_type_ids, or None when the tokenizer returns none.
        special: Whether it is a special token.
        sequence: 0 for the text, 1 for the second text of a pair, None for what was added or can't be told.
    """

    position: int
    id: int
    piece: str
    text: str
    bytes: bytes | None
    offsets: tuple[int, int] | None
    word: int | None
    mask: int
    type_id: int | None
    special: bool
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text and what the tokenizer made of it.

    Attributes:
        text: What was encoded.
        tokens: One per position, padding included.
        truncated: Tokens that truncation cut off.
    """

    text: str
    tokens: tuple[Token, ...]
    truncated: int = 0

    @property
    def input_ids(self) -> tuple[int, ...]:
        """Ids of shape ``(seq,)``."""
        return tuple(token.id for token in self.tokens)

    @property
    def attention_mask(self) -> tuple[int, ...]:
        """Mask of shape ``(seq,)``, 1 for what is attended to."""
        return tuple(token.mask for token in self.tokens)


@dataclass(frozen=True, slots=True)
class TokenizerOptions:
    """The switches of a tokenizer call, under the names ``tokenizer(…)`` gives them.

    Attributes:
        add_special_tokens: Add ``[CLS]``, ``<s>`` and their like.
        padding: ``False``, ``"longest"`` or ``"max_length"``.
        truncation: Cut at ``max_length``.
        max_length: Tokens, special ones included; None means the tokenizer's own.
        padding_side: ``"right"``, ``"left"`` or None for the tokenizer's own.
    """

    add_special_tokens: bool = True
    padding: bool | str = False
    truncation: bool = False
    max_length: int | None = None
    padding_side: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a chat.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        content: What was said.
        images: Pictures shown with it, for models that take some.
    """

    role: str
    content: str
    images: tuple[Path, ...] = ()
