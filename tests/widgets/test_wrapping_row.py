"""Two groups stand in one row where they fit, and in two where they don't."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets.wrapping_row import WrappingRow


@pytest.fixture
def buttons() -> list[QPushButton]:
    buttons = [QPushButton(name) for name in ("one", "two", "three", "four")]
    for button in buttons:
        button.setMinimumWidth(100)
    return buttons


@pytest.fixture
def page(qtbot: QtBot, buttons: list[QPushButton]) -> QScrollArea:
    page = QScrollArea()
    page.setFrameShape(QScrollArea.Shape.NoFrame)
    page.setWidgetResizable(True)
    page.setWidget(WrappingRow(buttons[:2], buttons[2:]))
    page.resize(600, 200)
    qtbot.addWidget(page)
    page.show()
    return page


def top(button: QPushButton, row: QWidget) -> int:
    return button.mapTo(row, button.rect().topLeft()).y()


def test_it_wraps_and_is_never_scrolled_sideways(page: QScrollArea, buttons: list[QPushButton], qtbot: QtBot) -> None:
    row = page.widget()
    assert not row.wrapped
    assert len({top(button, row) for button in buttons}) == 1
    page.resize(300, 200)
    assert row.wrapped
    assert page.horizontalScrollBar().maximum() == 0
    qtbot.waitUntil(lambda: top(buttons[0], row) < top(buttons[2], row))
    page.resize(600, 200)
    assert not row.wrapped


def test_a_button_that_grows_wraps_it(page: QScrollArea, buttons: list[QPushButton], qtbot: QtBot) -> None:
    buttons[0].setMinimumWidth(400)
    qtbot.waitUntil(lambda: page.widget().wrapped)
