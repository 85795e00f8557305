"""The whole vocabulary as a list, and searching in it."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.positions import Pieces, added_tokens, in_hex
from workbench.engine.tokens.standing import NONE, Standing, standing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What a search can be by.
KINDS = ("text", "id", "regex", "special")
#: Characters of the longest pattern.
LONGEST_PATTERN = 500
#: Seconds that a pattern may take over the whole vocabulary.
PATIENCE = 5.0
#: Seconds that it may take over one entry.
ENTRY_PATIENCE = 0.25
#: Entries between two looks at whether the task was cancelled.
_STRIDE = 1000
#: Seconds that one search may hold the interpreter.
_SHORT = 0.004


@dataclass(frozen=True, eq=False, slots=True)
class Entries:
    """Every id of a vocabulary.

    Attributes:
        pieces: By id, as the vocabulary writes them; empty text for an id that nothing has.
        texts: By id, as they read in a text; None for a piece that is only a part of a character.
        raw: The bytes of those pieces.
        special: Ids of special tokens.
        added: Ids of all tokens that were added beside the model's own, special ones included.
        standing: Merge ranks or scores, where the vocabulary has some.
    """

    pieces: tuple[str, ...]
    texts: tuple[str | None, ...]
    raw: Mapping[int, bytes]
    special: frozenset[int]
    added: frozenset[int]
    standing: Standing = NONE

    def __len__(self) -> int:
        return len(self.pieces)

    def face(self, id_: int) -> str:
        """The text of an id, or the bytes of one that is only a part of a character."""
        text = self.texts[id_]
        return in_hex(self.raw[id_]) if text is None else text

    def kind(self, id_: int) -> str:
        """``special``, ``added`` or nothing."""
        return "special" if id_ in self.special else "added" if id_ in self.added else ""


def entries(tokenizer: PreTrainedTokenizerBase, *, task: Task | None = None) -> Entries:
    """Read the whole vocabulary, added tokens included.

    Asked id by id: in one go the library would hold the interpreter for all of it.

    Args:
        tokenizer: Fast or slow.
        task: Asked now and then whether to stop.

    References:
        transformers, Tokenizer: convert_ids_to_tokens, added_tokens_decoder
    """
    task = task or Silent()
    look = Pieces(tokenizer)
    # Asked for by id, the library gives these as the normalizer writes them.
    written = {int(id_): str(token) for id_, token in added_tokens(tokenizer).items()}
    added = frozenset(written)
    size = max(len(tokenizer), 1 + max(added, default=-1))
    pieces: list[str] = []
    texts: list[str | None] = []
    parts: dict[int, bytes] = {}
    for id_ in range(size):
        if id_ % _STRIDE == 0:
            task.check()
        piece, raw, whole = look.look_up(id_)
        piece = written.get(id_, piece)
        pieces.append(piece)
        if raw is not None:
            texts.append(whole)
            if whole is None:
                parts[id_] = raw
        else:
            texts.append(piece if id_ in added else piece.replace("▁", " "))
    marks = frozenset(look.special)
    return Entries(tuple(pieces), tuple(texts), parts, marks, added, standing(tokenizer, task=task))


def find(vocabulary: Entries, query: str, kind: str = "text", *, task: Task | None = None) -> Sequence[int]:
    """The ids that a search finds, rising.

    Args:
        vocabulary: What to search in.
        query: Empty finds everything. Upper and lower case differ, as they do for the tokenizer.
        kind: ``text``: a part of the text or of the piece; ``id``: this id; ``regex``: a pattern somewhere in the
            text or the piece; ``special``: as ``text``, among special and added tokens only.
        task: Asked now and then whether to stop.

    Raises:
        InputError: An id that is none or not in the vocabulary; a pattern that is wrong, too long, or too slow.

    References:
        regex, on the package index: search(timeout=)
    """
    task = task or Silent()
    if kind == "special":
        marked = sorted(vocabulary.special | vocabulary.added)
        return [id_ for id_ in marked if query in vocabulary.pieces[id_]]
    if not query:
        return range(len(vocabulary))
    if kind == "id":
        return _by_id(vocabulary, query)
    if kind == "regex":
        return _by_pattern(vocabulary, query, task)
    found = array("l")
    for id_, (piece, text) in enumerate(zip(vocabulary.pieces, vocabulary.texts, strict=True)):
        if id_ % _STRIDE == 0:
            task.check()
        if query in piece or (text is not None and query in text):
            found.append(id_)
    return found


def _by_id(vocabulary: Entries, query: str) -> Sequence[int]:
    last = len(vocabulary) - 1
    digits = query.strip().replace(",", "")
    if not (digits.isascii() and digits.isdigit()):
        raise InputError("This is no id.", why="An id is a whole number.", remedy=f"Type a number from 0 to {last:,}.")
    # More digits than any vocabulary needs are not worth turning into a number.
    if len(digits.lstrip("0")) > 12 or int(digits) > last:
        raise InputError("The vocabulary has no such id.", remedy=f"Type a number from 0 to {last:,}.")
    return [int(digits)]


def _by_pattern(vocabulary: Entries, query: str, task: Task) -> Sequence[int]:
    # Unlike re this one gives up after a time, and lets others run meanwhile; transformers brings it.
    import regex  # type: ignore[import-untyped]

    if len(query) > LONGEST_PATTERN:
        raise InputError("The pattern is too long.", remedy=f"Use at most {LONGEST_PATTERN} characters.")
    try:
        pattern = regex.compile(query)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            "This is no regular expression.",
            why=f"It says: {error}.",
            remedy="Correct it, or search by text; a sign such as ( or * stands for itself after a backslash.",
        ) from error
    found = array("l")
    end = time.monotonic() + PATIENCE
    try:
        for id_, (piece, text) in enumerate(zip(vocabulary.pieces, vocabulary.texts, strict=True)):
            if id_ % 50 == 0:
                task.check()
            for each in (piece,) if text is None or text == piece else (text, piece):
                if _found_in(pattern, each, end):
                    found.append(id_)
                    break
    except TimeoutError as error:
        raise InputError(
            "The pattern takes too long.",
            why="Repeats inside repeats, such as (a|aa)+, can be matched in too many ways.",
            remedy="Write a simpler pattern.",
        ) from error
    return found


def _found_in(pattern: Any, text: str, end: float) -> bool:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    try:
        return pattern.search(text, timeout=min(left, _SHORT), concurrent=False) is not None
    except TimeoutError:
        # Letting others run costs more than most searches take, so only a long one does.
        return pattern.search(text, timeout=min(left, ENTRY_PATIENCE), concurrent=True) is not None
