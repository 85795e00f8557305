"""A card's pictures come over https or from the repository itself, are pictures, and are no larger than one."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tests.engine.hub.test_fetch import Watched
from tests.hub_server import HubServer
from workbench.engine import hub
from workbench.engine.errors import InputError, NetworkError
from workbench.engine.hub import pictures
from workbench.engine.hub.pictures import picture
from workbench.engine.task import Cancelled

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


class _Https(BaseHTTPRequestHandler):
    paths: dict[str, tuple[int, dict[str, str], bytes]]
    seen: list[tuple[str, str]]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        code, headers, body = self.paths.get(self.path, (404, {}, b""))
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that trusts no such certificate goes away."""


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, type[_Https], Path]]:
    """A server that speaks https on this machine: its address, what it says, and its certificate."""
    if not shutil.which("openssl"):
        pytest.skip("there is nothing to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost"]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True)
    says = type("Says", (_Https,), {"paths": {}, "seen": []})
    server = _Quiet(("127.0.0.1", 0), says)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://localhost:{server.server_port}", says, certificate
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_picture_of_another_host_comes_over_https_without_the_token(
    remote: hub.Remote, https: tuple[str, type[_Https], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, says, certificate = https
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    huggingface_hub.close_session()
    says.paths = {
        "/a.png": (200, {}, PNG),
        "/on.png": (302, {"Location": "/a.png"}, b""),
        "/down.png": (302, {"Location": "http://localhost:1/a.png"}, b""),
        "/large.png": (200, {}, PNG + bytes(pictures.LIMIT)),
    }
    assert picture(remote, f"{address}/a.png") == picture(remote, f"{address}/on.png") == PNG
    with pytest.raises(InputError, match="not https"):
        picture(remote, f"{address}/down.png")
    with pytest.raises(InputError, match="larger than 5 MB"):
        picture(remote, f"{address}/large.png")
    assert [path for path, _ in says.seen] == ["/a.png", "/on.png", "/a.png", "/down.png", "/large.png"]
    assert {token for _, token in says.seen} == {""}, "only the Hub itself is told who is asking"


def test_a_certificate_that_nobody_vouches_for_is_refused(
    remote: hub.Remote, https: tuple[str, type[_Https], Path]
) -> None:
    address, says, _ = https
    says.paths = {"/a.png": (200, {}, PNG)}
    with pytest.raises(NetworkError) as caught:
        picture(remote, f"{address}/a.png")
    assert caught.value.remedy and says.seen == []


def test_a_stop_ends_a_handshake_that_gets_no_answer(remote: hub.Remote) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        task = Watched()
        timer = threading.Timer(0.3, task.stop.set)
        timer.start()
        with pytest.raises(Cancelled):
            picture(remote, f"https://127.0.0.1:{silent.getsockname()[1]}/a.png", task=task)
        timer.join()
