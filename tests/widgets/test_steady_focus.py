"""A space after a press reaches what was pressed, and nothing that came next while it was switched off."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMainWindow, QPushButton
from pytestqt.qtbot import QtBot

from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.steady_focus import SteadyFocus


@pytest.fixture
def buttons(qtbot: QtBot) -> tuple[PaneFrame, QPushButton, QPushButton]:
    window = QMainWindow()
    qtbot.addWidget(window)
    pane = PaneFrame("pane", "Pane")
    run, clear = QPushButton("Run"), QPushButton("Clear")
    pane.body.addWidget(run)
    pane.body.addWidget(clear)
    window.setCentralWidget(pane)
    window.steady = SteadyFocus(window)
    window.show()
    qtbot.waitActive(window)
    run.setFocus()
    return pane, run, clear


def test_a_space_while_the_work_runs_presses_nothing_and_the_keyboard_comes_back(
    qtbot: QtBot, buttons: tuple[PaneFrame, QPushButton, QPushButton]
) -> None:
    pane, run, clear = buttons
    pressed: list[str] = []
    run.clicked.connect(lambda: run.setEnabled(False))
    clear.clicked.connect(lambda: pressed.append("clear"))
    qtbot.keyClick(run, Qt.Key.Key_Space)
    assert not run.isEnabled()
    held = QApplication.focusWidget()
    assert held is pane
    qtbot.keyClick(held, Qt.Key.Key_Space)
    assert not pressed
    run.setEnabled(True)
    assert run.hasFocus()


def test_where_a_person_went_meanwhile_they_stay(
    qtbot: QtBot, buttons: tuple[PaneFrame, QPushButton, QPushButton]
) -> None:
    _, run, clear = buttons
    run.setEnabled(False)
    clear.setFocus()
    run.setEnabled(True)
    assert clear.hasFocus()
