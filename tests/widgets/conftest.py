"""The look that the widgets' tests start and end with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from workbench.widgets import theme


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> Iterator[None]:
    """Light at 100 %; put back afterwards."""
    theme.apply(qapp, dark=False)
    yield
    theme.apply(qapp, dark=False)
