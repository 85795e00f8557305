"""A long text is looked at position by position, and a change of it encodes only what stands around it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from workbench.engine import tokens
from workbench.engine.tokens.edit import respelled
from workbench.engine.values import Checkpoint, Positions, TokenizerOptions

WORDS = ("the", "quick", "brown", "🦊", "naïve", "“quoted”", "日本語", "jumps,", "e\u0301", "שלום", "\n", "123")


@pytest.fixture(scope="module", params=["bert", "llama"])
def tokenizer(request, tiny_bert: Checkpoint, tiny_llama: Checkpoint):
    return tokens.load_tokenizer({"bert": tiny_bert, "llama": tiny_llama}[request.param])


def written(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def looked_at(tokenizer, text: str):
    (encoding,) = tokens.look(tokenizer, [text]).encodings
    return encoding


@given(text=some.text(max_size=400))
@settings(max_examples=80, deadline=None)
def test_each_position_is_what_encode_says_of_it(tokenizer, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    lazily, at_once = looked_at(tokenizer, text), tokens.encode(tokenizer, text)
    assert isinstance(lazily.tokens, Positions)
    assert lazily == at_once and at_once == lazily
    assert lazily.input_ids == at_once.input_ids
    assert lazily.attention_mask == at_once.attention_mask


@pytest.mark.parametrize("first", [0, 255, 256, 300, 1021])
def test_a_block_in_the_middle_begins_with_whole_characters(tokenizer, first: int) -> None:
    text = written(900)
    lazily, at_once = looked_at(tokenizer, text), tokens.encode(tokenizer, text)
    assert lazily.tokens[first] == at_once.tokens[first]
    assert lazily.tokens[first : first + 40] == tuple(at_once.tokens[first : first + 40])
    assert lazily.tokens[-1] == at_once.tokens[-1]
    assert lazily.tokens[5:50:7] == tuple(at_once.tokens[5:50:7])
    with pytest.raises(IndexError):
        lazily.tokens[len(at_once.tokens)]


def test_other_ids_are_another_encoding(tokenizer) -> None:
    assert looked_at(tokenizer, "the fox") != looked_at(tokenizer, "the box")
    assert looked_at(tokenizer, "the fox").tokens != tokens.encode(tokenizer, "the fox jumps").tokens
    assert hash(looked_at(tokenizer, "the fox")) == hash(looked_at(tokenizer, "the fox"))


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("place", [0, 1, 700, 2500, -1])
@pytest.mark.parametrize("insert", ["x", " ", "🦊", "two words", ""])
def test_a_change_comes_to_what_encode_says(tokenizer, place: int, insert: str, special: bool) -> None:
    text = written(900)
    place = len(text) if place < 0 else place
    options = TokenizerOptions(add_special_tokens=special)
    (before,) = tokens.look(tokenizer, [text], options).encodings
    now = text[:place] + insert + text[place + 3 :]
    found = respelled(tokenizer, before, now)
    assert found is not None
    assert found == tokens.encode(tokenizer, now, options)


@given(seed=some.integers(0, 10_000), gone=some.integers(0, 60), insert=some.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_change_comes_to_what_encode_says_or_to_nothing(tokenizer, seed: int, gone: int, insert: str) -> None:
    text = written(500, seed)
    place = random.Random(seed).randrange(len(text))
    now = text[:place] + insert.encode("utf-8", "ignore").decode() + text[place + gone :]
    found = respelled(tokenizer, looked_at(tokenizer, text), now)
    assert found is None or found == tokens.encode(tokenizer, now)


def test_what_is_too_large_or_has_no_words_is_encoded_whole(tokenizer) -> None:
    before = looked_at(tokenizer, written(300))
    assert respelled(tokenizer, before, before.text + "x" * 5000) is None
    assert respelled(tokenizer, tokens.encode(tokenizer, "eager"), "eagerly") is None
    run = looked_at(tokenizer, "x" * 20_000)
    changed = respelled(tokenizer, run, "x" * 10_000 + "y" + "x" * 10_000)
    assert changed is None or changed == tokens.encode(tokenizer, "x" * 10_000 + "y" + "x" * 10_000)


def test_a_long_text_is_decoded_as_the_library_decodes_it(tokenizer) -> None:
    ids = looked_at(tokenizer, written(6000)).input_ids
    assert len(ids) > 10_000
    for skipped in (False, True):
        expected = tokenizer.decode(list(ids), skip_special_tokens=skipped)
        assert tokens.decode(tokenizer, ids, skip_special_tokens=skipped) == expected
