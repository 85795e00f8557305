"""A long text that is being written: only the words around a change are encoded, the rest is as it was."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.tokens.positions import Pieces, fast_positions, numbers
from workbench.engine.values import Encoding, Positions, Token

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Characters on each side of a change that are encoded with it, and tokens of these that must come out as before.
_MARGIN = 200
_SURE = 8
#: Characters of a change from which all is encoded anew.
_LARGEST = 4000


def respelled(tokenizer: PreTrainedTokenizerBase, before: Encoding, text: str) -> Encoding | None:
    """What the encoding of a text will be, from the encoding of the text before a change.

    Tokenizers that look at no more than some words at a time give exactly this; `encode` tells about the others.

    Args:
        tokenizer: The one that made ``before``, with the same switches; neither padded nor cut.
        before: Of a text that differs in one place.
        text: The text now.

    Returns:
        The encoding, or None where the change is too large, or where what stands beside it comes out differently.
    """
    old, made = before.text, before.tokens
    if not isinstance(made, Positions) or not tokenizer.is_fast or before.truncated:
        return None
    same = _common(old, text, min(len(old), len(text)))
    behind = _common(old[::-1], text[::-1], min(len(old), len(text)) - same)
    if max(len(old), len(text)) - same - behind > _LARGEST:
        return None
    words = _Words(made)
    first, last = words.before(same - _MARGIN), words.after(len(old) - behind + _MARGIN)
    if first is None or last is None:
        return None
    # What comes before the first word, or after the last, belongs to them.
    begin = words.start(first) if first > words.first else 0
    end = words.start(last) if last < words.stop else len(old)
    moved = len(text) - len(old)
    piece = text[begin : end + moved]
    call = tokenizer([piece], add_special_tokens=False, padding=False, truncation=False, verbose=False)
    ids: list[int] = call["input_ids"][0]
    left = _SURE if first > words.first else 0
    right = _SURE if last < words.stop else 0
    if len(ids) < left + right or tuple(ids[:left]) != made.ids[first : first + left]:
        return None
    if right and tuple(ids[-right:]) != made.ids[last - right : last]:
        return None
    types = call["token_type_ids"][0] if "token_type_ids" in call else None
    changed = fast_positions(Pieces(tokenizer), call.encodings[0], piece, None, ids, call["attention_mask"][0], types)
    return Encoding(text, _joined(made, changed, first, last, begin, moved))


def _common(one: str, other: str, most: int) -> int:
    """How many characters two texts begin with alike, at most ``most``."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


class _Words:
    """Where the words of an encoding begin; a tokenizer never joins what its pre-tokenizer took apart."""

    def __init__(self, made: Positions) -> None:
        self._made = made
        span = range(len(made))
        self.first = next((position for position in span if made.offsets_of(position) is not None), 0)
        self.stop = next((position + 1 for position in reversed(span) if made.offsets_of(position) is not None), 0)

    def start(self, position: int) -> int:
        return (self._made.offsets_of(position) or (0, 0))[0]

    def before(self, character: int) -> int | None:
        """The last position that begins a word at or before a character; None where that is too far away."""
        if character <= 0:
            return self.first
        places = range(self.first, self.stop)
        position = self.first + max(0, bisect_right(places, character, key=self.start) - 1)
        for candidate in range(position, max(self.first, position - _MARGIN), -1):
            if self._begins(candidate):
                return candidate
        return self.first if position <= _MARGIN else None

    def after(self, character: int) -> int | None:
        """The first position that begins a word at or after a character, or the end; None where that is too far."""
        position = self.first + bisect_right(range(self.first, self.stop), character - 1, key=self.start)
        for candidate in range(position, min(self.stop, position + _MARGIN)):
            if self._begins(candidate):
                return candidate
        return self.stop if self.stop - position <= _MARGIN else None

    def _begins(self, position: int) -> bool:
        return position > self.first and self._made[position].word != self._made[position - 1].word


def _joined(made: Positions, changed: Positions, first: int, last: int, begin: int, moved: int) -> Positions:
    """Positions before ``first`` as they were, then those of the change, then those from ``last`` on, moved."""
    ids = numbers(made.ids[:first] + changed.ids + made.ids[last:])
    mask = numbers(made.mask[:first] + changed.mask + made.mask[last:])
    until, shift = first + len(changed), first + len(changed) - last

    def word_of(position: int, of: Positions) -> int:
        return of[position].word or 0 if position < len(of) else 0

    base = word_of(first, made)
    behind = base - word_of(last, made) + (word_of(len(changed) - 1, changed) + 1 if len(changed) else 0)

    def describe(begins: int, ends: int) -> tuple[Token, ...]:
        return (
            *made[begins : min(ends, first)],
            *_moved(changed[max(begins, first) - first : max(0, min(ends, until) - first)], first, begin, base),
            *_moved(made[max(begins, until) - shift : max(0, ends - shift)], shift, moved, behind),
        )

    def offsets_of(position: int) -> tuple[int, int] | None:
        if position < first:
            return made.offsets_of(position)
        found = changed.offsets_of(position - first) if position < until else made.offsets_of(position - shift)
        by = begin if position < until else moved
        return (found[0] + by, found[1] + by) if found is not None else None

    return Positions(ids, mask, describe, offsets_of)


def _moved(tokens: Sequence[Token], positions: int, characters: int, words: int) -> list[Token]:
    if not (positions or characters or words):
        return list(tokens)
    made = []
    for token in tokens:
        offsets, word = token.offsets, token.word
        if offsets is not None and token.sequence is not None:
            offsets = (offsets[0] + characters, offsets[1] + characters)
        made.append(
            Token(
                token.position + positions, token.id, token.piece, token.text, token.bytes, offsets,
                word + words if word is not None else None, token.mask, token.type_id, token.special, token.sequence,
            )
        )  # fmt: skip
    return made
