"""Tokenizers with calls and parts of their own are looked into like any other."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as t
from tokenizers import NormalizedString, PreTokenizedString
from tokenizers.pre_tokenizers import PreTokenizer

from tests import tiny, tiny_tokenizers
from workbench.engine import codegen, inside, tokens
from workbench.engine.codegen import inside as looks
from workbench.engine.errors import NotSupported
from workbench.engine.models import load
from workbench.engine.processors import missing
from workbench.engine.tokens.rectangle import rectangle
from workbench.engine.tokens.roundtrip import round_trip
from workbench.engine.tokens.stages import Workings
from workbench.engine.values import Checkpoint

TEXT = "The quick brown fox."
PAGES = ("LayoutLMv2Tokenizer", "LayoutLMv3Tokenizer", "LayoutXLMTokenizer", "UdopTokenizer")


@pytest.mark.parametrize("name", PAGES)
def test_running_text_is_read_where_the_own_call_wants_words_with_boxes(name: str) -> None:
    theirs = getattr(t, name)(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer)
    with pytest.raises(ValueError, match=r"[Bb]ox|Words"):
        theirs(TEXT)
    words = theirs([TEXT], boxes=[[0, 0, 0, 0]])["input_ids"]

    own = tokens.own_tokenizer(theirs)
    assert list(tokens.encode(own, TEXT).input_ids) == words
    assert round_trip(own, TEXT).exact
    assert Workings(own).stages(TEXT)[-2].parts[0].text == tokens.encode(own, TEXT).tokens[0].piece
    assert len(rectangle(own, [TEXT, "fox"]).rows) == 2
    with pytest.raises(ValueError, match=r"[Bb]ox|Words"):
        theirs(TEXT)


def test_the_script_for_running_text_reads_it_too(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    theirs = t.LayoutLMv3Tokenizer(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer)
    theirs.save_pretrained(tmp_path)
    script = codegen.stages(Checkpoint("page", tmp_path), TEXT)
    assert "tokenizer.__class__ = PreTrainedTokenizerFast" in script
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(script, names)
    assert names["encoding"].ids == tokens.load_tokenizer(Checkpoint("page", tmp_path))(TEXT)["input_ids"]
    assert capsys.readouterr().out


def test_a_model_of_pages_is_looked_into_with_running_text(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tokenizer = t.LayoutLMv3Tokenizer(tokenizer_object=tiny.byte_level_tokenizer().backend_tokenizer)
    config = t.LayoutLMv3Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        coordinate_size=6, shape_size=4, visual_embed=False, max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    t.LayoutLMv3ForTokenClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load(Checkpoint("tiny-page", tmp_path), device="cpu", head="AutoModelForTokenClassification")
    given = inside.read(model, TEXT)
    found = inside.look(model, given)
    ids = torch.tensor([model.tokenizer([TEXT], boxes=[[0, 0, 0, 0]])["input_ids"]])
    with torch.inference_mode():
        states = model.model(ids, output_hidden_states=True).hidden_states
    assert torch.allclose(torch.from_numpy(found.parts[0].states[-1]), states[-1][0], atol=1e-5)
    asked = looks.Asked(model, given, inside.arguments(model, given))
    exec(looks.norms(asked, found.parts[0]), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_an_empty_text_that_comes_back_without_its_batch_is_a_row() -> None:
    plain = tiny.byte_level_tokenizer()
    model = json.loads(plain.backend_tokenizer.to_str())["model"]
    vocab = {**model["vocab"], **{token: len(model["vocab"]) + place for place, token in enumerate(("<s>", "</s>"))}}
    theirs = t.MarkupLMTokenizer(vocab=vocab, merges=[tuple(pair) for pair in model["merges"]], tags_dict={"p": 0})
    own = tokens.own_tokenizer(theirs)
    for text in ("", TEXT):
        assert list(tokens.encode(own, text).input_ids) == theirs(text)["input_ids"]
    # Its call hands the words over one by one, so that the stages alone can't tell what becomes of them.
    for text, told in (("fox", False), (TEXT, True)):
        (stage,) = [stage for stage in Workings(own).stages(text) if stage.name == "post-processor"]
        assert ("gives other ids" in stage.note) == told
        assert ([part.id for part in stage.parts] != theirs(text)["input_ids"]) == told


def test_the_script_of_stages_leaves_out_what_would_fill_a_text_up(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    theirs = tiny.byte_level_tokenizer()
    theirs.backend_tokenizer.enable_padding(length=64)
    theirs.backend_tokenizer.enable_truncation(3)
    theirs.save_pretrained(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.stages(Checkpoint("padded", tmp_path), TEXT), names)
    assert names["encoding"].ids == theirs(TEXT)["input_ids"]
    assert capsys.readouterr().out


class _Halves:
    """A part of a tokenizer that is written in Python."""

    def halve(self, _: int, section: NormalizedString) -> list[NormalizedString]:
        middle = len(str(section)) // 2
        return [section[:middle], section[middle:]]

    def pre_tokenize(self, flow: PreTokenizedString) -> None:
        flow.split(self.halve)


class _Rewritten(t.PreTrainedTokenizerFast):
    """As RoFormer's does, it writes its parts out as JSON when it is copied."""

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_tokenizer": self.backend_tokenizer.to_str()}


def test_a_part_written_in_python_is_named_and_shown() -> None:
    theirs = _Rewritten(tokenizer_object=tiny_tokenizers.KINDS["letters_only"]().backend_tokenizer)
    theirs.backend_tokenizer.pre_tokenizer = PreTokenizer.custom(_Halves())
    own = tokens.own_tokenizer(theirs)
    assert tokens.encode(own, "quick").input_ids == tuple(theirs("quick")["input_ids"])
    (stage,) = [stage for stage in Workings(own).stages("quick") if stage.name == "pre-tokenizer"]
    assert [part.text for part in stage.parts] == ["qu", "ick"]
    assert stage.by == "PreTokenizer"


def test_a_slow_tokenizer_that_keeps_a_module_can_be_taken() -> None:
    # A copy: the kinds are shared by all tests.
    theirs = copy.deepcopy(tiny_tokenizers.KINDS["slow_bytes"]())
    theirs.cutter = json
    own = tokens.own_tokenizer(theirs)
    assert own is not theirs
    assert own.cutter is json
    assert own(TEXT)["input_ids"] == theirs(TEXT)["input_ids"]


def test_a_package_that_a_tokenizer_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({"<pad>": 0, "<unk>": 1, "a": 2}))
    theirs = t.VitsTokenizer(str(tmp_path / "vocab.json"), phonemize=True, is_uroman=False)
    try:
        theirs("a")
    except ImportError as error:
        expected = missing("", error)
    else:
        pytest.skip("phonemizer is installed")
    with pytest.raises(NotSupported, match="can't read a text") as caught:
        tokens.own_tokenizer(theirs)
    assert "phonemizer" in expected.remedy
    assert caught.value.remedy == expected.remedy
