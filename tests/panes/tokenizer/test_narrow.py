"""A narrow pane shows the numbers of a comparison, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from workbench.panes.tokenizer import TokenizerPane


@pytest.mark.usefixtures("typed")
def test_a_comparison_stands_below_its_list_where_it_would_be_too_narrow(
    qtbot: QtBot, pane: TokenizerPane, find: Callable[[str], Any]
) -> None:
    find("sections").setCurrentIndex(3)
    tabs, listed = find("compare_tabs"), find("compare_list")
    qtbot.waitUntil(lambda: find("compare_measures").model().rowCount() > 0)

    def beside() -> bool:
        return tabs.mapTo(pane, tabs.rect().topLeft()).x() > listed.mapTo(pane, listed.rect().topRight()).x()

    qtbot.waitUntil(beside)
    pane.resize(400, 760)
    qtbot.waitUntil(lambda: not beside())
    assert tabs.width() > 300
