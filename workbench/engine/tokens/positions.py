"""One position after another: piece, exact bytes, characters, offsets and word of each token."""

from __future__ import annotations

import codecs
import functools
from typing import TYPE_CHECKING

from workbench.engine.task import Task
from workbench.engine.values import Token

if TYPE_CHECKING:
    from tokenizers import Encoding as FastEncoding
    from transformers import PreTrainedTokenizerBase

#: Positions between two looks at whether the task was cancelled.
_STRIDE = 4096
#: A character is at most four bytes, so never more tokens than this.
_LONGEST_CHARACTER = 8


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """The letters in which byte-level vocabularies spell bytes: printable Latin-1 as it is, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(hidden)}


class Pieces:
    """What the vocabulary says of each id, looked up once per id.

    Args:
        tokenizer: Whose vocabulary.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.special = {*tokenizer.all_special_ids, *(id_ for id_, token in added.items() if token.special)}
        self._added = set(added)
        decoder = b""
        if tokenizer.is_fast and tokenizer.backend_tokenizer.decoder is not None:
            decoder = tokenizer.backend_tokenizer.decoder.__getstate__()
        self._byte_level = b'"ByteLevel"' in decoder
        self._byte_fallback = b'"ByteFallback"' in decoder
        self._known: dict[int, tuple[str, bytes | None, str | None]] = {}

    def look_up(self, id_: int) -> tuple[str, bytes | None, str | None]:
        """What an id stands for.

        Returns:
            The piece; its bytes, or None unless the vocabulary spells bytes; these as text, or None unless they are
            whole characters.
        """
        known = self._known.get(id_)
        if known is None:
            # An id beyond the vocabulary has no piece; models with padded embeddings can generate one.
            piece = str(self.tokenizer.convert_ids_to_tokens(id_) or "")
            raw = self._bytes(id_, piece)
            whole = None
            if raw is not None:
                text, rest = _complete(raw)
                whole = text if not rest and text.encode() == raw else None
            known = self._known[id_] = (piece, raw, whole)
        return known

    def _bytes(self, id_: int, piece: str) -> bytes | None:
        if id_ in self._added or id_ in self.special:
            return None
        if self._byte_level:
            alphabet = byte_alphabet()
            return bytes(alphabet[letter] for letter in piece) if all(letter in alphabet for letter in piece) else None
        if self._byte_fallback and len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes.fromhex(piece[3:5])
        return None


def _complete(raw: bytes) -> tuple[str, bytes]:
    """The whole characters in some bytes, and the beginning of a character that is left at their end."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    text = decoder.decode(raw)
    return text, decoder.getstate()[0]


def fast_tokens(
    pieces: Pieces,
    encoding: FastEncoding,
    text: str,
    pair: str | None,
    ids: list[int],
    mask: list[int],
    types: list[int] | None,
    task: Task,
) -> tuple[Token, ...]:
    """Describe each position of an encoding that the Rust library made.

    Args:
        pieces: Of its tokenizer.
        encoding: With offsets and word ids.
        text: What was encoded.
        pair: The second text, or None.
        ids: Of shape ``(seq,)``, like the next two, as the tokenizer returned them.
        mask: attention_mask.
        types: token_type_ids, or None.
        task: Asked now and then whether to stop.
    """
    words = encoding.word_ids
    # Asked one by one: the list of all offsets is made in one go that holds the interpreter for a long text.
    sequence_of, offsets_of = encoding.token_to_sequence, encoding.token_to_chars
    tokens: list[Token] = []
    pending = b""
    count = len(ids)
    following = offsets_of(0) if count else None
    for position, id_ in enumerate(ids):
        if position % _STRIDE == 0:
            task.check()
        piece, raw, whole = pieces.look_up(id_)
        special = id_ in pieces.special
        sequence = sequence_of(position)
        offsets, following = following, offsets_of(position + 1) if position + 1 < count else None
        start, end = offsets or (0, 0)
        source = pair if sequence == 1 and pair is not None else text
        if raw is not None:
            if not pending and whole is not None:
                own = whole
            else:
                own, pending = _complete(pending + raw)
            exact: bytes | None = raw
        else:
            pending = b""
            # A normalizer can make several pieces of one character, which then belongs to the last of them.
            shared_ahead = (
                following is not None and start <= following[0] < end and sequence_of(position + 1) == sequence
            )
            shared_behind = bool(tokens) and tokens[-1].sequence == sequence and _overlap(tokens[-1].offsets, start)
            own = source[start : following[0] if shared_ahead and following else end]
            exact = source[start:end].encode() if end > start and not shared_ahead and not shared_behind else None
            if special and not own:
                own = piece
        tokens.append(
            Token(
                position,
                id_,
                piece,
                own,
                exact,
                (start, end),
                words[position],
                mask[position],
                types[position] if types is not None else None,
                special,
                sequence,
            )
        )
    return tuple(tokens)


def _overlap(before: tuple[int, int] | None, start: int) -> bool:
    return before is not None and before[0] <= start < before[1]


def slow_tokens(
    pieces: Pieces, ids: list[int], mask: list[int], types: list[int] | None, task: Task
) -> tuple[Token, ...]:
    """Describe each position of an encoding by a tokenizer written in Python, which knows no offsets.

    Args:
        pieces: Of its tokenizer.
        ids: Of shape ``(seq,)``, like the next two, as the tokenizer returned them.
        mask: attention_mask.
        types: token_type_ids, or None.
        task: Asked now and then whether to stop.
    """

    @functools.lru_cache(maxsize=65536)
    def read(*window: int) -> str:
        return str(pieces.tokenizer.decode(list(window), clean_up_tokenization_spaces=False))

    tokens = []
    start, before = 0, ""
    for position, id_ in enumerate(ids):
        if position % _STRIDE == 0:
            task.check()
        piece = pieces.look_up(id_)[0]
        special = id_ in pieces.special
        if special:
            own, start, before = piece, position + 1, ""
        else:
            window = read(*ids[start : position + 1])
            incomplete = window.endswith("\N{REPLACEMENT CHARACTER}") or window == before
            own = "" if incomplete else window[len(before) :]
            if not incomplete or position - start >= _LONGEST_CHARACTER:
                # What a piece adds can depend on the piece before it ("##ing"), so that one stays in the window.
                start, before = position, read(id_)
        type_id = types[position] if types is not None else None
        tokens.append(Token(position, id_, piece, own, None, None, None, mask[position], type_id, special))
    return tuple(tokens)
