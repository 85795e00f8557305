"""What is said of a text beside its tokens."""

from __future__ import annotations

import pytest
import transformers as t

from tests import tiny
from tests.engine.test_odd_tokenizers import PAGES
from workbench.engine import tokens
from workbench.engine.task import Silent
from workbench.engine.values import TokenizerOptions
from workbench.panes.tokenizer.reading import read


@pytest.mark.parametrize("name", PAGES)
def test_boxes_that_are_left_out_are_told_for_every_tokenizer_of_pages(name: str) -> None:
    theirs = getattr(t, name)(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer)
    own = tokens.own_tokenizer(theirs)
    assert "the boxes of the words" in read(own, "fox", False, TokenizerOptions(), task=Silent()).shape
    plain = read(tiny.byte_level_tokenizer(), "fox", False, TokenizerOptions(), task=Silent())
    assert "boxes" not in plain.shape
