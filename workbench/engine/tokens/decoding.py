"""Ids back to text, without holding the interpreter up over millions of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Ids from which decoding takes long enough to be felt.
_LONG = 10_000
#: Ids that are gone through in one go.
_PART = 100_000


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
    """Turn ids back into text, exactly as ``tokenizer.decode`` does.

    Args:
        tokenizer: Any tokenizer.
        ids: Of shape ``(seq,)``.
        skip_special_tokens: Leave special tokens out.
    """
    if len(ids) > _LONG and tokenizer.is_fast and not tokenizer.clean_up_tokenization_spaces:
        from transformers import PreTrainedTokenizerFast

        if type(tokenizer)._decode is PreTrainedTokenizerFast._decode:
            # A batch of one, because only a batch lets go of the interpreter, and so of the window.
            return str(tokenizer.backend_tokenizer.decode_batch([ids], skip_special_tokens=skip_special_tokens)[0])
    return str(tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))


def in_parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Ids some at a time: to go through millions in one go holds the interpreter, and with it the window.

    Args:
        ids: Of shape ``(seq,)``.
    """
    return (ids[first : first + _PART] for first in range(0, len(ids), _PART))
