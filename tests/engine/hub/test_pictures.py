"""A card's pictures come over https or from the repository itself, are pictures, and are no larger than one."""

from __future__ import annotations

import pytest

from tests.hub_server import HubServer
from workbench.engine import hub
from workbench.engine.errors import InputError, NetworkError
from workbench.engine.hub import pictures
from workbench.engine.hub.pictures import picture

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@pytest.fixture
def remote(server: HubServer) -> hub.Remote:
    repo = server.add("a/one", {"README.md": b"# One", "art/one two.png": PNG, "page.svg": b"<svg/>"})
    repo.endless["huge.png"] = 2**30
    return hub.look("a/one")


def test_a_file_of_the_repository_is_fetched_at_its_commit(server: HubServer, remote: hub.Remote) -> None:
    assert picture(remote, "./art/one two.png") == PNG
    assert server.paths("one%20two.png") == [f"/a/one/resolve/{remote.commit}/art/one%20two.png"]


@pytest.mark.parametrize(
    "address",
    ["http://localhost:1/a.png", "file:///etc/passwd", "//localhost/a.png", "/etc/passwd", "../../a.png", "a/../../b",
     "data:image/png;base64,AAAA", "ftp://x/a.png", "..\\a.png", "", "javascript:alert(1)"],
)  # fmt: skip
def test_other_addresses_are_not_asked(server: HubServer, remote: hub.Remote, address: str) -> None:
    asked = len(server.requests)
    with pytest.raises(InputError, match="not https"):
        picture(remote, address)
    assert len(server.requests) == asked


def test_a_redirect_leads_no_further_than_an_address_does(server: HubServer, remote: hub.Remote) -> None:
    asked = len(server.requests)
    for target, said in (("http://localhost:1/x.png", "not https"), ("file:///etc/passwd", "not https"),
                         (f"{server.url}/loop.png", "on and on")):  # fmt: skip
        server.status["/loop.png"] = (302, {"Location": target})
        with pytest.raises(InputError, match=said):
            picture(remote, f"{server.url}/loop.png")
    assert len(server.requests) == asked + 2 + pictures._HOPS


def test_what_is_no_picture_or_too_large_is_left(server: HubServer, remote: hub.Remote) -> None:
    with pytest.raises(InputError, match="no PNG"):
        picture(remote, "page.svg")
    with pytest.raises(InputError, match="larger than 5 MB"):
        picture(remote, "huge.png")
    assert server.bytes_of("huge.png") < 64 * 2**20
    with pytest.raises(NetworkError, match="404"):
        picture(remote, "gone.png")


def test_what_can_be_had_is_given_and_the_rest_left_out(server: HubServer, remote: hub.Remote) -> None:
    found = hub.card_pictures(remote, ["gone.png", "art/one two.png", "file:///x", "page.svg"])
    assert found == {"art/one two.png": PNG}


def test_offline_none_is_asked_for(server: HubServer, remote: hub.Remote) -> None:
    asked = len(server.requests)
    hub.set_offline(True)
    assert hub.card_pictures(remote, ["art/one two.png"]) == {}
    assert len(server.requests) == asked
