"""What the YAML head of a card says of licence and languages, with no more of it read than that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.engine.hub import bounded

#: Characters of a head, and of the lines of it that are parsed.
_HEAD, _PARSED = 2**16, 2**12

_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
#: A key at the left edge with what is indented below it, or listed.
_KEYS = re.compile(r"^(?:license|license_name|language)[ \t]*:.*(?:\n(?:[ \t]+|-[ \t]).*)*", re.MULTILINE)


def of_card(text: str) -> dict[str, Any]:
    """``license``, ``license_name`` and ``language`` of a card's head, as far as they are plain YAML.

    Args:
        text: A README with its head; only its first 64 kB are looked at.
    """
    found = _BLOCK.match(text[:_HEAD])
    lines = "\n".join(_KEYS.findall(found[1].replace("\r", "")))[:_PARSED] if found else ""
    # Anchors can be nested until they fill the memory; no head of a card needs them.
    if not lines or re.search(r"[&*]|<<", lines):
        return {}
    import yaml

    try:
        said = yaml.safe_load(lines)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def licence_of(about: Mapping[str, Any], tags: Any = ()) -> str:
    """The licence as the Hub spells it, from a card's head or else from tags; empty when neither names one."""
    said = about.get("license")
    said = said[0] if isinstance(said, list) and said else said
    if said == "other" and isinstance(about.get("license_name"), str):
        said = about["license_name"]
    if isinstance(said, str):
        return bounded.words(said, 60)
    named = (
        [tag for tag in tags if isinstance(tag, str) and tag.startswith("license:")] if isinstance(tags, list) else []
    )
    return bounded.words(named[0].removeprefix("license:"), 60) if named else ""


def languages_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of the languages that a card's head names, at most a hundred."""
    said = about.get("language")
    rows = said if isinstance(said, list) else [said]
    # In YAML the code of Norwegian reads as False.
    rows = ["no" if row is False else row for row in rows[:100]]
    return tuple(bounded.words(row, 20) for row in rows if isinstance(row, str) and row)
