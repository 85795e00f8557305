"""What the columns of a table are for: a guess by their names and by what they hold, for people to correct."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from workbench.engine.values import Table

#: Most different values of a column that is taken for labels though it is not called so.
_FEW = 20
_LOOKED_AT = 50
_PICTURE = re.compile(r".*(\.(png|jpe?g|webp|bmp|gif|tiff?)|\([\d,]+ bytes\))", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*")

#: What each role holds, and how such a column is usually called when the role itself does not say.
_HOLDS = {
    "text": "text", "pair": "text", "prompt": "text", "completion": "text", "question": "text", "context": "text",
    "target": "text", "source": "text", "input": "text", "label": "label", "tokens": "list", "tags": "list",
    "messages": "messages", "answers": "answers", "image": "picture",
}  # fmt: skip
_NAMES = {
    "text": ("text", "sentence", "review", "content", "comment", "body", "message", "tweet", "document", "prompt"),
    "pair": ("text_pair", "sentence2", "hypothesis", "text_b", "question2"),
    "label": ("label", "labels", "sentiment", "class", "category", "target", "intent", "topic", "stars", "y"),
    "tokens": ("tokens", "words"),
    "tags": ("ner_tags", "tags", "labels", "pos_tags", "chunk_tags"),
    "messages": ("messages", "conversations", "conversation", "chat", "dialog"),
    "prompt": ("prompt", "instruction", "question", "input", "query", "source", "article", "document", "dialogue"),
    "completion": ("completion", "response", "output", "answer", "chosen", "target", "summary", "highlights"),
    "input": ("input", "context"),
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph", "document"),
    "answers": ("answers", "answer"),
    "source": ("source", "input", "document", "article", "dialogue", "text"),
    "target": ("target", "summary", "highlights", "translation", "output"),
    "image": ("image", "img", "picture", "file", "file_name", "path"),
}


class RoleLike(Protocol):
    """What a guess needs to know of a role; see ``engine.train.Role``."""

    @property
    def name(self) -> str:
        """Key of the columns by role."""

    @property
    def required(self) -> bool:
        """Whether a run needs it."""

    @property
    def names(self) -> tuple[str, ...]:
        """What such a column is usually called."""

    @property
    def unless(self) -> str:
        """A role whose column makes this one needless."""


def guess_roles(table: Table, roles: Sequence[RoleLike]) -> dict[str, str]:
    """Which column has which role.

    A column's name counts first, where what the column holds fits the role; for a required role without such a column,
    what the columns hold decides: the longest texts, lists, or few different values.

    Args:
        table: A source, read; its first rows are looked at.
        roles: What a head wants.

    Returns:
        Columns by role; a role without a likely column is left out, and no column has two roles.
    """
    looks = {name: _Look(table, place) for place, name in enumerate(table.columns)}
    guessed = _by_names(table, roles, looks)
    # The longest texts are taken first, so that labels are looked for among the rest.
    for role in sorted(roles, key=lambda role: role.name == "label"):
        if role.required and role.name not in guessed:
            best = _by_looks(role.name, table, looks, guessed.values())
            if best is not None:
                guessed[role.name] = best
    return guessed


def called(table: Table) -> dict[str, str]:
    """The columns by what they are called, in small letters; one inside another by its last name too."""
    names = {name.lower(): name for name in reversed(table.columns)}
    for name in table.columns:
        names.setdefault(name.rpartition(".")[2].lower(), name)
    return names


def _by_names(table: Table, roles: Sequence[RoleLike], looks: Mapping[str, _Look]) -> dict[str, str]:
    named = called(table)
    longest = max((look.length for look in looks.values() if look.holds == "text"), default=0.0)
    asked = (named[one] for one in _NAMES["prompt"] if one in named)
    # Beside a prompt of messages, “chosen” is the reply alone, and no whole conversation.
    replies = {"chosen"} if any(looks[name].holds == "messages" for name in asked) else set()
    guessed: dict[str, str] = {}
    for role in roles:
        if role.unless in guessed:
            continue
        for one in (*role.names, *_NAMES.get(role.name, (role.name,))):
            name = named.get(one)
            if name is None or name in guessed.values() or not looks[name].fits(role.name) or not looks[name].length:
                continue
            # A short column called “text” beside much longer ones is not what is meant.
            if role.name == "text" and looks[name].length * 2 < longest:
                continue
            if role.name == "messages" and one in replies:
                continue
            guessed[role.name] = name
            break
    return guessed


def _by_looks(role: str, table: Table, looks: Mapping[str, _Look], taken: Collection[str]) -> str | None:
    free = [name for name in table.columns if name not in taken and looks[name].fits(role)]
    if _HOLDS.get(role) == "list":
        # Words in one text are only taken for such where the column is called so.
        free = [name for name in free if looks[name].holds == "list"]
        free.sort(key=lambda name: looks[name].items, reverse=role != "tags")
        return next(iter(free), None)
    if role == "label":
        few = min(_FEW, max(2, table.total // 2))
        free = [name for name in free if 2 <= looks[name].different <= few]
        return min(free, key=lambda name: (looks[name].sparse, looks[name].different), default=None)
    return max(free, key=lambda name: (looks[name].holds != "number", looks[name].length), default=None)


class _Look:
    """What the first rows say of a column.

    Attributes:
        holds: ``text``, ``number``, ``list``, ``messages``, ``object`` or ``picture``.
        length: Characters of a value, on average.
        different: Different values in all rows, 0 for more than are counted.
        sparse: A tenth of the values or more is empty.
        items: Different items of its lists.
    """

    def __init__(self, table: Table, place: int) -> None:
        values = [row[place] for row in table.rows[:_LOOKED_AT]]
        self.length = sum(map(len, values)) / max(1, len(values))
        self.different = len(table.labels.get(table.columns[place], ()))
        self._unknown = not table.complete
        filled = [value.lstrip() for value in values if value.strip()]
        self.sparse = len(filled) < 0.9 * len(values)
        self.items = len({item.strip(" []\"'") for value in filled for item in value.split(",")})
        self.holds = "text"
        for kind, is_kind in _KINDS.items():
            if filled and sum(map(is_kind, filled)) * 2 > len(filled):
                self.holds = kind
                break

    def fits(self, role: str) -> bool:
        """Whether such a column can have this role."""
        wanted = _HOLDS.get(role, "text")
        if wanted == "label":
            return self._unknown or self.different >= 2 or self.holds in ("list", "number")
        if wanted == "answers":
            return self.holds in ("object", "list", "messages", "text")
        if role in ("prompt", "completion") and self.holds == "messages":
            return True
        if wanted == "list":
            # Words and tags may also stand in one text, with spaces between.
            return self.holds in ("list", "text")
        if wanted == "picture":
            return self.holds == "picture"
        return self.holds == wanted or (wanted == "text" and self.holds == "number")


_KINDS = {
    "messages": lambda value: re.match(r"\[\s*\{", value) is not None,
    "list": lambda value: value.startswith("["),
    "object": lambda value: value.startswith("{"),
    "picture": lambda value: _PICTURE.fullmatch(value) is not None,
    "number": lambda value: _NUMBER.fullmatch(value) is not None,
}
