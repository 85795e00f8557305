"""What the engine says of a text is what the library says, and never less exact."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.engine import tokens
from workbench.engine.errors import CheckpointError, InputError, NotSupported, UnsafeRefused
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tokens.edit import respelled
from workbench.engine.values import Checkpoint, Message, TokenizerOptions

ODD_TEXTS = (
    "",
    " ",
    "The quick brown fox",
    "Zażółć gęślą jaźń 🦊 fox",
    "\0a\tb\r\nc",
    "שלום עולם",
    "👩‍👩‍👧 and 🇩🇪",
    "e\u0301 \ufb01 \u2028 \u00a0",
    "The [MASK] brown <|im_start|>fox<|im_end|>",
    "漢字かな交じり文",
)
OPTIONS = tuple(
    TokenizerOptions(special, padding, truncation, length, side)
    for special, padding, truncation, length, side in itertools.product(
        (True, False), (False, "longest", "max_length"), (True, False), (None, 3, 40), (None, "left", "right")
    )
)


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> Any:
    return tokens.load_tokenizer(tiny_llama)


@pytest.fixture(scope="module")
def bert(tiny_bert: Checkpoint) -> Any:
    return tokens.load_tokenizer(tiny_bert)


@pytest.fixture(scope="module")
def slow() -> Any:
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


@pytest.fixture(scope="module")
def fallback() -> Any:
    """A SentencePiece-like vocabulary that spells unknown characters in bytes, as Llama 2 and Gemma do."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "▁ab"]
    vocabulary = {piece: id_ for id_, piece in enumerate(pieces)}
    merges = [("▁", "a"), ("▁a", "b")]
    bpe = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, unk_token="<unk>", eos_token="</s>")


def expected(tokenizer: Any, texts: list[str], options: TokenizerOptions) -> Any:
    length = options.max_length if options.truncation or options.padding == "max_length" else None
    return tokenizer(
        texts,
        add_special_tokens=options.add_special_tokens,
        padding=options.padding,
        truncation=options.truncation,
        max_length=length,
        padding_side=options.padding_side,
        return_offsets_mapping=True,
        verbose=False,
    )


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_every_position_is_what_the_library_returns(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    for options in OPTIONS:
        wanted = expected(tokenizer, list(ODD_TEXTS), options)
        for row, encoding in enumerate(tokens.encode_batch(tokenizer, ODD_TEXTS, options)):
            assert list(encoding.input_ids) == wanted["input_ids"][row]
            assert list(encoding.attention_mask) == wanted["attention_mask"][row]
            assert [token.offsets for token in encoding.tokens] == wanted["offset_mapping"][row]
            assert [token.word for token in encoding.tokens] == wanted.word_ids(row)
            assert [token.sequence for token in encoding.tokens] == wanted.sequence_ids(row)
            types = wanted["token_type_ids"][row] if "token_type_ids" in wanted else [None] * len(encoding.tokens)
            assert [token.type_id for token in encoding.tokens] == types
            assert [token.position for token in encoding.tokens] == list(range(len(encoding.tokens)))
            assert [token.piece for token in encoding.tokens] == tokenizer.convert_ids_to_tokens(encoding.input_ids)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_byte_level_tokens_hold_exactly_the_bytes_and_characters_of_the_text(llama: Any, text: str) -> None:
    encoding = tokens.encode(llama, text)
    assert b"".join(token.bytes or b"" for token in encoding.tokens) == text.encode()
    assert "".join(token.text for token in encoding.tokens) == text
    assert tokens.decode(llama, encoding.input_ids) == text


def test_a_character_over_several_tokens_belongs_to_the_one_that_completes_it(llama: Any) -> None:
    encoding = tokens.encode(llama, "🦊")
    assert [token.bytes for token in encoding.tokens] == [b"\xf0", b"\x9f", b"\xa6", b"\x8a"]
    assert [token.text for token in encoding.tokens] == ["", "", "", "🦊"]


def test_a_character_cut_by_truncation_never_becomes_a_replacement_character(llama: Any) -> None:
    encoding = tokens.encode(llama, "a🦊", TokenizerOptions(truncation=True, max_length=3))
    assert [token.text for token in encoding.tokens] == ["a", "", ""]
    assert encoding.truncated == 2


def test_byte_fallback_pieces_are_bytes(fallback: Any) -> None:
    encoding = tokens.encode(fallback, "ab 🦊é")
    assert [token.piece for token in encoding.tokens][:3] == ["▁ab", "▁", "<0xF0>"]
    fox = encoding.tokens[2:6]
    assert b"".join(token.bytes or b"" for token in fox) == "🦊".encode()
    assert [token.text for token in fox] == ["", "", "", "🦊"]
    assert [token.bytes for token in encoding.tokens[6:]] == [b"\xc3", b"\xa9"]
    assert "".join(token.text for token in encoding.tokens) == "ab 🦊é"


def test_a_normalizing_tokenizer_shows_the_characters_of_the_text(bert: Any) -> None:
    encoding = tokens.encode(bert, "The QUICK 漢字")
    assert [token.text for token in encoding.tokens] == ["[CLS]", "The", "QUICK", "漢", "字", "[SEP]"]
    assert encoding.tokens[2].piece == "quick"
    assert encoding.tokens[2].bytes == b"QUICK"
    assert encoding.tokens[0].bytes is None
    assert [token.special for token in encoding.tokens] == [True, False, False, True, True, True]


def test_special_tokens_written_in_the_text_are_special(llama: Any) -> None:
    encoding = tokens.encode(llama, "a<|im_end|>")
    last = encoding.tokens[-1]
    assert (last.special, last.text, last.bytes, last.offsets) == (True, "<|im_end|>", b"<|im_end|>", (1, 11))


def test_a_pair_tells_its_second_text_apart(bert: Any) -> None:
    encoding = tokens.encode(bert, "the fox", pair="the dog")
    assert list(encoding.input_ids) == bert("the fox", "the dog")["input_ids"]
    assert [token.sequence for token in encoding.tokens] == bert("the fox", "the dog").sequence_ids()
    assert [token.text for token in encoding.tokens if token.sequence == 1] == ["the", "dog"]


def test_a_tokenizer_without_offsets_says_none_and_still_reads_its_tokens(slow: Any) -> None:
    options = TokenizerOptions(padding="max_length", truncation=True, max_length=10, padding_side="left")
    encoding = tokens.encode(slow, "Hé🦊", options)
    wanted = slow("Hé🦊", padding="max_length", truncation=True, max_length=10, padding_side="left")
    assert list(encoding.input_ids) == wanted["input_ids"]
    assert list(encoding.attention_mask) == wanted["attention_mask"]
    assert {(token.offsets, token.word) for token in encoding.tokens} == {(None, None)}
    assert [token.bytes for token in encoding.tokens[3:6]] == [b"\xc3", b"\xa9", b"\xf0"]
    assert [token.text for token in encoding.tokens] == ["<pad>", "<pad>", "H", "", "é", "", "", "", "🦊", "</s>"]


@pytest.mark.parametrize("name", ["llama", "bert", "slow"])
def test_an_empty_text_is_an_encoding(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    assert list(tokens.encode(tokenizer, "").input_ids) == tokenizer("")["input_ids"]
    assert tokens.encode(tokenizer, "", TokenizerOptions(add_special_tokens=False)).tokens == ()
    assert tokens.encode_batch(tokenizer, ()) == ()


@pytest.mark.parametrize("name", ["llama", "bert", "slow"])
def test_lone_surrogates_are_refused_with_their_place(name: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(InputError, match=r"character 3 .*U\+D83E.*Delete that character"):
        tokens.encode(request.getfixturevalue(name), "ab\ud83e")


@pytest.mark.parametrize("length", [3, 5, 100])
def test_truncation_is_counted(bert: Any, length: int) -> None:
    text = "the quick brown fox jumps"
    encoding = tokens.encode(bert, text, TokenizerOptions(truncation=True, max_length=length, padding="max_length"))
    kept = sum(encoding.attention_mask)
    assert encoding.truncated == len(bert(text)["input_ids"]) - kept
    assert len(encoding.tokens) == length


def test_what_leaves_no_room_for_truncation_is_refused(bert: Any, llama: Any) -> None:
    with pytest.raises(InputError, match="special tokens alone take 2"):
        tokens.encode(bert, "the fox", TokenizerOptions(truncation=True, max_length=1))
    with pytest.raises(InputError, match="max_length to 1 or more"):
        tokens.encode(llama, "the fox", TokenizerOptions(truncation=True, max_length=0))


@pytest.mark.parametrize(
    "options",
    [TokenizerOptions(truncation=True), TokenizerOptions(padding="max_length")],
    ids=["truncation", "padding"],
)
def test_a_tokenizer_without_a_longest_length_asks_for_one(fallback: Any, options: TokenizerOptions) -> None:
    assert tokens.longest(fallback) is None
    with pytest.raises(InputError, match=r"Set max_length\."):
        tokens.encode(fallback, "a", options)


def test_padding_borrows_the_end_token_and_says_so(fallback: Any) -> None:
    batch = tokens.tokenize(fallback, ["a", "a a a"], TokenizerOptions(padding="longest"))
    assert (batch.padded_with, batch.borrowed) == ("</s>", True)
    assert batch.encodings[0].input_ids[1:] == (1, 1)
    assert (batch.width, batch.wasted) == (3, 2)
    assert fallback.pad_token is None


def test_padding_without_any_token_for_it_says_what_to_do(fallback: Any) -> None:
    without = copy.deepcopy(fallback)
    without.eos_token = None
    with pytest.raises(InputError, match="Switch padding off"):
        tokens.encode(without, "a", TokenizerOptions(padding="longest"))


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (["a " * 20_000, *["b"] * 400], TokenizerOptions(padding="longest")),
        (["b"] * 30, TokenizerOptions(padding="max_length", max_length=100_000)),
    ],
    ids=["longest", "max_length"],
)
def test_a_rectangle_beyond_memory_is_refused(bert: Any, texts: list[str], options: TokenizerOptions) -> None:
    with pytest.raises(InputError, match="too different in length"):
        tokens.encode_batch(bert, texts, options)
    cut = replace(options, truncation=True, max_length=16)
    assert {len(encoding.tokens) for encoding in tokens.encode_batch(bert, texts, cut)} == {16}


def test_the_tokenizer_is_left_as_it_was_found(llama: Any) -> None:
    backend = llama.backend_tokenizer
    backend.enable_truncation(max_length=7, stride=1)
    backend.enable_padding(length=9, direction="left", pad_id=2, pad_token="<|im_end|>")
    before = (backend.truncation, backend.padding, backend.encode_special_tokens)
    try:
        for options in OPTIONS:
            tokens.encode(llama, "The quick brown fox", options)
            assert (backend.truncation, backend.padding, backend.encode_special_tokens) == before
        with pytest.raises(InputError):
            tokens.encode(llama, "\ud800")
        assert (backend.truncation, backend.padding, backend.encode_special_tokens) == before
    finally:
        backend.no_truncation()
        backend.no_padding()


def test_a_text_longer_than_the_context_is_encoded_without_a_word(
    llama: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    encoding = tokens.encode(llama, "fox " * 1000)
    assert len(encoding.tokens) > 256
    assert tokens.longest(llama) == 256
    assert capfd.readouterr() == ("", "")


def test_decoding_back_with_and_without_special_tokens(bert: Any) -> None:
    batch = tokens.tokenize(bert, ["the quick fox", "fox"], TokenizerOptions(padding="longest"))
    assert batch.decoded == ("[CLS] the quick fox [SEP]", "[CLS] fox [SEP] [PAD] [PAD]")
    assert batch.plain == ("the quick fox", "fox")
    assert batch.decoded[0] == bert.decode(batch.encodings[0].input_ids)


def test_rows_of_different_length_have_no_width(bert: Any) -> None:
    assert tokens.tokenize(bert, ["the", "the fox"]).width is None
    assert tokens.tokenize(bert, []).width is None


def test_a_cancelled_task_stops_a_long_text(llama: Any) -> None:
    class Impatient(Silent):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks > 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        tokens.encode(llama, "fox " * 20_000, task=Impatient())


# Chat


def test_a_chat_is_written_by_the_checkpoints_own_template(llama: Any) -> None:
    messages = [Message("system", "Be brief."), Message("user", "Hi 🦊")]
    rendered = tokens.render_chat(llama, messages)
    assert rendered == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi 🦊<|im_end|>\n<|im_start|>assistant\n"
    )
    assert not tokens.render_chat(llama, messages, add_generation_prompt=False).endswith("assistant\n")
    turns = [{"role": message.role, "content": message.content} for message in messages]
    wanted = llama.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert list(tokens.encode_chat(llama, messages).input_ids) == wanted
    assert tokens.encode_chat(llama, messages).text == rendered


def test_a_checkpoint_without_a_chat_template_says_so(bert: Any) -> None:
    with pytest.raises(NotSupported, match="no chat template"):
        tokens.render_chat(bert, [Message("user", "hi")])


def test_a_template_that_refuses_a_conversation_is_quoted(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "chat_template", "{{ raise_exception('Roles must alternate!') }}")
    with pytest.raises(InputError, match="Roles must alternate!"):
        tokens.render_chat(llama, [Message("user", "a"), Message("user", "b")])


# Loading


def test_loading_gives_a_tokenizer_of_ones_own(tiny_llama: Checkpoint) -> None:
    first, second = tokens.load_tokenizer(tiny_llama), tokens.load_tokenizer(tiny_llama)
    assert first is not second
    assert first.get_vocab() == second.get_vocab()


@pytest.mark.parametrize("which", ["llama", "bert", "fallback", "slow"])
def test_a_tokenizer_of_ones_own_does_the_same_and_keeps_its_padding_to_itself(
    which: str, request: pytest.FixtureRequest
) -> None:
    theirs = request.getfixturevalue(which)
    own = tokens.own_tokenizer(theirs)
    for text in ("The quick brown fox", "naïve 🙂‍↔️ 語 <|im_start|>x[MASK]", ""):
        assert own(text)["input_ids"] == theirs(text)["input_ids"]
        assert own.decode(own(text)["input_ids"]) == theirs.decode(theirs(text)["input_ids"])
    if theirs.is_fast:
        assert own.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
        own.backend_tokenizer.enable_truncation(2)
        assert (
            len(own.backend_tokenizer.encode("The quick brown fox"))
            == 2
            < len(theirs.backend_tokenizer.encode("The quick brown fox"))
        )


def copied(checkpoint: Checkpoint, folder: Path, **changed: str | None) -> Checkpoint:
    shutil.copytree(checkpoint.path, folder, dirs_exist_ok=True)
    for name, content in changed.items():
        file = folder / f"{name}.json"
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
    return Checkpoint("a copy", folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer of gone.*nowhere is not there"):
        tokens.load_tokenizer(Checkpoint("gone", tmp_path / "nowhere"))


def test_a_checkpoint_without_tokenizer_files_says_so(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    bare = copied(tiny_llama, tmp_path, tokenizer=None, tokenizer_config=None)
    with pytest.raises(CheckpointError, match="no tokenizer files"):
        tokens.load_tokenizer(bare)


@pytest.mark.parametrize("content", ["", "{broken", "{}", '{"model": {"type": "BPE", "voc'])
def test_a_damaged_tokenizer_file_says_so(tiny_llama: Checkpoint, tmp_path: Path, content: str) -> None:
    with pytest.raises(CheckpointError, match=r"can't be read.*Download the checkpoint again"):
        tokens.load_tokenizer(copied(tiny_llama, tmp_path, tokenizer=content))


def test_a_tokenizer_that_is_code_of_its_own_is_refused(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    config = json.loads((tiny_llama.path / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    with pytest.raises(UnsafeRefused, match="program that came with the checkpoint"):
        tokens.load_tokenizer(copied(tiny_llama, tmp_path, tokenizer_config=json.dumps(config)))


def test_the_ids_of_a_long_text_are_never_looked_through_for_garbage(llama: Any, bert: Any, slow: Any) -> None:
    for tokenizer in (llama, bert, slow):
        before = tokens.look(tokenizer, ["the fox " * 300]).encodings[0]
        after = respelled(tokenizer, before, before.text[:900] + "x" + before.text[900:])
        assert (after is None) is (tokenizer is slow)
        for encoding in filter(None, (before, after)):
            assert not gc.is_tracked(encoding.input_ids)
            assert not gc.is_tracked(encoding.attention_mask)
            assert encoding.attention_mask == (1,) * len(encoding.tokens)
