"""The funnel says what each stage took, fits any width, and does not jump while numbers change."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.trace_bar import Stage, TraceBar


def stages(removed: int, left: float) -> list[Stage]:
    room = "−49,152 · > 99.99 %"
    return [
        Stage("all", "49,152", 1.0),
        Stage("temperature", "reshapes", 1.0),
        Stage("top_k", f"−{removed:,}", left, room, f"top_k removed {removed:,} tokens"),
        Stage("kept", f"{49_152 - removed:,}", left, "49,152"),
    ]


@pytest.fixture
def bar(qtbot: QtBot) -> TraceBar:
    bar = TraceBar()
    qtbot.addWidget(bar)
    bar.resize(900, 60)
    bar.set_stages(stages(49_102, 0.5))
    with qtbot.waitExposed(bar):
        bar.show()
    return bar


def test_all_of_it_is_said_to_a_screen_reader(bar: TraceBar) -> None:
    assert bar.accessibleDescription() == "all 49,152; temperature reshapes; top_k removed 49,102 tokens; kept 50"


def test_a_chip_is_filled_as_far_as_probability_is_left(bar: TraceBar) -> None:
    image = bar.grab().toImage()
    box = bar.boxes[2]
    row = round(box.bottom()) - 4
    soft, surface = QColor(theme.current().accent_soft), QColor(theme.current().surface)
    assert image.pixelColor(round(box.left() + 0.4 * box.width()), row) == soft
    assert image.pixelColor(round(box.left() + 0.6 * box.width()), row) == surface


def test_nothing_moves_while_numbers_change(bar: TraceBar) -> None:
    before = bar.boxes
    bar.set_stages(stages(3, 0.99))
    assert bar.boxes == before


def test_it_wraps_and_grows_where_it_is_narrow(bar: TraceBar) -> None:
    one = bar.height()
    bar.resize(200, one)
    assert bar.height() > one
    assert all(box.right() <= 200.5 for box in bar.boxes)
