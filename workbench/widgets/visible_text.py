"""Text as it can be shown on one line: blanks, breaks and what has no shape of its own made visible."""

from __future__ import annotations

import re
import unicodedata

#: Signs that stand for something unseen; they are drawn in muted ink.
MARKS = "·␣⏎⇥␍⍽�" + "".join(chr(code) for code in range(0x2400, 0x2422))

#: Characters that one line shows: an unknown token can be as long as its text, and Qt would measure all of it.
LONGEST = 1000

_SIGNS = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00a0": "⍽", "\x7f": "␡"}
_SIGNS.update({chr(code): chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\r\t"})
#: What has no shape of its own; before it bytes in hex, whose blanks are none of the text.
_UNSEEN = re.compile("‹[0-9A-F]{2}(?: [0-9A-F]{2})+›|[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\ue000-\uf8ff]")


def drawable(text: str) -> str:
    """Replace lone surrogates, which Qt can't take, with U+FFFD; everything else stays."""
    return re.sub("[\ud800-\udfff]", "�", text)


def _sign(match: re.Match[str]) -> str:
    character = match.group()
    if len(character) > 1:
        return character
    if character in _SIGNS:
        return _SIGNS[character]
    return "�" if "\ud800" <= character <= "\udfff" else f"‹{ord(character):X}›"


def visible(text: str) -> str:
    """Show a token: blanks as ``·`` (``␣`` when nothing else is there), breaks as ``⏎``, tabs as ``⇥``.

    Args:
        text: Any string, lone surrogates and control characters included.

    Returns:
        One line without control characters; a text of zero-width characters alone becomes their code points. What is
        beyond `LONGEST` characters is an ellipsis.
    """
    if len(text) > LONGEST:
        return f"{visible(text[:LONGEST])}…"
    if text and not text.strip(" "):
        return "␣" * len(text)
    if text and all(unicodedata.category(character) in {"Cf", "Mn", "Me"} for character in text):
        return "".join(f"‹{ord(character):04X}›" for character in text)
    return _UNSEEN.sub(_sign, text)


def one_line(text: str) -> str:
    """Show a table cell: breaks as ``⏎``, tabs as ``⇥``, blanks as they are, ``…`` after `LONGEST` characters."""
    if len(text) > LONGEST:
        return f"{one_line(text[:LONGEST])}…"
    return _UNSEEN.sub(lambda match: " " if match.group() in " \u00a0" else _sign(match), text)


def runs(shown: str) -> list[tuple[str, bool]]:
    """Split shown text into runs of ``(text, is_mark)``, so that marks can take another ink."""
    parts = re.split(f"([{re.escape(MARKS)}]+)", shown)
    return [(part, index % 2 == 1) for index, part in enumerate(parts) if part]


def utf16_offsets(text: str) -> list[int]:
    """Map character offsets to Qt's UTF-16 offsets.

    Returns:
        ``len(text) + 1`` offsets; entry ``i`` is where character ``i`` starts in a QString.
    """
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + (2 if ord(character) > 0xFFFF else 1))
    return offsets
