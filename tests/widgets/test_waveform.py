"""A wave shows the least and the most of each moment, and its parts can be chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.sound_well import SoundWell
from workbench.widgets.waveform import Waveform


@pytest.fixture
def wave(qtbot: QtBot, qapp: QApplication) -> Waveform:
    theme.apply(qapp, dark=False)
    wave = named(Waveform(), "test.wave", "Sound")
    qtbot.addWidget(wave)
    wave.resize(400, 100)
    return wave


@pytest.mark.parametrize("count", [1, 3, 400, 100_000])
def test_a_sound_of_any_length_is_drawn(wave: Waveform, count: int) -> None:
    wave.set_samples(np.sin(np.arange(count)).astype(np.float32), 8_000)
    assert wave.seconds == pytest.approx(count / 8_000)
    assert not wave.grab().isNull()


def test_no_sound_shows_the_hint(wave: Waveform) -> None:
    wave.set_hint("Drop a sound here.")
    before = wave.grab().toImage()
    wave.set_samples(np.zeros(0, np.float32), 16_000)
    assert wave.seconds == 0.0
    assert wave.grab().toImage() == before


def test_a_peak_is_not_lost_in_a_long_sound(wave: Waveform) -> None:
    samples = np.zeros(1_000_000, np.float32)
    quiet = wave.grab().toImage()
    samples[500_000] = 1.0
    wave.set_samples(samples, 16_000)
    image = wave.grab().toImage()
    column = [image.pixelColor(200, y).name() for y in range(image.height())]
    assert theme.current().accent in column
    assert image != quiet


def test_a_part_is_chosen_by_a_click(qtbot: QtBot, wave: Waveform) -> None:
    wave.set_samples(np.ones(16_000, np.float32), 16_000)
    wave.set_spans([(0.0, 0.4, "first"), (0.5, 1.0, "second")])
    with qtbot.waitSignal(wave.span_clicked, check_params_cb=lambda index: index == 1):
        qtbot.mouseClick(wave, Qt.MouseButton.LeftButton, pos=QPoint(300, 20))
    with qtbot.assertNotEmitted(wave.span_clicked):
        qtbot.mouseClick(wave, Qt.MouseButton.LeftButton, pos=QPoint(180, 20))
    wave.set_samples(np.ones(10, np.float32), 16_000)
    assert wave.spans == ()


def test_a_well_says_what_it_took(qtbot: QtBot, tmp_path: Path) -> None:
    well = SoundWell("test.well")
    qtbot.addWidget(well)
    with qtbot.waitSignal(well.changed):
        well.set_path(tmp_path / "a.wav")
    well.show_samples(np.ones(8_000, np.float32), 16_000)
    assert well.view.seconds == pytest.approx(0.5)
    with qtbot.assertNotEmitted(well.changed):
        well.set_path(tmp_path / "a.wav")


def test_moments_are_joined_so_that_a_wave_has_no_gaps(wave: Waveform) -> None:
    wave.set_samples(np.where(np.arange(400) < 200, -1.0, 1.0).astype(np.float32), 16_000)
    image = wave.grab().toImage()
    band = wave.height() - wave.fontMetrics().height() - theme.px(wave, 4)
    assert image.pixelColor(200, band // 2).name() == theme.current().accent
    assert image.pixelColor(198, band // 2).name() != theme.current().accent
