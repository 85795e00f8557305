"""The hands of the tour: they use a control as a person would, and say what is not there."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from workbench.driver import Driver, DriverError
from workbench.widgets.data_table import DataTable
from workbench.widgets.foldable import Foldable
from workbench.widgets.knob import Knob
from workbench.widgets.naming import named


@pytest.fixture
def window(qtbot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    tabs = named(QTabWidget(), "some.tabs", "Tabs")
    for title in ("First", "Second (3)"):
        tabs.addTab(QLabel(title), title)
    table = named(DataTable(), "some.table", "Table")
    table.set_rows(("Name", "Number"), [("one", 1), ("two", 2)])
    fold = Foldable("some.fold", "Further", "What is folded away")
    fold.body.addWidget(Knob("some.knob", "knob", 0.0, 10.0, 1.0))
    tall = QWidget()
    column = QVBoxLayout(tall)
    column.addSpacing(2000)
    column.addWidget(fold)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(tall)
    layout = QVBoxLayout(made)
    for part in (tabs, table, scroll):
        layout.addWidget(part)
    made.resize(400, 500)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def driver(window: QWidget) -> Driver:
    return Driver(window)


def test_a_tab_is_chosen_by_how_its_title_begins(driver: Driver) -> None:
    driver.choose_tab("some.tabs", "Second")
    assert driver.find(QTabWidget, "some.tabs").currentIndex() == 1


def test_a_tab_that_is_not_there_is_said(driver: Driver) -> None:
    with pytest.raises(DriverError, match=r"some\.tabs has a tab Third"):
        driver.choose_tab("some.tabs", "Third")


def test_what_a_table_says_is_read_by_row_and_by_column(driver: Driver) -> None:
    table = driver.find(DataTable, "some.table")
    assert driver.headers(table) == ["name", "number"]
    assert driver.cells(table) == [["one", "1"], ["two", "2"]]
    assert driver.cells(table, 1) == [["one", "1"]]
    assert driver.column(table, "number") == ["1", "2"]
    with pytest.raises(DriverError, match="no column age"):
        driver.column(table, "age")


def test_what_is_folded_away_is_unfolded_once_and_brought_into_sight(driver: Driver, window: QWidget) -> None:
    fold = window.findChild(Foldable)
    for _ in range(2):
        driver.unfold("some.fold")
        assert fold.is_open
    knob = driver.find(QWidget, "some.knob")
    assert knob.visibleRegion().isEmpty()
    driver.bring("some.knob")
    assert not knob.visibleRegion().isEmpty()


def test_a_knob_is_turned_by_the_name_of_any_of_its_parts(driver: Driver, window: QWidget) -> None:
    driver.knob("some.knob", 4.0)
    assert window.findChild(Knob).value == 4.0
    with pytest.raises(DriverError, match=r"some\.table is in no Knob"):
        driver.knob("some.table", 1.0)
