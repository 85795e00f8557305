"""Every architecture of the installed library with every Auto class whose table has it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the library's tables.

    Attributes:
        kind: The ``model_type``.
        head: The Auto class.
        name: The model class that it stands for; some architectures have several.
    """

    kind: str
    head: str
    name: str


def auto_classes() -> dict[str, Any]:
    """The library's Auto classes of models by name, without the names that it gave up."""
    from transformers.models.auto import modeling_auto

    found = [each for each in vars(modeling_auto).values() if isinstance(each, type)]
    return {each.__name__: each for each in found if getattr(each, "_model_mapping", None) is not None}


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All lines of all tables, those of an architecture together."""
    found = []
    for head, auto in auto_classes().items():
        for kind, names in auto._model_mapping._model_mapping.items():
            found += [Entry(kind, head, name) for name in ((names,) if isinstance(names, str) else names)]
    heads = list(auto_classes())
    return tuple(sorted(set(found), key=lambda each: (each.kind, heads.index(each.head), each.name)))


def model_class(name: str) -> Any:
    """A model class by its name; some are not among the names of the library itself."""
    import importlib
    import re
    from pathlib import Path

    import transformers

    if hasattr(transformers, name):
        return getattr(transformers, name)
    for file in sorted(Path(str(transformers.__file__)).parent.glob("models/*/modeling_*.py")):
        if re.search(rf"^class {name}\(", file.read_text("utf-8"), re.MULTILINE):
            return getattr(importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}"), name)
    raise LookupError(f"transformers has no {name}")
