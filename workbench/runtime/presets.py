"""Knobs that were given a name and kept: one JSON file among the person's own data."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QIODevice, QObject, QSaveFile, Signal

from workbench.engine import paths
from workbench.engine.errors import WorkbenchError
from workbench.engine.sampling import check
from workbench.engine.values import Sampling, Strategy, Watermark

#: Least value of the numbers of a strategy; the others take any.
_LEAST = {"num_beams": 1, "num_return_sequences": 1, "prompt_lookup_num_tokens": 0, "num_assistant_tokens": 1,
          "assistant_early_exit": 0, "tokens_per_second": 0.0, "threads": 0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preset:
    """Knobs under a name; the seed is no part of them.

    Attributes:
        name: As the person called it.
        sampling: The knobs, with the seed at its default.
        strategy: What stands for a whole run.
    """

    name: str
    sampling: Sampling
    strategy: Strategy


class Presets(QObject):
    """The saved presets, by name.

    A file that can't be read, in whole or in part, gives what can be read of it; a copy of it is kept beside it.

    Args:
        path: The file; ``presets.json`` in the person's data folder when None.

    Attributes:
        saved: The presets, in the order of their names.
        trouble: What was wrong with the file, or None.

    Signals:
        changed(): One was saved or deleted.
    """

    changed = Signal()

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path or paths.data_dir() / "presets.json"
        self.saved: tuple[Preset, ...] = ()
        self.trouble: WorkbenchError | None = None
        self._read()

    def save(self, name: str, sampling: Sampling, strategy: Strategy) -> None:
        """Keep knobs under a name; one of that name is replaced.

        Raises:
            WorkbenchError: The file can't be written; nothing is changed then.
        """
        others = [preset for preset in self.saved if preset.name != name]
        self._write([*others, Preset(name, replace(sampling, seed=Sampling().seed), strategy)])

    def delete(self, name: str) -> None:
        """Forget a preset.

        Raises:
            WorkbenchError: The file can't be written; nothing is changed then.
        """
        self._write([preset for preset in self.saved if preset.name != name])

    def _write(self, presets: list[Preset]) -> None:
        presets.sort(key=lambda preset: preset.name.casefold())
        content = {
            "version": 1,
            "presets": [
                {"name": each.name, "sampling": _plain(each.sampling), "strategy": _plain(each.strategy)}
                for each in presets
            ],
        }
        file = QSaveFile(str(self._path))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            why = ""
        except OSError as error:
            why = error.strerror or str(error)
        if not why and file.open(QIODevice.OpenModeFlag.WriteOnly):
            file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
            if file.commit():
                self.saved = tuple(presets)
                self.changed.emit()
                return
        raise WorkbenchError(
            "The presets could not be saved.",
            why=f"{paths.shown(self._path)}: {why or file.errorString()}.",
            remedy="Make room or give yourself the right to write there, then save again.",
        )

    def _read(self) -> None:
        try:
            raw = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.trouble = WorkbenchError(
                "The saved presets could not be read.", why=f"{paths.shown(self._path)}: {error.strerror or error}."
            )
            return
        good: dict[str, Preset] = {}
        faults = []
        try:
            entries = json.loads(raw)["presets"]
            if not isinstance(entries, list):
                raise TypeError("presets is no list")
        except (ValueError, TypeError, KeyError, RecursionError):
            entries, faults = [], ["it is no list of presets"]
        for entry in entries:
            try:
                preset = _preset(entry)
                good[preset.name] = preset
            except (ValueError, TypeError, KeyError, OverflowError, WorkbenchError) as error:
                name = entry.get("name") if isinstance(entry, dict) else None
                faults.append(f"{name if isinstance(name, str) else 'a preset without a name'} ({error})")
        self.saved = tuple(sorted(good.values(), key=lambda preset: preset.name.casefold()))
        if faults:
            self._keep_aside(raw, faults)

    def _keep_aside(self, raw: bytes, faults: list[str]) -> None:
        number = 1
        while (copy := self._path.with_name(f"presets-damaged-{number}.json")).exists():
            if copy.read_bytes() == raw:
                break
            number += 1
        else:
            try:
                copy.write_bytes(raw)
            except OSError as error:
                faults.append(f"and no copy of it could be kept: {error.strerror or error}")
        self.trouble = WorkbenchError(
            "Some of the saved presets could not be read.",
            why=f"In {paths.shown(self._path)}: {'; '.join(faults)}.",
            remedy=f"The others are there. The file as it was is kept as {copy.name} beside it.",
        )


def _plain(value: Sampling | Strategy) -> dict[str, Any]:
    return {name: each for name, each in asdict(value).items() if name != "seed"}


def _preset(entry: Any) -> Preset:
    name = entry["name"]
    if not isinstance(name, str) or not name.strip():
        raise ValueError("it has no name")
    sampling = Sampling(**{name: _value(Sampling, name, each) for name, each in _known(Sampling, entry["sampling"])})
    strategy = Strategy(**{name: _value(Strategy, name, each) for name, each in _known(Strategy, entry["strategy"])})
    check(sampling)
    return Preset(name, sampling, strategy)


def _known(kind: type[Sampling | Strategy], given: Any) -> list[tuple[str, Any]]:
    """What this version knows of; a newer one may have written more."""
    names = {field.name for field in fields(kind)} - {"seed"}
    return [(name, value) for name, value in dict(given).items() if name in names]


def _value(kind: type[Sampling | Strategy], name: str, value: Any) -> Any:
    """The value as the field has it.

    Raises:
        ValueError, TypeError: It can't be one.
    """
    usual = getattr(kind(), name)
    if name == "early_stopping":
        good = value == "never" or isinstance(value, bool)
    elif name == "sequence_bias":
        return tuple((_ids(ids), _number(float, added)) for ids, added in value)
    elif name == "bad_words_ids":
        return tuple(_ids(each) for each in value)
    elif name == "exponential_decay_length_penalty":
        if value is not None:
            start, factor = value
            value = (_number(int, start), _number(float, factor))
        return value
    elif name == "watermarking_config":
        if value is not None:
            given = {each: value[each] for each in Watermark.__dataclass_fields__ if each in value}
            value = Watermark(**given | {"keys": _ids(given.get("keys", list(Watermark().keys)))})
        return value
    elif name == "stop_strings":
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
        value = tuple(value) if good else value
    elif name == "eos_token_ids":
        return None if value is None else _ids(value)
    elif usual == ():
        return _ids(value)
    elif usual is None:
        return None if value is None else _ids([value])[0]
    elif isinstance(usual, (bool, str)):
        good = type(value) is type(usual)
    else:
        value = _number(type(usual), value)
        good = value >= _LEAST.get(name, -math.inf)
    if not good:
        raise ValueError(f"{name} can't be {value!r}")
    return value


def _number(kind: type[int] | type[float], value: Any) -> Any:
    if type(value) not in (int, kind) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number that fits")
    return kind(value)


def _ids(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(each) is not int or each < 0 for each in value):
        raise ValueError(f"{value!r} is no list of ids")
    return tuple(value)
