"""Panes stand side by side as far as there is room, and share a place as tabs where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMainWindow, QTabBar
from pytestqt.qtbot import QtBot

from workbench.docks import Docks
from workbench.dressing import Dressing
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


def test_a_pane_that_was_put_away_with_the_keyboard_is_not_the_one_in_use(
    qtbot: QtBot, window: QMainWindow, docks: Docks
) -> None:
    docks.arrange((("four",),))
    docks.pane("four").setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    docks.focus("four")
    qtbot.waitUntil(lambda: QApplication.focusWidget() is docks.pane("four"))
    docks.arrange(TEACH)
    assert docks.current() in [docks.pane(name) for name in ("one", "two", "three")]
    window.resize(720, 700)
    qtbot.waitUntil(lambda: tabs(window) == [["Two", "Three"]])


def test_tabs_that_go_while_the_look_changes_do_not_keep_the_window_from_being_painted(
    qtbot: QtBot, window: QMainWindow, docks: Docks
) -> None:
    followed: list[bool] = []
    dressing = Dressing(window, lambda: followed.append(True))
    dressing.change(dark=False, zoom=1.5, high_contrast=False)
    assert not window.updatesEnabled()
    bar = QTabBar(window)
    dressing.dress(bar)
    shiboken6.delete(bar)
    qtbot.waitUntil(window.updatesEnabled)
    assert followed == [True]


@pytest.mark.parametrize("kept", [True, False])
def test_tabs_of_a_small_window_end_in_a_large_one_after_a_restart(
    qtbot: QtBot, window: QMainWindow, docks: Docks, kept: bool
) -> None:
    window.resize(720, 700)
    qtbot.waitUntil(lambda: tabs(window) == [["Two", "Three"]])
    if not kept:
        # Put there by the person, they stay.
        window.tabifyDockWidget(docks.pane("one").parentWidget(), docks.pane("three").parentWidget())
    state, arrangement = window.saveState(), docks.arrangement
    later = QMainWindow()
    qtbot.addWidget(later)
    later.resize(1440, 900)  # as large as it is made, before it is as large as it was
    again = Docks(later, NAMES, lambda name: PaneFrame(name, name.title()), lambda part: None)
    again.arrange([[name] for name in docks.shown()])
    later.resize(720, 700)
    later.restoreState(state)
    again.resume(arrangement)
    with qtbot.waitExposed(later):
        later.show()
    qtbot.waitUntil(lambda: len(tabs(later)) == 1)
    looked: list[bool] = []
    again._resized.timeout.connect(lambda: looked.append(True))
    later.resize(1440, 900)
    if kept:
        qtbot.waitUntil(lambda: tabs(later) == [] and again.columns() == TEACH)
    else:
        qtbot.waitUntil(lambda: bool(looked))
        assert len(tabs(later)) == 1


@pytest.mark.parametrize("torn", ["", "[", "[1, 2]", "null", '[[["nine"]], [[["nine"]]]]'])
def test_an_arrangement_that_is_of_no_use_is_left_aside(docks: Docks, torn: str) -> None:
    docks.resume(torn)
    assert docks.columns() == TEACH
