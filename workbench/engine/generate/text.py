"""New ids to text, piece by piece, never half a character and never one that the bytes do not make."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.tokens.positions import Pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Ids in front that are read first, so that a piece reads as it does behind them; a character has fewer tokens.
_BEFORE = 8
#: Where a tokenizer does not say which bytes it writes, no more ids than these are held back for one character.
_LONGEST = 8
_LONE = re.compile("[\udc80-\udcff]")
_SPELLED = re.compile("(?:<0x[0-9A-F]{2}>)+")


class Text:
    """Makes pieces of text out of ids.

    The beginning of a character is held back until it is whole. Bytes that never become one are shown, each as
    ``<0xE4>``. Special tokens give no text.

    Args:
        tokenizer: Whose ids.
        before: Ids in front of the first one, of shape ``(seq,)``; how a piece reads can depend on them.
        shown: The end of the text that was shown for them; a character that is begun at their end is not awaited when
            its bytes were spelled there. None means that all bytes were.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, before: Sequence[int] = (), shown: str | None = "") -> None:
        self._tokenizer = tokenizer
        self._pieces = Pieces(tokenizer)
        # An invalid byte comes out as a surrogate of its own, which no tokenizer writes.
        self._characters = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._window: list[int] = []
        self._group = 0
        self._sent = ""
        for token_id in before[-_BEFORE:]:
            self.add(int(token_id))
        held = self._characters.getstate()[0]
        if held and (shown is None or shown.endswith(_spelled(held))):
            self._characters.reset()

    def add(self, token_id: int, *, last: bool = False) -> str:
        """What one more id adds.

        Args:
            token_id: The id.
            last: Whether none follows, so that nothing is held back any longer.
        """
        raw = self._pieces.look_up(token_id)[1]
        if raw is not None:
            return _shown(self._characters.decode(raw, final=last))
        # Something else ends a character that was begun.
        held = _shown(self._characters.decode(b"", final=True))
        self._characters.reset()
        return held if token_id in self._pieces.special else held + self._read(token_id, last)

    def _read(self, token_id: int, last: bool) -> str:
        """What a piece that is no bytes adds: by how the decoder reads it behind the pieces before."""
        self._window.append(token_id)
        text = self._decode(self._window)
        if text.endswith("\N{REPLACEMENT CHARACTER}") and not last and len(self._window) - self._group < _LONGEST:
            return ""
        own = self._window[self._group :]
        added = text[len(self._sent) :] if text.startswith(self._sent) else self._decode(own)
        self._window, self._group, self._sent = own, len(own), self._decode(own)
        return added

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def join(pieces: Sequence[str]) -> str:
    """Join texts in which bytes are spelled as ``<0xE4>``, and read those that make characters together."""
    return _SPELLED.sub(lambda found: _shown(_bytes(found[0]).decode("utf-8", "surrogateescape")), "".join(pieces))


def begun(spelled: str, shown: str) -> str:
    """The beginning of a character, spelled in bytes, that ``spelled`` ends with and ``shown`` does not."""
    found = re.search(f"{_SPELLED.pattern}$", spelled)
    characters = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    characters.decode(_bytes(found[0]) if found else b"")
    held = _spelled(characters.getstate()[0])
    return "" if shown.endswith(held) else held


def _bytes(spelled: str) -> bytes:
    return bytes.fromhex(spelled.replace("<0x", "").replace(">", ""))


def _spelled(raw: bytes) -> str:
    return "".join(f"<0x{byte:02X}>" for byte in raw)


def _shown(text: str) -> str:
    return _LONE.sub(lambda found: _spelled(bytes([ord(found[0]) - 0xDC00])), text) if not text.isascii() else text
