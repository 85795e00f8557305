"""Who one is on the Hub: the token is kept by huggingface_hub's own store and nowhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass

from workbench.engine.errors import InputError
from workbench.engine.hub import network
from workbench.engine.task import Silent, Task

_WHAT = "Could not log in."
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a token belongs to; the token itself is never in it.

    Attributes:
        name: On the Hub.
        organizations: Whose repositories the account may see or write.
        token: The token's own name.
        role: ``read``, ``write`` or ``fineGrained``; empty when the Hub doesn't say.
    """

    name: str
    organizations: tuple[str, ...]
    token: str
    role: str


def has_token() -> bool:
    """Whether a token is stored on this machine or given by the environment; nothing is asked."""
    from huggingface_hub import get_token

    return get_token() is not None


def token_variable() -> str:
    """The environment variable that gives the token, or an empty string: such a token can't be logged out of here."""
    return next((name for name in _VARIABLES if os.environ.get(name)), "")


def who(*, task: Task | None = None) -> Account | None:
    """Ask the Hub whom the token belongs to; None when there is no token.

    Raises:
        NetworkError: The Hub can't be reached, or does not accept the token.
        Cancelled: The person stopped it.

    References:
        huggingface_hub, HfApi.whoami
    """
    if not has_token():
        return None
    return _who(None, "Could not ask who is logged in.", task or Silent())


def log_in(token: str, *, task: Task | None = None) -> Account:
    """Store a token, once the Hub has said whose it is.

    Args:
        token: As the Hub's settings page gives it.
        task: May stop the asking.

    Raises:
        InputError: It does not look like a token.
        NetworkError: The Hub can't be reached, or does not accept it; the stored one stays.
        Cancelled: The person stopped it.

    References:
        huggingface_hub, Authentication: login
    """
    token = token.strip()
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise InputError(
            _WHAT, why="That is no token: it has to be one word of plain letters.", remedy="Copy it again as a whole."
        )
    task = task or Silent()
    account = _who(token, _WHAT, task)
    with network.watched(task, _WHAT):
        import huggingface_hub

        huggingface_hub.login(token=token, add_to_git_credential=False)
    return account


def log_out() -> None:
    """Remove every token from huggingface_hub's store.

    Raises:
        InputError: An environment variable goes on giving one.
    """
    import huggingface_hub

    try:
        huggingface_hub.logout()
    except OSError as error:
        raise InputError(
            "You are still logged in.",
            why=f"The stored token is gone, but the environment gives one ({token_variable() or 'by another way'}).",
            remedy="Unset that variable and start the program again.",
        ) from error


def _who(token: str | None, what: str, task: Task) -> Account:
    with network.watched(task, what):
        from huggingface_hub import HfApi

        told = HfApi(endpoint=network.endpoint(), library_name="transformers-workbench").whoami(token=token)
        about = (told.get("auth") or {}).get("accessToken") or {}
        return Account(
            str(told["name"])[:200],
            tuple(str(one.get("name", ""))[:200] for one in told.get("orgs") or ())[:200],
            str(about.get("displayName", ""))[:200],
            str(about.get("role", ""))[:40],
        )
