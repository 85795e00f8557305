"""A word to the ids it has inside a text, which depend on whether a space stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What SentencePiece writes for a space.
_META = "▁"


def spellings(tokenizer: PreTrainedTokenizerBase, word: str) -> tuple[tuple[int, ...], ...]:
    """The ways in which a word can stand in a text: after a space, and without one.

    Args:
        tokenizer: Any tokenizer.
        word: The word (or several), as typed, without a space at its ends.

    Returns:
        One or two sequences of ids, each of them once; the one after a space first. None for a word without ids.

    References:
        transformers, Utilities for Generation: NoBadWordsLogitsProcessor, SequenceBiasLogitsProcessor
    """
    spaced, bare = exact(tokenizer, f" {word}"), exact(tokenizer, word)
    first = str(tokenizer.convert_ids_to_tokens(bare[0])) if bare else ""
    if first.startswith(_META):
        # A tokenizer that puts the space in front by itself: the word as typed is the one after a space already.
        spaced, bare = bare, _glued(tokenizer, bare, first)
    return tuple(dict.fromkeys(each for each in (spaced, bare) if each))


def exact(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """The ids of a text, without the special tokens that a tokenizer puts around one."""
    return tuple(int(each) for each in tokenizer(text, add_special_tokens=False)["input_ids"])


def written(tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...]) -> str:
    """The text of some ids, special tokens included."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _glued(tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...], first: str) -> tuple[int, ...]:
    piece = first[len(_META) :]
    if not piece:
        return ids[1:]
    token_id = tokenizer.convert_tokens_to_ids(piece)
    known = token_id is not None and tokenizer.convert_ids_to_tokens(token_id) == piece
    return (int(token_id), *ids[1:]) if known else ()
