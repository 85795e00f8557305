"""Texts as the tokenizer makes ids of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload


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


class Positions(Sequence[Token]):
    """The positions of an encoding, each described when somebody looks at it.

    A megabyte has some 250,000 positions; to describe all of them takes longer than the tokenizer took to make them.

    Attributes:
        ids: Of shape ``(seq,)``.
        mask: attention_mask, of shape ``(seq,)``.
        offsets_of: Gives ``(start, end)`` of a position in characters of the text, or None for what was added.

    Args:
        ids: As above.
        mask: As above.
        describe: Gives the tokens ``[first, last)``.
        offsets_of: As above.
    """

    _BLOCK = 256

    def __init__(
        self,
        ids: Sequence[int],
        mask: Sequence[int],
        describe: Callable[[int, int], tuple[Token, ...]],
        offsets_of: Callable[[int], tuple[int, int] | None],
    ) -> None:
        self.ids, self.mask, self.offsets_of = tuple(ids), tuple(mask), offsets_of
        self._describe = describe
        self._known: dict[int, tuple[Token, ...]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Token: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Token, ...]: ...

    def __getitem__(self, index: int | slice) -> Token | tuple[Token, ...]:
        if isinstance(index, slice):
            return self._slice(*index.indices(len(self)))
        place = range(len(self))[index]
        return self._block(place // self._BLOCK)[place % self._BLOCK]

    def __iter__(self) -> Iterator[Token]:
        for number in range(-(-len(self) // self._BLOCK)):
            yield from self._block(number)

    def _slice(self, first: int, last: int, step: int) -> tuple[Token, ...]:
        if step != 1:
            return tuple(self[number] for number in range(first, last, step))
        found: list[Token] = []
        for number in range(first // self._BLOCK, -(-last // self._BLOCK) if last > first else 0):
            begin = number * self._BLOCK
            found.extend(self._block(number)[max(0, first - begin) : last - begin])
        return tuple(found)

    def _block(self, number: int) -> tuple[Token, ...]:
        block = self._known.get(number)
        if block is None:
            first = number * self._BLOCK
            block = self._known[number] = self._describe(first, min(first + self._BLOCK, len(self)))
        return block

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, Positions) and (self.ids, self.mask) != (other.ids, other.mask):
            return False
        if not isinstance(other, Positions | tuple) or len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(self.ids)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text and what the tokenizer made of it.

    Attributes:
        text: What was encoded.
        tokens: One per position, padding included.
        truncated: Tokens that truncation cut off.
    """

    text: str
    tokens: Sequence[Token]
    truncated: int = 0

    @property
    def input_ids(self) -> tuple[int, ...]:
        """Ids of shape ``(seq,)``."""
        return self.tokens.ids if isinstance(self.tokens, Positions) else tuple(token.id for token in self.tokens)

    @property
    def attended(self) -> int:
        """Positions that are attended to; padding is not."""
        return self.attention_mask.count(1)

    @property
    def attention_mask(self) -> tuple[int, ...]:
        """Mask of shape ``(seq,)``, 1 for what is attended to."""
        return self.tokens.mask if isinstance(self.tokens, Positions) else tuple(token.mask for token in self.tokens)


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
        sounds: Sounds heard with it, likewise.
    """

    role: str
    content: str
    images: tuple[Path, ...] = ()
    sounds: tuple[Path, ...] = ()
