"""Rows as Arrow holds them, in memory or in files: a token takes its bytes, not an object of Python each."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import paths

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset, Features

#: Rows that wait as Python's lists before they are packed; what has no more never goes to the disk.
_WAITING = 1000
_PREFIX = ".rows-"
#: Seconds in which a folder may still be without its lock.
_YOUNG = 60.0


def values(rows: Dataset, column: str) -> Iterator[Any]:
    """The values of a column, read a thousand at a time.

    Read one by one they take nine times as long, and other threads wait: each step gives the GIL up and takes it again
    too soon for a thread that has just been woken.
    """
    for batch in rows.select_columns(column).iter(_WAITING):
        yield from batch[column]


class _Place:
    """The folder of the files of one block, made with the first of them.

    Args:
        home: Where it is made.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder: Path | None = None
        self._numbers = itertools.count()
        self._claim = contextlib.ExitStack()

    def file(self) -> Path | None:
        """The place of a new file, or None where nothing can be written."""
        try:
            if self._folder is None:
                self._home.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._home))
                self._claim.enter_context(paths.claim(self._folder))
        except OSError:
            return None
        return self._folder / f"{next(self._numbers)}.arrow"

    def sweep(self) -> None:
        """Delete what processes that were killed have left."""
        for left in self._home.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _YOUNG and not paths.is_claimed(left):
                    shutil.rmtree(left, ignore_errors=True)

    def clear(self) -> None:
        """Delete the files."""
        self._claim.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


_PLACE: ContextVar[_Place | None] = ContextVar("place of rows", default=None)


@contextlib.contextmanager
def on_disk(home: Path) -> Iterator[None]:
    """Have many rows that are gathered in this block lie in files, of which the system reads what is needed.

    The files go at the end of the block; those of a process that was killed go with the next block.

    Args:
        home: Where the files' folder is made.
    """
    place = _Place(home)
    place.sweep()
    outer = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(outer)
        place.clear()


class Gathered:
    """Takes slices of rows, one after another, and gives them as one table.

    Packed on the way, a million rows of a hundred tokens take a gigabyte; as lists they would take four. Inside
    `on_disk` they take none: the gigabyte lies in a file.

    Args:
        features: Types of the columns; None takes them from the first rows.
    """

    def __init__(self, features: Features | None = None) -> None:
        self._features = features
        self._waiting: dict[str, list[Any]] = {}
        self._packed: list[Dataset] = []
        self._file: Path | None = None
        self._writer: pyarrow.RecordBatchStreamWriter | None = None

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Take a slice: the values of each column, equally many, and the same columns each time."""
        for name, values in columns.items():
            self._waiting.setdefault(name, []).extend(values)
        if len(next(iter(self._waiting.values()), ())) >= _WAITING:
            self._put(self._pack())

    def dataset(self) -> Dataset:
        """All rows."""
        from datasets import Dataset, concatenate_datasets

        last = self._pack()
        if self._writer is None or self._file is None:
            return concatenate_datasets([*self._packed, last]) if self._packed else last
        self._writer.write_table(last.data.table)
        self._writer.close()
        return Dataset.from_file(str(self._file))

    def _pack(self) -> Dataset:
        from datasets import Dataset

        packed = Dataset.from_dict(self._waiting, features=self._features)
        self._features = packed.features
        self._waiting = {name: [] for name in self._waiting}
        return packed

    def _put(self, rows: Dataset) -> None:
        place = _PLACE.get()
        if self._writer is None and place is not None and (file := place.file()) is not None:
            import pyarrow

            self._file, self._writer = file, pyarrow.ipc.new_stream(str(file), rows.data.table.schema)
        if self._writer is None:
            self._packed.append(rows)
        else:
            self._writer.write_table(rows.data.table)
