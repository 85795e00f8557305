"""The pictures of a card: fetched only when a person asked for them, over https, and no larger than a picture is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, urljoin, urlsplit

from workbench.engine.errors import InputError, NetworkError
from workbench.engine.hub import network
from workbench.engine.hub.remote import Remote
from workbench.engine.task import Progress, Silent, Task

#: Bytes of one picture, and how many of a card are fetched.
LIMIT, MOST = 5 * 2**20, 30

_HOPS = 5
_BLOCK = 64 * 1024
_KINDS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def card_pictures(remote: Remote, addresses: Sequence[str], *, task: Task | None = None) -> dict[str, bytes]:
    """The pictures of a card by the address that stands in it; those that can't be had are left out.

    Args:
        remote: Whose card it is: a path in it is a file of the repository.
        addresses: As the card has them; at most `MOST` of them are fetched.
        task: Asked between pictures whether to stop.
    """
    task = task or Silent()
    found = {}
    for number, address in enumerate(addresses[:MOST]):
        task.report(Progress(number, min(len(addresses), MOST), "pictures"))
        try:
            found[address] = picture(remote, address, task=task)
        except (InputError, NetworkError) as error:
            task.log(f"{address[:200]}: {error.why}")
    return found


def picture(remote: Remote, address: str, *, task: Task | None = None) -> bytes:
    """One picture: PNG, JPEG, GIF or WebP, as it came.

    Raises:
        InputError: The address is neither https nor a file of the repository, or what came is no picture.
        NetworkError: It could not be fetched.
    """
    what = "Could not show a picture."
    url = _url(remote, address)
    base = network.endpoint() + "/"
    with network.watched(task or Silent(), what, remote.repo_id):
        for _ in range(_HOPS):
            if url is None or not (url.startswith(base) or urlsplit(url).scheme == "https"):
                raise InputError(what, why="Its address is not https.", remedy="Open the page of the repository.")
            # Only the Hub itself is told who is asking.
            headers = network.headers() if url.startswith(base) else {}
            with network.session().stream("GET", url, headers=headers, follow_redirects=False) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers.get("location", ""))
                    continue
                if answer.status_code != 200:
                    raise NetworkError(what, why=f"Its server answered {answer.status_code}.", remedy="Try again.")
                content = bytearray()
                for block in answer.iter_bytes(_BLOCK):
                    content += block
                    if len(content) > LIMIT:
                        raise InputError(what, why="It is larger than 5 MB.", remedy="Open it in the browser.")
            if not (content.startswith(_KINDS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")):
                raise InputError(what, why="It is no PNG, JPEG, GIF or WebP.", remedy="Open it in the browser.")
            return bytes(content)
        raise InputError(what, why="Its server sends one on and on.", remedy="Open the page of the repository.")


def _url(remote: Remote, address: str) -> str | None:
    parts = urlsplit(address)
    if parts.scheme or address.startswith("//"):
        return address if parts.scheme == "https" or address.startswith(network.endpoint() + "/") else None
    path = re.sub(r"^(\./)+", "", parts.path)
    if not path or path.startswith("/") or "\\" in path or ".." in path.split("/"):
        return None
    return f"{remote.page}/resolve/{remote.commit or quote(remote.revision, safe='')}/{quote(path)}"
