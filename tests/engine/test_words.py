"""A word's ids are those it has inside a text, after a space and without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests import tiny
from workbench.engine.tokens.words import exact, spellings, written


@pytest.fixture(scope="module")
def metaspace() -> Any:
    """A tokenizer that writes a space as ▁ and puts one in front by itself, like SentencePiece."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "▁", "▁fox", "fox", "▁do", "g", "▁un", "able", "a"]
    tokenizer = Tokenizer(
        models.BPE({piece: place for place, piece in enumerate(pieces)}, [], unk_token="<unk>", ignore_merges=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.mark.parametrize("word", ["fox", "quick brown", "ä😀", "the"])
def test_both_spellings_read_as_the_word(word: str) -> None:
    tokenizer = tiny.byte_level_tokenizer()
    after, bare = spellings(tokenizer, word)
    assert written(tokenizer, after) == f" {word}"
    assert written(tokenizer, bare) == word
    inside = exact(tokenizer, f"so {word}")
    assert inside[-len(after) :] == after


def test_a_word_that_starts_no_other_way_is_there_once(metaspace: Any) -> None:
    after, glued = spellings(metaspace, "fox")
    assert metaspace.convert_ids_to_tokens(list(after)) == ["▁fox"]
    assert metaspace.convert_ids_to_tokens(list(glued)) == ["fox"]


def test_an_empty_word_has_no_ids() -> None:
    tokenizer = tiny.byte_level_tokenizer()
    assert exact(tokenizer, "") == ()
