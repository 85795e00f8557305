"""The small curve draws what it is given and says it in words."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from workbench.widgets.small_curve import SmallCurve


def _ink(curve: SmallCurve) -> int:
    image = curve.grab().toImage()
    return len({image.pixel(x, y) for x in range(0, image.width(), 2) for y in range(20, image.height() - 24, 2)})


def test_it_draws_a_curve_and_describes_it(qtbot: QtBot) -> None:
    curve = SmallCurve()
    qtbot.addWidget(curve)
    curve.resize(300, 92)
    curve.show()
    curve.set_curve((), "nothing yet", ("", "", ""), "nothing yet")
    empty = _ink(curve)
    curve.set_curve((0.0, 1.0, 0.5, 0.0), "peak 1", ("step 1", "", "step 4"), "It rises to 1 and falls to 0.")
    assert curve.values == (0.0, 1.0, 0.5, 0.0)
    assert curve.accessibleDescription() == curve.toolTip() == "It rises to 1 and falls to 0."
    assert _ink(curve) > empty


def test_it_draws_nothing_of_zeros_and_one_point(qtbot: QtBot) -> None:
    curve = SmallCurve()
    qtbot.addWidget(curve)
    curve.show()
    for values in ((0.0, 0.0), (1.0,)):
        curve.set_curve(values, "", ("", "", ""), "flat")
        assert not curve.grab().isNull()
