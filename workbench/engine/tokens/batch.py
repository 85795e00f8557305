"""Texts encoded together and decoded back, as the Tokenizer pane looks at them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.engine.task import Silent, Task
from workbench.engine.tokens.decoding import decode, in_parts
from workbench.engine.tokens.encoding import encode_all
from workbench.engine.tokens.positions import Pieces
from workbench.engine.tokens.settings import padding_token
from workbench.engine.values import Encoding, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts encoded together and decoded back.

    Attributes:
        encodings: One per text; all of one length when padded to the longest.
        specials: Special tokens of each that are attended to.
        decoded: ``tokenizer.decode(ids)`` of each, special and padding tokens included; empty before `decoded_back`.
        plain: The same without special tokens.
        padded_with: The token that filled short rows up, or None without padding.
        borrowed: Whether that token is the end token standing in, because the tokenizer has no pad token.
    """

    encodings: tuple[Encoding, ...]
    specials: tuple[int, ...]
    decoded: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    padded_with: str | None = None
    borrowed: bool = False

    @property
    def width(self) -> int | None:
        """Positions of every row, or None while the rows differ in length."""
        widths = {len(encoding.tokens) for encoding in self.encodings}
        return widths.pop() if len(widths) == 1 else None

    @property
    def wasted(self) -> int:
        """Positions that hold padding."""
        return sum(len(encoding.tokens) - encoding.attended for encoding in self.encodings)


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> Batch:
    """Encode texts together as `look` does, which has the arguments and the errors, and decode them back."""
    task = task or Silent()
    return decoded_back(tokenizer, look(tokenizer, texts, options, task=task), task=task)


def look(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    options: TokenizerOptions | None = None,
    *,
    task: Task | None = None,
) -> Batch:
    """Encode texts together, to be looked at: a position is described when somebody asks for it.

    Args:
        tokenizer: Left as it was found.
        texts: Any number, none included.
        options: The switches of the call; the defaults are the library's.
        task: Asked now and then whether to stop.

    Returns:
        The encodings, not decoded back yet.

    Raises:
        InputError: As for `encode`.
    """
    options = options or TokenizerOptions()
    task = task or Silent()
    encodings = encode_all(tokenizer, tuple(texts), options, None, task, lazily=True)
    known = Pieces(tokenizer).special
    specials = []
    for encoding in encodings:
        task.check()
        ids: Sequence[int] = encoding.input_ids
        if encoding.attended < len(encoding.tokens):
            ids = tuple(itertools.compress(ids, encoding.attention_mask))
        specials.append(sum(sum(map(known.__contains__, part)) for part in in_parts(ids)))
    padded_with, borrowed = padding_token(tokenizer) if options.padding else (None, False)
    return Batch(encodings, tuple(specials), padded_with=padded_with, borrowed=borrowed)


def decoded_back(tokenizer: PreTrainedTokenizerBase, batch: Batch, *, task: Task | None = None) -> Batch:
    """The same batch with its ids decoded back.

    Args:
        tokenizer: The one that made the batch.
        batch: As `look` gives it.
        task: Asked between the texts whether to stop.
    """
    task = task or Silent()
    known = Pieces(tokenizer).special
    decoded, plain = [], []
    for encoding in batch.encodings:
        task.check()
        ids = encoding.input_ids
        decoded.append(decode(tokenizer, ids))
        marked = any(any(map(known.__contains__, part)) for part in in_parts(ids))
        plain.append(decode(tokenizer, ids, skip_special_tokens=True) if marked else decoded[-1])
    return replace(batch, decoded=tuple(decoded), plain=tuple(plain))
