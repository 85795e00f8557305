"""Which Hub is asked: that of the environment, or one that a person chose, each with a token of its own."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from workbench.engine import paths
from workbench.engine.errors import InputError

_KEPT, _LONGEST = 20, 300


def chosen() -> str:
    """The address that was chosen; empty for the client's own default."""
    found = _read().get("chosen")
    return found if isinstance(found, str) and _why_not(found) is None else ""


def known() -> tuple[str, ...]:
    """Addresses that were chosen so far, the latest first."""
    found = _read().get("known")
    rows = found if isinstance(found, list) else []
    return tuple(row for row in rows[:_KEPT] if isinstance(row, str) and _why_not(row) is None)


def by_environment() -> bool:
    """Whether the environment names the Hub, which no choice changes."""
    said = os.environ.get("HF_ENDPOINT")
    return bool(said) and said != os.environ.get("WORKBENCH_ENDPOINT")


def choose(address: str) -> str:
    """Ask another Hub, from the next start on: the libraries read their address once.

    Args:
        address: Such as ``https://hub.example``; empty for the client's own default.

    Returns:
        The address as it is kept.

    Raises:
        InputError: It is none that a token could be sent to safely.
    """
    address = address.strip().rstrip("/")
    why = _why_not(address) if address else None
    if why is not None:
        raise InputError(
            "Could not take this Hub.", why=why, remedy="Give its address as https://name, as in HF_ENDPOINT."
        )
    rows = [address, *(row for row in known() if row != address)] if address else list(known())
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps({"chosen": address, "known": rows[:_KEPT]}, indent=2) + "\n", "utf-8")
    os.replace(partial, file)
    return address


def apply() -> None:
    """Let the libraries ask the Hub that was chosen; to be called before any of them is imported.

    Its token lies beside the client's own, in the client's format, so that no Hub is ever told the token of another. A
    token or a store that the environment names is that of the Hub it was set up for, and is left out of this process.

    References:
        huggingface_hub, Environment variables: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH
    """
    address = chosen()
    if not address or os.environ.get("HF_ENDPOINT"):
        return
    os.environ["HF_ENDPOINT"] = os.environ["WORKBENCH_ENDPOINT"] = address
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("HF_HOME") or Path(cache, "huggingface")).expanduser()
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    os.environ["HF_TOKEN_PATH"] = str(home / "endpoints" / digest / "token")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        os.environ.pop(name, None)


def _why_not(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "It is no web address."
    if parts.scheme not in ("http", "https") or not host or len(address) > _LONGEST:
        return "It is no web address."
    if parts.username or parts.password or parts.query or parts.fragment or not address.isprintable() or " " in address:
        return "It holds more than the name of a server."
    if parts.scheme == "http" and not _is_here(host):
        return "It is not https, so that anybody on the way could read the token."
    return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _file() -> Path:
    return paths.data_dir() / "endpoints.json"


def _read() -> dict[str, object]:
    try:
        found = json.loads(_file().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
