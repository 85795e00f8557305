"""From a data source to the parts it is made of: a file, the files of a folder, a saved data set or one of the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.data.hub_sets import fetch, no_monitor
from workbench.engine.data.parts import Part, SetPart, text_or_parquet
from workbench.engine.errors import DataError
from workbench.engine.task import Silent, Task
from workbench.engine.values import DataSource

if TYPE_CHECKING:
    from datasets import Dataset

#: Endings of the files that are taken from a folder.
DATA_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".parquet")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")

# The words by which the datasets library knows the split of a file.
_SPLITS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "dev", "val"},
    "test": {"test", "testing", "eval", "evaluation"},
}
_ABOUT = re.compile(r"(readme|license|licence|citation|requirements|metadata)\b.*", re.IGNORECASE)


@dataclass(frozen=True, eq=False, slots=True)
class Opened:
    """A source, ready to be read.

    Attributes:
        source: With the split that is read, and for the Hub the commit.
        parts: In the order of their rows.
        splits: Names to choose from; empty where there is nothing to choose.
    """

    source: DataSource
    parts: tuple[Part, ...]
    splits: tuple[str, ...] = ()


def open_source(source: DataSource, task: Task | None = None, *, whole: bool = True) -> Opened:
    """Find the parts of a source.

    Args:
        source: What to read.
        task: May stop the fetching of a data set of the Hub.
        whole: As of `sniff`.

    Raises:
        DataError: There is nothing to read, or it can't be read.
        NetworkError: The Hub can't be reached, or refuses.
    """
    task = task or Silent()
    if source.path is None:
        found, commit = fetch(source, task)
        return _of_sets(replace(source, revision=commit), found)
    path = source.path
    if not path.exists():
        raise DataError(
            f"Could not read {path.name}.", why="There is no such file or folder.", remedy="Choose another."
        )
    if path.is_file():
        return Opened(source, (text_or_parquet(path, path.name, whole=whole),))
    if is_saved(path):
        return _of_sets(source, _saved(path))
    files = data_files(source)
    if not files:
        if has_images(path):
            return _of_sets(source, _images(path))
        raise DataError(
            f"Could not read {path.name}.",
            why="The folder holds no data file, no picture and no saved data set.",
            remedy=f"Choose one with files that end in {', '.join(DATA_ENDINGS[:-1])} or {DATA_ENDINGS[-1]}.",
        )
    split = chosen_split(source, tuple(files))
    parts = []
    for file in files[split]:
        task.check()
        parts.append(text_or_parquet(file, file.relative_to(path).as_posix(), whole=whole))
    several = len(files) > 1
    return Opened(replace(source, split=split if several else ""), tuple(parts), tuple(files) if several else ())


def is_saved(path: Path) -> bool:
    """Whether ``save_to_disk`` wrote this folder."""
    return (path / "dataset_dict.json").is_file() or (
        (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    )


def has_images(path: Path) -> bool:
    """Whether a folder holds a picture."""
    return any(file.suffix.lower() in IMAGE_ENDINGS for file in path.rglob("*"))


def data_files(source: DataSource) -> dict[str, tuple[Path, ...]]:
    """The data files of a folder by split, each in the order of their names.

    Files called README, LICENSE and so on and hidden ones are no data; neither is anything beside pictures but tables.
    """
    path = source.path
    if path is None or not path.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix()):
        inner = file.relative_to(path)
        hidden = any(part.startswith((".", "_")) for part in inner.parts)
        if file.suffix.lower() in DATA_ENDINGS and not hidden and not _ABOUT.fullmatch(file.name) and file.is_file():
            words = set(re.split(r"[\W_0-9]+", inner.as_posix().lower()))
            split = next((name for name, known in _SPLITS.items() if words & known), "train")
            found.setdefault(split, []).append(file)
    return {name: tuple(found[name]) for name in _SPLITS if name in found}


def source_files(source: DataSource) -> tuple[Path, ...]:
    """The files of a folder that its rows come from, in the order of their names; none where it is no folder."""
    path = source.path
    if path is None or not path.is_dir():
        return ()
    found = {} if is_saved(path) else data_files(source)
    if found:
        return found[chosen_split(source, tuple(found))]
    # The datasets library leaves what it has computed beside a saved data set.
    return tuple(
        sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "cache-")))
    )


def chosen_split(source: DataSource, splits: tuple[str, ...]) -> str:
    """The split that is asked for, else ``train``, else the first.

    Raises:
        DataError: There is no such split.
    """
    if source.split and len(splits) > 1 and source.split not in splits:
        raise DataError(
            f"Could not read {source.name}: it has no split “{source.split}”.",
            why=f"Its splits are {', '.join(f'“{name}”' for name in splits)}.",
            remedy="Choose one of these.",
        )
    if source.split in splits:
        return source.split
    return "train" if "train" in splits else splits[0]


def _of_sets(source: DataSource, sets: Mapping[str, Dataset]) -> Opened:
    splits = tuple(sets)
    split = chosen_split(source, splits)
    named = bool(split) and len(splits) > 1
    part = SetPart(sets[split], f"{source.name} ({split})" if named else source.name)
    return Opened(replace(source, split=split), (part,), splits if named else ())


def _saved(path: Path) -> dict[str, Dataset]:
    from datasets import Dataset, load_from_disk

    no_monitor()
    try:
        found = load_from_disk(str(path))
    except Exception as error:
        raise DataError(
            f"Could not read {path.name}: the saved data set is damaged.",
            why=f"The datasets library says: {str(error).strip().splitlines()[0][:300] if str(error) else error!r}.",
            remedy="Save it again with save_to_disk, or choose another folder.",
        ) from error
    return {"": found} if isinstance(found, Dataset) else dict(found)


def _images(path: Path) -> dict[str, Dataset]:
    from datasets import load_dataset

    no_monitor()
    try:
        return dict(load_dataset("imagefolder", data_dir=str(path)))
    except Exception as error:
        raise DataError(
            f"Could not read {path.name}: its pictures are in no order the datasets library knows.",
            why=f"It says: {str(error).strip().splitlines()[0][:300] if str(error) else error!r}.",
            remedy="Put the pictures into one folder per label, such as cats/1.png.",
        ) from error
