"""A JSON list read element by element: a file of any size takes the memory of one element."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from workbench.engine.data.lines import LONGEST, opened, too_long
from workbench.engine.errors import DataError

_BLOCK = 1 << 20
_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


class JsonStream:
    """Values of a JSON text, one after another.

    Args:
        file: Open for bytes, and set to where the text begins.
        encoding: Without a byte order mark, which ``file`` is beyond.
        errors: As ``open()`` takes it.
        name: Of the file, for what is told.
        offset: Bytes before the text.

    Attributes:
        offset: Bytes before what comes next.
        line: Of what comes next, from 1.
    """

    def __init__(self, file: BinaryIO, encoding: str, errors: str, name: str, offset: int = 0) -> None:
        self.offset = offset
        self.line = 1
        self._file, self._encoding, self._errors, self._name = file, encoding, errors, name
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            if match is not None:
                self._go_to(match.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self, character: str) -> bool:
        """Go beyond this character when it comes next."""
        if self.peek() != character:
            return False
        self._go_to(self._at + 1)
        return True

    def value(self) -> Any:
        """The value that comes next.

        Raises:
            DataError: It is no JSON, or too long.
        """
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # It may be no error at all: what is read so far may end inside the value.
                if self._more():
                    continue
                line = self.line + self._text.count("\n", self._at, error.pos)
                raise bad_json(self._name, line, error) from error
            except RecursionError as error:
                raise bad_json(self._name, self.line, ValueError("it is nested too deeply")) from error
            # A number at the end of what is read so far may go on.
            if end == len(self._text) and not isinstance(value, dict | list | str) and self._more():
                continue
            self._go_to(end)
            return value

    def elements(self) -> Iterator[tuple[int, Any]]:
        """The values up to the end of the list, each with its offset; what comes next is the first of them."""
        if self.skip("]"):
            return
        while True:
            self.peek()
            offset = self.offset
            yield offset, self.value()
            if self.skip("]"):
                return
            self.expect(",")

    def expect(self, character: str) -> None:
        """Go beyond this character.

        Raises:
            DataError: Another comes next.
        """
        if not self.skip(character):
            there = self.peek()
            said = f"there is {there!r} where {character!r} should be" if there else "the file ends too early"
            raise bad_json(self._name, self.line, ValueError(said))

    def _more(self) -> bool:
        if self._ended:
            return False
        waiting = len(self._text) - self._at
        if waiting > LONGEST:
            raise too_long(self._name, f"the value on line {self.line}")
        # As much again as there is: a long value is looked at a few times, not once for each block.
        block = self._file.read(max(_BLOCK, waiting))
        self._ended = not block
        self._text = self._text[self._at :] + self._decoder.decode(block, final=self._ended)
        self._at = 0
        return not self._ended

    def _go_to(self, at: int) -> None:
        if at == self._at:
            return
        passed = self._text[self._at : at]
        self.offset += (
            len(passed)
            if passed.isascii() and not self._encoding.startswith("utf-16")
            else len(passed.encode(self._encoding, self._errors))
        )
        self.line += passed.count("\n")
        self._at = at


def longest_list(path: Path, encoding: str, errors: str) -> str | None:
    """The key of the object in a file under which the longest list of objects is, or None."""
    longest: tuple[int, str | None] = (0, None)
    try:
        with opened(path, encoding) as (file, codec):
            stream = JsonStream(file, codec, errors, path.name)
            stream.expect("{")
            while not stream.skip("}"):
                key = str(stream.value())
                stream.expect(":")
                if stream.skip("["):
                    kinds = [isinstance(value, dict) for _, value in stream.elements()]
                    if kinds and kinds[0]:
                        longest = max(longest, (len(kinds), key), key=lambda one: one[0])
                else:
                    stream.value()
                stream.skip(",")
    except DataError:
        return None
    return longest[1]


def bad_json(name: str, line: int, error: ValueError) -> DataError:
    """What is told of a text that is no JSON."""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return DataError(
        f"Could not read {name}: line {line} is not valid JSON.",
        why=f"The parser says: {reason}.",
        remedy=f"Correct line {line} and choose the file again.",
    )
