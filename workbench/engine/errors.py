"""What went wrong, worded for people: what failed, why, and what to do."""

from __future__ import annotations

import errno


class WorkbenchError(Exception):
    """A failure in three sentences.

    Args:
        what: What failed, as a sentence without a full stop's worth of jargon.
        why: The cause, as far as it is known.
        remedy: What the person can do next.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.remedy) if part)


class CheckpointError(WorkbenchError):
    """A checkpoint is missing, incomplete, damaged or not one at all."""


class UnsafeRefused(WorkbenchError):
    """Pickled weights or remote code were asked for and refused."""


class NotSupported(WorkbenchError):
    """The loaded checkpoint (or this machine) can't do what was asked."""


class InputError(WorkbenchError):
    """A prompt, a text or a setting can't be used as it stands."""


class DataError(WorkbenchError):
    """A data file can't be used: its name, its columns or its rows."""


class NetworkError(WorkbenchError):
    """A server could not be reached or answered with an error."""


class OutOfMemory(WorkbenchError):
    """There was not enough memory on the device."""


class OutOfSpace(WorkbenchError):
    """There was not enough disk space."""


_NETWORK = {"ConnectError", "ConnectTimeout", "ReadTimeout", "ReadError", "RemoteProtocolError", "TransportError",
            "ConnectionError", "HfHubHTTPError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"}  # fmt: skip
#: What Windows says of a file that is open, locked or mapped into memory.
_IN_USE = (32, 33, 1224)


def explain(error: BaseException, what: str) -> WorkbenchError:
    """Word any exception for people; a `WorkbenchError` is returned as it is.

    Exceptions are told apart by class name, because the libraries that raise them must not be imported for it.

    Args:
        error: What was raised; its causes are looked at too.
        what: What was being done, as "Could not …".
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in chain:
        if isinstance(link, WorkbenchError):
            return link
    for link in chain:
        names = {cls.__name__ for cls in type(link).__mro__}
        text = str(link)
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutOfSpace(what, why="The disk is full.", remedy="Free some space and try again.")
        if isinstance(link, MemoryError) or "OutOfMemoryError" in names or "can't allocate memory" in text:
            return OutOfMemory(
                what,
                why="There is not enough free memory for it.",
                remedy="Close other programs, choose a smaller checkpoint, a smaller dtype or a smaller batch.",
            )
        if getattr(link, "winerror", 0) in _IN_USE:
            return WorkbenchError(
                what,
                why=f"A file is in use: {text}.",
                remedy="Load another checkpoint or close the program that uses it, and try again.",
            )
        if isinstance(link, OSError) and link.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return WorkbenchError(
                what, why=f"Permission was denied: {text}.", remedy="Choose a folder you may write to."
            )
    for link in chain:
        if {cls.__name__ for cls in type(link).__mro__} & _NETWORK:
            return NetworkError(
                what,
                why=f"The server could not be reached or refused: {_named(link)}",
                remedy="Check the network or the offline switch; what is on this machine still works.",
            )
    return WorkbenchError(what, why=_named(error), remedy="The details below say where it happened.")


def first_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The libraries that validate configs put the reason on a second line, after a colon.
    said = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return said[:300] or type(error).__name__


def _named(error: BaseException) -> str:
    kind, said = type(error).__name__, first_line(error)
    return kind if said == kind else f"{kind}: {said}"
