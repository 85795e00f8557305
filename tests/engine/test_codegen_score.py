"""The script that scores a text prints the numbers that the engine gives, in windows and with two-byte letters."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine import codegen, score
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint

TEXT = "The quick brown 🦊 jumps over the lazy dog. What a “wonderful” film,\nthe best I have seen in years!"


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return load(tiny_llama, device="cpu")


def run(source: str) -> dict:
    names = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return names


@pytest.mark.parametrize(("window", "overlap"), [(256, 128), (24, 8), (16, 15)])
def test_the_script_gives_the_same_numbers(llama: LoadedModel, window: int, overlap: int, capsys) -> None:
    scored = score.score(llama, TEXT, window=window, overlap=overlap)
    source = codegen.score(llama.checkpoint, TEXT, llama.dtype, llama.device, window=window, overlap=overlap)
    names = run(source)
    assert names["surprises"] == pytest.approx(scored.surprises[1:].tolist(), rel=1e-5, abs=1e-5)
    assert names["ranks"] == scored.ranks[1:].tolist()
    assert names["entropies"] == pytest.approx(scored.entropies[1:].tolist(), rel=1e-5, abs=1e-5)
    assert names["per_byte"] == pytest.approx(scored.bits_per_byte, rel=1e-5)
    assert names["per_character"] == pytest.approx(scored.bits_per_character, rel=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == scored.scored + 2
    assert f"perplexity {scored.perplexity:.4g}"[:-1] in lines[-2]


def test_without_special_tokens_and_without_offsets(llama: LoadedModel, capsys) -> None:
    scored = score.score(llama, TEXT, add_special_tokens=False)
    options = {"window": 256, "overlap": 128, "add_special_tokens": False, "offsets": False}
    names = run(codegen.score(llama.checkpoint, TEXT, llama.dtype, llama.device, **options))
    assert names["mean"] == pytest.approx(scored.bits_per_token, rel=1e-5)
    assert "per_byte" not in names
    assert "bits per token" in capsys.readouterr().out


def test_the_script_is_laid_out_as_ruff_does_and_trusts_nothing(llama: LoadedModel, tmp_path: Path) -> None:
    for number, text in enumerate(("", 'x"); import os; os.abort()  # ', "nul\0 \u202e", "word " * 60, "漢" * 70)):
        for offsets in (True, False):
            source = codegen.score(
                llama.checkpoint, text, "float32", "cuda:0", window=8192, overlap=4096, offsets=offsets,
                add_special_tokens=offsets,
            )  # fmt: skip
            ast.parse(source)
            assert "trust_remote_code=False" in source
            assert "workbench" not in source.replace(str(llama.checkpoint.path), "")
            (tmp_path / f"script_{number}_{offsets}.py").write_text(source, "utf-8", newline="\n")
    for options in (["format", "--diff"], ["check", "--select=F,I,B,UP", "--ignore=B905"]):
        ruff = [sys.executable, "-m", "ruff", *options, "--isolated", "--line-length=120", "--quiet", str(tmp_path)]
        found = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout[:3000]
