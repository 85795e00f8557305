"""The offline switch's guard: no socket of this process leaves the machine while it is on."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from typing import Any

_on = False
_watching = False
_refused = 0
_counting = threading.Lock()
_LOCAL_NAMES = ("", "localhost", "localhost.localdomain", "ip6-localhost")


class Refused(OSError):
    """A connection was asked for while the offline switch is on."""

    def __init__(self, where: str) -> None:
        super().__init__(errno.ENETUNREACH, f"the offline switch is on, so {where} was not asked")


def set_guard(on: bool) -> None:
    """Refuse every connection and every look-up of a name that is not of this machine, or allow them again.

    Python's own audit events are listened to, so that it holds for every library that uses Python's sockets, whatever
    it imported before.

    References:
        Python, Audit events table: socket.connect, socket.getaddrinfo, socket.sendto
    """
    global _on, _watching
    _on = on
    if on and not _watching:
        # A hook can't be taken off again; it looks at the switch.
        sys.addaudithook(_hear)
        _watching = True


def refused() -> int:
    """How many connections and look-ups were refused since the program began."""
    return _refused


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _on or not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (arguments[0],)
    else:
        return
    if not _is_local(address):
        global _refused
        with _counting:
            _refused += 1
        raise Refused(str(address[0]))


def _is_local(address: Any) -> bool:
    # Anything but (host, port, …) is of this machine: a path, a netlink address, or a socket that is connected already.
    if not isinstance(address, tuple) or not address or not isinstance(address[0], (str, bytes)):
        return True
    host = address[0].decode(errors="replace") if isinstance(address[0], bytes) else address[0]
    if host.lower() in _LOCAL_NAMES or host == socket.gethostname():
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
