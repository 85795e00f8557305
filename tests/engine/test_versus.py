"""Tokenizers side by side: counts are the library's, differences line up, and each loss has its reason."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import ByT5Tokenizer

from tests.tiny_tokenizers import KINDS
from workbench.engine import tokens
from workbench.engine.errors import InputError
from workbench.engine.tokens import versus
from workbench.engine.tokens.added import Switches, try_token
from workbench.engine.tokens.roundtrip import round_trip
from workbench.engine.values import Checkpoint

TEXT = "The Quick brown 🦊 jumps  over a naïve doghouse\nin the city, in Berlin."


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> Any:
    return tokens.load_tokenizer(tiny_llama)


@pytest.fixture(scope="module")
def bert(tiny_bert: Checkpoint) -> Any:
    return tokens.load_tokenizer(tiny_bert)


def test_the_measures_are_counted_from_what_the_library_gives(llama: Any, bert: Any) -> None:
    for tokenizer in (llama, bert, ByT5Tokenizer()):
        ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
        made = versus.measure(tokenizer, "name", TEXT)
        assert (made.tokens, made.vocabulary) == (len(ids), len(tokenizer))
        assert made.characters_per_token == len(TEXT) / len(ids)
        assert made.bytes_per_token == len(TEXT.encode()) / len(ids)
        assert made.words == len(TEXT.split())
        assert made.unknown == ids.count(tokenizer.unk_token_id)
        assert made.back.decoded == tokenizer.decode(ids)
        assert {split.word for split in made.split} == set(TEXT.split())
        assert sum(split.count for split in made.split) == made.words


def test_words_are_listed_by_the_pieces_they_are_split_into(bert: Any) -> None:
    made = versus.measure(bert, "bert", "the the doghouse city")
    assert {split.word: list(split.pieces) for split in made.split} == {
        word: bert.tokenize(word) for word in ("the", "doghouse", "city")
    }
    assert [len(split.pieces) for split in made.split] == sorted(
        (len(split.pieces) for split in made.split), reverse=True
    )
    assert made.whole == sum(len(bert.tokenize(word)) == 1 for word in ("the", "the", "doghouse", "city"))


def test_segments_cover_the_text_and_hold_every_piece_of_each_tokenizer(llama: Any, bert: Any) -> None:
    segments = versus.align([llama, bert, ByT5Tokenizer()], TEXT)
    assert "".join(TEXT[each.start : each.end] for each in segments) == TEXT
    assert [piece for each in segments for piece in each.pieces[1]] == bert.tokenize(TEXT)
    spelled = [piece for each in segments for piece in each.pieces[0]]
    assert len(spelled) == len(llama.tokenize(TEXT))
    whole = "".join(piece for piece in spelled if not piece.startswith("‹"))
    assert whole == TEXT.replace("🦊", "").replace("ï", "")
    assert len(segments[0].pieces) == 2
    city = next(each for each in segments if TEXT[each.start : each.end] == ",")
    assert city.same
    fox = next(each for each in segments if "🦊" in TEXT[each.start : each.end])
    assert not fox.same
    assert fox.pieces[1] == ("[UNK]",)
    assert fox.pieces[0][-3:] == ("‹9F›", "‹A6›", "‹8A›")
    assert segments[1].pieces[0][0].startswith(" ")


def test_a_tokenizer_is_the_same_as_itself(llama: Any) -> None:
    seen = versus.compare([llama, llama, ByT5Tokenizer()], ["a", "b", "c"], TEXT)
    assert seen.differences == ()
    assert [each.lined for each in seen.measures] == [True, True, False]
    assert all(pieces[0] == pieces[1] for _, _, pieces in seen.words)


@given(st.text(max_size=60).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text)))
@settings(max_examples=120, deadline=None)
def test_any_text_is_lined_up_and_its_losses_add_up(tiny_llama: Checkpoint, tiny_bert: Checkpoint, text: str) -> None:
    one, other = _loaded(tiny_llama), _loaded(tiny_bert)
    seen = versus.compare([one, other], ["a", "b"], text)
    segments = versus.align([one, other], text)
    assert "".join(text[each.start : each.end] for each in segments) == text
    assert tuple(each for each in segments if not each.same) == seen.differences
    assert seen.measures[0].back.exact
    back = seen.measures[1].back
    rebuilt, place = "", 0
    for difference in back.differences:
        assert text[difference.start : difference.end] == difference.was
        assert difference.why
        rebuilt += text[place : difference.start] + difference.became
        place = difference.end
    assert rebuilt + text[place:] == back.decoded


_CACHE: dict[Path, Any] = {}


def _loaded(checkpoint: Checkpoint) -> Any:
    if checkpoint.path not in _CACHE:
        _CACHE[checkpoint.path] = tokens.load_tokenizer(checkpoint)
    return _CACHE[checkpoint.path]


@pytest.mark.parametrize(
    ("text", "was", "said"),
    [
        ("The fox", "T", "lower case by the normalizer (BertNormalizer)"),
        ("a naïve fox", "ï", "accents taken out by the normalizer"),
        ("a 🦊 fox", "🦊", "not in the vocabulary, so it became [UNK]"),
        ("the  fox", " ", "white space"),
        ("a UNKUжN fox", "UNKUжN", "not in the vocabulary"),
        ("the\x07fox", "\x07", "control characters taken out"),
        ("the F\u0334\x07\u0301OX fox", "OX", "lower case, accents and control characters taken out by the normalizer"),
    ],
)
def test_each_difference_of_a_round_trip_has_its_reason(bert: Any, text: str, was: str, said: str) -> None:
    made = round_trip(bert, text)
    assert not made.exact
    found = [each for each in made.differences if was in each.was]
    assert found
    assert said in found[0].why
    assert made.lost == sum(len(each.was) for each in made.differences)


@pytest.mark.parametrize(
    ("kind", "was", "became", "why"),
    [
        ("byte_level_normalized", "a\u0301", "á", "put into the Unicode form NFC by the normalizer (NFC)"),
        ("a_normalizer_that_lengthens", "é", "e\u0301", "put into the Unicode form NFKD by the normalizer (NFKD)"),
        ("a_normalizer_that_lengthens", "ﬁ", "fi", "put into the Unicode form NFKD by the normalizer (NFKD)"),
    ],
)
def test_a_letter_and_its_accent_are_one_difference(kind: str, was: str, became: str, why: str) -> None:
    text = f"the x{was}x fox"
    made = round_trip(KINDS[kind](), text)
    assert [(each.was, each.became, each.why) for each in made.differences] == [(was, became, why)]


def test_the_name_of_what_is_unknown_is_never_cut_in_two(bert: Any) -> None:
    made = round_trip(bert, "<s>漢</s> 🦊[SEP] ж, x")
    assert all(each.became.count("[UNK]") * 2 == each.became.count("[U") + each.became.count("K]")
               for each in made.differences)  # fmt: skip
    assert any("[UNK]" in each.became for each in made.differences)


def test_a_text_that_comes_back_has_no_differences(llama: Any) -> None:
    text = unicodedata.normalize("NFD", TEXT) + "\x00\u200d"
    made = round_trip(llama, text)
    assert made.exact
    assert made.differences == ()


def test_a_long_text_that_differs_throughout_is_compared_in_time(bert: Any) -> None:
    text = "The Fox in the city. 🦊 " * 4000
    made = round_trip(bert, text)
    assert made.more
    # Each time: T, F, the fox itself; white space and the full stop move.
    assert 4000 * 3 <= made.lost <= 4000 * 5
    worst = round_trip(bert, "🦊漢é" * 30_000)
    assert worst.decoded.startswith("[UNK]")


def test_the_parallel_sample_has_the_same_sentences_in_every_language(llama: Any, bert: Any) -> None:
    sample = versus.languages()
    assert len(sample) == 12
    assert sample[0].name == "English"
    assert {len(each.sentences) for each in sample} == {8}
    prices = versus.prices([llama, bert])
    for price in prices:
        for number, tokenizer in enumerate((llama, bert)):
            ids = tokenizer(list(price.language.sentences), add_special_tokens=False)["input_ids"]
            assert price.tokens[number] == sum(map(len, ids))
            assert price.premium[number] == price.tokens[number] / prices[0].tokens[number]
    assert prices[0].premium == (1.0, 1.0)
    russian = next(each for each in prices if each.language.name == "Russian")
    ids = bert(list(russian.language.sentences), add_special_tokens=False)["input_ids"]
    assert russian.unknown == (0, sum(each.count(bert.unk_token_id) for each in ids))
    assert russian.unknown[1]


def test_checkpoints_of_one_name_are_told_apart() -> None:
    assert versus.distinct(["a", "b", "a", "a"]) == ("a", "b", "a (2)", "a (3)")


def test_a_file_is_read_or_told(tmp_path: Path) -> None:
    good, bad, long = tmp_path / "good.txt", tmp_path / "bad.txt", tmp_path / "long.txt"
    good.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    bad.write_bytes(b"a\xff\xfeb")
    long.write_text("x" * (versus.LONGEST + 1))
    assert versus.read_text(good) == TEXT
    for path, said in ((bad, "Byte 2 is no UTF-8"), (long, "longer than"), (tmp_path / "none", "No such file")):
        with pytest.raises(InputError) as caught:
            versus.read_text(path)
        assert said in str(caught.value)
        assert caught.value.remedy
    with pytest.raises(InputError, match="too long to compare"):
        versus.measure(ByT5Tokenizer(), "a", "x" * (versus.LONGEST + 1))


@pytest.mark.parametrize("special", [False, True])
def test_an_added_token_is_cut_out_whole_and_the_tokenizer_stays_as_it_was(
    llama: Any, bert: Any, special: bool
) -> None:
    for tokenizer in (llama, bert, ByT5Tokenizer()):
        before = len(tokenizer), list(tokenizer.all_special_ids), tokenizer("a lazy dog")["input_ids"]
        made = try_token(tokenizer, "lazy dog", "a lazy dog, a lazy dog", Switches(special=special))
        assert (made.new, made.found, made.id) == (True, 2, len(tokenizer))
        assert made.size == len(tokenizer) + 1
        assert len(made.after.tokens) < len(made.before.tokens)
        assert (len(tokenizer), list(tokenizer.all_special_ids), tokenizer("a lazy dog")["input_ids"]) == before
    known = try_token(bert, "the", "the fox")
    assert (known.new, known.id) == (False, bert.convert_tokens_to_ids("the"))
    with pytest.raises(InputError, match="no token to add"):
        try_token(bert, "  ", "the fox")


@pytest.mark.parametrize("kind", ["byte_level_bpe", "word_piece_uncased", "unigram", "slow_bytes"])
@pytest.mark.parametrize(
    "switches",
    [
        Switches(single_word=True),
        Switches(lstrip=True, rstrip=True, normalized=False),
        Switches(special=True, normalized=True),
        Switches(special=True, normalized=False, rstrip=True),
        Switches(normalized=True),
    ],
)
def test_a_token_is_added_as_its_switches_say(kind: str, switches: Switches) -> None:
    from tokenizers import AddedToken

    tokenizer = KINDS[kind]()
    text = "the Fox, fox!  fox  firefox FOX"
    made = try_token(tokenizer, "fox", text, switches)
    grown = tokens.own_tokenizer(tokenizer)
    names = ("special", "single_word", "lstrip", "rstrip")
    normalized = not switches.special if switches.normalized is None else switches.normalized
    added = AddedToken("fox", normalized=normalized, **{name: getattr(switches, name) for name in names})
    grown.add_tokens([added], special_tokens=switches.special)
    assert list(made.after.input_ids) == grown(text)["input_ids"]
    assert made.found == grown(text)["input_ids"].count(made.id)
