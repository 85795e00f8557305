"""Buttons stand in as many columns as there is room for."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.button_rows import ButtonRows


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    """What they stand in: the layout of a window would keep it from getting smaller."""
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1000, 300)
    return window


@pytest.fixture
def rows(qtbot: QtBot, window: QWidget) -> ButtonRows:
    rows = ButtonRows([QPushButton(f"Button number {number}") for number in range(6)], parent=window)
    rows.resize(900, 100)
    with qtbot.waitExposed(window):
        window.show()
    return rows


def test_a_narrow_place_has_fewer_in_a_row(qtbot: QtBot, rows: ButtonRows) -> None:
    assert rows.across == 3
    rows.resize(rows.minimumSizeHint().width() * 2 + 20, 200)
    assert rows.across == 2
    buttons = rows.findChildren(QPushButton)
    qtbot.waitUntil(lambda: buttons[2].y() > buttons[0].y() and buttons[2].x() == buttons[0].x())
    rows.resize(900, 100)
    assert rows.across == 3
    qtbot.waitUntil(lambda: buttons[2].y() == buttons[0].y())


def test_zoom_takes_room(qapp: QApplication, rows: ButtonRows) -> None:
    rows.resize(rows.sizeHint().width() + 10, 100)
    assert rows.across == 3
    theme.apply(qapp, dark=False, zoom=1.4)
    try:
        assert rows.across == 2
    finally:
        theme.apply(qapp, dark=False)


def test_where_two_have_no_room_each_has_a_row(qtbot: QtBot, rows: ButtonRows) -> None:
    buttons = rows.findChildren(QPushButton)
    rows.resize(rows.minimumSizeHint().width(), 400)
    assert rows.across == 1
    qtbot.waitUntil(lambda: all(button.x() == 0 and button.width() <= rows.width() for button in buttons))
