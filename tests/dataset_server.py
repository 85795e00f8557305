"""A Hub-like server on loopback with one data set, for the real datasets library."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "5" * 40


class _Handler(BaseHTTPRequestHandler):
    repo: str
    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.asked.append(f"POST {self.path}")
        wanted = asked.get("paths", [])
        self._json([self._entry(name) for name in self.files if name in wanted])

    def log_message(self, *_: Any) -> None:
        """Keep the terminal clean."""

    def _answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path)
        api, files = f"/api/datasets/{self.repo}", f"/datasets/{self.repo}/resolve/"
        if path == api or path.startswith(f"{api}/revision/"):
            if path.endswith("/nowhere"):
                self._refuse("RevisionNotFound")
                return
            siblings = [{"rfilename": name} for name in self.files]
            self._json({"id": self.repo, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings,
                        "downloads": 0, "likes": 0})  # fmt: skip
        elif path.startswith(f"{api}/tree/"):
            inner = path.removeprefix(f"{api}/tree/").partition("/")[2]
            names = [name for name in self.files if not inner or name.startswith(f"{inner}/")]
            if inner and not names:
                self._refuse("EntryNotFound")
                return
            self._json([self._entry(name) for name in names])
        elif path.startswith(files):
            name = path.removeprefix(files).partition("/")[2]
            if name not in self.files:
                self._refuse("EntryNotFound")
                return
            self._file(self.files[name], body=body)
        else:
            self._refuse("RepoNotFound")

    def _entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _file(self, data: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, code: str) -> None:
        self.send_response(401 if code == "RepoNotFound" else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def dataset_server(repo: str, files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve one data set; gives the address and the list of what is asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"repo": repo, "files": files, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="dataset-server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
