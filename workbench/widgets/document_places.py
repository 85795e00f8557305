"""Where the characters of a text are in a Qt document, which counts UTF-16 code units and leaves some out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np

#: A byte-order mark, which Qt leaves out at the beginning of a text.
MARK = "\ufeff"


def units_of(text: str) -> int:
    """How many UTF-16 code units Qt needs for a text.

    Args:
        text: Lone surrogates are one unit each.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def part_of(text: str, start: int, stop: int, size: int) -> str | None:
    """The characters of a text between two of its UTF-16 code units.

    Args:
        text: Without lone surrogates.
        start: The first unit.
        stop: The one after the last.
        size: Units of all of it, as `units_of` gives them.

    Returns:
        None where a character would be cut in two.
    """
    if len(text) == size:
        return text[start:stop]
    try:
        return text.encode("utf-16-le")[2 * start : 2 * stop].decode("utf-16-le")
    except UnicodeDecodeError:
        return None


class Wide(Sequence[int]):
    """Where each character of a text is in a document, of which some take two places.

    Args:
        count: Characters.
        wide: Which of them take two places, rising.
    """

    def __init__(self, count: int, wide: np.ndarray) -> None:
        self._count = count
        self.wide = wide

    def __len__(self) -> int:
        return self._count + 1

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        """Of the character ``index``; of the one after the last, the end."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return index + int(self.wide.searchsorted(index))


def _wide_in(text: str) -> np.ndarray:
    # Known to whoever has a tokenizer; others need not wait for it.
    import numpy as np

    return (np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4") > 0xFFFF).nonzero()[0]


def changed(units: range | Wide, start: int, end: int, new: str) -> range | Wide:
    """Where the characters of a text are once some of them are others.

    Args:
        units: Where they were, as `document_offsets` gives them of a text without carriage returns.
        start: The first character that is another.
        end: The one after the last, of those before.
        new: What stands in their place.
    """
    more = len(new) - (end - start)
    if isinstance(units, range) and units_of(new) == len(new):
        return range(len(units) + more)
    import numpy as np

    wide = units.wide if isinstance(units, Wide) else np.zeros(0, np.int64)
    first, last = wide.searchsorted((start, end))
    return Wide(len(units) - 1 + more, np.concatenate((wide[:first], _wide_in(new) + start, wide[last:] + more)))


def document_offsets(text: str) -> Sequence[int]:
    """Map characters of a text to positions in a Qt document that shows each of its lines in one piece.

    Args:
        text: Any text.

    Returns:
        ``len(text) + 1`` positions; entry ``i`` is where character ``i`` starts.
    """
    bom = text.startswith(MARK)
    if not bom and "\r" not in text:
        return range(len(text) + 1) if units_of(text) == len(text) else Wide(len(text), _wide_in(text))
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    taken = 1 + (codes > 0xFFFF).astype(np.int64)
    # A line feed after a return and a byte-order mark at the beginning take no place in the document.
    taken[1:][(codes[1:] == ord("\n")) & (codes[:-1] == ord("\r"))] = 0
    taken[0] -= bom
    return np.concatenate(([0], taken.cumsum()))
