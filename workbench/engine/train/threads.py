"""How many CPU threads compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def computing_with(number: int) -> Iterator[None]:
    """Compute with so many CPU threads. The setting is the process's, so other work has as many meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
