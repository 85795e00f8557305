"""Text to ids: the tokenizer call, position by position, with exact bytes and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.positions import Pieces, fast_positions, fast_tokens, slow_positions, slow_tokens
from workbench.engine.tokens.settings import LARGEST, longest, settings_kept
from workbench.engine.values import Encoding, Token, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    options: TokenizerOptions | None = None,
    pair: str | None = None,
    *,
    task: Task | None = None,
) -> Encoding:
    """Encode one text as ``tokenizer(text, pair, …)`` does, and say everything about each position.

    Args:
        tokenizer: Left as it was found: its padding and truncation settings are put back.
        text: May be empty.
        options: The switches of the call; the defaults are the library's.
        pair: A second text after the first; its positions have ``Token.sequence == 1``.
        task: Asked now and then whether to stop.

    Raises:
        InputError: A lone surrogate in the text, or options that this tokenizer can't follow.

    References:
        transformers, Tokenizer: PreTrainedTokenizerBase.__call__, BatchEncoding
    """
    return encode_all(tokenizer, (text,), options or TokenizerOptions(), pair, task or Silent())[0]


def encode_batch(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> tuple[Encoding, ...]:
    """Encode texts together; with padding they become one rectangle.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call; the defaults are the library's.
        task: Asked now and then whether to stop.

    Raises:
        InputError: As for `encode`.
    """
    return encode_all(tokenizer, tuple(texts), options or TokenizerOptions(), None, task or Silent())


def check_text(text: str) -> None:
    """Refuse a text that is not all characters.

    Raises:
        InputError: It holds a lone surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = ord(text[error.start])
        raise InputError(
            f"The text can't be encoded: character {error.start + 1} is only half of a character.",
            why=f"U+{found:04X} is a lone surrogate, which no UTF-8 text can hold; the source was cut or misread.",
            remedy="Delete that character, or copy the text again from where it came.",
        ) from error


def encode_all(
    tokenizer: PreTrainedTokenizerBase,
    texts: tuple[str, ...],
    options: TokenizerOptions,
    pair: str | None,
    task: Task,
    *,
    lazily: bool = False,
) -> tuple[Encoding, ...]:
    """Encode texts in one call.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call.
        pair: The second text of each, or None.
        task: Asked now and then whether to stop.
        lazily: Describe a position only when somebody asks for it.

    Raises:
        InputError: As for `encode`.
    """
    for text in (*texts, pair or ""):
        check_text(text)
    if not texts:
        return ()
    arguments: dict[str, Any] = {
        "add_special_tokens": options.add_special_tokens,
        "padding": options.padding,
        "truncation": options.truncation,
        "padding_side": options.padding_side,
        # Ten megabytes of ones are made in one go that holds the interpreter, and with it the window.
        "return_attention_mask": not (lazily and tokenizer.is_fast and not options.padding),
        # Only a "longer than the context" line in the log; the pane says that in its own place.
        "verbose": False,
    }
    pairs = None if pair is None else [pair] * len(texts)
    if options.truncation or options.padding == "max_length":
        arguments["max_length"] = _limit(tokenizer, options, pair is not None)
    if options.padding:
        _check_size(tokenizer, texts, arguments)
    task.check()
    with settings_kept(tokenizer, lend_pad=bool(options.padding)):
        batch = tokenizer(list(texts), pairs, **arguments)
        whole = None
        if options.truncation:
            task.check()
            whole = tokenizer(
                list(texts), pairs, add_special_tokens=options.add_special_tokens, truncation=False, verbose=False
            )
    if batch["input_ids"] and isinstance(batch["input_ids"][0], int):
        # MarkupLM's gives back one empty text without its batch.
        batch.data = {name: [row] for name, row in batch.items()}
    pieces = Pieces(tokenizer)
    made = []
    for row, text in enumerate(texts):
        ids: list[int] = batch["input_ids"][row]
        mask: Sequence[int] = batch["attention_mask"][row] if "attention_mask" in batch else (1,) * len(ids)
        types = batch["token_type_ids"][row] if "token_type_ids" in batch else None
        tokens: Sequence[Token]
        if tokenizer.is_fast and lazily:
            tokens = fast_positions(pieces, batch.encodings[row], text, pair, ids, mask, types)
        elif tokenizer.is_fast:
            tokens = fast_tokens(pieces, batch.encodings[row], text, pair, ids, mask, types, task)
        elif lazily:
            tokens = slow_positions(pieces, ids, mask, types)
        else:
            tokens = slow_tokens(pieces, ids, mask, types, task)
        truncated = len(whole["input_ids"][row]) - sum(mask) if whole is not None else 0
        made.append(Encoding(text, tokens, truncated))
    return tuple(made)


def _limit(tokenizer: PreTrainedTokenizerBase, options: TokenizerOptions, pair: bool) -> int:
    limit = options.max_length if options.max_length is not None else longest(tokenizer)
    asked = "truncate" if options.truncation else "pad to max_length"
    if limit is None:
        raise InputError(
            f"There is no length to {asked} to." if options.truncation else f"There is no length to {asked}.",
            why="max_length is not set, and this tokenizer names no longest length of its own.",
            remedy="Set max_length.",
        )
    room = tokenizer.num_special_tokens_to_add(pair=pair) if options.add_special_tokens else 0
    # Below this the library gives up truncating without a word.
    if options.truncation and limit < max(1, room):
        raise InputError(
            f"The text can't be truncated to {limit} tokens.",
            why=f"The special tokens alone take {room}." if room else "At least one token has to stay.",
            remedy=f"Set max_length to {max(1, room)} or more.",
        )
    return limit


def _check_size(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...], arguments: dict[str, Any]) -> None:
    # No vocabulary makes more tokens than there are bytes, special ones apart; the exact count is rarely needed.
    width = max(len(text.encode()) for text in texts) + 8
    if arguments["padding"] == "max_length":
        width = max(width, arguments["max_length"])
    if len(texts) * width <= LARGEST:
        return
    with settings_kept(tokenizer, lend_pad=False):
        unpadded = tokenizer(list(texts), **{**arguments, "padding": False})["input_ids"]
    width = max(arguments["max_length"] if arguments["padding"] == "max_length" else 0, *map(len, unpadded))
    positions, tokens = len(texts) * width, sum(map(len, unpadded))
    if positions > LARGEST:
        raise InputError(
            "These texts are too different in length to be padded.",
            why=f"The rectangle of {len(texts):,} × {width:,} would hold {positions - tokens:,} positions of padding "
            f"around {tokens:,} tokens.",
            remedy="Switch truncation on with a smaller max_length, switch padding off, or take fewer texts.",
        )
