"""The way to the Hub: the client's session, made so that a stop ends any wait, and its failures worded."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NetworkError, OutOfSpace, WorkbenchError, explain
from workbench.engine.hub.guard import set_guard
from workbench.engine.task import Task

if TYPE_CHECKING:
    import httpx2

#: A stop is noticed within so many seconds, whatever the connection does.
SLICE = 0.2

#: Seconds without a byte after which a connection counts as broken.
PATIENCE = 20.0

_offline = False
_made = threading.Lock()
_ready = False
_watch = threading.local()


def offline() -> bool:
    """Whether the offline switch is on."""
    return _offline


def set_offline(value: bool) -> None:
    """Switch the network off or on, for this process and the libraries in it."""
    global _offline
    _offline = value
    set_guard(value)
    os.environ["HF_HUB_OFFLINE"] = "1" if value else "0"
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        # Read again at every request, unlike the environment.
        constants.HF_HUB_OFFLINE = value  # type: ignore[attr-defined]


def endpoint() -> str:
    """The Hub's address: ``HF_ENDPOINT`` or the client's own default."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def session() -> httpx2.Client:
    """The session of huggingface_hub, shared by every call of the process."""
    global _ready
    import huggingface_hub
    from huggingface_hub.utils import _http

    with _made:
        if not _ready:
            huggingface_hub.set_client_factory(lambda: _interruptible(_http.default_client_factory()))
            _ready = True
    return huggingface_hub.get_session()


def headers() -> dict[str, str]:
    """Headers of a request: the person's token, if there is one, and who is asking."""
    from huggingface_hub.utils import build_hf_headers

    return dict(build_hf_headers(library_name="transformers-workbench"))


@contextlib.contextmanager
def watched(task: Task, what: str, repo_id: str = "") -> Iterator[None]:
    """Requests of this thread end when the task is stopped, and their failures are worded.

    Args:
        task: Whose stop is looked at.
        what: What is being done, as "Could not ….".
        repo_id: The repository it is about, for the wording.

    Raises:
        NetworkError: The offline switch is on, or anything went wrong on the way.
        Cancelled: The task was stopped.
    """
    if _offline:
        raise NetworkError(
            what,
            why="The offline switch is on.",
            remedy="Switch it off to reach the Hub; what is on this machine works as it is.",
        )
    before = getattr(_watch, "task", None)
    _watch.task = task
    try:
        session()
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(error, what, repo_id) from error
    finally:
        _watch.task = before


def pause(task: Task, seconds: float) -> None:
    """Wait before another try, or until a stop is asked for."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        task.check()
        threading.Event().wait(min(SLICE, left))
    task.check()


def worded(error: Exception, what: str, repo_id: str = "") -> WorkbenchError:
    """Word a failure of a request for people."""
    import httpx2
    from huggingface_hub import errors

    name = repo_id or "it"
    login = "Log in with a token that may read it (hf auth login), then try again."
    chain: list[BaseException] = [error]
    while (link := chain[-1].__cause__ or chain[-1].__context__) is not None and link not in chain:
        chain.append(link)
    for link in chain:
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutOfSpace(what, why="The disk is full.", remedy="Free some space; what has come so far is kept.")
    for link in chain:
        status = link.response.status_code if isinstance(link, errors.HfHubHTTPError) else None
        if isinstance(link, errors.GatedRepoError):
            return NetworkError(
                what,
                why=f"{name} is gated: its authors want to be asked first.",
                remedy="Ask for access on its page on the Hub. " + login,
            )
        if isinstance(link, errors.RepositoryNotFoundError):
            return NetworkError(
                what,
                why=f"The Hub has no public repository called {name}; it is misspelt or private.",
                remedy="Check the spelling. If it is private: " + login[0].lower() + login[1:],
            )
        if isinstance(link, errors.RevisionNotFoundError):
            return NetworkError(what, why=f"{name} has no such revision.", remedy="Choose another branch or commit.")
        if isinstance(link, errors.EntryNotFoundError) and status == 404:
            return NetworkError(what, why=f"{name} has no such file.", remedy="Look at its list of files.")
        if status == 401:
            return NetworkError(
                what, why="The Hub does not accept the stored token.", remedy="Log in again (hf auth login)."
            )
        if status == 403:
            return NetworkError(what, why=f"The stored token may not read {name}.", remedy=login)
        if status == 429:
            after = link.response.headers.get("Retry-After", "") if isinstance(link, errors.HfHubHTTPError) else ""
            wait = f"{int(after):,} seconds" if after.isdecimal() and 0 < len(after) < 6 else "some minutes"
            return NetworkError(
                what, why="The Hub has had too many requests from here.", remedy=f"Wait {wait} and try again."
            )
        if status is not None and status >= 500:
            return NetworkError(
                what, why=f"The Hub has a problem of its own (status {status}).", remedy="Try again in a while."
            )
        if status is not None:
            return NetworkError(what, why=f"The Hub refused with status {status}.", remedy="Try again.")
    for link in chain:
        if isinstance(link, errors.OfflineModeIsEnabled):
            return NetworkError(what, why="The network is switched off (HF_HUB_OFFLINE).", remedy="Switch it on.")
        if isinstance(link, httpx2.TimeoutException):
            return NetworkError(what, why="The Hub did not answer in time.", remedy="Check the network and try again.")
        if isinstance(link, httpx2.ConnectError):
            return NetworkError(
                what,
                why="The Hub could not be reached.",
                remedy="Check the network, or switch to offline; what is on this machine works without it.",
            )
        if isinstance(link, httpx2.TooManyRedirects):
            return NetworkError(
                what, why="The server sends every question on to itself.", remedy="Check HF_ENDPOINT and try again."
            )
        if isinstance(link, httpx2.TransportError):
            return NetworkError(
                what, why="The connection broke off.", remedy="Try again; what has come so far is kept."
            )
    if any(isinstance(link, ValueError) for link in chain):
        return NetworkError(
            what,
            why="What answered is not the Hub, perhaps the login page of this network.",
            remedy="Open a web page to see whether the network wants a login.",
        )
    return explain(error, what)


def _interruptible(client: httpx2.Client) -> httpx2.Client:
    import httpx2

    # The client sets no limits, and a server that accepts and never answers would hold a thread for ever.
    client.timeout = httpx2.Timeout(PATIENCE, connect=10.0)
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend()
    return client


def _check() -> None:
    task: Task | None = getattr(_watch, "task", None)
    if task is not None:
        task.check()


def _sliced(timeout: float | None) -> Iterator[float]:
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        _check()
        left = SLICE if end is None else end - time.monotonic()
        yield max(0.001, min(SLICE, left))
        if end is not None and time.monotonic() >= end:
            return


class _Stream:
    """A connection whose waits end when the task of the waiting thread is stopped."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        import httpcore2

        for part in _sliced(timeout):
            try:
                return bytes(self._inner.read(max_bytes, part))
            except httpcore2.ReadTimeout:
                continue
        raise httpcore2.ReadTimeout("nothing came in time")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        import httpcore2

        plain = self._inner.get_extra_info("socket")
        if isinstance(plain, ssl.SSLSocket):
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        try:
            secure = ssl_context.wrap_socket(plain, server_hostname=server_hostname, do_handshake_on_connect=False)
        except OSError as error:
            plain.close()
            raise httpcore2.ConnectError(str(error)) from error
        try:
            for part in _sliced(timeout):
                secure.settimeout(part)
                try:
                    secure.do_handshake()
                    return _Stream(type(self._inner)(secure))
                except TimeoutError:
                    continue
            raise httpcore2.ConnectTimeout("the handshake took too long")
        except OSError as error:
            secure.close()
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:
            secure.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend:
    """Opens such connections, and is stopped while it does."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        import httpcore2
        from httpcore2._backends.sync import SyncStream

        problem: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for family, kind, protocol, _, address in addresses:
            opened = socket.socket(family, kind, protocol)
            try:
                if local_address is not None:
                    opened.bind((local_address, 0))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for option in socket_options or ():
                    opened.setsockopt(*option)
                _connect(opened, address, timeout)
                return _Stream(SyncStream(opened))
            except OSError as error:
                opened.close()
                problem = error
            except BaseException:
                opened.close()
                raise
        kind_of = httpcore2.ConnectTimeout if isinstance(problem, TimeoutError) else httpcore2.ConnectError
        raise kind_of(str(problem)) from problem

    def connect_unix_socket(self, path: str, *args: Any, **kwargs: Any) -> _Stream:
        raise NotImplementedError("the Hub is reached over TCP")

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(seconds)


def _connect(opened: socket.socket, address: Any, timeout: float | None) -> None:
    opened.setblocking(False)
    code = opened.connect_ex(address)
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        raise OSError(code, os.strerror(code))
    with selectors.DefaultSelector() as selector:
        selector.register(opened, selectors.EVENT_WRITE)
        for part in _sliced(timeout):
            if selector.select(part):
                code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                return
    raise TimeoutError("the connection was not opened in time")


def bounded(work: Callable[[], bool], seconds: float, task: Task) -> bool:
    """The answer of a question that may hang, such as a name look-up, or False when it takes longer.

    The question goes on by itself in a thread that nobody waits for.
    """
    answers: list[bool] = []
    done = threading.Event()

    def ask() -> None:
        try:
            answers.append(work())
        finally:
            done.set()

    threading.Thread(target=ask, name="hub-reachable", daemon=True).start()
    until = time.monotonic() + seconds
    while not done.wait(SLICE) and time.monotonic() < until:
        task.check()
    return bool(answers and answers[0])
