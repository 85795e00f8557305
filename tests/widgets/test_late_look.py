"""A change of theme is followed once, late, and only by what is seen."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.late_look import LateLook


class Follower(QWidget):
    """Counts how often it takes on the look."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.look = LateLook(self)
        self.look.due.connect(self._follow)
        self.look.catch_up()

    def _follow(self) -> None:
        self.times += 1

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if hasattr(self, "look"):
            self.look.on_change(event)


def test_many_changes_are_followed_once_in_a_turn_of_its_own(qtbot: QtBot, qapp: QApplication) -> None:
    widget = Follower()
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    assert widget.times == 1
    theme.apply(qapp, dark=True, zoom=1.5)
    assert widget.look.behind
    assert widget.times == 1
    qtbot.waitUntil(lambda: not widget.look.behind)
    assert widget.times == 2


def test_what_is_not_seen_follows_when_it_is(qtbot: QtBot, qapp: QApplication) -> None:
    widget = Follower()
    qtbot.addWidget(widget)
    theme.apply(qapp, dark=True)
    assert widget.look.behind
    widget.look.catch_up()
    widget.look.catch_up()
    assert widget.times == 2
