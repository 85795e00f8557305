"""Pushing with the real client to a server on loopback: what arrives, what stays, and every refusal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import hub_server
from workbench.engine import hub, paths
from workbench.engine.errors import CheckpointError, InputError, NetworkError
from workbench.engine.values import Checkpoint

# huggingface_hub uploads large files in a way that its own HTTP client calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

TOKEN = "hf_" + "s" * 30


class Server:
    """A Hub that takes repositories; files by repository and name."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.refuse = 0
        self.tokens: set[str] = set()
        self.blobs: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    hub: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        path = self.path.partition("?")[0]
        if path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif self.hub.refuse:
            self._json({"error": "no"}, self.hub.refuse)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.repos.setdefault(name, {})
            self.hub.private.setdefault(name, asked.get("visibility") == "private")
            self._json({"url": f"http://127.0.0.1/{name}", "id": name})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
                 "shouldIgnore": False} for f in files
            ]  # fmt: skip
            self._json({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            here = f"http://127.0.0.1:{self.server.server_address[1]}"
            objects = [
                {"oid": one["oid"], "size": one["size"],
                 "actions": {"upload": {"href": f"{here}/blob/{one['oid']}", "header": {}}}}
                for one in json.loads(body)["objects"]
            ]  # fmt: skip
            self._json({"transfer": "basic", "objects": objects})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            files = self.hub.repos[found[1]]
            for line in body.decode().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = self.hub.blobs[value["oid"]]
            self._json({"commitUrl": f"http://127.0.0.1/{found[1]}/commit/{'1' * 40}", "commitOid": "1" * 40})
        else:
            self._json({"error": path}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.blobs[hashlib.sha256(body).hexdigest()] = body
        self._json({})

    def do_GET(self) -> None:
        self._json({"error": "none"}, 404)

    def _json(self, value: Any, code: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    from huggingface_hub import constants

    state = Server()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{listening.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def folder(tiny_bert: Checkpoint, tmp_path: Path) -> Path:
    """A checkpoint beside files that must not be shared."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in tiny_bert.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "training_args.bin").write_bytes(TOKEN.encode())
    (folder / "optimizer.pt").write_bytes(b"pickle")
    (folder / "run.toml").write_text(f'data = "{tmp_path}"', encoding="utf-8")
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    (folder / "checkpoint-3").mkdir()
    return folder


def test_a_pushed_checkpoint_arrives_byte_for_byte_with_its_card(server: Server, folder: Path) -> None:
    ready = hub.make_ready(folder, "me/tuned", "---\nlicense: apache-2.0\n---\n# Tuned\n")
    address = hub.push(ready, "me/tuned", private=True)
    assert address.endswith("1" * 40)
    arrived = server.repos["me/tuned"]
    assert arrived["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert arrived["config.json"] == (folder / "config.json").read_bytes()
    assert arrived["README.md"].decode().endswith("# Tuned\n")
    assert server.private["me/tuned"]
    assert server.tokens == {f"Bearer {TOKEN}"}
    assert hub.waiting() == ()


def test_pickles_and_the_runs_own_notes_stay_here(server: Server, folder: Path) -> None:
    ready = hub.make_ready(folder, "me/tuned", "# Tuned\n")
    assert set(hub.look_ready(folder).kept_back) == {
        "training_args.bin",
        "optimizer.pt",
        "run.toml",
        "trainer_state.json",
    }
    hub.push(ready, "me/tuned")
    arrived = server.repos["me/tuned"]
    assert not {name for name in arrived if name.endswith((".bin", ".pt", ".toml")) or "state" in name}
    assert not any(TOKEN.encode() in content for content in arrived.values())


def test_offline_it_waits_as_a_folder_and_is_pushed_later(server: Server, folder: Path) -> None:
    hub.set_offline(True)
    try:
        ready = hub.make_ready(folder, "me/tuned", "# Tuned\n")
        with pytest.raises(NetworkError, match="offline switch"):
            hub.push(ready, "me/tuned")
    finally:
        hub.set_offline(False)
    assert server.repos == {}
    (left,) = hub.waiting()
    assert left == ready
    assert left.folder.parent == paths.outbox_dir()
    hub.push(left, "me/tuned")
    assert set(server.repos["me/tuned"]) == {name for name, _ in ready.files}


@pytest.mark.parametrize(
    ("status", "why"), [(401, "not accepted"), (403, "may not write"), (500, "problem of its own")]
)
def test_a_refusal_says_what_to_do_and_keeps_the_folder(server: Server, folder: Path, status: int, why: str) -> None:
    server.refuse = status
    ready = hub.make_ready(folder, "me/tuned", "# Tuned\n")
    with pytest.raises(NetworkError, match="Could not push to me/tuned") as raised:
        hub.push(ready, "me/tuned")
    assert why in raised.value.why
    assert TOKEN not in str(raised.value)
    assert hub.waiting() == (ready,)


def test_folders_of_this_machine_in_shared_files_are_pointed_out(folder: Path) -> None:
    assert hub.look_ready(folder).local_paths == ()
    config = {"base_model_name_or_path": str(folder.absolute())}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert hub.look_ready(folder).local_paths == ("adapter_config.json",)


@pytest.mark.parametrize("name", ["tuned", "me/../x", "/etc/x", "me/a b", "me/a--b", "a/b/c", ""])
def test_a_name_that_is_none_is_refused_before_anything_is_copied(server: Server, folder: Path, name: str) -> None:
    with pytest.raises(InputError):
        hub.make_ready(folder, name, "")
    assert not paths.outbox_dir().exists()


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="Could not push"):
        hub.look_ready(tmp_path)


def test_what_was_pushed_comes_back_from_the_hub_and_loads_the_same(
    server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from huggingface_hub import constants

    from workbench.engine.models import load

    card = "---\nlicense: apache-2.0\nlanguage: en\n---\n# Tuned\n"
    hub.push(hub.make_ready(folder, "me/tuned", card), "me/tuned")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    # The client compares with it what it was imported with.
    monkeypatch.setattr(constants, "ENDPOINT", constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{repo_id}")[0])
    with hub_server.running() as elsewhere:
        monkeypatch.setenv("HF_ENDPOINT", elsewhere.url)
        elsewhere.add("me/tuned", server.repos["me/tuned"])
        made = hub.download("me/tuned")
        seen = hub.look_local(made)
        assert hub.verify(made).whole and (seen.licence, seen.languages, seen.card) == (
            "apache-2.0", ("en",), "# Tuned\n",
        )  # fmt: skip
    before, after = load(Checkpoint("run", folder)), load(made)
    for name, weight in before.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], weight)
    assert after.tokenizer is not None and before.tokenizer is not None
    assert after.tokenizer("the cat")["input_ids"] == before.tokenizer("the cat")["input_ids"]


def test_the_program_pushes_by_git_lfs_unless_the_environment_says_otherwise() -> None:
    code = "import workbench.engine; from huggingface_hub.utils._runtime import is_xet_available as x; print(x())"
    for said, expected in ((None, "False"), ("0", "True")):
        environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_XET"}
        environment |= {"HF_HUB_DISABLE_XET": said} if said else {}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_without_a_xet_storage_it_says_what_to_do_and_keeps_the_folder(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    ready = hub.make_ready(folder, "me/tuned", "# Tuned\n")
    with pytest.raises(NetworkError, match="Xet storage") as raised:
        hub.push(ready, "me/tuned")
    assert "HF_HUB_DISABLE_XET" in raised.value.why and TOKEN not in str(raised.value)
    assert hub.waiting() == (ready,) and server.repos["me/tuned"] == {}
