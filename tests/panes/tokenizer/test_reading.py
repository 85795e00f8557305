"""What is said of a text beside its tokens."""

from __future__ import annotations

import pytest
import transformers as t

from tests import tiny
from tests.engine.test_odd_tokenizers import PAGES
from tests.tiny_tokenizers import KINDS
from workbench.engine import tokens
from workbench.engine.task import Silent
from workbench.engine.tokens.positions import byte_alphabet
from workbench.engine.values import TokenizerOptions
from workbench.panes.tokenizer.reading import chips, face, in_order, read


@pytest.mark.parametrize("name", PAGES)
def test_boxes_that_are_left_out_are_told_for_every_tokenizer_of_pages(name: str) -> None:
    theirs = getattr(t, name)(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer)
    own = tokens.own_tokenizer(theirs)
    assert "the boxes of the words" in read(own, "fox", False, TokenizerOptions(), task=Silent()).shape
    plain = read(tiny.byte_level_tokenizer(), "fox", False, TokenizerOptions(), task=Silent())
    assert "boxes" not in plain.shape


def test_a_token_that_begins_a_character_shows_the_bytes_of_it() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    spelled = [*byte_alphabet(), "Ġð", "ĠðŁ"]
    backend = Tokenizer(models.BPE({piece: id_ for id_, piece in enumerate(spelled)}, [("Ġ", "ð"), ("Ġð", "Ł")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    encoding = tokens.encode(t.PreTrainedTokenizerFast(tokenizer_object=backend), "a 🦊 é")
    assert [face(token) for token in encoding.tokens] == ["a", " ‹F0 9F›", "‹A6›", "🦊", " ", "‹C3›", "é"]


def test_pieces_of_a_script_from_the_right_stand_in_the_order_of_the_tokens() -> None:
    assert in_order("ab | ##c") == "ab | ##c"
    assert in_order("\u05e9 | ##\u05dc") == "\u2068\u05e9\u2069 | \u2068##\u05dc\u2069"


def test_positions_with_parts_of_one_character_touch() -> None:
    shown = chips(tokens.encode(KINDS["slow_bytes"](), "aé"), 0)
    assert [(each.text, each.joined) for each in shown] == [("a", False), ("‹C3›", False), ("é", True), ("</s>", False)]
    shown = chips(tokens.encode(KINDS["byte_level_bpe"](), "é"), 0)
    assert [(each.text, each.joined) for each in shown] == [("‹C3›", False), ("é", True)]
