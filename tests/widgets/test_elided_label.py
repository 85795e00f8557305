"""Words that give way where there is no room, and are whole in the tooltip."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets.elided_label import ElidedLabel

WORDS = "Fine-tune all-MiniLM-L6-v2 on movie_reviews.csv · 18/72 steps, 1 min left"


def test_long_words_widen_nothing_and_keep_both_ends(qtbot: QtBot) -> None:
    label = ElidedLabel(WORDS, Qt.TextElideMode.ElideMiddle)
    qtbot.addWidget(label)
    label.resize(240, 20)
    label.show()
    assert label.minimumSizeHint().width() < 120 < label.sizeHint().width()
    assert label.text() == WORDS
    assert label.shown != WORDS and label.shown.startswith("Fine") and label.shown.endswith("left")
    label.resize(label.sizeHint())
    assert label.shown == WORDS


def test_the_tooltip_has_what_was_cut_and_its_own_words(qtbot: QtBot) -> None:
    label = ElidedLabel(WORDS)
    label.setToolTip("Click for the Jobs pane")
    qtbot.addWidget(label)
    label.resize(120, 20)
    label.show()
    place = QPoint(5, 5)
    QApplication.sendEvent(label, QHelpEvent(QEvent.Type.ToolTip, place, label.mapToGlobal(place)))
    assert QToolTip.text() == f"{WORDS}\nClick for the Jobs pane"
    QToolTip.hideText()
