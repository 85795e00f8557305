"""What a server says, read no further than it may go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.engine.hub import network

if TYPE_CHECKING:
    import httpx2

#: Bytes of a listing; a page of 100 rows has some hundred kilobytes, the longest list of files some megabytes.
LISTING_LIMIT = 32 * 2**20

#: Whole numbers beyond this are no counts.
MOST = 2**53

_BLOCK = 64 * 1024


def read(
    url: str, limit: int, *, params: Mapping[str, Any] | None = None, login: bool = True
) -> tuple[bytes, bool, httpx2.Response]:
    """The first ``limit`` bytes of an answer; for use inside `network.watched`.

    Args:
        url: Where to ask.
        limit: Bytes, after the server's compression is undone.
        params: Of the query.
        login: Whether the person's token goes along.

    Returns:
        The bytes, whether there were more, and the answer they came with.

    Raises:
        HfHubHTTPError: The server refused.
    """
    from huggingface_hub.utils import hf_raise_for_status

    headers = network.headers() if login else {}
    with network.session().stream("GET", url, params=params, headers=headers) as answer:
        if answer.status_code >= 400:
            # What the client makes its message of.
            answer.read()
        hf_raise_for_status(answer)
        text = bytearray()
        for block in answer.iter_bytes(_BLOCK):
            text += block
            if len(text) > limit:
                return bytes(text[:limit]), True, answer
        return bytes(text), False, answer


def read_json(url: str, *, params: Mapping[str, Any] | None = None) -> tuple[Any, httpx2.Response]:
    """A JSON answer of at most `LISTING_LIMIT` bytes; for use inside `network.watched`.

    Raises:
        ValueError: It is longer, no JSON, or nested too deep to be a listing.
    """
    text, more, answer = read(url, LISTING_LIMIT, params=params)
    if more:
        raise ValueError("the answer is longer than a listing")
    try:
        return json.loads(text), answer
    except RecursionError as error:
        raise ValueError("the answer is nested deeper than a listing") from error


def count(value: object) -> int:
    """A count as far as it is one, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST else 0


def words(value: object, limit: int = 200) -> str:
    """A text on one line, cut at ``limit`` characters, without characters that steer a terminal or a layout."""
    text = str(value or "")[: 2 * limit]
    return "".join(letter for letter in text if letter.isprintable())[:limit]
