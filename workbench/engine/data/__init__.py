"""Rows of data as people have them: files in any dialect, folders, saved data sets and those of the Hub."""

from __future__ import annotations

from workbench.engine.data.formats import Format, sniff
from workbench.engine.data.hub_sets import ConfigNeeded
from workbench.engine.data.reading import (
    MOST_LABELS,
    PAGE,
    PREVIEW_ROWS,
    Index,
    Rows,
    as_text,
    load,
    page,
    read,
    scan,
)
from workbench.engine.data.roles import guess_roles
from workbench.engine.data.sources import open_source

__all__ = [
    "MOST_LABELS",
    "PAGE",
    "PREVIEW_ROWS",
    "ConfigNeeded",
    "Format",
    "Index",
    "Rows",
    "as_text",
    "guess_roles",
    "load",
    "open_source",
    "page",
    "read",
    "scan",
    "sniff",
]
