"""Numbers as people read them: bytes, counts, times, and numbers for tables that keep their value."""

from __future__ import annotations


def format_bytes(size: float) -> str:
    """Bytes in decimal units, three figures: ``812 B``, ``92.9 MB``, ``269 MB``, ``1.24 GB``."""
    return _scaled(size, ("B", "kB", "MB", "GB", "TB"))


def format_count(count: float) -> str:
    """A count, three figures: ``812``, ``22.7 M``, ``135 M``, ``7.62 B``."""
    return _scaled(count, ("", "k", "M", "B", "T")).strip()


def format_many(count: int, noun: str) -> str:
    """A whole count with its noun: ``1 file``, ``1,204 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_seconds(seconds: float) -> str:
    """A time: ``0.4 s``, ``12 s``, ``2 min 5 s``, ``1 h 20 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_progress(done: float, total: float | None, unit: str) -> str:
    """How far something has come: ``43 % of 269 MB``, ``118/600 steps``, or nothing while nothing is known."""
    if unit == "bytes":
        if total:
            return f"{min(100, int(100 * done / total))} % of {format_bytes(total)}"
        return format_bytes(done) if done else ""
    if total:
        return f"{done:g}/{total:g} {unit}"
    return f"{done:g} {unit}" if done else ""


class Size(int):
    """Bytes in a table: sorts and exports as a number, reads as `format_bytes`."""

    def __str__(self) -> str:
        return format_bytes(self)


class Count(int):
    """A count in a table, read as `format_count`."""

    def __str__(self) -> str:
        return format_count(self)


def _scaled(value: float, units: tuple[str, ...]) -> str:
    place = 0
    while place < len(units) - 1 and abs(value) >= 999.5:
        value /= 1000
        place += 1
    if place == 0:
        return f"{value:.0f} {units[0]}"
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {units[place]}"
