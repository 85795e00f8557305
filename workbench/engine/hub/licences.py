"""What a licence lets one do, in plain words; the licence itself is what counts."""

from __future__ import annotations

_ATTRIBUTION = "use it for anything, selling included; name its authors"
_ALIKE = "what is made of it and passed on stays under the same licence"
_NO_TRADE = "not for commercial purposes"
_OWN = "a licence of its own with conditions: read it before you use or pass it on"

_WORDS = {
    "apache-2.0": "use it for anything, selling included; keep the notices, say what you changed",
    "mit": "use it for anything, selling included; keep the notice",
    "bsd": "use it for anything, selling included; keep the notice",
    "bsd-2-clause": "use it for anything, selling included; keep the notice",
    "bsd-3-clause": "use it for anything, selling included; keep the notice",
    "isc": "use it for anything, selling included; keep the notice",
    "afl-3.0": "use it for anything, selling included; keep the notices, say what you changed",
    "cc0-1.0": "use it for anything, nothing is asked for",
    "unlicense": "use it for anything, nothing is asked for",
    "wtfpl": "use it for anything, nothing is asked for",
    "pddl": "use it for anything, nothing is asked for",
    "cc-by-2.0": _ATTRIBUTION,
    "cc-by-3.0": _ATTRIBUTION,
    "cc-by-4.0": _ATTRIBUTION,
    "odc-by": _ATTRIBUTION,
    "cdla-permissive-2.0": "use it for anything, selling included; pass the licence on with the data",
    "cc-by-sa-3.0": f"{_ATTRIBUTION}; {_ALIKE}",
    "cc-by-sa-4.0": f"{_ATTRIBUTION}; {_ALIKE}",
    "odbl": f"{_ATTRIBUTION}; {_ALIKE}",
    "gpl-2.0": f"use it for anything; {_ALIKE}, source included",
    "gpl-3.0": f"use it for anything; {_ALIKE}, source included",
    "lgpl-3.0": "use it for anything; changes to it itself stay under the same licence",
    "agpl-3.0": f"use it for anything; {_ALIKE}, source included, on a server too",
    "mpl-2.0": "use it for anything; changed files stay under the same licence",
    "cc-by-nc-2.0": f"{_NO_TRADE}; name its authors",
    "cc-by-nc-3.0": f"{_NO_TRADE}; name its authors",
    "cc-by-nc-4.0": f"{_NO_TRADE}; name its authors",
    "cc-by-nc-sa-3.0": f"{_NO_TRADE}; name its authors; {_ALIKE}",
    "cc-by-nc-sa-4.0": f"{_NO_TRADE}; name its authors; {_ALIKE}",
    "cc-by-nc-nd-4.0": f"{_NO_TRADE}; name its authors; pass on nothing changed",
    "cc-by-nd-4.0": "selling included; name its authors; pass on nothing changed",
    "openrail": "use it for anything but the harms it lists; pass those limits on",
    "openrail++": "use it for anything but the harms it lists; pass those limits on",
    "bigscience-openrail-m": "use it for anything but the harms it lists; pass those limits on",
    "bigscience-bloom-rail-1.0": "use it for anything but the harms it lists; pass those limits on",
    "bigcode-openrail-m": "use it for anything but the harms it lists; pass those limits on",
    "creativeml-openrail-m": "use it for anything but the harms it lists; pass those limits on",
    "other": _OWN,
}

_FAMILIES = ("llama", "gemma", "apple-", "nvidia-", "deepfloyd", "falcon", "qwen", "health-ai", "grok", "intel-", "h-")


def in_words(licence: str) -> str:
    """What a licence lets one do.

    Args:
        licence: As the Hub spells it; empty when the card names none.

    Returns:
        A few words without a full stop; for a licence that is not known, that it has to be read.
    """
    name = licence.lower()
    if not name or name == "unknown":
        return "its card names none, which allows nothing by itself: ask its authors"
    if name in _WORDS:
        return _WORDS[name]
    return _OWN if name.startswith(_FAMILIES) else "not known here: read it before you use or pass it on"


#: Licences that can be searched for, as the Hub spells them.
COMMON = ("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "openrail",
          "gpl-3.0", "llama3.1", "gemma", "other")  # fmt: skip
