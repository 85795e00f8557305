"""Panes stand side by side as far as there is room, and share a place as tabs where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMainWindow, QTabBar
from pytestqt.qtbot import QtBot

from workbench.docks import Docks
from workbench.widgets import theme
from workbench.widgets.pane_frame import PaneFrame

NAMES = ("one", "two", "three", "four")
TEACH = (("one",), ("two",), ("three",))


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, dark=False)
    yield
    theme.apply(qapp, dark=False)


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(1440, 900)
    return window


@pytest.fixture
def docks(qtbot: QtBot, window: QMainWindow) -> Docks:
    docks = Docks(window, NAMES, lambda name: PaneFrame(name, name.title()), lambda part: None)
    docks.arrange(TEACH)
    with qtbot.waitExposed(window):
        window.show()
    return docks


def tabs(window: QMainWindow) -> list[list[str]]:
    bars = window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return [[bar.tabText(place) for place in range(bar.count())] for bar in bars if bar.count()]


def test_a_window_that_becomes_too_small_shows_tabs_and_columns_again_when_it_grows(
    qtbot: QtBot, window: QMainWindow, docks: Docks
) -> None:
    assert tabs(window) == []
    assert docks.columns() == TEACH
    window.resize(720, 700)
    qtbot.waitUntil(lambda: tabs(window) == [["Two", "Three"]])
    assert docks.pane("two").width() > 330
    assert docks.columns() == TEACH
    assert docks.shown() == ("one", "two", "three")
    window.resize(1440, 900)
    qtbot.waitUntil(lambda: tabs(window) == [])
    qtbot.waitUntil(lambda: docks.columns() == TEACH)


def test_a_zoom_that_leaves_no_room_makes_tabs_with_names_and_the_pane_in_use_in_front(
    qtbot: QtBot, qapp: QApplication, window: QMainWindow, docks: Docks
) -> None:
    window.resize(800, 700)
    docks.pane("three").setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    docks.focus("three")
    theme.apply(qapp, dark=False, zoom=2.0)
    qtbot.waitUntil(lambda: tabs(window) == [["One", "Two", "Three"]])
    qtbot.waitUntil(lambda: window.findChild(QTabBar, "window.tabs") is not None)
    bar = window.findChild(QTabBar, "window.tabs")
    assert bar.accessibleName() == "Panes in this place"
    qtbot.waitUntil(lambda: bar.tabText(bar.currentIndex()) == "Three")
    docks.focus("two")
    assert bar.tabText(bar.currentIndex()) == "Two"


def test_panes_below_one_another_share_a_place_in_a_low_window(qtbot: QtBot, window: QMainWindow, docks: Docks) -> None:
    docks.arrange((("one", "two", "three"), ("four",)))
    qtbot.waitUntil(lambda: docks.columns() == (("one", "two", "three"), ("four",)))
    assert tabs(window) == []
    window.resize(1440, 660)
    qtbot.waitUntil(lambda: tabs(window) == [["Two", "Three"]])
    docks.arrange((("one", "two"),))
    qtbot.waitUntil(lambda: tabs(window) == [])


def test_what_the_person_put_together_stays(qtbot: QtBot, window: QMainWindow, docks: Docks) -> None:
    held = [docks.pane(name).parent() for name in ("one", "two", "three")]
    window.tabifyDockWidget(held[0], held[1])
    qtbot.waitUntil(lambda: tabs(window) == [["One", "Two"]])
    qtbot.waitUntil(lambda: window.findChild(QTabBar, "window.tabs") is not None)
    looked: list[bool] = []
    docks._resized.timeout.connect(lambda: looked.append(True))
    window.resize(600, 700)
    qtbot.waitUntil(lambda: bool(looked))
    assert tabs(window) == [["One", "Two"]]
