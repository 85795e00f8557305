"""What a person does in the Trainer and reads there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from workbench.panes.trainer import TrainerPane

Find = Callable[[str], Any]


def click(qtbot: QtBot, button: QWidget) -> None:
    """Press a button that can be pressed."""
    assert button.isEnabled(), button.objectName()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def train(qtbot: QtBot, find: Find) -> None:
    """Start, and wait for the end."""
    click(qtbot, find("start"))
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=120_000)


def notices(pane: TrainerPane) -> str:
    """All that the notices of the pane say."""
    cards = [card for card in pane.notices if not card.isHidden()]
    return " ".join(label.text() for card in cards for label in card.findChildren(QLabel))


def show_tab(find: Find, tabs: str, title: str) -> None:
    """Bring the tab to the front whose title begins so."""
    widget = find(tabs)
    titles = [widget.tabText(place) for place in range(widget.count())]
    widget.setCurrentIndex(next(place for place, each in enumerate(titles) if each.startswith(title)))
