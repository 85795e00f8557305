"""What becomes of a quantized file's tokenizer; the conversion itself is seen on the starter."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from workbench.engine.convert import shorten


def _written(folder: Path, *tokens: str) -> tuple[Path, Tokenizer]:
    letters = sorted({letter for token in tokens for letter in token})
    merges = [(token[0], token[1]) for token in tokens]
    made = Tokenizer(BPE({piece: number for number, piece in enumerate((*letters, *tokens))}, merges))
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json", made


def test_a_shortened_tokenizer_is_the_same_one(tmp_path: Path) -> None:
    file, made = _written(tmp_path, "ab", "Ġe", "éß", "你好")
    long = file.stat().st_size
    shorten(file)
    assert file.stat().st_size < long
    assert Tokenizer.from_file(str(file)).to_str() == made.to_str()


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_can_not_be_shortened_stays_as_it_is(tmp_path: Path, again: bool) -> None:
    file, _ = _written(tmp_path, "ab", "cd" if again else "c ")
    if again:
        shorten(file)
    before = file.read_bytes()
    shorten(file)
    assert file.read_bytes() == before
