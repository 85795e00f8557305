"""The flow strip, bars, marked text and tensors: what they show, say and send."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QFont, QFontMetrics, QHelpEvent
from PySide6.QtWidgets import QApplication, QLabel, QMenu, QPushButton, QSpinBox, QToolButton, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.bar_chart import LabelBars
from workbench.widgets.entity_text import EntityText, Span
from workbench.widgets.flow_strip import FlowStrip
from workbench.widgets.naming import named
from workbench.widgets.tensor_grid import TensorGrid

BOXES = [("hub", "SmolLM2", "269 MB"), ("tokenizer", "tokenizer", "1×12 ids"), ("playground", "text", "+34 tokens")]


def test_a_name_is_for_people_and_machines(qtbot: QtBot) -> None:
    button = named(QPushButton("Go"), "playground.go", "Go", "Goes")
    qtbot.addWidget(button)
    assert (button.objectName(), button.accessibleName(), button.toolTip()) == ("playground.go", "Go", "Goes")


def test_no_widget_module_imports_the_heavy_ones() -> None:
    # What plots draw are pyqtgraph's own items; a plot imports them when the first one is made.
    code = (
        "import importlib, pkgutil, sys, workbench.widgets as w\n"
        "for m in pkgutil.iter_modules(w.__path__):\n"
        "    if m.name not in ('__main__', 'curve_item', 'heat_items'):\n"
        "        importlib.import_module('workbench.widgets.' + m.name)\n"
        "sys.exit(bool({'pyqtgraph', 'pygments', 'torch', 'workbench.engine'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def flow(qtbot: QtBot) -> FlowStrip:
    strip = FlowStrip()
    qtbot.addWidget(strip)
    strip.set_boxes(BOXES)
    strip.resize(700, strip.sizeHint().height())
    with qtbot.waitExposed(strip):
        strip.show()
    return strip


def test_a_box_opens_its_pane_by_mouse_and_keyboard(qtbot: QtBot, flow: FlowStrip) -> None:
    heard: list[str] = []
    flow.box_clicked.connect(heard.append)
    qtbot.mouseClick(flow, Qt.MouseButton.LeftButton, pos=flow._rects()[1].center().toPoint())
    qtbot.keyClick(flow, Qt.Key.Key_Right)
    qtbot.keyClick(flow, Qt.Key.Key_Return)
    assert heard[0] == "tokenizer"
    assert len(heard) == 2


def test_the_first_box_has_a_menu_for_mouse_and_keyboard(qtbot: QtBot, flow: FlowStrip) -> None:
    menu = QMenu(flow)
    menu.addAction("SmolLM2")
    flow.set_menu(menu, "flow.choose", "Choose", "Loads one")
    button = flow.findChild(QToolButton, "flow.choose")
    assert flow._rects()[0].toRect().contains(button.geometry())
    assert button.accessibleName() == "Choose"
    assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    heard: list[str] = []
    flow.box_clicked.connect(heard.append)
    for press in (lambda: qtbot.keyClick(flow, Qt.Key.Key_Down), lambda: qtbot.keyClick(button, Qt.Key.Key_Space)):
        QTimer.singleShot(0, menu, menu.close)
        with qtbot.waitSignal(menu.aboutToShow):
            press()
    assert heard == []


def test_the_flow_is_there_as_text(flow: FlowStrip) -> None:
    assert flow.accessibleDescription() == "SmolLM2 (269 MB) → tokenizer (1×12 ids) → text (+34 tokens)"


@pytest.mark.parametrize("zoom", [0.6, 1.0, 3.0])
def test_all_boxes_stay_inside_at_every_zoom(qapp: QApplication, flow: FlowStrip, zoom: float) -> None:
    theme.apply(qapp, dark=True, zoom=zoom)
    flow.resize(700, flow.sizeHint().height())
    assert flow._rects()[-1].right() <= flow.width()
    flow.grab()


def test_bars_say_what_they_show(qtbot: QtBot) -> None:
    bars = LabelBars()
    qtbot.addWidget(bars)
    bars.set_bars([("POSITIVE", 0.75, "75.00 %"), ("a\ud800", 0.25, "25.00 %")])
    assert "POSITIVE: 75.00 %" in bars.accessibleDescription()
    bars.resize(400, bars.sizeHint().height())
    image = bars.grab().toImage()
    line = bars.height() // 2
    lengths = [
        sum(image.pixelColor(x, y).name() == theme.current().accent for x in range(image.width()))
        for y in (line // 2, line + line // 2)
    ]
    assert lengths[0] == pytest.approx(3 * lengths[1], rel=0.1)


def test_overlapping_spans_are_all_marked_at_their_characters(qtbot: QtBot) -> None:
    text = "🙂 New York City"
    marked = EntityText()
    qtbot.addWidget(marked)
    marked.set_spans(text, [Span(2, 15, "LOC"), Span(2, 10, "GPE"), Span(4, 99, "outside")])
    assert [(span.start, span.end, span.label) for span in marked.spans] == [(2, 15, "LOC"), (2, 10, "GPE")]
    assert "New York City: LOC" in marked.accessibleDescription()
    assert "New York: GPE" in marked.accessibleDescription()
    shown = marked.toPlainText()
    assert shown.startswith("🙂 [[New York] GPE")
    assert shown.rstrip().endswith("City] LOC")


def test_spans_that_cross_or_nest_can_be_followed_and_others_stand_without_brackets(qtbot: QtBot) -> None:
    marked = EntityText()
    qtbot.addWidget(marked)
    marked.set_spans("one two three", [Span(0, 7, "A"), Span(4, 13, "B")])
    assert marked.toPlainText() == "[one [two] A  three] B "
    marked.set_spans("one two three", [Span(0, 3, "A"), Span(4, 7, "B"), Span(8, 13, "two words")])
    assert marked.toPlainText() == "one A  two B  three two words "


@pytest.mark.parametrize(
    ("shape", "rows", "columns", "boxes"),
    [((), 1, 1, 0), ((5,), 1, 5, 0), ((2, 3), 2, 3, 0), ((2, 3, 4), 3, 4, 1), ((1, 3, 4), 3, 4, 0),
     ((2, 3, 4, 5), 4, 5, 2)],
)  # fmt: skip
def test_a_tensor_shows_shape_dtype_and_values(
    qtbot: QtBot, shape: tuple[int, ...], rows: int, columns: int, boxes: int
) -> None:
    values = np.arange(max(1, int(np.prod(shape))), dtype=np.float32).reshape(shape)
    grid = TensorGrid("tasks.logits")
    qtbot.addWidget(grid)
    grid.set_tensor("logits", "float32", values)
    title = " ".join(label.text() for label in grid.findChildren(QLabel))
    assert "float32" in title
    for size in shape:
        assert str(size) in title
    model = grid.table.model()
    assert (model.rowCount(), model.columnCount()) == (rows, columns)
    assert len(grid.findChildren(QSpinBox)) == boxes
    last = model.index(rows - 1, columns - 1)
    for box in grid.findChildren(QSpinBox):
        box.setValue(box.maximum())
    assert float(model.data(last)) == values.flat[-1]


def test_a_tensor_of_many_columns_reads_only_what_is_seen(qtbot: QtBot) -> None:
    grid = TensorGrid("tasks.logits")
    qtbot.addWidget(grid)
    grid.set_tensor("logits", "float32", np.zeros((1, 16, 151_936), np.float32))
    grid.show()
    grid.grab()
    assert grid.table.model().columnCount() == 151_936
    grid.set_tensor("", "", None)
    assert grid.table.model().rowCount() == 0


def test_thousands_of_spans_are_marked_in_one_step(qtbot: QtBot) -> None:
    marked = EntityText()
    qtbot.addWidget(marked)
    text = "Angela met Barack. " * 1000
    spans = [Span(at, at + 6, "PER") for start in range(0, len(text), 19) for at in (start, start + 11)]
    changes: list[tuple[int, int, int]] = []
    marked.document().contentsChange.connect(lambda *change: changes.append(change))
    marked.set_spans(text, spans)
    assert marked.toPlainText().count("PER") == len(spans) == 2000
    assert len(changes) <= 3, "a long text is laid out once, not once a span"


def test_short_titles_of_the_flow_are_read_whole_where_there_is_little_room(flow: FlowStrip) -> None:
    flow.set_boxes([("hub", "a checkpoint with a very long name", ""), ("playground", "text", "")])
    bold = QFont(flow.font())
    bold.setBold(True)
    flow.resize(200, flow.sizeHint().height())
    assert flow._rects()[1].width() >= QFontMetrics(bold).horizontalAdvance("text") + theme.px(flow, 12)


def test_a_label_that_is_cut_is_said_in_full(qtbot: QtBot) -> None:
    bars = LabelBars()
    qtbot.addWidget(bars)
    label = "a label of an image classifier with all of its synonyms, " * 3
    bars.set_bars([(label, 0.5, "50.00 %"), ("cat", 0.25, "25.00 %")])
    bars.resize(300, bars.sizeHint().height())
    place = QPoint(10, 5)
    QApplication.sendEvent(bars, QHelpEvent(QEvent.Type.ToolTip, place, bars.mapToGlobal(place)))
    assert QToolTip.text() == f"{label}: 50.00 %"
    QToolTip.hideText()
