"""Chips wrap like text, are chosen by mouse and keyboard, and a hundred thousand of them don't stall the window."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.token_strip import Chip, TokenStrip

WORDS = ("The", " quick", " brown", " fox", "\n", " jumps", " 你好", "🙂", " שלום", "<|im_end|>", "\ud800", "\x00")


@pytest.fixture
def strip(qtbot: QtBot) -> TokenStrip:
    strip = TokenStrip()
    qtbot.addWidget(strip)
    strip.resize(400, 200)
    strip.set_tokens([Chip(word, special=word.startswith("<"), tip=f"id {n}") for n, word in enumerate(WORDS)])
    with qtbot.waitExposed(strip):
        strip.show()
    return strip


def center(strip: TokenStrip, number: int) -> QPoint:
    return strip._rect(number).center().toPoint()


def test_a_click_selects_a_chip(qtbot: QtBot, strip: TokenStrip) -> None:
    with qtbot.waitSignal(strip.token_clicked) as heard:
        qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=center(strip, 2))
    assert heard.args == [2]
    assert strip.selected == 2
    assert "brown" in strip.accessibleDescription()
    assert "id 2" in strip.accessibleDescription()


def test_a_click_beside_the_chips_selects_nothing(qtbot: QtBot, strip: TokenStrip) -> None:
    with qtbot.assertNotEmitted(strip.token_clicked):
        qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(390, 190))


def test_arrow_keys_move_and_enter_activates(qtbot: QtBot, strip: TokenStrip) -> None:
    heard: list[int] = []
    strip.token_clicked.connect(heard.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Home):
        qtbot.keyClick(strip, key)
    last = len(WORDS) - 1
    assert heard == [0, 1, 0, last, last, 0]
    with qtbot.waitSignal(strip.token_activated) as activated:
        qtbot.keyClick(strip, Qt.Key.Key_Return)
    assert activated.args == [0]


def test_down_goes_to_the_chip_below(qtbot: QtBot, strip: TokenStrip) -> None:
    strip.set_selected(0)
    qtbot.keyClick(strip, Qt.Key.Key_Down)
    assert strip._rect(strip.selected).top() > strip._rect(0).top()
    qtbot.keyClick(strip, Qt.Key.Key_Up)
    assert strip.selected == 0


def test_selecting_from_outside_is_not_announced(qtbot: QtBot, strip: TokenStrip) -> None:
    with qtbot.assertNotEmitted(strip.token_clicked):
        strip.set_selected(3)
        strip.set_selected(999)
    assert strip.selected is None


def test_a_break_ends_its_line_and_lines_wrap(strip: TokenStrip) -> None:
    assert strip._rect(5).top() > strip._rect(4).top()
    assert strip._rect(4).top() == strip._rect(0).top()
    strip.resize(120, 200)
    for number in range(len(WORDS)):
        assert strip._rect(number).right() <= strip.viewport().width()


def test_parts_of_one_character_touch_and_others_stand_apart(strip: TokenStrip) -> None:
    strip.set_tokens([Chip("‹F0›"), Chip("‹9F›", joined=True), Chip(" fox")])
    assert strip._rect(1).left() == pytest.approx(strip._rect(0).right())
    assert strip._rect(2).left() > strip._rect(1).right() + 1


def test_copy_takes_the_token_itself(qtbot: QtBot, strip: TokenStrip) -> None:
    strip.set_selected(1)
    qtbot.keyClick(strip, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == " quick"


def test_a_special_token_is_outlined_and_what_was_not_computed_is_plain(strip: TokenStrip) -> None:
    strip.set_tokens([Chip("aaaa", strength=1.0), Chip("aaaa", strength=0.0), Chip("aaaa"), Chip("aaaa", special=True)])
    strip.set_mode("strength")
    image = strip.viewport().grab().toImage()

    def ground(number: int) -> str:
        rect = strip._rect(number)
        return image.pixelColor(int(rect.left() + 4), int(rect.center().y())).name()

    assert ground(0) == theme.strength_color(1.0).name()
    assert ground(2) == theme.current().surface
    strip.set_mode("tints")
    image = strip.viewport().grab().toImage()
    assert [ground(n) for n in range(3)] == list(theme.current().tints[:3])
    assert ground(3) == theme.current().sunken


def test_appending_follows_the_end_and_keeps_a_place_scrolled_to(qtbot: QtBot, strip: TokenStrip) -> None:
    bar = strip.verticalScrollBar()
    for number in range(400):
        strip.append(Chip(f" token{number}"))
    assert bar.value() == bar.maximum() > 0
    bar.setValue(0)
    strip.append(Chip(" more"))
    assert bar.value() == 0
    strip.truncate(3)
    assert len(strip.chips) == 3
    assert bar.maximum() == 0


def test_a_hundred_thousand_chips_do_not_stall(qtbot: QtBot, strip: TokenStrip) -> None:
    chips = [Chip(f" w{n % 5000}" if n % 40 else "\n") for n in range(100_000)]
    start = time.perf_counter()
    strip.set_tokens(chips)
    strip.viewport().grab()
    assert time.perf_counter() - start < 0.5
    qtbot.waitUntil(lambda: not strip._rest.isActive(), timeout=10_000)
    start = time.perf_counter()
    for _ in range(100):
        strip.append(Chip(" more"))
    assert time.perf_counter() - start < 0.5
    bar = strip.verticalScrollBar()
    start = time.perf_counter()
    for part in range(20):
        bar.setValue(bar.maximum() * part // 20)
        strip.viewport().grab()
    assert time.perf_counter() - start < 2.0


def test_a_far_position_can_be_selected_before_everything_is_laid_out(strip: TokenStrip) -> None:
    strip.set_tokens([Chip(f" w{n}") for n in range(50_000)])
    strip.set_selected(49_999)
    assert strip.viewport().rect().contains(center(strip, 49_999))
    strip.set_tokens([])


def test_the_zoom_makes_chips_larger(qapp: QApplication, strip: TokenStrip) -> None:
    before = strip._rect(0).height()
    theme.apply(qapp, dark=True, zoom=2.0)
    assert strip._rect(0).height() == pytest.approx(2 * before, rel=0.1)
    strip.grab()


def test_an_unknown_mode_is_refused(strip: TokenStrip) -> None:
    with pytest.raises(ValueError, match="rainbow"):
        strip.set_mode("rainbow")
