"""Parts stand side by side where they fit, and one above the other where they don't."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets.turning_splitter import TurningSplitter


class Part(QWidget):
    """Needs so much room."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.needed = width

    def minimumSizeHint(self) -> QSize:
        return QSize(self.needed, 60)


@pytest.fixture
def parts() -> tuple[Part, Part]:
    return Part(200), Part(150)


@pytest.fixture
def page(qtbot: QtBot) -> QScrollArea:
    page = QScrollArea()
    page.setFrameShape(QScrollArea.Shape.NoFrame)
    page.setWidgetResizable(True)
    page.resize(600, 400)
    qtbot.addWidget(page)
    return page


@pytest.fixture
def splitter(page: QScrollArea, parts: tuple[Part, Part]) -> TurningSplitter:
    splitter = TurningSplitter()
    for part in parts:
        splitter.addWidget(part)
    page.setWidget(splitter)
    page.show()
    return splitter


def test_it_turns_by_its_width_and_is_as_narrow_as_its_widest_part(
    splitter: TurningSplitter, page: QScrollArea
) -> None:
    assert not splitter.turned
    page.resize(300, 400)
    assert splitter.turned
    assert splitter.widget(0).width() == splitter.widget(1).width() == 300
    assert page.horizontalScrollBar().maximum() == 0
    page.resize(190, 400)
    assert page.horizontalScrollBar().maximum() == 10, "no narrower than its widest part"
    page.resize(600, 400)
    assert not splitter.turned


def test_each_way_keeps_its_shares(splitter: TurningSplitter, page: QScrollArea) -> None:
    splitter.setSizes([220, 380])
    before = splitter.sizes()
    page.resize(300, 400)
    splitter.setSizes([300, 100])
    below = splitter.sizes()
    page.resize(600, 400)
    assert splitter.sizes() == before
    page.resize(300, 400)
    assert splitter.sizes() == below


def test_a_part_that_grows_turns_it_and_a_hidden_one_counts_for_nothing(
    splitter: TurningSplitter, parts: tuple[Part, Part], qtbot: QtBot
) -> None:
    parts[0].needed = 500
    parts[0].updateGeometry()
    qtbot.waitUntil(lambda: splitter.turned)
    parts[1].hide()
    qtbot.waitUntil(lambda: not splitter.turned)


def test_a_part_that_needed_more_for_a_while_gives_it_back(
    splitter: TurningSplitter, parts: tuple[Part, Part], qtbot: QtBot
) -> None:
    splitter.setSizes([220, 380])
    before = splitter.sizes()
    # Enough for both, as at a larger zoom, and then too much.
    for needed in (400, 500):
        parts[0].needed = needed
        parts[0].updateGeometry()
        qtbot.waitUntil(lambda needed=needed: parts[0].width() >= needed)
    assert splitter.turned
    parts[0].needed = 200
    parts[0].updateGeometry()
    qtbot.waitUntil(lambda: not splitter.turned)
    assert splitter.sizes() == before


def test_without_anything_else_the_room_is_shared_by_stretch(splitter: TurningSplitter, page: QScrollArea) -> None:
    splitter.setStretchFactor(0, 2)
    splitter.setStretchFactor(1, 1)
    page.resize(900, 400)
    first, second = splitter.sizes()
    assert first == pytest.approx(2 * second, abs=3)
