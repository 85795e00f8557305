"""A picture fits its place, what lies over it is where it says, and a well takes pictures from file and clipboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets import pictures, theme
from workbench.widgets.naming import named
from workbench.widgets.picture_view import Overlay, PictureView, to_colors, to_image
from workbench.widgets.picture_well import PictureWell


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> PictureView:
    theme.apply(qapp, dark=False)
    view = named(PictureView(), "test.view", "Picture")
    qtbot.addWidget(view)
    view.resize(200, 100)
    view.set_picture(np.full((50, 100, 3), 200, np.uint8))
    return view


def at(view: PictureView, x: int, y: int) -> QColor:
    return view.grab().toImage().pixelColor(x, y)


def test_a_picture_keeps_its_shape_and_its_colours(view: PictureView) -> None:
    assert at(view, 100, 50) == QColor(200, 200, 200)
    view.resize(400, 100)
    assert at(view, 200, 50) == QColor(200, 200, 200)
    assert at(view, 20, 50) != QColor(200, 200, 200), "wider than the picture: empty at the sides"


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_label(view: PictureView) -> None:
    view.set_overlays([Overlay("house", "house 90 %", box=(60, 20, 90, 45))])
    assert at(view, 120, 70).hue() == view.color("house").hue()
    view.set_hidden(["house"])
    assert at(view, 120, 70) == QColor(200, 200, 200)
    assert view.shown == ()


def test_a_mask_is_drawn_where_it_is_also_over_a_smaller_copy(view: PictureView) -> None:
    mask = np.zeros((500, 1000), bool)
    mask[:, 500:] = True
    view.set_picture(np.full((50, 100, 3), 200, np.uint8), whole=(1000, 500))
    view.set_overlays([Overlay("sky", "sky", mask=mask)])
    assert at(view, 50, 50) == QColor(200, 200, 200)
    assert at(view, 150, 50) != QColor(200, 200, 200)


def test_a_point_is_drawn_where_it_is_and_named_where_there_are_several_kinds(qtbot: QtBot, view: PictureView) -> None:
    view.set_overlays([Overlay("nose", "nose 90 %", point=(50, 25))])
    assert at(view, 100, 50) == view.color("nose")
    alone = at(view, 115, 50)
    assert alone == QColor(200, 200, 200)
    view.set_overlays([Overlay("nose", "nose 90 %", point=(50, 25)), Overlay("foot", "foot 80 %", point=(10, 40))])
    assert at(view, 110, 50) == view.color("nose")
    view.show()
    qtbot.waitExposed(view)
    QApplication.sendEvent(
        view, QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(102, 51), view.mapToGlobal(QPoint(102, 51)))
    )
    assert QToolTip.text() == "nose 90 %"
    QToolTip.hideText()
    view.set_hidden(["nose"])
    assert at(view, 100, 50) == QColor(200, 200, 200)


def test_labels_have_colours_of_their_own(view: PictureView) -> None:
    view.set_overlays([Overlay(name, name, box=(0, 0, 5, 5)) for name in ("a", "b", "a", "c")])
    assert view.labels == ("a", "b", "c")
    assert len({view.color(name).name() for name in view.labels}) == 3


def test_the_tooltip_names_what_lies_under_the_pointer(qtbot: QtBot, view: PictureView) -> None:
    mask = np.zeros((50, 100), bool)
    mask[:25] = True
    view.set_overlays([Overlay("a", "left box", box=(0, 0, 50, 50)), Overlay("b", "upper half", mask=mask)])
    with qtbot.waitExposed(view):
        view.show()
    for point, words in ((QPoint(20, 20), "left box\nupper half"), (QPoint(20, 80), "left box")):
        QApplication.sendEvent(view, QHelpEvent(QHelpEvent.Type.ToolTip, point, view.mapToGlobal(point)))
        assert QToolTip.text() == words
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1)])
def test_odd_pictures_are_drawn(view: PictureView, shape: tuple[int, int]) -> None:
    view.set_picture(np.zeros((*shape, 3), np.uint8))
    view.set_overlays([Overlay("a", "a", box=(0, 0, 1, 1), mask=np.ones(shape, bool))])
    assert not view.grab().isNull()
    view.set_picture(None)
    assert not view.grab().isNull()


def test_numbers_become_colours_from_the_least_to_the_most() -> None:
    colors = to_colors(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    ends = [theme.strength_color(place).getRgb()[:3] for place in (0.0, 1.0)]
    assert [tuple(colors[0, 0]), tuple(colors[0, 1])] == ends
    assert tuple(colors[1, 0]) == (128, 128, 128)
    assert to_colors(np.ones((3, 3))).std(axis=(0, 1)).max() == 0


def test_an_image_is_the_array(qapp: QApplication) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    image = to_image(pixels)
    assert image.pixelColor(6, 4).getRgb()[:3] == tuple(pixels[4, 6])


def test_a_well_takes_a_picture_and_goes_back_from_what_is_none(qtbot: QtBot, tmp_path: Path) -> None:
    well = PictureWell("test.well")
    qtbot.addWidget(well)
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    with qtbot.waitSignal(well.changed):
        well.set_path(tmp_path / "blue.png")
    well.show_picture(image)
    well.set_path(tmp_path / "none.png")
    assert well.view.picture.isNull()
    with qtbot.waitSignal(well.refused, check_params_cb=lambda words: words == "none.png is none"):
        well.refuse("none.png is none")
    assert well.path == tmp_path / "blue.png"
    assert well.view.picture.size() == image.size()
    with qtbot.waitSignal(well.changed):
        well.set_path(None)
    assert well.view.picture.isNull()


def test_a_copy_is_small_and_upright_and_a_refusal_says_why(tmp_path: Path) -> None:
    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    image.save(str(tmp_path / "blue.png"))
    copy, why = pictures.preview(tmp_path / "blue.png", 60)
    assert (copy.width(), copy.height(), why) == (60, 40, "")
    (tmp_path / "none.png").write_text("no picture")
    to_image(np.zeros((5000, 1, 3), np.uint8)).save(str(tmp_path / "long.png"))
    assert pictures.preview(tmp_path / "long.png", 60)[0].size() == QSize(1, 60)
    copy, why = pictures.preview(tmp_path / "none.png", 60)
    assert copy.isNull() and "none.png" in why


def test_a_hundred_labels_have_a_hundred_colours(view: PictureView) -> None:
    view.set_overlays([Overlay(f"mask {number}", "", point=(1, 1)) for number in range(100)])
    assert len({view.color(label).name() for label in view.labels}) == 100


def test_two_things_of_one_label_that_touch_are_told_apart_by_their_rims(view: PictureView) -> None:
    left, right = np.zeros((50, 100), bool), np.zeros((50, 100), bool)
    left[:, 20:50] = True
    right[:, 50:80] = True
    view.set_overlays([Overlay("house", "first", mask=left), Overlay("house", "second", mask=right)])
    inside, rim = at(view, 80, 50), at(view, 101, 50)
    assert at(view, 130, 50) == inside
    assert rim.hsvSaturation() > inside.hsvSaturation()


def test_a_tag_stands_beside_its_box_and_covers_neither_it_nor_another_tag(view: PictureView) -> None:
    view.set_overlays([Overlay("house", "house 90 %", box=(40, 22, 44, 26))])
    # Five pixels within the outline: the picture is to be seen in a box as small as that.
    assert at(view, 84, 48) == QColor(200, 200, 200)
    many = [Overlay("house", f"house {number} %", box=(40, 22, 44, 26)) for number in range(9)]
    view.set_overlays(many)
    tags = QRect(100, 0, 100, 100)
    drawn = view.grab(tags).toImage()
    view.set_overlays(many[:4])
    assert view.grab(tags).toImage() == drawn, "where there is no room beside the box, no tag strays elsewhere"
