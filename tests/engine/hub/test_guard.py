"""The offline switch: nothing but this machine is reached, and what was refused is counted."""

from __future__ import annotations

import _socket
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.hub_server import HubServer
from workbench.engine import hub

#: A block of addresses that is kept for documentation; nobody answers there.
NOWHERE = "192.0.2.1"


@pytest.fixture
def offline() -> Iterator[None]:
    hub.set_offline(True)
    yield
    hub.set_offline(False)


@pytest.mark.usefixtures("offline")
def test_connections_out_of_the_machine_are_refused_at_once_and_counted() -> None:
    before = hub.refused()
    # The tests have a guard of their own around Python's class, so the one below it is asked.
    out = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with pytest.raises(OSError, match="offline switch is on"):
        out.connect((NOWHERE, 443))
    out.close()
    out = _socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(OSError, match="offline switch is on"):
        out.sendto(b"?", (NOWHERE, 53))
    out.close()
    assert hub.refused() == before + 2


@pytest.mark.usefixtures("offline")
def test_names_are_not_looked_up() -> None:
    before = hub.refused()
    with pytest.raises(OSError, match="offline switch is on"):
        socket.getaddrinfo("example.invalid", 443)
    with pytest.raises(OSError, match="offline switch is on"):
        urllib.request.urlopen("http://example.invalid/")
    assert hub.refused() >= before + 2


@pytest.mark.usefixtures("offline")
def test_this_machine_is_still_reached(server: HubServer) -> None:
    before = hub.refused()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.url}/nothing")
    assert server.paths("/nothing")
    assert hub.refused() == before


def test_switched_back_on_nothing_is_refused() -> None:
    hub.set_offline(True)
    with pytest.raises(OSError, match="offline switch is on"):
        sys.audit("socket.connect", None, (NOWHERE, 443))
    hub.set_offline(False)
    before = hub.refused()
    sys.audit("socket.connect", None, (NOWHERE, 443))
    assert hub.refused() == before
