"""A foldable part opens and closes, from the keyboard too, and its heading says what is in use."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLabel
from pytestqt.qtbot import QtBot

from workbench.widgets.foldable import Foldable


def test_it_opens_and_closes_by_hand_and_by_key(qtbot: QtBot) -> None:
    fold = Foldable("pane.fold", "Words", "Opens and closes")
    qtbot.addWidget(fold)
    inside = QLabel("inside")
    fold.body.addWidget(inside)
    fold.show()
    assert not inside.isVisible()
    closed = fold.sizeHint().height()
    with qtbot.waitSignal(fold.folded) as told:
        fold.heading.click()
    assert told.args == [True] and inside.isVisible() and fold.is_open
    assert fold.sizeHint().height() > closed
    qtbot.keyClick(fold.heading, Qt.Key.Key_Space)
    assert not inside.isVisible()
    fold.set_open(True)
    assert inside.isVisible()


def test_switches_are_put_away_unless_in_use_and_come_back(qtbot: QtBot) -> None:
    switches, text = Foldable("pane.switches", "Words", "Opens"), Foldable("pane.text", "Thinking", "Opens")
    switches.body.addWidget(QCheckBox("on"))
    text.body.addWidget(QLabel("a text to read"))
    for fold in (switches, text):
        qtbot.addWidget(fold)
        fold.set_open(True)
        fold.put_away(True)
    assert (switches.is_open, text.is_open) == (False, True)
    switches.put_away(False)
    assert switches.is_open
    switches.set_note("1 on")
    switches.put_away(True)
    assert switches.is_open
    switches.set_note("")
    switches.set_open(False)
    switches.put_away(True)
    switches.put_away(False)
    assert not switches.is_open


def test_the_heading_says_the_note_to_eyes_and_ears(qtbot: QtBot) -> None:
    fold = Foldable("pane.fold", "Words", "Opens and closes")
    qtbot.addWidget(fold)
    fold.set_note("2 on")
    assert fold.heading.text() == fold.heading.accessibleName() == "Words · 2 on"
    fold.set_note("")
    assert fold.heading.text() == "Words"


def test_it_is_as_wide_closed_as_open(qtbot: QtBot) -> None:
    fold = Foldable("pane.fold", "Words", "Opens and closes")
    qtbot.addWidget(fold)
    fold.body.addWidget(QLabel("a long line that takes much more room than the heading"))
    fold.show()
    closed = fold.minimumSizeHint().width()
    fold.set_open(True)
    assert fold.minimumSizeHint().width() == closed
