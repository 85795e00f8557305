"""Controls wrap like words, a note stands where there is room for it, and what is hidden takes none."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QComboBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets.control_bar import ControlBar, labelled


class Made:
    def __init__(self, qtbot: QtBot) -> None:
        self.boxes = [QComboBox() for _ in range(3)]
        for box in self.boxes:
            box.addItem("a choice of some length")
        self.parts = [labelled(f"Part {number}", box) for number, box in enumerate(self.boxes)]
        self.note = QLabel("Words that say what is seen here, and why it is not seen where it is not")
        self.note.setWordWrap(True)
        self.bar = ControlBar(self.parts, self.note)
        self.whole = QWidget()
        self.bar.setParent(self.whole)
        qtbot.addWidget(self.whole)
        self.whole.resize(2000, 400)
        self.bar.resize(2000, 200)
        self.whole.show()
        qtbot.waitExposed(self.whole)


@pytest.fixture
def made(qtbot: QtBot) -> Made:
    return Made(qtbot)


def top(made: Made, widget: QWidget) -> int:
    return widget.mapTo(made.bar, widget.rect().center()).y()


def test_all_stand_in_one_line_where_there_is_room(made: Made) -> None:
    assert made.bar.lines == 1


def test_the_note_goes_below_and_then_the_parts_wrap(qtbot: QtBot, made: Made) -> None:
    three = sum(part.sizeHint().width() for part in made.parts)
    made.bar.resize(three + 60, 200)
    assert made.bar.lines == 2
    qtbot.waitUntil(lambda: top(made, made.note) > top(made, made.parts[2]) + 5)
    made.bar.resize(made.parts[0].sizeHint().width() + 40, 200)
    assert made.bar.lines == 4
    qtbot.waitUntil(lambda: top(made, made.parts[1]) > top(made, made.parts[0]) + 5)
    made.bar.resize(2000, 200)
    assert made.bar.lines == 1


def test_what_is_hidden_takes_no_room(qtbot: QtBot, made: Made) -> None:
    two = sum(part.sizeHint().width() for part in made.parts[:2])
    made.bar.resize(two + 320, 200)
    assert made.bar.lines == 2
    made.parts[2].hide()
    qtbot.waitUntil(lambda: made.bar.lines == 1)
    made.parts[2].show()
    qtbot.waitUntil(lambda: made.bar.lines == 2)


def test_it_can_be_narrower_than_its_choices_are_long(made: Made) -> None:
    assert made.bar.minimumSizeHint().width() < made.parts[0].sizeHint().width()
