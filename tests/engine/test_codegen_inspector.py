"""The inspector's scripts run as they stand, give the pane's numbers, and are laid out as ruff does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.test_codegen import NASTY, run
from tests.tiny_tokenizers import KINDS
from workbench.engine import codegen, tokens
from workbench.engine.tokens import versus
from workbench.engine.tokens.added import Switches, try_token
from workbench.engine.tokens.browse import entries, find
from workbench.engine.tokens.rectangle import BatchOptions, rectangle
from workbench.engine.tokens.stages import Workings
from workbench.engine.tokens.standing import standing
from workbench.engine.tokens.template import Talk, Turn, write
from workbench.engine.values import Checkpoint

TEXT = "The quick brown 🦊 jumps over the lazy dog"
EVERY = BatchOptions(False, "max_length", "longest_first", 16, 3, 8, "left", "left", True, True)
TOOL = {"type": "function", "function": {"name": "f", "description": "a" * 90, "parameters": {"type": "object"}}}


@pytest.fixture(scope="module", params=["llama", "bert"])
def checkpoint(request: Any, tiny_llama: Checkpoint, tiny_bert: Checkpoint) -> Checkpoint:
    return tiny_llama if request.param == "llama" else tiny_bert


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Checkpoint) -> Any:
    return tokens.load_tokenizer(checkpoint)


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("text", [TEXT, "", "a<|im_end|>b [MASK] c"])
def test_the_stages_are_those_of_the_pane(checkpoint: Checkpoint, tokenizer: Any, text: str, special: bool) -> None:
    names = run(codegen.stages(checkpoint, text, special))
    seen = {each.name: each for each in Workings(tokenizer).stages(text, special)}
    assert names["words"] == [part.text for part in seen["pre-tokenizer"].parts]
    assert names["pieces"] == [part.text for part in seen["model"].parts]
    assert names["finished"] == [part.text for part in seen["post-processor"].parts]
    assert names["decoded"] == seen["decoder"].parts[0].text


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "text"),
        (" the", "text"),
        ("the", "text"),
        ("7", "id"),
        ("^.t", "regex"),
        ("", "special"),
        ("im", "special"),
    ],
)
def test_the_search_finds_the_same_ids(checkpoint: Checkpoint, tokenizer: Any, query: str, kind: str) -> None:
    assert run(codegen.vocabulary(checkpoint, query, kind))["found"] == list(find(entries(tokenizer), query, kind))


@pytest.mark.parametrize("kind", [
    "byte_level_bpe", "bpe_end_of_word", "byte_fallback_by_metaspace", "unigram", "word_piece_uncased",
    "slow_sentence_piece_unigram", "slow_sentence_piece_byte_fallback", "slow_merges",
])  # fmt: skip
def test_the_search_prints_the_ranks_and_scores_of_the_pane(kind: str, tmp_path: Path, capsys: Any) -> None:
    KINDS[kind]().save_pretrained(tmp_path)
    checkpoint = Checkpoint(kind, tmp_path)
    expected = standing(tokens.load_tokenizer(checkpoint))
    names = run(codegen.vocabulary(checkpoint))
    assert {id_: value for id_, value in names["standing"].items() if id_ is not None} == expected.by_id
    lines = capsys.readouterr().out.splitlines()
    for id_ in [id_ for id_ in expected.by_id if id_ < 100][:3]:
        assert lines[id_].split()[:2] == [str(id_), str(expected.of(id_))]


@pytest.mark.parametrize(
    "switches",
    [
        None,
        Switches(special=True),
        Switches(single_word=True, lstrip=True, rstrip=True, normalized=False),
        Switches(special=True, normalized=True),
    ],
)
def test_an_added_token_gives_the_same_ids(checkpoint: Checkpoint, tokenizer: Any, switches: Switches | None) -> None:
    names = run(codegen.add_token(checkpoint, TEXT, "lazy dog", switches))
    made = try_token(tokenizer, "lazy dog", TEXT, switches)
    assert names["before"] == list(made.before.input_ids)
    assert names["after"] == list(made.after.input_ids)


@pytest.mark.parametrize(
    "options",
    [
        BatchOptions(),
        EVERY,
        BatchOptions(truncation="longest_first", max_length=8),
        BatchOptions(is_split_into_words=True),
    ],
)
@pytest.mark.parametrize("pairs", [None, ("one", "two and two", "")])
def test_the_batch_gives_the_same_tensors(
    checkpoint: Checkpoint, tokenizer: Any, options: BatchOptions, pairs: Any, capsys: Any
) -> None:
    texts = [TEXT, "the fox", ""]
    names = run(codegen.batch(checkpoint, texts, pairs, options))
    made = rectangle(tokenizer, texts, pairs, options)
    assert list(names["batch"]) == [each.name for each in made.tensors]
    for each in made.tensors:
        assert torch.equal(names["batch"][each.name], torch.from_numpy(each.values))
    printed = capsys.readouterr().out
    assert f"{made.wasted} of {made.positions} positions are padding" in printed
    if options.is_split_into_words:
        for number, row in enumerate(made.rows):
            assert all(f"row {number}, word {token.word}: {token.piece!r}\n" in printed for token in row.tokens)


@pytest.mark.parametrize("prompt", [True, False])
def test_a_conversation_gives_the_same_text_ids_and_mask(tiny_llama: Checkpoint, prompt: bool) -> None:
    template = (
        "{{ tools | tojson }}{{ mood }}\n{% for m in messages %}{{ m.role }}: "
        "{% generation %}{{ m.content }}{% endgeneration %}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
    )
    turns = (Turn("user", TEXT), Turn("assistant", "Yes.", json.dumps({"mark": [1, None, True, {"a": 0.5}]})))
    talk = Talk(turns, json.dumps([TOOL]), '{"mood": "glad"}', prompt, False, template)
    made = write(tokens.load_tokenizer(tiny_llama), talk)
    names = run(codegen.chat_template(tiny_llama, talk, mask=True))
    assert names["text"] == made.encoding.text
    assert names["ids"] == list(made.encoding.input_ids)
    assert names["mask"] == list(made.assistant or ())
    plain = Talk(turns[:1], add_generation_prompt=prompt)
    names = run(codegen.chat_template(tiny_llama, plain))
    assert names["text"] == write(tokens.load_tokenizer(tiny_llama), plain).encoding.text


def test_the_comparison_gives_the_same_counts(tiny_llama: Checkpoint, tiny_bert: Checkpoint, tmp_path: Path) -> None:
    both = [tiny_llama, tiny_bert]
    loaded = [tokens.load_tokenizer(each) for each in both]
    wanted = {each.name: versus.measure(one, each.name, TEXT) for each, one in zip(both, loaded, strict=True)}
    file = tmp_path / "text.txt"
    file.write_text(TEXT, encoding="utf-8")
    for given in (TEXT, file):
        names = run(codegen.tokenizers(both, given))
        assert names["counts"] == {name: each.tokens for name, each in wanted.items()}
        assert names["back"] == wanted["tiny-bert"].back.decoded
    names = run(codegen.tokenizers(both, None))
    for price in versus.prices(loaded):
        for number, each in enumerate(both):
            assert names["counts"][each.name, price.language.name] == price.tokens[number]


def test_a_tokenizer_without_a_fast_backend_has_scripts_too(tmp_path: Path) -> None:
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    tokenizer.save_pretrained(tmp_path)
    checkpoint = Checkpoint("byt5", tmp_path)
    assert run(codegen.stages(checkpoint, TEXT))["finished"] == tokenizer.convert_ids_to_tokens(
        tokenizer(TEXT).input_ids
    )
    assert run(codegen.vocabulary(checkpoint, "a"))["found"] == list(find(entries(tokenizer), "a"))
    made = rectangle(tokenizer, ["a", TEXT])
    names = run(codegen.batch(checkpoint, ["a", TEXT], None, BatchOptions()))
    assert torch.equal(names["batch"]["input_ids"], torch.from_numpy(made.tensors[0].values))


def test_scripts_are_laid_out_as_ruff_does(tiny_llama: Checkpoint, tiny_bert: Checkpoint, tmp_path: Path) -> None:
    count = 0
    for text in NASTY:
        more = json.dumps({"tool_calls": [{"function": {"name": text, "arguments": {"a": text, "b": [1, None]}}}]})
        talk = Talk(
            (Turn("user", text), Turn("assistant", None, more)),
            json.dumps([TOOL]),
            json.dumps({"a b": text}),
            True,
            False,
            text,
        )
        for source in (
            codegen.stages(tiny_llama, text),
            codegen.stages(tiny_llama, text, False),
            *(codegen.vocabulary(tiny_llama, text, kind) for kind in ("text", "id", "regex", "special")),
            codegen.add_token(tiny_llama, text, text, Switches(True, True, True, True, True)),
            codegen.batch(tiny_llama, [text, "b"], None, BatchOptions()),
            codegen.batch(tiny_llama, [text, "b"], [text, text], EVERY),
            codegen.batch(tiny_llama, [text, "b"], [text, text], BatchOptions(is_split_into_words=True)),
            codegen.chat_template(tiny_llama, talk, mask=True),
            codegen.tokenizers([tiny_llama, tiny_bert], text),
            codegen.tokenizers([tiny_llama, tiny_bert], Path("/") / ("x" * 120)),
            codegen.tokenizers([tiny_llama, tiny_bert], None),
        ):
            (tmp_path / f"script_{count}.py").write_text(source, "utf-8", newline="\n")
            count += 1
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--check", str(tmp_path)]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
