"""The view tells living, dead and complete beams apart, can be walked by keyboard, and draws only what is seen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.beam_view import BeamRow, BeamView

STEPS = (
    (BeamRow(" a", -0.5, whole="so a"), BeamRow(" b", -1.0)),
    (BeamRow(" c", -0.7, 0), BeamRow("\n", -1.1, 1)),
    (BeamRow(" d", -0.8, 0), BeamRow(" e", -1.5, 0), BeamRow("<end>", -0.4, 0, finished=True)),
)


@pytest.fixture
def view(qtbot: QtBot) -> BeamView:
    view = BeamView()
    qtbot.addWidget(view)
    view.resize(600, 260)
    view.show()
    view.set_steps(STEPS)
    return view


def center(view: BeamView, step: int, row: int) -> QPoint:
    return view._rect(step, row).center().toPoint()


def states(view: BeamView) -> list[list[str]]:
    return [[view.state(step, row) for row in range(len(rows))] for step, rows in enumerate(view.steps)]


def test_what_nothing_grew_out_of_died_and_takes_along_what_lived_through_it(view: BeamView) -> None:
    assert states(view) == [["alive", "dead"], ["alive", "dead"], ["alive", "alive", "finished"]]
    view.append((BeamRow(" f", -0.9, 1), BeamRow(" g", -1.6, 1)))
    assert states(view)[2:] == [["dead", "alive", "finished"], ["alive", "alive"]]
    view.append((BeamRow(".", -0.9, 0, finished=True),))
    assert states(view)[3:] == [["alive", "dead"], ["finished"]]
    other = BeamView()
    other.set_steps(view.steps)
    assert states(other) == states(view), "the same however it came"
    other.deleteLater()


def test_a_step_without_beams_ends_all_that_ran(view: BeamView) -> None:
    view.append(())
    assert states(view)[2] == ["dead", "dead", "finished"]
    assert states(view)[0] == ["alive", "dead"], "the complete one grew out of it"
    view.set_steps(())
    assert view.steps == []
    view.grab()


def test_a_click_says_step_and_row(qtbot: QtBot, view: BeamView) -> None:
    with qtbot.waitSignal(view.beam_clicked) as clicked:
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=center(view, 2, 2))
    assert clicked.args == [2, 2]
    assert view.selected == (2, 2)
    with qtbot.assertNotEmitted(view.beam_clicked):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(3, 250))
        view.set_selected((0, 1))
        view.set_selected((9, 9))
    assert view.selected is None


def test_the_keys_walk_along_the_beams(qtbot: QtBot, view: BeamView) -> None:
    view.setFocus()
    seen = []
    view.beam_clicked.connect(lambda step, row: seen.append((step, row)))
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Left,
                Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_End,
                Qt.Key.Key_Home, Qt.Key.Key_Up):  # fmt: skip
        qtbot.keyClick(view, key)
    assert seen == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 0), (0, 0), (0, 1), (1, 1), (2, 0), (0, 0)]


def test_the_keys_follow_the_way_to_the_winner(qtbot: QtBot, view: BeamView) -> None:
    view.set_winner((2, 2))
    view.set_selected((1, 0))
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.selected == (2, 2)


def test_words_tell_what_the_drawing_shows(view: BeamView) -> None:
    assert view.text().splitlines() == [
        "step 1: ·a −0.50, goes on; ·b −1.00, died",
        "step 2: ·c −0.70, goes on; ⏎ −1.10, died",
        "step 3: ·d −0.80, goes on; ·e −1.50, goes on; <end> −0.40, complete",
    ]
    assert view.accessibleDescription() == "3 steps of beam search"
    view.set_selected((0, 0))
    assert view.accessibleDescription() == "step 1 of 3, beam 1 of 2: ·a −0.50, goes on. so a"
    assert view.tip(0, 0) == "step 1, beam 1: ·a −0.50, goes on\nso a"


def test_the_tooltip_has_text_and_score(qtbot: QtBot, view: BeamView) -> None:
    at = center(view, 2, 2)
    QApplication.sendEvent(view.viewport(), QHelpEvent(QHelpEvent.Type.ToolTip, at, view.viewport().mapToGlobal(at)))
    assert "<end> −0.40, complete" in QToolTip.text()
    QToolTip.hideText()


def test_dead_complete_and_winning_beams_look_different(view: BeamView) -> None:
    def picture(*beam: int) -> bytes:
        image = view.viewport().grab(view._rect(*beam).adjusted(0, 0, 20, 0).toRect()).toImage()
        return bytes(image.constBits())

    same = tuple((BeamRow("x", -1.0, 0),) * 2 for _ in range(2))
    view.set_steps([*same, (BeamRow("x", -1.0, 0), BeamRow("x", -1.0, 0, finished=True))])
    shown = {picture(1, 0), picture(1, 1), picture(2, 0), picture(2, 1)}
    view.set_winner((2, 0))
    shown.add(picture(2, 0))
    assert len(shown) == 5


def test_strange_texts_are_drawn(view: BeamView) -> None:
    view.set_steps(
        [[BeamRow(text, float("-inf"), 0, whole=text) for text in ("", "\ud83d", "שלום", "👩‍👩‍👧", "\0" * 99, "a\nb")]]
    )
    view.set_selected((0, 1))
    assert not view.grab().isNull()
    assert view.tip(0, 1)


def test_it_follows_the_end_while_it_is_at_the_end(view: BeamView) -> None:
    bar = view.horizontalScrollBar()
    for _ in range(20):
        view.append((BeamRow("x", -1.0, 0),))
    assert bar.value() == bar.maximum() > 0
    bar.setValue(0)
    view.append((BeamRow("x", -1.0, 0),))
    assert bar.value() == 0
    view.set_selected((20, 0))
    assert view.viewport().rect().contains(center(view, 20, 0))
    view.set_selected((0, 0))
    assert view.viewport().rect().contains(center(view, 0, 0))


def test_a_long_search_is_drawn_at_once(view: BeamView) -> None:
    rows = [tuple(BeamRow(f" t{row}", -1.0 * row, row % 2) for row in range(8)) for _ in range(4000)]
    view.set_steps(rows)
    bar = view.horizontalScrollBar()
    began = time.perf_counter()
    for place in range(10):
        bar.setValue(bar.maximum() * place // 10)
        view.grab()
    assert (time.perf_counter() - began) / 10 < 0.1
    view.resize(300, 120)
    assert view.verticalScrollBar().maximum() > 0


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_all_of_it_is_kept_as_a_picture_wherever_it_is_scrolled_to(view: BeamView, tmp_path: Path, ending: str) -> None:
    view.set_steps([*STEPS, *[(BeamRow(f" t{step}", -2.0, 0),) for step in range(40)]])
    view.horizontalScrollBar().setValue(view.horizontalScrollBar().maximum())
    seen = view.grab().toImage()
    view.save_picture(tmp_path / f"end.{ending}")
    view.horizontalScrollBar().setValue(0)
    view.save_picture(tmp_path / f"beginning.{ending}")
    assert (tmp_path / f"end.{ending}").read_bytes() == (tmp_path / f"beginning.{ending}").read_bytes()
    if ending == "svg":
        text = (tmp_path / "end.svg").read_text()
        assert ">t39<" in text.replace("·", "").replace(" ", "")
        assert "&lt;end&gt;" in text
    else:
        image = QImage(str(tmp_path / "end.png"))
        assert image.width() == 2 * view._content().width() > 2 * view.width()
        inside = view._rect(0, 0)
        place = (inside.center() + QPointF(view.horizontalScrollBar().value(), 0)) * 2
        assert image.pixelColor(place.toPoint()) != image.pixelColor(image.width() - 1, image.height() - 1)
    view.horizontalScrollBar().setValue(view.horizontalScrollBar().maximum())
    assert view.grab().toImage() == seen, "what is looked at stays"


def test_a_picture_that_is_too_long_for_a_png_says_what_has_room(view: BeamView, tmp_path: Path) -> None:
    view.set_steps([(BeamRow("x", -1.0, 0),)] * 1000)
    with pytest.raises(OSError, match="an SVG has room"):
        view.save_picture(tmp_path / "long.png")
    assert not (tmp_path / "long.png").exists()
    view.save_picture(tmp_path / "long.svg")


def test_it_follows_zoom_and_theme(qapp: QApplication, view: BeamView) -> None:
    before = view._rect(0, 0).height()
    light = view.grab().toImage()
    theme.apply(qapp, dark=True, zoom=1.5)
    assert view._rect(0, 0).height() > 1.3 * before
    assert view.grab().toImage() != light
    look = theme.current()
    for ink, ground in ((look.text, look.sunken), (look.muted, look.surface), (look.text, look.accent_soft)):
        assert theme.contrast(ink, ground) >= 4.5
