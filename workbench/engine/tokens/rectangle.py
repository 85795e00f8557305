"""Texts, or pairs of texts, as the one rectangle of numbers that a model is given, and what of it is padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.encoding import check_text
from workbench.engine.tokens.positions import Pieces, fast_tokens, slow_tokens
from workbench.engine.tokens.settings import LARGEST, longest, padding_token, settings_kept
from workbench.engine.values import TensorView, Token

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

#: Texts as they are, or each in its words.
_Texts = list[str] | list[list[str]]

PADDINGS = (False, "longest", "max_length")
"""What ``padding`` can be."""

TRUNCATIONS = (False, "longest_first", "only_first", "only_second")
"""What ``truncation`` can be."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The switches of a tokenizer call on many texts, under the names ``tokenizer(…)`` gives them.

    Attributes:
        add_special_tokens: Add ``[CLS]``, ``<s>`` and their like.
        padding: One of `PADDINGS`.
        truncation: One of `TRUNCATIONS`.
        max_length: Tokens of a row, special ones included; None means the tokenizer's own.
        stride: Tokens that a row repeats from the row before it, when one text takes several; less than a row holds.
        pad_to_multiple_of: Fill rows up to a multiple of this, or None; 8 suits tensor cores.
        padding_side: ``right``, ``left`` or None for the tokenizer's own.
        truncation_side: ``right``, ``left`` or None for the tokenizer's own; an attribute of the tokenizer, not an
            argument of the call.
        return_overflowing_tokens: Put what truncation cuts off into rows of its own.
        return_special_tokens_mask: Say which positions hold special tokens.
        is_split_into_words: Give each text as the words between its blanks, one by one.
    """

    add_special_tokens: bool = True
    padding: bool | str = "longest"
    truncation: bool | str = False
    max_length: int | None = None
    stride: int = 0
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    truncation_side: str | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    is_split_into_words: bool = False

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the call; what stands at the library's default is left out."""
        given: dict[str, Any] = {}
        if not self.add_special_tokens:
            given["add_special_tokens"] = False
        if self.padding:
            given["padding"] = self.padding
        if self.truncation:
            given["truncation"] = self.truncation
        # Alone, max_length would switch truncation on.
        if self.max_length is not None and (self.truncation or self.padding == "max_length"):
            given["max_length"] = self.max_length
        if self.padding and self.pad_to_multiple_of:
            given["pad_to_multiple_of"] = self.pad_to_multiple_of
        if self.padding and self.padding_side:
            given["padding_side"] = self.padding_side
        if self.truncation and self.return_overflowing_tokens:
            if self.stride:
                given["stride"] = self.stride
            given["return_overflowing_tokens"] = True
        if self.return_special_tokens_mask:
            given["return_special_tokens_mask"] = True
        if self.is_split_into_words:
            given["is_split_into_words"] = True
        return given

    def given(self, texts: Sequence[str]) -> list[str] | list[list[str]]:
        """Texts as the call is given them: as they are, or in words."""
        return [text.split() for text in texts] if self.is_split_into_words else list(texts)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the rectangle.

    Attributes:
        text: Which text (or pair) it comes from; several rows can come from one.
        tokens: One per position, padding included. Of a text given in words, `Token.word` is the word's number, and
            offsets count within that word.
    """

    text: int
    tokens: tuple[Token, ...]

    @property
    def padding(self) -> int:
        """Positions that hold padding."""
        return sum(not token.mask for token in self.tokens)


@dataclass(frozen=True, eq=False, slots=True)
class Rectangle:
    """Texts encoded together.

    Attributes:
        rows: In the order of the texts.
        tensors: What ``return_tensors="pt"`` gives, by name; empty where it gives an error.
        refusal: Why there are no tensors, or what is amiss with them; empty where all is well.
        cut: Per text the tokens that truncation left out of all rows.
        padded_with: The token that fills rows up, or None without padding.
        borrowed: Whether that is the end token standing in, because the tokenizer has no pad token.
        otherwise: Of texts given in words, how many get other ids than as they stand; None where they are not.
    """

    rows: tuple[Row, ...]
    tensors: tuple[TensorView, ...]
    refusal: str
    cut: tuple[int, ...]
    padded_with: str | None = None
    borrowed: bool = False
    otherwise: int | None = None

    @property
    def positions(self) -> int:
        """Positions of all rows."""
        return sum(len(row.tokens) for row in self.rows)

    @property
    def wasted(self) -> int:
        """Positions that hold padding."""
        return sum(row.padding for row in self.rows)


def rectangle(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    options: BatchOptions | None = None,
    *,
    task: Task | None = None,
) -> Rectangle:
    """Encode texts together, exactly as ``tokenizer(texts, pairs, …, return_tensors="pt")`` does.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        pairs: As many second texts, or None.
        options: The switches of the call.
        task: Asked now and then whether to stop.

    Raises:
        InputError: A lone surrogate, texts and pairs that differ in number, switches that don't go together, or a
            rectangle of more positions than this window shows (2 million).

    References:
        transformers, Padding and truncation; Tokenizer: PreTrainedTokenizerBase.__call__, BatchEncoding
    """
    options, task = options or BatchOptions(), task or Silent()
    for text in (*texts, *(pairs or ())):
        check_text(text)
    if pairs is not None and len(pairs) != len(texts):
        raise InputError(
            f"{len(texts):,} texts and {len(pairs):,} second texts make no pairs.",
            why="Each text needs its second text on the same line.",
            remedy="Write as many lines on both sides, or switch pairs off.",
        )
    if not texts:
        return Rectangle((), (), "There is no text yet.", ())
    padded_with, borrowed = padding_token(tokenizer) if options.padding else (None, False)
    firsts, seconds = options.given(texts), None if pairs is None else options.given(pairs)
    side = tokenizer.truncation_side
    try:
        with settings_kept(tokenizer, lend_pad=bool(options.padding)):
            tokenizer.truncation_side = options.truncation_side or side
            whole = _whole(tokenizer, firsts, seconds, options)
            otherwise = None
            if options.is_split_into_words:
                running = replace(options, is_split_into_words=False)
                as_they_stand = _whole(tokenizer, list(texts), None if pairs is None else list(pairs), running)
                otherwise = sum(one != other for one, other in zip(whole, as_they_stand, strict=True))
            lengths = [len(ids) for ids in whole]
            task.check()
            _check(tokenizer, firsts, seconds, options, lengths)
            call = {**options.arguments(), "verbose": False}
            lists = _called(tokenizer, firsts, seconds, {**call, "return_attention_mask": True})
            task.check()
            tensors, refusal = _tensors(tokenizer, firsts, seconds, lists, call)
    finally:
        tokenizer.truncation_side = side
    task.check()
    rows = _rows(tokenizer, firsts, seconds, lists, task)
    return Rectangle(rows, tensors, refusal, _cut(rows, lengths, options), padded_with, borrowed, otherwise)


def _whole(
    tokenizer: PreTrainedTokenizerBase, texts: _Texts, pairs: _Texts | None, options: BatchOptions
) -> list[list[int]]:
    """The ids of each text (or pair), neither padded nor cut."""
    bare = BatchOptions(options.add_special_tokens, False, is_split_into_words=options.is_split_into_words)
    ids: list[list[int]] = _called(tokenizer, texts, pairs, {**bare.arguments(), "verbose": False})["input_ids"]
    return ids


def _called(
    tokenizer: PreTrainedTokenizerBase, texts: _Texts, pairs: _Texts | None, arguments: dict[str, Any]
) -> BatchEncoding:
    try:
        return tokenizer(texts, pairs, **arguments)
    except Exception as error:  # the Rust library raises bare Exceptions
        raise _refused(error) from error


def _refused(error: Exception) -> InputError:
    said = " ".join(str(error).split())
    remedy = "Change the switches it names."
    if "too short to respect" in said:
        remedy = "Truncate the other text too (longest_first), or set a larger max_length."
    elif "multiple of" in said or "pad_to_multiple_of" in said:
        remedy = "Set max_length to a multiple, or leave pad_to_multiple_of off."
    elif "Input must be a string" in said:
        remedy = "Delete the lines without a word: given in words, this tokenizer takes no empty text."
    return InputError("The tokenizer refuses this batch.", why=f"It says: {said[:300]}", remedy=remedy)


def _check(
    tokenizer: PreTrainedTokenizerBase,
    texts: _Texts,
    pairs: _Texts | None,
    options: BatchOptions,
    whole: list[int],
) -> None:
    limit = options.max_length if options.max_length is not None else longest(tokenizer)
    if limit is None and (options.truncation or options.padding == "max_length"):
        raise InputError(
            "There is no length to truncate or to pad to.",
            why="max_length is not set, and this tokenizer names no longest length of its own.",
            remedy="Set max_length.",
        )
    rows, width = len(whole), max(whole)
    if options.truncation and limit is not None:
        special = tokenizer.num_special_tokens_to_add(pair=pairs is not None) if options.add_special_tokens else 0
        if options.truncation == "only_second" and pairs is None and width > limit:
            raise InputError(
                "There is no second text to truncate.",
                why="only_second cuts the second text of each pair.",
                remedy="Choose longest_first, or switch pairs on.",
            )
        if limit < max(1, special):
            raise InputError(
                f"These texts can't be truncated to {limit} tokens.",
                why=f"The special tokens alone take {special}." if special else "At least one token has to stay.",
                remedy=f"Set max_length to {max(1, special)} or more.",
            )
        if options.return_overflowing_tokens and (tokenizer.is_fast or width > limit):
            rows = _overflowing(tokenizer, texts, pairs, options, limit - special)
        width = min(width, limit)
    if options.padding == "max_length" and limit is not None:
        width = max(width, limit)
    if options.padding and options.pad_to_multiple_of:
        width = math.ceil(width / options.pad_to_multiple_of) * options.pad_to_multiple_of
    positions = rows * width if options.padding or options.truncation else sum(whole)
    if positions > LARGEST:
        raise InputError(
            "This batch is too large to show.",
            why=f"It would take {rows:,} rows of {width:,} positions, and at most {LARGEST:,} positions are shown.",
            remedy="Take fewer texts, a smaller max_length or stride, or switch padding off.",
        )


def _overflowing(
    tokenizer: PreTrainedTokenizerBase, texts: _Texts, pairs: _Texts | None, options: BatchOptions, room: int
) -> int:
    """How many rows there will be, once it is sure that the stride leaves room for new tokens in each."""
    if not tokenizer.is_fast:
        raise InputError(
            "This tokenizer gives no rows of what was cut off.",
            why="It is written in Python; only those of the tokenizers library cut a text into several rows.",
            remedy="Switch return_overflowing_tokens off.",
        )
    bare = replace(options, add_special_tokens=False)
    firsts = [len(ids) for ids in _whole(tokenizer, texts, None, bare)]
    seconds = [0] * len(firsts) if pairs is None else [len(ids) for ids in _whole(tokenizer, pairs, None, bare)]
    rows = 0
    for first, second in zip(firsts, seconds, strict=True):
        made = 1
        for length, kept in zip((first, second), _kept(first, second, room, str(options.truncation)), strict=True):
            if length <= kept or kept <= 0:
                continue
            # The Rust library panics over this instead of raising an error.
            if options.stride >= kept:
                raise InputError(
                    f"A stride of {options.stride} leaves no room for new tokens.",
                    why=f"A row has room for {kept} tokens of the text that is cut, and a stride repeats some of them.",
                    remedy=f"Set stride below {kept}, or a larger max_length.",
                )
            made *= 1 + math.ceil((length - kept) / (kept - options.stride))
        rows += made
    return rows


def _kept(first: int, second: int, room: int, truncation: str) -> tuple[int, int]:
    """Tokens of each text of a pair that stay in a row, as the tokenizers library shares them out."""
    excess = first + second - room
    if excess <= 0:
        return first, second
    if truncation == "only_first":
        return first - excess, second
    if truncation == "only_second":
        return first, second - excess
    shorter, longer = sorted((first, second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (shorter, longer) if first <= second else (longer, shorter)


def _tensors(
    tokenizer: PreTrainedTokenizerBase,
    texts: _Texts,
    pairs: _Texts | None,
    lists: BatchEncoding,
    arguments: dict[str, Any],
) -> tuple[tuple[TensorView, ...], str]:
    widths = [len(ids) for ids in lists["input_ids"]]
    refusal = ""
    if min(widths) < max(widths):
        refusal = (
            f"No tensors: the rows have {min(widths):,} to {max(widths):,} positions, and a tensor has no ragged edge. "
            "Switch padding on."
        )
        if widths[0]:
            return (), refusal
        # torch takes the shape from the first row, and looks at no other row when that one is empty.
        refusal = (
            f"Empty tensors: the first of these {len(widths):,} rows has no position, and the library leaves those of "
            "the others out. Switch padding on."
        )
    made = _called(tokenizer, texts, pairs, {**arguments, "return_tensors": "pt"})
    views = []
    for name, tensor in made.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        views.append(TensorView(str(name), tuple(tensor.shape), dtype, tensor.numpy()))
    return tuple(views), refusal


def _rows(
    tokenizer: PreTrainedTokenizerBase, texts: _Texts, pairs: _Texts | None, lists: BatchEncoding, task: Task
) -> tuple[Row, ...]:
    pieces = Pieces(tokenizer)
    origin = lists.get("overflow_to_sample_mapping") or range(len(lists["input_ids"]))
    rows = []
    for number, (source, ids) in enumerate(zip(origin, lists["input_ids"], strict=True)):
        mask = lists["attention_mask"][number]
        types = lists["token_type_ids"][number] if "token_type_ids" in lists else None
        if tokenizer.is_fast:
            pair = None if pairs is None else pairs[source]
            tokens = fast_tokens(pieces, lists.encodings[number], texts[source], pair, ids, mask, types, task)
        else:
            tokens = slow_tokens(pieces, ids, mask, types, task)
        rows.append(Row(int(source), tokens))
    return tuple(rows)


def _cut(rows: tuple[Row, ...], whole: list[int], options: BatchOptions) -> tuple[int, ...]:
    if options.truncation and options.return_overflowing_tokens:
        return (0,) * len(whole)
    # Without overflow there is one row a text.
    return tuple(count - (len(row.tokens) - row.padding) for count, row in zip(whole, rows, strict=True))
