"""Thirty-two kinds of tokenizers, and any Unicode text: what is said of each position is what the library does."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.engine.test_tokens import ODD_TEXTS
from tests.tiny_tokenizers import KINDS, LOSSLESS
from workbench.engine import tokens
from workbench.engine.errors import InputError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tokens import decoding, versus
from workbench.engine.tokens.added import try_token
from workbench.engine.tokens.browse import entries
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.tokens.rectangle import rectangle
from workbench.engine.tokens.roundtrip import round_trip
from workbench.engine.tokens.stages import Workings
from workbench.engine.tokens.standing import standing
from workbench.engine.values import TokenizerOptions

COMBINING = "e" + "\u0301\u0323\u20dd" * 60
TEXTS = (
    *ODD_TEXTS,
    "<s></s><unk>[CLS] [SEP]<pad><think>",
    COMBINING,
    "abc שלום 123 \u202eمرحبا\u202c \u200f!",
    "ﬁlm ½ Ａ İ ß ǆ",
    "The Merkel fox foxes <Sep>  x\t\n\n",
)
#: Vocabularies of more ids are not read whole here.
LARGEST = 10_000
each_kind = pytest.mark.parametrize("kind", KINDS)
any_text = given(text=some.text(max_size=40))
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Stopped(Silent):
    """A task that was cancelled."""

    def check(self) -> None:
        raise Cancelled


def test_there_are_thirty_kinds_and_more() -> None:
    assert len(KINDS) >= 30
    made = [build() for build in KINDS.values()]
    assert {type(each.backend_tokenizer.model).__name__ for each in made if each.is_fast} == {
        "BPE",
        "Unigram",
        "WordPiece",
        "WordLevel",
    }
    assert sum(not each.is_fast for each in made) >= 5
    assert sum(each.pad_token is None for each in made) >= 2


#: Written in Python, and yet each of their pieces is known in bytes.
SPELLED = {"slow_bytes", "slow_code_points"}


def _holds(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    encoding = tokens.encode(tokenizer, text)
    wanted = tokenizer(text, return_offsets_mapping=tokenizer.is_fast, verbose=False)
    assert list(encoding.input_ids) == wanted["input_ids"]
    assert list(encoding.attention_mask) == wanted["attention_mask"]
    types = wanted.get("token_type_ids", [None] * len(encoding.tokens))
    assert [each.type_id for each in encoding.tokens] == types
    assert tokens.look(tokenizer, [text]).encodings[0] == encoding
    assert all("\N{REPLACEMENT CHARACTER}" not in each.text for each in encoding.tokens) or "\ufffd" in text
    if not tokenizer.is_fast:
        assert {(each.offsets, each.word) for each in encoding.tokens} <= {(None, None)}
        if kind in SPELLED:
            bare = tokens.encode(tokenizer, text, TokenizerOptions(add_special_tokens=False)).tokens
            assert b"".join(each.text.encode() if each.special else each.bytes for each in bare) == text.encode()
            assert "".join(each.text for each in bare) == text
        return
    assert [each.offsets for each in encoding.tokens] == wanted["offset_mapping"]
    assert [each.word for each in encoding.tokens] == wanted.word_ids()
    if kind in LOSSLESS:
        assert b"".join(each.bytes or b"" for each in encoding.tokens) == text.encode()
        assert "".join(each.text for each in encoding.tokens) == text
    spells_bytes = "Byte" in str(tokenizer.backend_tokenizer.decoder)
    for each in encoding.tokens:
        if each.bytes is not None and not spells_bytes:
            start, end = each.offsets
            assert each.bytes == text[start:end].encode()


def _comes_back(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    back = round_trip(tokenizer, text)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert back.decoded == tokenizer.decode(ids)
    assert back.exact or kind not in LOSSLESS
    rebuilt, place = "", 0
    for difference in back.differences:
        assert difference.why
        assert text[difference.start : difference.end] == difference.was
        rebuilt += text[place : difference.start] + difference.became
        place = difference.end
    assert rebuilt + text[place:] == back.decoded


def _goes_through_the_stages(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    made = {each.name: each for each in Workings(tokenizer).stages(text)}
    wanted = tokenizer(text, verbose=False)["input_ids"]
    assert [part.id for part in made["post-processor"].parts] == wanted
    if tokenizer.is_fast and not tokenizer.split_special_tokens:
        bare = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        assert [part.id for part in made["model"].parts] == bare
        assert made["model"].note == ""


@each_kind
def test_each_position_is_what_the_library_returns(kind: str) -> None:
    for text in TEXTS:
        _holds(kind, text)


@each_kind
@any_text
@few
def test_any_text_has_the_librarys_ids_offsets_and_bytes(kind: str, text: str) -> None:
    _holds(kind, text)


@each_kind
def test_what_does_not_come_back_is_told_in_full(kind: str) -> None:
    for text in TEXTS:
        _comes_back(kind, text)


@each_kind
@any_text
@few
def test_any_text_comes_back_or_each_difference_is_explained(kind: str, text: str) -> None:
    _comes_back(kind, text)


@each_kind
def test_the_stages_end_where_the_library_ends(kind: str) -> None:
    for text in TEXTS:
        _goes_through_the_stages(kind, text)


@each_kind
@any_text
@few
def test_any_text_goes_through_the_stages_to_the_librarys_ids(kind: str, text: str) -> None:
    _goes_through_the_stages(kind, text)


@each_kind
def test_a_batch_has_the_librarys_tensors_or_the_reason(kind: str) -> None:
    tokenizer = KINDS[kind]()
    texts = ["The quick brown fox", "", "🦊 the"]
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        with pytest.raises(InputError, match="Switch padding off"):
            rectangle(tokenizer, texts)
        return
    made = rectangle(tokenizer, texts)
    borrowed = tokenizer.pad_token is None
    if borrowed:
        tokenizer.pad_token = tokenizer.eos_token
    try:
        wanted = tokenizer(texts, padding="longest", return_tensors="pt")
    finally:
        if borrowed:
            tokenizer.pad_token = None
    assert made.borrowed == borrowed
    assert {each.name: each.values.tolist() for each in made.tensors} == {
        name: tensor.tolist() for name, tensor in wanted.items()
    }
    assert made.wasted == int((wanted["attention_mask"] == 0).sum())


@each_kind
def test_truncation_cuts_as_the_library_does(kind: str) -> None:
    tokenizer = KINDS[kind]()
    text = "The quick 🦊 fox read the book."
    encoding = tokens.encode(tokenizer, text, TokenizerOptions(truncation=True, max_length=5))
    assert list(encoding.input_ids) == tokenizer(text, truncation=True, max_length=5)["input_ids"]
    assert encoding.truncated == len(tokenizer(text)["input_ids"]) - len(encoding.tokens)


@each_kind
def test_a_tokenizer_of_ones_own_gives_the_same_ids(kind: str) -> None:
    tokenizer = KINDS[kind]()
    own = tokens.own_tokenizer(tokenizer)
    for text in TEXTS:
        ids = tokenizer(text, verbose=False)["input_ids"]
        assert own(text, verbose=False)["input_ids"] == ids
        assert own.decode(ids) == tokenizer.decode(ids)


@each_kind
def test_the_vocabulary_has_every_id(kind: str) -> None:
    tokenizer = KINDS[kind]()
    if len(tokenizer) > LARGEST:
        with pytest.raises(Cancelled):
            entries(tokenizer, task=Stopped())
        return
    read = entries(tokenizer)
    added = tokenizer.added_tokens_decoder
    for id_, piece in enumerate(read.pieces):
        assert piece == (str(added[id_]) if id_ in added else str(tokenizer.convert_ids_to_tokens(id_) or ""))
    assert set(tokenizer.all_special_ids) <= read.special
    assert read.added == set(added)
    assert read.standing.by_id == standing(tokenizer).by_id


@each_kind
def test_a_token_added_on_trial_is_one_token(kind: str) -> None:
    tokenizer = KINDS[kind]()
    before = len(tokenizer)
    text = "The fox<new> reads"
    tried = try_token(tokenizer, "<new>", text)
    grown = copy.deepcopy(tokenizer)
    grown.add_tokens(["<new>"])
    assert list(tried.before.input_ids) == tokenizer(text)["input_ids"]
    assert list(tried.after.input_ids) == grown(text)["input_ids"]
    assert len(tokenizer) == before
    # Where the normalizer puts a blank in front of everything, the library looks for "▁<new>".
    assert tried.found == (kind != "byte_fallback_with_a_blank_in_front")


@each_kind
def test_it_is_compared_with_another(kind: str) -> None:
    tokenizer, other = KINDS[kind](), KINDS["byte_level_bpe"]()
    text = "The quick brown fox 🦊, naïve."
    seen = versus.compare([tokenizer, other], [kind, "other"], text)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert [each.tokens for each in seen.measures] == [len(ids), len(other(text)["input_ids"])]
    assert seen.measures[0].lined == tokenizer.is_fast


@each_kind
def test_a_lone_surrogate_is_refused_with_its_place(kind: str) -> None:
    for text in ("ab\ud83e", "ab\udc00cd"):
        with pytest.raises(InputError, match=r"character 3 .*lone surrogate"):
            tokens.encode(KINDS[kind](), text)


@pytest.mark.parametrize("kind", ["unigram", "byte_fallback_by_metaspace"])
def test_a_blank_put_in_front_of_a_word_takes_none_of_its_bytes(kind: str) -> None:
    blank, first = tokens.encode(KINDS[kind](), "quick", TokenizerOptions(add_special_tokens=False)).tokens[:2]
    assert (blank.piece, blank.text, blank.bytes) == ("▁", "", None)
    assert (first.piece, first.offsets, first.bytes) == ("qu", (0, 2), b"qu")


def test_a_piece_that_goes_on_reads_without_its_mark_where_no_offsets_say_so() -> None:
    tokenizer = KINDS["slow_merges"]()
    encoding = tokens.encode(tokenizer, "The fox")
    assert [token.piece for token in encoding.tokens] == ["<unk>", "h@@", "e", "fox"]
    assert [token.text for token in encoding.tokens] == ["<unk>", "h", "e", " fox"]
    assert "".join(token.text for token in encoding.tokens[1:]) == tokenizer.decode(encoding.input_ids[1:])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("slow")])
@any_text
@few
def test_a_position_without_offsets_is_the_same_whether_it_is_asked_for_alone(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    text += "é🦊 fox\ufffd\ufffd漢 the fox</s>🦊"
    encoding = tokens.encode(tokenizer, text)
    kept = encoding.input_ids, encoding.attention_mask
    for width in (1, 3, 7):
        described = [
            token
            for first in range(0, len(encoding.tokens), width)
            for token in slow_tokens(
                Pieces(tokenizer), *kept, [each.type_id for each in encoding.tokens], Silent(),
                (first, min(first + width, len(encoding.tokens))),
            )
        ]  # fmt: skip
        assert [(each.position, each.text) for each in described] == [
            (each.position, each.text) for each in encoding.tokens
        ]


def test_special_tokens_are_counted_whatever_is_gone_through_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = KINDS["word_piece_uncased"]()
    texts = ["the quick [SEP] fox", "film [MASK] reads the [UNK]"]
    options = TokenizerOptions(padding="longest")
    wanted = tokens.tokenize(tokenizer, texts, options)
    assert wanted.specials == (3, 4)
    monkeypatch.setattr(decoding, "_PART", 2)
    assert tokens.tokenize(tokenizer, texts, options) == wanted


# Merge ranks and scores.


@each_kind
def test_ranks_and_scores_are_those_of_the_model(kind: str) -> None:
    tokenizer = KINDS[kind]()
    found = standing(tokenizer)
    if not tokenizer.is_fast:
        assert found.kind == {"slow_merges": "merge rank"}.get(kind, "score" if "sentence_piece" in kind else "")
        return
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model["type"] == "Unigram":
        assert found.kind == "score"
        assert found.by_id == {id_: score for id_, (_, score) in enumerate(model["vocab"])}
    elif model["type"] == "BPE":
        assert found.kind == "merge rank"
        made: dict[str, int] = {}
        for rank, (left, right) in enumerate(model["merges"]):
            made.setdefault(left + right, rank)
        assert {tokenizer.convert_ids_to_tokens(id_): rank for id_, rank in found.by_id.items()} == made
        assert all(found.of(id_) is None for id_ in tokenizer.all_special_ids)
    else:
        assert (found.kind, found.by_id) == ("", {})


@pytest.mark.parametrize("kind", ["slow_sentence_piece_unigram", "slow_sentence_piece_byte_fallback"])
def test_scores_of_sentence_piece_are_its_own(kind: str) -> None:
    tokenizer = KINDS[kind]()
    model, found = tokenizer.sp_model, standing(tokenizer)
    assert len(found.by_id) > 90
    for id_, score in found.by_id.items():
        assert score == model.GetScore(model.PieceToId(tokenizer.convert_ids_to_tokens(id_)))
    assert found.of(tokenizer.unk_token_id) is None


def test_ranks_of_merges_written_in_python_are_told_by_the_piece_that_stands_in_the_text() -> None:
    tokenizer = KINDS["slow_merges"]()
    found = standing(tokenizer)
    ranks = {tokenizer.convert_ids_to_tokens(id_): rank for id_, rank in found.by_id.items()}
    assert ranks == {"th@@": 0, "the": 1, "fo@@": 2, "fox": 3}


def test_reading_the_ranks_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        standing(KINDS["byte_level_bpe"](), task=Stopped())


# Texts that are hard on a tokenizer.


@pytest.mark.parametrize(
    "kind", ["byte_level_bpe", "byte_fallback_with_a_blank_in_front", "unigram", "word_piece_uncased", "slow_bytes"]
)
def test_a_text_of_special_tokens_only_is_what_the_library_makes_of_it(kind: str) -> None:
    tokenizer = KINDS[kind]()
    text = "".join(tokenizer.all_special_tokens) * 3
    encoding = tokens.encode(tokenizer, text, TokenizerOptions(add_special_tokens=False))
    assert list(encoding.input_ids) == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert all(each.special for each in encoding.tokens if each.text.strip())
    assert tokens.tokenize(tokenizer, [text]).plain[0].strip() == ""


@pytest.mark.parametrize("kind", ["byte_level_bpe", "word_piece_uncased", "unigram"])
def test_a_storm_of_combining_marks_is_one_character_after_another(kind: str) -> None:
    tokenizer = KINDS[kind]()
    storm = ("e" + "\u0301" * 2_000 + " ") * 20
    encoding = tokens.encode(tokenizer, storm)
    assert list(encoding.input_ids) == tokenizer(storm, verbose=False)["input_ids"]
    assert [each.offsets for each in encoding.tokens] == tokenizer(storm, return_offsets_mapping=True, verbose=False)[
        "offset_mapping"
    ]


def test_control_characters_and_mixed_direction_stand_at_their_own_places() -> None:
    text = "a\0b\x1b[0m \u202eשלום\u202c \u2067مرحبا\u2069 c\x7f\u200b"
    encoding = tokens.encode(KINDS["byte_level_bpe"](), text)
    assert "".join(each.text for each in encoding.tokens) == text
    for each in encoding.tokens:
        start, end = each.offsets
        assert each.text in ("", text[start:end])


def test_megabytes_without_a_space_are_encoded_whole() -> None:
    text = "".join(random.Random(0).choices("abcdefgh0123456789", k=2_000_000))
    tokenizer = KINDS["byte_level_bpe"]()
    batch = tokens.look(tokenizer, [text], TokenizerOptions(add_special_tokens=False))
    (encoding,) = batch.encodings
    first, middle, last = (encoding.tokens[at] for at in (0, len(encoding.tokens) // 2, -1))
    assert first.offsets == (0, len(first.text))
    assert middle.offsets is not None and text[slice(*middle.offsets)] == middle.text
    assert last.offsets == (len(text) - len(last.text), len(text))
    assert tokens.decoded_back(tokenizer, batch).decoded == (text,)
    (encoding,) = tokens.look(KINDS["word_piece_uncased"](), [text]).encodings
    assert [each.offsets for each in encoding.tokens] == [(0, 0), (0, len(text)), (0, 0)]


def test_ids_beyond_the_vocabulary_have_no_piece_and_decode_as_the_library_decodes_them() -> None:
    tokenizer: Any = KINDS["byte_level_bpe"]()
    beyond = len(tokenizer) + 7
    assert tokens.decode(tokenizer, [40, beyond]) == tokenizer.decode([40, beyond])
    assert standing(tokenizer).of(beyond) is None
