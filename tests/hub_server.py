"""A Hub-like server on loopback, for the real huggingface_hub client: search, model info, files, and their misfortunes.

Big files are answered the way the Hub does it, by a redirect to another origin (``localhost`` beside ``127.0.0.1``).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

#: Files from this size on, and all safetensors, are LFS files: known by SHA-256 and served by the other origin.
BIG = 10_000


@dataclass
class Repo:
    """A repository and what goes wrong with it.

    Attributes:
        files: Name to content.
        listing: Fields of the search result, such as ``pipeline_tag`` and ``downloads``.
        gated: Files are refused with GatedRepo.
        hashes: False answers like a mirror that knows no blobs.
        etags: Name to an ETag that is sent instead of the right one.
        kind: ``model`` or ``dataset``.
        branches: Other revisions than ``main``, which stand for the same commit.
        private: A token; without it the repository is not there for anybody.
        sizes: Name to a size that is said instead of the right one.
        endless: Name to a size: the file is said to have that many bytes, and blanks come until nobody listens.
    """

    files: dict[str, bytes]
    listing: dict[str, Any] = field(default_factory=dict)
    gated: bool = False
    hashes: bool = True
    etags: dict[str, str] = field(default_factory=dict)
    kind: str = "model"
    branches: tuple[str, ...] = ()
    endless: dict[str, int] = field(default_factory=dict)
    private: str = ""
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        return hashlib.sha1(
            repr(sorted((name, git_sha1(data)) for name, data in self.files.items())).encode()
        ).hexdigest()


@dataclass
class Fault:
    """What happens to the next ``times`` answers with a file's content: after ``after`` bytes of it, ``kind``.

    Attributes:
        kind: ``reset`` (RST), ``close`` (FIN), ``stall`` (nothing more comes), ``flip`` (the next byte is wrong),
            ``more`` (bytes beyond the end), ``whole`` (Range is ignored), ``trickle`` (a few bytes at a time), ``loop``
            (a redirect to itself) or a status code.
        retry_after: What a status code says of it.
    """

    kind: str | int
    after: int = 0
    times: int = 1
    retry_after: str = "0"


class HubServer:
    """The server; use it as a context manager.

    Attributes:
        repos: By id.
        faults: By file name.
        status: By path: ``(code, headers)`` to answer with.
        bodies: By path: what is answered in place of the right JSON.
        requests: Of each request: method, path, and its headers.
        sent: Of each content answer: file name, first byte, bytes sent.
        stalled: Set when an answer began to stall.
        sending: Set when ``hold_at`` bytes of a file were sent, which then waits for ``go``.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.status: dict[str, tuple[int, dict[str, str]]] = {}
        self.bodies: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.sent: list[tuple[str, int, int]] = []
        self.stalled = threading.Event()
        self.closing = threading.Event()
        self._noting = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="hub-server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def cdn(self) -> str:
        return f"http://localhost:{self._server.server_port}"

    def add(self, repo_id: str, files: dict[str, bytes], **listing: Any) -> Repo:
        """Add a repository."""
        self.repos[repo_id] = Repo(files, listing)
        return self.repos[repo_id]

    def paths(self, part: str = "") -> list[str]:
        """Paths asked for so far that contain ``part``."""
        return [path for _, path, _ in self.requests if part in path]

    def bytes_of(self, name: str) -> int:
        """Bytes sent of a file, over all answers."""
        return sum(count for each, _, count in self.sent if each == name)

    def _came(self, answer: tuple[str, int, int], count: int) -> tuple[str, int, int]:
        """Note how far an answer is; one from before the notes were cleared is no longer among them."""
        now = (*answer[:2], count)
        with self._noting:
            for at, each in enumerate(self.sent):
                if each is answer:
                    self.sent[at] = now
        return now

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        for opened in list(self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    hub: HubServer

    def process_request(self, request: Any, client_address: Any) -> None:
        self.hub._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.hub._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what half of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_HEAD(self) -> None:
        self._answer(content=False)

    def do_GET(self) -> None:
        self._answer(content=True)

    def _answer(self, *, content: bool) -> None:
        self.hub.requests.append((self.command, self.path, dict(self.headers)))
        path = unquote(urlsplit(self.path).path)
        for prefix, (code, extra) in self.hub.status.items():
            if path.startswith(prefix):
                self._send(code, json.dumps({"error": f"status {code}"}).encode(), extra)
                return
        for prefix, body in self.hub.bodies.items():
            if path.startswith(prefix):
                self._send(200, body, {"Content-Type": "application/json"})
                return
        if path in ("/api/models", "/api/datasets"):
            self._search(path.removeprefix("/api/").removesuffix("s"))
        elif found := re.fullmatch(r"/api/(?:model|dataset)s/(.+?)/refs", path):
            self._refs(found[1])
        elif found := re.fullmatch(r"/api/datasets/(.+?)/revision/(.+)", path):
            self._info(found[1], found[2])
        elif found := re.fullmatch(r"/api/models/(.+?)/tree/([^/]+)", path):
            self._tree(found[1])
        elif found := re.fullmatch(r"/api/models/(.+?)(?:/revision/(.+))?", path):
            self._info(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            self._content(found[1], found[2], self.hub.repos[found[1]].files[found[2]], content)
        elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1].removeprefix("datasets/"), found[2], found[3], content)
        else:
            self._send(404, b"{}", {})

    def _search(self, kind: str) -> None:
        given = parse_qs(urlsplit(self.path).query)
        asked = {key: values[-1] for key, values in given.items()}
        rows = [
            {"id": name, "modelId": name, **repo.listing}
            for name, repo in self.hub.repos.items()
            if repo.kind == kind
            and asked.get("search", "").lower() in name.lower()
            and asked.get("author") in (None, name.split("/")[0])
            and set(given.get("filter", ())) <= {*(repo.listing.get("tags") or ()), repo.listing.get("library_name")}
            and asked.get("pipeline_tag") in (None, repo.listing.get("pipeline_tag"))
        ]
        key = asked.get("sort", "downloads")
        rows.sort(key=lambda row: row.get(key) or 0, reverse=True)
        start, limit = int(asked.get("cursor", 0)), int(asked.get("limit", 1000))
        headers = {}
        if start + limit < len(rows):
            query = re.sub(r"&cursor=\d+", "", urlsplit(self.path).query)
            headers["Link"] = f'<{self.hub.url}/api/{kind}s?{query}&cursor={start + limit}>; rel="next"'
        self._json(rows[start : start + limit], headers)

    def _info(self, repo_id: str, revision: str) -> None:
        repo = self._known(repo_id)
        if repo is None:
            message = "Repository not found"
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": message})
        elif revision not in ("main", repo.commit, *repo.branches):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"no {revision}"})
        else:
            siblings = [self._sibling(repo, name, data) for name, data in repo.files.items()]
            siblings += [{"rfilename": name} for name in repo.endless]
            self._json({"id": repo_id, "modelId": repo_id, "sha": repo.commit, "siblings": siblings, **repo.listing})

    def _known(self, repo_id: str) -> Repo | None:
        repo = self.hub.repos.get(repo_id)
        hidden = repo is not None and repo.private and self.headers.get("Authorization") != f"Bearer {repo.private}"
        return None if hidden else repo

    def _refs(self, repo_id: str) -> None:
        repo = self.hub.repos[repo_id]
        branches = [{"name": name, "targetCommit": repo.commit} for name in ("main", *repo.branches)]
        self._json({"branches": branches, "tags": [{"name": "v1", "targetCommit": repo.commit}], "converts": []})

    def _tree(self, repo_id: str) -> None:
        repo = self.hub.repos[repo_id]
        rows = []
        for name, data in repo.files.items():
            row: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data)}
            if _is_big(name, data):
                row["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
            rows.append(row)
        self._json(rows)

    def _sibling(self, repo: Repo, name: str, data: bytes) -> dict[str, Any]:
        if not repo.hashes:
            return {"rfilename": name}
        size = repo.sizes.get(name, len(data))
        sibling: dict[str, Any] = {"rfilename": name, "size": size, "blobId": git_sha1(data)}
        if _is_big(name, data):
            digest = repo.etags.get(name, sha256(data))
            sibling["lfs"] = {"sha256": digest, "size": size, "pointerSize": 130}
        return sibling

    def _resolve(self, repo_id: str, revision: str, name: str, content: bool) -> None:
        repo = self._known(repo_id)
        if repo is None:
            self._send(401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return
        if repo.gated:
            message = f"Access to model {repo_id} is restricted."
            self._send(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": message})
            return
        if name in repo.endless:
            self._endless(name, repo.endless[name])
            return
        data = repo.files.get(name)
        if data is None or revision not in ("main", repo.commit, *repo.branches):
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        headers = {"X-Repo-Commit": repo.commit}
        if not _is_big(name, data):
            headers["ETag"] = f'"{repo.etags.get(name, git_sha1(data))}"'
            self._content(repo_id, name, data, content, headers)
            return
        headers["X-Linked-ETag"] = f'"{repo.etags.get(name, sha256(data))}"'
        headers["X-Linked-Size"] = str(len(data))
        headers["Location"] = f"{self.hub.cdn}/cdn/{repo_id}/{quote(name)}"
        self._send(302, b"", headers)

    def _content(
        self, repo_id: str, name: str, data: bytes, content: bool, headers: dict[str, str] | None = None
    ) -> None:
        faults = self.hub.faults.get(name, []) if content else []
        fault = faults[0] if faults else None
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                faults.pop(0)
        if fault is not None and isinstance(fault.kind, int):
            self._send(fault.kind, b"", {"Retry-After": fault.retry_after})
            return
        if fault is not None and fault.kind == "loop":
            self._send(302, b"", {"Location": self.path})
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and (fault is None or fault.kind != "whole") else 0
        body = data[start:] if start else data
        if fault is not None and fault.kind == "flip":
            at = max(0, fault.after - start)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        if fault is not None and fault.kind == "more":
            body += b"beyond the end"
        self.send_response(206 if start else 200)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if content:
            self._body(name, start, body, fault)

    def _body(self, name: str, start: int, body: bytes, fault: Fault | None) -> None:
        stops = fault is not None and fault.kind in ("reset", "close", "stall")
        until = max(0, fault.after - start) if fault is not None and stops else len(body)
        mine = (name, start, 0)
        self.hub.sent.append(mine)
        # Files of a benchmark go out in blocks that cost the server next to nothing.
        trickles = fault is not None and fault.kind == "trickle"
        step = 997 if trickles else 65536 if len(body) < 2**24 else 2**20
        for at in range(0, min(until, len(body)), step):
            block = memoryview(body)[at : min(at + step, until)]
            # Counted before it is sent: the client may be done with it before this thread runs again.
            mine = self.hub._came(mine, at + len(block))
            self.wfile.write(block)
            if trickles:
                self.wfile.flush()
                self.hub.closing.wait(0.005)
        if fault is not None and stops:
            self.wfile.flush()
            if fault.kind == "stall":
                self.hub.stalled.set()
                self.hub.closing.wait(60)
            if fault.kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            self.close_connection = True

    def _endless(self, name: str, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        mine = (name, 0, 0)
        self.hub.sent.append(mine)
        for at in range(0, size, 2**20):
            self.wfile.write(bytes(min(2**20, size - at)))
            mine = self.hub._came(mine, at + 2**20)

    def _json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@functools.lru_cache
def sha256(data: bytes) -> str:
    """The name LFS gives a file."""
    return hashlib.sha256(data).hexdigest()


@functools.lru_cache
def git_sha1(data: bytes) -> str:
    """The name git gives a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _is_big(name: str, data: bytes) -> bool:
    return name.endswith(".safetensors") or len(data) >= BIG


def checkpoint_files(tensor_bytes: int = 400_000) -> dict[str, bytes]:
    """Files that look like a checkpoint's: a config, a card, a tokenizer and weights of about that size."""
    entry = {"dtype": "F32", "shape": [tensor_bytes // 4], "data_offsets": [0, tensor_bytes // 4 * 4]}
    header = json.dumps({"weight": entry}).encode()
    weights = struct.pack("<Q", len(header)) + header + bytes(i * 7 % 251 for i in range(tensor_bytes // 4 * 4))
    return {
        "config.json": json.dumps({"model_type": "bert", "architectures": ["BertModel"]}).encode(),
        "README.md": b"---\nlicense: mit\n---\n# A card\n\nWith text.\n",
        "tokenizer.json": b'{"version": "1.0"}',
        "model.safetensors": weights,
        "pytorch_model.bin": b"pickled",
        "onnx/model.onnx": b"onnx",
        "modeling.py": b"raise SystemExit",
    }


@contextlib.contextmanager
def running() -> Iterator[HubServer]:
    """A server that runs, with the client's session closed afterwards."""
    import huggingface_hub

    with HubServer() as server:
        try:
            yield server
        finally:
            huggingface_hub.close_session()
