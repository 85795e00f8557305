"""Text to ids and back: the tokenizer call, position by position, with exact bytes and offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tokens.batch import Batch, decoded_back, look, tokenize
from workbench.engine.tokens.chat import encode_chat, render_chat
from workbench.engine.tokens.decoding import decode, in_parts
from workbench.engine.tokens.encoding import check_text, encode, encode_batch
from workbench.engine.tokens.loading import load_tokenizer, own_tokenizer, running
from workbench.engine.tokens.settings import longest, padding_token

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PreTrainedTokenizerBase

    #: What `load_tokenizer` gives, for annotations of those who may not name transformers.
    Tokenizer: TypeAlias = PreTrainedTokenizerBase

__all__ = [
    "Batch",
    "check_text",
    "decode",
    "decoded_back",
    "encode",
    "encode_batch",
    "encode_chat",
    "in_parts",
    "load_tokenizer",
    "longest",
    "look",
    "own_tokenizer",
    "padding_token",
    "render_chat",
    "running",
    "tokenize",
]
