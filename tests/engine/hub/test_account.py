"""The account: the real client's own store, and no trace of the token anywhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.engine import hub
from workbench.engine.errors import InputError, NetworkError

TOKEN = "hf_" + "q" * 34


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        about = {
            "type": "user",
            "name": "ada",
            "orgs": [{"name": "analytical"}],
            "auth": {"accessToken": {"displayName": "laptop", "role": "write"}},
        }
        body = json.dumps(about if known and self.path == "/api/whoami-v2" else {"error": "no"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client's store, in a folder of the test, and a server in place of the Hub."""
    from huggingface_hub import constants, hf_api

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "store" / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "store" / "stored_tokens"))
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{listening.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(hf_api.api, "endpoint", url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield tmp_path / "store"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_a_token_is_kept_by_the_clients_own_store_alone(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert hub.who() is None
    account = hub.log_in(f"  {TOKEN}\n")
    assert account == hub.Account("ada", ("analytical",), "laptop", "write")
    assert (store / "token").read_text() == TOKEN
    assert hub.who() == account
    assert TOKEN not in repr(account)
    told = capfd.readouterr()
    assert TOKEN not in told.out + told.err
    hub.log_out()
    assert not (store / "token").exists()
    assert hub.who() is None


def test_a_token_that_the_hub_refuses_is_not_stored(store: Path) -> None:
    hub.log_in(TOKEN)
    with pytest.raises(NetworkError, match="Could not log in") as raised:
        hub.log_in("hf_wrong")
    assert "hf_wrong" not in str(raised.value)
    assert (store / "token").read_text() == TOKEN


@pytest.mark.parametrize("text", ["", "   ", "two words", "hf_ünïcode", "hf_a\nb"])
def test_what_is_no_token_is_refused_without_asking(store: Path, text: str) -> None:
    with pytest.raises(InputError, match="Could not log in"):
        hub.log_in(text)
    assert not store.exists()


def test_a_token_of_the_environment_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub.token_variable() == "HF_TOKEN"
    account = hub.who()
    assert account is not None
    assert account.name == "ada"
    with pytest.raises(InputError, match="still logged in") as raised:
        hub.log_out()
    assert "HF_TOKEN" in raised.value.why
    assert TOKEN not in str(raised.value)
