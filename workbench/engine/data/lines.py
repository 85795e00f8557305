"""The lines of a text file of any size, each with where it begins, so that reading can go on from there."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from workbench.engine.errors import DataError

#: Bytes of the longest row; with more, line breaks are missing, and no tokenizer would take it in a lifetime.
LONGEST = 32 * 2**20
#: Bytes after which a line of plain text becomes another row.
CUT = 1_000_000

_BLOCK = 1 << 20


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...


@contextlib.contextmanager
def opened(path: Path, encoding: str, offset: int = 0) -> Iterator[tuple[BinaryIO, str]]:
    """A file open for bytes behind its byte order mark (or at ``offset``), and its encoding without one."""
    with path.open("rb") as file:
        start = file.read(4)
        codec, mark = encoding, 0
        if encoding == "utf-16":
            codec, mark = ("utf-16-be" if start.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"), 2
        elif encoding == "utf-8-sig":
            codec, mark = "utf-8", 3
        file.seek(max(offset, mark))
        yield file, codec


def lines(
    path: Path, encoding: str, errors: str, offset: int = 0, number: int = 1, *, cut: bool = False
) -> Iterator[tuple[int, int, str]]:
    r"""The lines with their breaks, which may be ``\n``, ``\r\n`` and ``\r``, even in one file.

    Args:
        path: The file.
        encoding: As ``open()`` takes it.
        errors: As ``open()`` takes it.
        offset: Of a line to begin with, in bytes.
        number: Of that line.
        cut: Cut lines longer than ``CUT`` bytes, at a space where there is one.

    Yields:
        Offset in bytes, number from 1, text; the parts of a cut line have the same number.

    Raises:
        DataError: A line is longer than ``LONGEST`` bytes.
    """
    with opened(path, encoding, offset) as (file, codec):
        at = file.tell()
        wide = codec.startswith("utf-16")
        pieces = _pieces(_Transcoded(file, codec) if wide else file, CUT if cut else None)
        inner, surrogates = ("utf-8", "surrogatepass") if wide else (codec, errors)
        for piece, ends in pieces:
            if piece is None:
                raise too_long(path.name, f"line {number}")
            text = piece.decode(inner, surrogates)
            yield at, number, text
            at += len(text.encode(codec, surrogates)) if wide else len(piece)
            number += ends


def too_long(name: str, what: str) -> DataError:
    """What is told of a row that is longer than ``LONGEST`` bytes."""
    return DataError(
        f"Could not read {name}: {what} is longer than {LONGEST // 2**20} MB.",
        why="So long a row is no row to learn from; usually line breaks are missing, or a quote is never closed.",
        remedy="Break it into rows, or save it as a .txt file, whose long lines are cut into rows.",
    )


def _pieces(file: _Readable, most: int | None) -> Iterator[tuple[bytes | None, bool]]:
    """Lines as bytes, and whether each ends with a break; None for one that is too long."""
    held: list[bytes] = []
    size = 0
    while block := file.read(_BLOCK):
        if block.endswith(b"\r"):
            # Its other half may be in the next block.
            block += file.read(1)
        for piece in block.splitlines(keepends=True):
            ends = piece.endswith((b"\n", b"\r"))
            if held or not ends:
                held.append(piece)
                size += len(piece)
                if most is not None and size > most:
                    *whole, rest = cut_line(b"".join(held), most)
                    yield from ((part, False) for part in whole)
                    held, size = [rest], len(rest)
                elif size > LONGEST:
                    yield None, True
                    return
                if ends:
                    yield b"".join(held), True
                    held, size = [], 0
            elif most is not None and len(piece) > most:
                *whole, rest = cut_line(piece, most)
                yield from ((part, False) for part in whole)
                yield rest, True
            else:
                yield piece, True
    if held:
        yield b"".join(held), True


def cut_line(line: bytes, most: int) -> list[bytes]:
    """Parts of at most so many bytes, cut behind a space where there is one, and inside no character."""
    parts, begin = [], 0
    while len(line) - begin > most:
        end = line.rfind(b" ", begin + 1, begin + most) + 1
        if end == 0:
            # Not inside a character of UTF-8, which has 4 bytes at most.
            end = next(
                (end for end in range(begin + most, begin + most - 4, -1) if line[end] & 0xC0 != 0x80), begin + most
            )
        parts.append(line[begin:end])
        begin = end
    return [*parts, line[begin:]]


class _Transcoded:
    """A file of UTF-16 read as UTF-8, in which a line break is one byte and no other."""

    def __init__(self, file: BinaryIO, codec: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass")

    def read(self, size: int) -> bytes:
        while block := self._file.read(size if size > 1 else 2):
            if text := self._decoder.decode(block):
                return text.encode("utf-8", "surrogatepass")
        return b""
