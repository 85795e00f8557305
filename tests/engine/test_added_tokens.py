"""Added tokens of every kind: the stages, and their script, show where the library itself cuts them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from tokenizers import AddedToken, normalizers
from tokenizers.pre_tokenizers import PreTokenizer
from transformers import LayoutLMv3Tokenizer, PreTrainedTokenizerFast

from tests import tiny, tiny_tokenizers
from tests.engine.test_codegen import run
from workbench.engine import codegen, tokens
from workbench.engine.codegen import inspector
from workbench.engine.tokens.browse import entries, find
from workbench.engine.tokens.stages import Workings
from workbench.engine.tokens.standing import standing
from workbench.engine.values import Checkpoint, TokenizerOptions

ADDED = (
    AddedToken("<Z>", lstrip=True, rstrip=True, normalized=True),
    AddedToken("<Keep>", lstrip=True, normalized=False, special=True),
    AddedToken("Fox", single_word=True, normalized=True),
    AddedToken("İ", normalized=True),
    AddedToken("ab", single_word=True, normalized=False),
)
PIECES = (*"abfox <>Z\t\n\u3000\x1ci", "<Z>", "<z>", "<Keep>", "fox", "FOX", "foxes", "İ", "i̇", "ab", "é", "🦊")


def build(kind: str) -> Any:
    tokenizer = tiny_tokenizers.KINDS[kind].__wrapped__()  # type: ignore[attr-defined]
    if kind == "byte_level_bpe":
        tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_tokens(list(ADDED))
    return tokenizer


TOKENIZERS = {kind: build(kind) for kind in ("byte_level_bpe", "unigram", "word_piece_uncased")}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_stages_cut_where_the_library_cuts(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    splitter = str(tokenizer.backend_tokenizer.pre_tokenizer)
    made = {each.name: each for each in Workings(tokenizer).stages(text, add_special_tokens=False)}
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert [part.id for part in made["model"].parts] == ids
    assert made["model"].note == ""
    assert str(tokenizer.backend_tokenizer.pre_tokenizer) == splitter
    if "added tokens" in made:
        places = [part.offsets for part in made["added tokens"].parts]
        assert "".join(text[start:end] for start, end in places) == text


def test_a_word_that_only_holds_an_added_token_is_not_cut() -> None:
    made = {each.name: each for each in Workings(TOKENIZERS["byte_level_bpe"]).stages(" FOX foxes\x85<z>  b")}
    assert [part.text for part in made["normalizer"].parts] == [" fox foxes\x85<z>  b"]
    assert [(part.text, part.offsets) for part in made["pre-tokenizer"].parts if part.special] == [
        ("Fox", (1, 4)),
        ("<Z>", (10, 16)),
    ]


def test_special_tokens_that_are_split_are_no_added_tokens_of_the_text() -> None:
    tokenizer = tiny_tokenizers.KINDS["special_tokens_written_as_text"]()
    ids = tokenizer("the [SEP] fox")["input_ids"]
    tokenizer.backend_tokenizer.encode_special_tokens = False
    made = {each.name: each for each in Workings(tokenizer).stages("the [SEP] fox")}
    assert "added tokens" not in made
    assert [part.id for part in made["post-processor"].parts] == ids
    assert "cuts the text up" not in made["post-processor"].note


@pytest.mark.parametrize("kind", [*TOKENIZERS, "byte_fallback_by_metaspace", "special_tokens_written_as_text"])
def test_the_script_shows_the_same_stages(kind: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS.get(kind) or tiny_tokenizers.KINDS[kind]()
    tokenizer.save_pretrained(tmp_path)
    checkpoint = Checkpoint(kind, tmp_path)
    loaded = tokens.load_tokenizer(checkpoint)
    for text in ("", "a FOX foxes  <Z> b<Keep>c İ", "x<unk>y [SEP]z </s> w"):
        names = run(codegen.stages(checkpoint, text))
        made = {each.name: each for each in Workings(loaded).stages(text)}
        assert names["words"] == [part.text for part in made["pre-tokenizer"].parts]
        assert names["pieces"] == [part.text for part in made["model"].parts]
        assert names["finished"] == [part.text for part in made["post-processor"].parts]


@pytest.mark.parametrize("kind", ["byte_fallback_as_it_stands", "byte_level_bpe"])
@pytest.mark.parametrize("query", ["^ $", "\n", r"^\W$", "\ufffd"])
def test_the_script_reads_bytes_as_the_browser_does(kind: str, query: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizers.KINDS[kind]()
    tokenizer.save_pretrained(tmp_path)
    found = run(codegen.vocabulary(Checkpoint(kind, tmp_path), query, "regex"))["found"]
    assert found == list(find(entries(tokenizer), query, "regex"))


class _Whole:
    """A part of a tokenizer that is written in Python."""

    def pre_tokenize(self, flow: Any) -> None:
        """Nothing is cut."""


def test_a_vocabulary_is_read_beside_a_part_that_is_written_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_tokenizers.KINDS["byte_level_bpe"].__wrapped__()  # type: ignore[attr-defined]
    expected = standing(tokenizer).by_id
    tokenizer.backend_tokenizer.pre_tokenizer = PreTokenizer.custom(_Whole())
    assert standing(tokenizer).by_id == expected
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *_, **__: tokenizer)
    names = run(codegen.vocabulary(Checkpoint("custom", Path("custom"))))
    assert {id_: rank for id_, rank in names["standing"].items() if id_ is not None} == expected


def test_a_tokenizer_of_pages_is_compared_by_script(tmp_path: Path) -> None:
    LayoutLMv3Tokenizer(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer).save_pretrained(tmp_path)
    page = Checkpoint("page", tmp_path)
    text = "The quick brown fox"
    ids = tokens.load_tokenizer(page)(text, add_special_tokens=False)["input_ids"]
    assert run(inspector.tokenizers([page], text))["counts"] == {"page": len(ids)}
    counts = run(inspector.tokenizers([page], None))["counts"]
    assert counts["page", "English"] > 0
    assert issubclass(type(tokens.load_tokenizer(page)), PreTrainedTokenizerFast)


def test_a_letter_that_was_added_still_spells_the_byte_it_stood_for() -> None:
    tokenizer = tiny_tokenizers.KINDS["byte_level_bpe"].__wrapped__()  # type: ignore[attr-defined]
    tokenizer.add_tokens(["é"])
    found = tokens.encode(tokenizer, "é陽", TokenizerOptions(add_special_tokens=False)).tokens
    assert [(token.piece, token.text, token.bytes) for token in found[:2]] == [
        ("é", "é", "é".encode()),
        ("é", "", b"\xe9"),
    ]
    assert b"".join(token.bytes or b"" for token in found[1:]) == "陽".encode()
    assert "".join(token.text for token in found) == "é陽"
