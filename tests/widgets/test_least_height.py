"""A part is never given less height than what stands in it needs, whether its words wrap or not."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QSplitter, QVBoxLayout
from pytestqt.qtbot import QtBot

from workbench.widgets.least_height import LeastHeight


def test_a_part_is_not_squeezed_by_what_stands_below_it(qtbot: QtBot) -> None:
    words, plain, below = LeastHeight(), LeastHeight(), QPushButton("below")
    for part in (words, plain):
        column = QVBoxLayout(part)
        for _ in range(4):
            column.addWidget(QPushButton("a button"))
    line = QLabel("many words that go on for some lines " * 8)
    line.setWordWrap(True)
    words.layout().addWidget(line)
    halves = QSplitter(Qt.Orientation.Vertical)
    qtbot.addWidget(halves)
    for part in (words, plain, below):
        halves.addWidget(part)
    halves.setChildrenCollapsible(False)
    halves.resize(240, 900)
    halves.show()
    qtbot.waitUntil(lambda: words.minimumSizeHint().height() > plain.minimumSizeHint().height())
    halves.setSizes([1, 1, 898])
    assert line.height() >= line.heightForWidth(line.width()) > 2 * line.fontMetrics().height()
    assert plain.height() >= plain.layout().minimumSize().height()
