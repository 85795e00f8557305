"""What a tokenizer is set to: its longest length, what it pads with, and how its calls leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: A tokenizer that names no longest length carries a number around 1e30.
_NO_LIMIT = 1_000_000_000
#: Positions of the largest rectangle that padding may make; each takes some 250 bytes here.
LARGEST = 2_000_000


def padding_token(tokenizer: PreTrainedTokenizerBase) -> tuple[str, bool]:
    """The token that fills short rows up, and whether it is the end token standing in for a missing pad token.

    Raises:
        InputError: There is neither a pad token nor an end token.
    """
    if tokenizer.pad_token is not None:
        return str(tokenizer.pad_token), False
    if tokenizer.eos_token is not None:
        return str(tokenizer.eos_token), True
    raise InputError(
        "These texts can't be padded.",
        why="The tokenizer has neither a pad token nor an end token that could stand in for it.",
        remedy="Switch padding off, or load a checkpoint whose tokenizer has a pad token.",
    )


def longest(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The tokenizer's own longest length in tokens (``model_max_length``), or None when it names none."""
    limit = tokenizer.model_max_length
    return int(limit) if limit and limit < _NO_LIMIT else None


@contextmanager
def settings_kept(tokenizer: PreTrainedTokenizerBase, *, lend_pad: bool) -> Iterator[None]:
    """Put the truncation and padding of a tokenizer back afterwards.

    Args:
        tokenizer: Any tokenizer.
        lend_pad: Let the end token stand in for a missing pad token meanwhile.

    Raises:
        InputError: As for `padding_token`.
    """
    backend = tokenizer.backend_tokenizer if tokenizer.is_fast else None
    kept = (backend.truncation, backend.padding, backend.encode_special_tokens) if backend is not None else None
    borrowed = False
    if lend_pad:
        token, borrowed = padding_token(tokenizer)
        if borrowed:
            tokenizer.pad_token = token
    try:
        yield
    finally:
        if borrowed:
            tokenizer.pad_token = None
        if backend is not None and kept is not None:
            truncation, padding, backend.encode_special_tokens = kept
            if truncation is None:
                backend.no_truncation()
            else:
                backend.enable_truncation(**truncation)
            if padding is None:
                backend.no_padding()
            else:
                backend.enable_padding(**padding)
