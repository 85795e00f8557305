"""A column scrolls down, and grows sideways with what it holds."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets.column_scroll import ColumnScroll


def test_it_is_as_wide_as_its_content_whenever_that_grows(qtbot: QtBot) -> None:
    content = QWidget()
    column = QVBoxLayout(content)
    button = QPushButton("a")
    column.addWidget(button)
    area = ColumnScroll(content)
    qtbot.addWidget(area)
    area.resize(50, 50)
    with qtbot.waitExposed(area):
        area.show()
    narrow = area.minimumWidth()
    assert narrow >= content.minimumSizeHint().width()
    button.setText("a much longer label")
    qtbot.waitUntil(lambda: area.minimumWidth() > narrow)
    area.resize(area.minimumWidth(), 50)
    assert not area.horizontalScrollBar().isVisible()
    assert area.verticalScrollBar().maximum() >= 0


def test_what_grew_while_nobody_saw_it_is_as_wide_as_it_needs_when_it_is_seen(qtbot: QtBot) -> None:
    outer = QWidget()
    content = QWidget()
    column = QVBoxLayout(content)
    button = QPushButton("a")
    column.addWidget(button)
    area = ColumnScroll(content)
    QVBoxLayout(outer).addWidget(area)
    qtbot.addWidget(outer)
    with qtbot.waitExposed(outer):
        outer.show()
    outer.hide()
    button.setMinimumWidth(400)
    outer.show()
    qtbot.waitUntil(lambda: content.width() >= 400)
    assert area.viewport().width() >= content.minimumSizeHint().width()
