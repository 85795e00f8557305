"""The sequential scale as a table, for pictures made of many numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from workbench.widgets import theme


def strength_table() -> np.ndarray:
    """The scale of the current theme in 256 steps, red, green and blue as uint8 of shape ``(256, 3)``."""
    return _table(tuple(theme.current().scale))


# The scale is what the cache goes by; a theme itself holds a dict.
@lru_cache(maxsize=4)
def _table(_scale: tuple[str, ...]) -> np.ndarray:
    table = np.array([theme.strength_color(step / 255).getRgb()[:3] for step in range(256)], np.uint8)
    table.flags.writeable = False
    return table
