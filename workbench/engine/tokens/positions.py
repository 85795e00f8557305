"""One position after another: piece, exact bytes, characters, offsets and word of each token."""

from __future__ import annotations

import codecs
import ctypes
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Silent, Task
from workbench.engine.values import Positions, Token

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Encoding as FastEncoding
    from transformers import PreTrainedTokenizerBase

#: Positions between two looks at whether the task was cancelled.
_STRIDE = 4096
#: Which text of a pair a position stands for, and where texts are given in words which of these.
_Source = tuple[int | None, int | None]
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
        added = added_tokens(tokenizer)
        self.special = {*tokenizer.all_special_ids, *(id_ for id_, token in added.items() if token.special)}
        self._added = set(added)
        decoder = b""
        fast = bool(getattr(tokenizer, "is_fast", False))
        if fast and tokenizer.backend_tokenizer.decoder is not None:
            decoder = tokenizer.backend_tokenizer.decoder.__getstate__()
        self._byte_level = b'"ByteLevel"' in decoder
        self._byte_fallback = not fast or b'"ByteFallback"' in decoder
        self._slow_bytes = None if fast else _slow_bytes(tokenizer)
        self._known: dict[int, tuple[str, bytes | None, str | None]] = {}

    @property
    def in_bytes(self) -> bool:
        """Whether the bytes of every piece are known, though the tokenizer is written in Python."""
        return self._slow_bytes is not None

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
            whole = None if raw is None else _whole(raw)
            if raw is not None and whole is None and "\N{REPLACEMENT CHARACTER}" in piece:
                # Mistral's own tokenizer writes all parts of characters alike.
                piece = in_hex(raw)
            known = self._known[id_] = (piece, raw, whole)
        return known

    def spelled(self, id_: int) -> str:
        """A piece as the vocabulary writes it, or where it writes bytes, as they read: in hex unless they are text."""
        piece, raw, whole = self.look_up(id_)
        if raw is None:
            return piece
        return whole if whole is not None else in_hex(raw)

    def part(self, id_: int, found: str) -> bytes | None:
        """The bytes of a part of a character, for which a letter stands that was added as a token as well.

        Args:
            id_: Of an added token.
            found: What stands in its place in the text; the token itself is no such part.
        """
        if not self._byte_level or id_ not in self._added or id_ in self.special:
            return None
        piece, _, _ = self.look_up(id_)
        known = piece not in found and self.tokenizer.backend_tokenizer.model.id_to_token(id_) == piece
        raw = self._spelled(piece) if known else None
        return raw if raw is not None and _whole(raw) is None else None

    def _spelled(self, piece: str) -> bytes | None:
        alphabet = byte_alphabet()
        return bytes(alphabet[letter] for letter in piece) if all(letter in alphabet for letter in piece) else None

    def _bytes(self, id_: int, piece: str) -> bytes | None:
        if id_ in self._added or id_ in self.special:
            return None
        if self._byte_level:
            return self._spelled(piece)
        if self._slow_bytes is not None:
            return self._slow_bytes(id_, piece)
        if self._byte_fallback and len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes.fromhex(piece[3:5])
        return None


def takes_none(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether nothing can be added to a tokenizer, neither tokens nor a template: Mistral's own (mistral-common)."""
    # It has a method in the place of its added tokens, which says so.
    return callable(tokenizer.added_tokens_decoder)


def added_tokens(tokenizer: PreTrainedTokenizerBase) -> Mapping[int, AddedToken]:
    """Tokens added beside the model's own, by id."""
    return {} if takes_none(tokenizer) else tokenizer.added_tokens_decoder


def in_hex(raw: bytes) -> str:
    """Some bytes in hex, as ``‹F0 9F›``."""
    return f"‹{raw.hex(' ').upper()}›"


def _slow_bytes(tokenizer: PreTrainedTokenizerBase) -> Callable[[int, str], bytes | None] | None:
    """What gives the bytes of an id and its piece where a tokenizer written in Python spells all in bytes, or None."""
    if getattr(tokenizer, "_utf_vocab_size", None) == 256:
        # ByT5's and its kin write a byte as the letter of its number; MyT5's pieces are other than the text's bytes.
        return lambda _, piece: piece.encode("latin-1", "ignore") or None if len(piece) == 1 else None
    if hasattr(tokenizer, "_unicode_vocab_size"):
        # CANINE's pieces are characters.
        return lambda _, piece: piece.encode("utf-8", "ignore") or None
    # Mistral's own.
    inner = getattr(getattr(tokenizer, "tokenizer", None), "instruct_tokenizer", None)
    tekken: Any = getattr(inner, "tokenizer", None)
    return (lambda id_, _: tekken.id_to_byte_piece(id_) or None) if hasattr(tekken, "id_to_byte_piece") else None


def complete(raw: bytes) -> tuple[str, bytes]:
    """The whole characters in some bytes, and the beginning of a character that is left at their end.

    Args:
        raw: Of UTF-8; what belongs to a character that began before them is left out.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    text = decoder.decode(raw)
    return text, decoder.getstate()[0]


def _whole(raw: bytes) -> str | None:
    """Some bytes as text, or None unless they are whole characters."""
    text, rest = complete(raw)
    return text if not rest and text.encode() == raw else None


def fast_tokens(
    pieces: Pieces,
    encoding: FastEncoding,
    text: str | Sequence[str],
    pair: str | Sequence[str] | None,
    ids: Sequence[int],
    mask: Sequence[int],
    types: Sequence[int] | None,
    task: Task,
    span: tuple[int, int] | None = None,
) -> tuple[Token, ...]:
    """Describe each position of an encoding that the Rust library made.

    Args:
        pieces: Of its tokenizer.
        encoding: With offsets and word ids.
        text: What was encoded; of one given in words these, and each token's offsets count within its own.
        pair: The second text, or None.
        ids: Of shape ``(seq,)``, like the next two, as the tokenizer returned them.
        mask: attention_mask.
        types: token_type_ids, or None.
        task: Asked now and then whether to stop.
        span: Describe only the positions ``[first, last)``.
    """
    first, last = span or (0, len(ids))
    # Asked one by one: the list of all offsets is made in one go that holds the interpreter for a long text.
    sequence_of, offsets_of, word_of = encoding.token_to_sequence, encoding.token_to_chars, encoding.token_to_word
    tokens: list[Token] = []
    pending = b""
    # A character may have begun some positions before.
    start_at = max(0, first - _LONGEST_CHARACTER)
    following = offsets_of(start_at) if start_at < last else None
    before: tuple[_Source, tuple[int, int]] | None = None

    def source_of(position: int) -> _Source:
        return sequence_of(position), None if isinstance(text, str) else word_of(position)

    for position in range(start_at, last):
        if position % _STRIDE == 0:
            task.check()
        id_ = ids[position]
        piece, raw, whole = pieces.look_up(id_)
        special = id_ in pieces.special
        place = source_of(position)
        sequence = place[0]
        offsets, following = following, offsets_of(position + 1) if position + 1 < len(ids) else None
        start, end = offsets or (0, 0)
        source = _source(pair if sequence == 1 and pair is not None else text, place[1])
        shared_ahead = False
        raw = pieces.part(id_, source[start:end]) if raw is None else raw
        if raw is not None:
            if not pending and whole is not None:
                own = whole
            else:
                own, pending = complete(pending + raw)
            exact: bytes | None = raw
        else:
            pending = b""
            # A normalizer can make several pieces of one character, which then belongs to the last of them.
            shared_ahead = following is not None and start <= following[0] < end and source_of(position + 1) == place
            shared_behind = before is not None and before[0] == place and _overlap(before[1], start)
            own = source[start : following[0] if shared_ahead and following else end]
            exact = source[start:end].encode() if end > start and not shared_ahead and not shared_behind else None
            if special and not own:
                own = piece
        put_in = piece == "▁" and raw is None and shared_ahead and own == ""
        # The blank that stands in front of a word has the word's first character for its place, and no share in it.
        before = None if put_in else (place, (start, end))
        if position < first:
            continue
        tokens.append(
            Token(
                position,
                id_,
                piece,
                own,
                exact,
                (start, end),
                word_of(position),
                mask[position],
                types[position] if types is not None else None,
                special,
                sequence,
            )
        )
    return tuple(tokens)


def _source(text: str | Sequence[str], word: int | None) -> str:
    """What the offsets of a position count in: the text, or where that was given in words the position's own."""
    if isinstance(text, str):
        return text
    return "" if word is None else text[word]


def numbers(values: Iterable[int]) -> tuple[int, ...]:
    """Whole numbers as a tuple that is never looked through for garbage.

    A list is looked through at every collection, a tuple of numbers at the first one: for the ids and the mask of ten
    megabytes that takes 50 ms, in which the window stands still.

    Args:
        values: Whole numbers alone, which can be part of no cycle.
    """
    kept = tuple(values)
    # What the collector itself does with a tuple once it has seen that nothing in it can be garbage.
    ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(kept))
    return kept


def fast_positions(
    pieces: Pieces,
    encoding: FastEncoding,
    text: str,
    pair: str | None,
    ids: Sequence[int],
    mask: Sequence[int],
    types: Sequence[int] | None,
) -> Positions:
    """The positions of an encoding that the Rust library made, each described as by `fast_tokens` when it is asked for.

    Args:
        pieces: As for `fast_tokens`.
        encoding: As for `fast_tokens`.
        text: As for `fast_tokens`.
        pair: As for `fast_tokens`.
        ids: As for `fast_tokens`.
        mask: As for `fast_tokens`.
        types: As for `fast_tokens`.
    """
    kept, masked = numbers(ids), numbers(mask)
    typed = None if types is None else numbers(types)

    def describe(first: int, last: int) -> tuple[Token, ...]:
        return fast_tokens(pieces, encoding, text, pair, kept, masked, typed, Silent(), (first, last))

    return Positions(kept, masked, describe, encoding.token_to_chars)


def _overlap(before: tuple[int, int] | None, start: int) -> bool:
    return before is not None and before[0] <= start < before[1]


def slow_tokens(
    pieces: Pieces,
    ids: Sequence[int],
    mask: Sequence[int],
    types: Sequence[int] | None,
    task: Task,
    span: tuple[int, int] | None = None,
) -> tuple[Token, ...]:
    """Describe each position of an encoding by a tokenizer written in Python, which knows no offsets.

    The bytes of a position are given where the vocabulary spells it in bytes.

    Args:
        pieces: Of its tokenizer.
        ids: Of shape ``(seq,)``, like the next two, as the tokenizer returned them.
        mask: attention_mask.
        types: token_type_ids, or None.
        task: Asked now and then whether to stop.
        span: Describe only the positions ``[first, last)``.
    """

    @functools.lru_cache(maxsize=65536)
    def read(*window: int) -> str:
        return str(pieces.tokenizer.decode(list(window), clean_up_tokenization_spaces=False))

    first, last = span or (0, len(ids))
    tokens: list[Token] = []
    start, before, pending = 0, "", b""
    begin = 0
    for place in range(first - 1, -1, -1):
        # What stands behind a token that reads as something by itself hangs on none before it.
        special, alone = ids[place] in pieces.special, read(ids[place])
        _, raw, whole = pieces.look_up(ids[place])
        stands = whole is not None if raw is not None else alone and not alone.endswith("\N{REPLACEMENT CHARACTER}")
        if special or stands:
            begin = place + 1
            start, before = (begin, "") if special else (place, alone)
            break
    # What closes the last piece is known from the one after it.
    for position in range(begin, min(last + 1, len(ids))):
        if position % _STRIDE == 0:
            task.check()
        id_ = ids[position]
        piece, raw, _ = pieces.look_up(id_)
        special = id_ in pieces.special
        if raw is not None:
            own, pending = complete(pending + raw)
            start, before = position, read(id_)
        elif special:
            own, start, before, pending = piece, position + 1, "", b""
        else:
            pending = b""
            window = read(*ids[start : position + 1])
            incomplete = window.endswith("\N{REPLACEMENT CHARACTER}") or window == before
            shared = len(before)
            if not incomplete and not window.startswith(before):
                # What closes a piece ("@@") is taken back once the next one is there.
                shared = next(place for place in range(shared) if before[: place + 1] != window[: place + 1])
                tokens[-1:] = [replace(each, text=each.text[: shared - len(before)]) for each in tokens[-1:]]
            own = "" if incomplete else window[shared:]
            if not incomplete or position - start >= _LONGEST_CHARACTER:
                # What a piece adds can depend on the piece before it ("##ing"), so that one stays in the window.
                start, before = position, read(id_)
        type_id = types[position] if types is not None else None
        if position >= first:
            tokens.append(Token(position, id_, piece, own, raw, None, None, mask[position], type_id, special))
    return tuple(tokens[: last - first])


def cut_apart(pieces: Pieces, text: str) -> tuple[tuple[str, int], ...]:
    """The pieces that a tokenizer written in Python cuts a text into, with their ids, and no special tokens around.

    Args:
        pieces: Of the tokenizer.
        text: Any text.

    Returns:
        Each piece as it is cut out, unknown ones too; where the vocabulary spells bytes, as they read.
    """
    tokenizer = pieces.tokenizer
    cut = [str(piece) for piece in tokenizer.tokenize(text)]
    ids = [int(each) for each in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]
    if len(ids) != len(cut):
        # The call of some cuts otherwise than tokenize does.
        ids = [int(each) for each in tokenizer.convert_tokens_to_ids(cut)]
    named = zip(cut, ids, strict=True)
    return tuple((piece if pieces.look_up(id_)[1] is None else pieces.spelled(id_), id_) for piece, id_ in named)


def slow_positions(pieces: Pieces, ids: Sequence[int], mask: Sequence[int], types: Sequence[int] | None) -> Positions:
    """The positions of an encoding without offsets, each described as by `slow_tokens` when it is asked for.

    Args:
        pieces: As for `slow_tokens`.
        ids: As for `slow_tokens`.
        mask: As for `slow_tokens`.
        types: As for `slow_tokens`.
    """
    kept, masked = numbers(ids), numbers(mask)
    typed = None if types is None else numbers(types)

    def describe(first: int, last: int) -> tuple[Token, ...]:
        return slow_tokens(pieces, kept, masked, typed, Silent(), (first, last))

    return Positions(kept, masked, describe, nowhere)


def nowhere(_: int) -> None:
    """The offsets of any position of an encoding by a tokenizer that knows none."""
