"""The window: every control named, panes and layouts, zoom, the palette, errors, and closing while work runs."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleInterface, QAction, QColor, QImage, QPainter, QPalette, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QPlainTextEdit,
    QScrollBar,
    QStyle,
    QStyleOption,
    QTabBar,
    QTabWidget,
    QTextEdit,
    QToolBar,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from workbench.app import Workbench
from workbench.engine import hub, models
from workbench.engine.task import Task
from workbench.engine.trust import Request, Shown
from workbench.engine.values import Checkpoint
from workbench.entries import ENTRIES, LAYOUTS
from workbench.panes.hub.account import AccountDialog
from workbench.panes.hub.chooser import FileChooser
from workbench.panes.hub.consent_view import ConsentDialog
from workbench.panes.hub.pack_view import PackView
from workbench.panes.trainer.share import ShareDialog
from workbench.runtime.jobs import Job, Lane, State
from workbench.widgets import theme
from workbench.widgets.foldable import Foldable
from workbench.window import MainWindow

#: All names that an automation may count on, one a line; a name given up or taken is a change of the interface.
PUBLIC = tuple((Path(__file__).parent / "control_names.txt").read_text().split())

#: Those of the first issue, all of them.
PROMISED = (
    "playground.prompt", "playground.generate", "playground.stop", "playground.temperature", "playground.top_k",
    "playground.top_p", "playground.min_p", "playground.repetition_penalty", "playground.max_new_tokens",
    "playground.seed", "playground.output", "probabilities.table", "tokenizer.text", "tokenizer.table", "hub.search",
    "hub.results", "hub.local", "hub.download", "hub.load", "tasks.task", "tasks.run", "tasks.result",
    "trainer.dataset", "trainer.start", "trainer.stop", "trainer.loss_plot", "jobs.table",
)  # fmt: skip

_PUBLIC = re.compile(r"[a-z]+(\.[a-z0-9_]+)+")
_CONTROLS = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget,
    QPlainTextEdit, QTextEdit,
)  # fmt: skip

#: What a screen reader stops at, of what is no part of a control.
_SPOKEN = frozenset({
    QAccessible.Role.Button, QAccessible.Role.ButtonMenu, QAccessible.Role.CheckBox, QAccessible.Role.ComboBox,
    QAccessible.Role.EditableText, QAccessible.Role.List, QAccessible.Role.MenuItem, QAccessible.Role.PageTab,
    QAccessible.Role.PageTabList, QAccessible.Role.ProgressBar, QAccessible.Role.RadioButton, QAccessible.Role.Slider,
    QAccessible.Role.SpinBox, QAccessible.Role.Table, QAccessible.Role.Tree,
})  # fmt: skip


def _own_controls(window: QWidget) -> Iterator[QWidget]:
    """Controls a person can use: those that belong to no other control."""
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, _CONTROLS) or isinstance(widget, QScrollBar):
            continue
        parent = widget.parentWidget()
        inside = False
        while parent is not None and parent is not window:
            inside = inside or isinstance(parent, (*_CONTROLS, QTabBar))
            parent = parent.parentWidget()
        if not inside and not widget.objectName().startswith("qt_"):
            yield widget


def _open_everything(qtbot: QtBot, window: MainWindow) -> None:
    """Show every pane and every page of it once: some are built when they are first looked at, some a turn later."""
    made_last = {"trainer": ("trainer.runs_plot", "trainer.samples_plot", "trainer.memory_plot")}
    for entry in ENTRIES:
        window.show_pane(entry.name)
        for name in ("", *made_last.get(entry.name, ())):
            qtbot.waitUntil(lambda name=name: not name or window.findChild(QWidget, name) is not None)
            _open_pages(window)
    # What is asked, and what is built when it is first wanted.
    AccountDialog(window.runner, window)
    ConsentDialog(Request("code", "a/b", "", "", (Shown("a.py", "import os", ()),)), window)
    ShareDialog(Checkpoint("a run", Path("nowhere")), window.runner, window)
    FileChooser(window)
    PackView(window)


def _spoken(part: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    """What a screen reader comes by, down to the controls; what a control is made of is its own matter."""
    yield part
    if not isinstance(part.object(), _CONTROLS):
        for child in filter(None, map(part.child, range(part.childCount()))):
            yield from _spoken(child)


def _open_pages(part: QWidget) -> None:
    for tabs in [tabs for tabs in part.findChildren(QTabWidget) if tabs.isVisible()]:
        first = tabs.currentIndex()
        for page in range(tabs.count()):
            tabs.setCurrentIndex(page)
            _open_pages(tabs.currentWidget())
        tabs.setCurrentIndex(first)


def _public(window: MainWindow) -> list[str]:
    """Names of all that is named, but for those that stand for a row, a file or a message and come and go with it."""
    named = (widget.objectName() for widget in window.findChildren(QWidget) if widget.accessibleName())
    return sorted(name for name in named if _PUBLIC.fullmatch(name) and not re.search(r"_\d+(_|$)|\.notice", name))


def test_every_control_has_a_name_for_people_and_one_for_machines(qtbot: QtBot, workbench: Workbench) -> None:
    _open_everything(qtbot, workbench.window)
    wrong = []
    for widget in _own_controls(workbench.window):
        name, label = widget.objectName(), widget.accessibleName()
        if not _PUBLIC.fullmatch(name) or not label or not widget.toolTip():
            wrong.append(f"{type(widget).__name__} {name!r} label {label!r} tip {bool(widget.toolTip())}")
    assert wrong == []


def test_whatever_takes_the_keyboard_focus_or_is_told_to_a_screen_reader_has_a_name(
    qtbot: QtBot, workbench: Workbench
) -> None:
    _open_everything(qtbot, workbench.window)
    nameless = []
    for widget in workbench.window.findChildren(QWidget):
        inner = widget.objectName().startswith("qt_") and not isinstance(widget, QTabBar)
        area = widget.parentWidget()
        popup = isinstance(area, QWidget) and isinstance(area.parentWidget(), QComboBox)
        if (
            inner
            or popup
            or widget.focusProxy() is not None
            or (isinstance(area, QAbstractScrollArea) and area.viewport() is widget)
        ):
            continue
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and not widget.accessibleName():
            nameless.append(
                f"{type(widget).__name__} {widget.objectName()!r} of {area.objectName() if area else None!r}"
            )
    assert nameless == [], "\n".join(nameless)
    for part in _spoken(QAccessible.queryAccessibleInterface(workbench.window)):
        control = part.object()
        own = control is None or not control.objectName().startswith("qt_")
        if own and part.role() in _SPOKEN and not part.text(QAccessible.Text.Name):
            nameless.append(f"{part.role().name} {control.objectName() if control else ''!r}")
    assert nameless == [], "\n".join(nameless)


def test_the_names_of_all_controls_are_those_of_the_list_and_each_is_there_once(
    qtbot: QtBot, workbench: Workbench
) -> None:
    _open_everything(qtbot, workbench.window)
    found = _public(workbench.window)
    assert sorted({name for name in found if found.count(name) > 1}) == []
    assert sorted(set(PUBLIC) - set(found)) == [], "taken away, or renamed"
    assert sorted(set(found) - set(PUBLIC)) == [], "new: add them to tests/control_names.txt"


def test_the_names_that_were_promised_first_are_on_the_list() -> None:
    assert set(PROMISED) <= set(PUBLIC)


def test_a_visible_label_equals_the_accessible_name(qtbot: QtBot, workbench: Workbench) -> None:
    _open_everything(qtbot, workbench.window)
    for button in workbench.window.findChildren(QAbstractButton):
        if _PUBLIC.fullmatch(button.objectName()) and button.text():
            assert button.text().replace("&", "").rstrip("…") == button.accessibleName().rstrip("…"), (
                button.objectName()
            )
    for label in workbench.window.findChildren(QLabel):
        if label.buddy() is not None:
            words = label.text().replace("&", "").replace("\n", "").rstrip("…:")
            assert words == label.buddy().accessibleName().rstrip("…"), label.buddy().objectName()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_shortcut_opens_its_pane_alone_and_shift_opens_it_beside(workbench: Workbench, entry: object) -> None:
    window = workbench.window
    number = [e.name for e in ENTRIES].index(entry.name) + 1  # type: ignore[attr-defined]
    keys = entry.keys or f"Ctrl+{number}"  # type: ignore[attr-defined]
    action = next(a for a in window.actions() if a.shortcut().toString() == keys)
    other = "jobs" if entry.name != "jobs" else "hub"  # type: ignore[attr-defined]
    window.show_pane(other)
    action.trigger()
    assert entry.name in window.visible_panes()  # type: ignore[attr-defined]
    assert other not in window.visible_panes()
    window.show_pane(other, beside=True)
    assert {other, entry.name} <= set(window.visible_panes())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_shows_its_panes_and_no_others(workbench: Workbench, name: str) -> None:
    workbench.window.arrange(LAYOUTS[name])
    assert set(workbench.window.visible_panes()) == {pane for column in LAYOUTS[name] for pane in column}


def test_zoom_scales_the_font_stays_in_bounds_and_is_remembered(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    at_100 = window.font().pointSizeF()
    for _ in range(20):
        window.zoom_in()
    assert workbench.settings.zoom == 3.0
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(3 * at_100, rel=0.05))
    for _ in range(30):
        window.zoom_out()
    assert workbench.settings.zoom == 0.6
    window.zoom_reset()
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(at_100) and window.updatesEnabled())


def test_another_zoom_reaches_the_words_of_every_pane(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    panes = [window.pane(name) for name in ("hub", "tokenizer", "playground", "tasks", "trainer")]
    workbench.settings.zoom = 1.25
    window.apply_theme()
    qtbot.waitUntil(window.updatesEnabled)
    # What scrolls in a pane too; from the second change on it kept the zoom before.
    words = [word for pane in panes for kind in (QLabel, QAbstractButton) for word in pane.findChildren(kind)]
    before = [word.font().pointSizeF() for word in words]
    assert len(words) > 200
    for zoom in (2.0, 1.0):
        workbench.settings.zoom = zoom
        window.apply_theme()
        qtbot.waitUntil(window.updatesEnabled)
        after = [word.font().pointSizeF() for word in words]
        assert after == pytest.approx([zoom / 1.25 * each for each in before], rel=0.02)


def test_a_zoom_that_was_remembered_is_worn_by_every_part_from_the_start(qtbot: QtBot, workbench: Workbench) -> None:
    at_100 = workbench.window.font().pointSizeF()
    workbench.settings.zoom = 1.5
    again = Workbench(workbench.settings)
    qtbot.addWidget(again.window)
    window = again.window
    parts = (window.menuBar(), window.flow_strip, window.statusBar(), *window.findChildren(QToolBar))
    assert all(part.font().pointSizeF() == pytest.approx(1.5 * at_100) for part in parts)
    rail = window.findChild(QToolBar, "window.rail")
    assert rail.iconSize().height() > window.findChild(QToolBar, "window.flow_bar").fontMetrics().height()
    assert rail.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon, "there is no room for more"
    again.runner.shut_down()


def test_the_names_of_the_rail_begin_at_one_place_beside_their_pictures(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.resize(1440, 900)
    window.set_presenting(True)
    rail = window.findChild(QToolBar, "window.rail")
    qtbot.waitUntil(lambda: rail.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    buttons = [window.findChild(QAbstractButton, f"window.{entry.name}") for entry in ENTRIES]
    qtbot.waitUntil(lambda: len({(button.x(), button.width()) for button in buttons}) == 1)
    qtbot.waitUntil(lambda: all(button.width() >= button.sizeHint().width() for button in buttons))


def test_present_folds_the_menus_and_comes_back(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    before = window.font().pointSizeF()
    window.set_presenting(True)
    assert window.isFullScreen()
    assert not window.menuBar().isVisible()
    qtbot.waitUntil(lambda: window.font().pointSizeF() >= 1.45 * before and window.updatesEnabled())
    window.set_presenting(False)
    assert not window.isFullScreen()
    assert window.menuBar().isVisible()
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(before) and window.updatesEnabled())


def test_present_folds_switches_that_are_not_in_use_and_opens_them_again(workbench: Workbench) -> None:
    window = workbench.window
    window.show_pane("playground")
    folds = {fold.heading.objectName(): fold for fold in window.findChildren(Foldable)}
    unused, used = folds["playground.fold_words"], folds["playground.fold_more"]
    for fold in (unused, used):
        fold.set_open(True)
    workbench.session.set_sampling(replace(workbench.session.sampling, typical_p=0.5))
    window.set_presenting(True)
    assert not unused.is_open
    assert used.is_open
    window.set_presenting(False)
    assert unused.is_open
    assert used.is_open


def test_help_is_about_the_pane_and_the_control_at_hand(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.show_pane("playground")
    with qtbot.waitActive(window):
        window.activateWindow()
    seed = window.findChild(QAbstractSpinBox, "playground.seed")
    seed.setFocus()
    next(action for action in window.actions() if action.shortcut().toString() == "F1").trigger()
    notice = window.findChild(QWidget, "playground.notice")
    assert "Playground" in notice.accessibleName() + notice.accessibleDescription()
    assert seed.toolTip().rstrip(".") in notice.accessibleDescription()


def test_ctrl_and_the_wheel_zoom_wherever_the_mouse_is(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    window = workbench.window
    turned: list[int] = []
    monkeypatch.setattr(window, "zoom_in", lambda: turned.append(1))
    monkeypatch.setattr(window, "zoom_out", lambda: turned.append(-1))
    still = []
    for entry in ENTRIES:
        window.arrange(((entry.name,),))
        floating = window.pane(entry.name).parentWidget() if entry.name == "jobs" else None
        if isinstance(floating, QDockWidget):
            floating.setFloating(True)
        top = floating or window
        for area in (top, *(area for area in top.findChildren(QAbstractScrollArea) if area.isVisible())):
            under = area.viewport() if isinstance(area, QAbstractScrollArea) else area
            place = under.mapTo(top, QPoint(2, 2))
            for angle in (120, -120):
                turned.clear()
                QApplication.sendEvent(top.windowHandle(), _wheel(place, angle))
                if turned != [angle // 120]:
                    still.append(f"{type(area).__name__} {area.objectName()!r}")
    assert still == [], still


def _wheel(place: QPoint, angle: int) -> QWheelEvent:
    at, held, phase = QPointF(place), Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase
    return QWheelEvent(at, at, QPoint(), QPoint(0, angle), Qt.MouseButton.NoButton, held, phase, False)


def test_every_key_of_the_window_is_there_once(workbench: Workbench) -> None:
    taken = [key.toString() for action in workbench.window.actions() for key in action.shortcuts()]
    panes = {entry.keys or f"Ctrl+{number}" for number, entry in enumerate(ENTRIES, 1)}
    others = {
        "Ctrl+Return",
        "Esc",
        "Ctrl+K",
        "F1",
        "F11",
        "Ctrl++",
        "Ctrl+=",
        "Ctrl+-",
        "Ctrl+0",
        "Ctrl+L",
        "Ctrl+O",
        "Ctrl+Q",
    }
    assert sorted(taken) == sorted(panes | others)


def test_ctrl_enter_runs_and_esc_stops_the_pane_that_has_the_keyboard(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = workbench.window
    window.arrange((("playground",), ("score",)))
    done: list[str] = []
    for name in ("playground", "score"):
        monkeypatch.setattr(window.pane(name), "run_main_action", lambda name=name: done.append(f"run {name}"))
        monkeypatch.setattr(window.pane(name), "stop_main_action", lambda name=name: done.append(f"stop {name}"))
    keys = {action.shortcut().toString(): action for action in window.actions()}
    for name in ("score", "playground"):
        window.show_pane(name)
        keys["Ctrl+Return"].trigger()
        keys["Esc"].trigger()
    assert done == ["run score", "stop score", "run playground", "stop playground"]


def test_the_palette_finds_a_command_and_runs_it(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.open_palette()
    search = window.findChild(QLineEdit, "palette.search")
    search.setText("layout teach")
    assert window.findChild(QListWidget, "palette.list").count() == 1
    qtbot.keyPress(search, Qt.Key.Key_Return)
    assert set(window.visible_panes()) == {"tokenizer", "playground", "probabilities"}


def test_the_layout_and_the_prompt_come_back_after_a_restart(qtbot: QtBot, workbench: Workbench) -> None:
    workbench.session.set_prompt("Not to be lost: 你好")
    workbench.window.arrange(LAYOUTS["Teach"])
    workbench.window.remember()
    again = Workbench(workbench.settings)
    qtbot.addWidget(again.window)
    assert again.session.prompt == "Not to be lost: 你好"
    assert set(again.window.visible_panes()) == set(workbench.window.visible_panes())
    again.runner.shut_down()


def test_an_exception_nobody_expected_is_shown_and_the_window_goes_on(qtbot: QtBot, workbench: Workbench) -> None:
    workbench.window.show_pane("hub")
    with qtbot.captureExceptions():
        workbench.window.show_error("Something failed that nobody expected.", "ZeroDivisionError", "Traceback …")
    qtbot.waitUntil(lambda: workbench.window.findChild(QWidget, "hub.notice").isVisible())


def _endless(*, task: Task) -> None:
    never = threading.Event()
    while not never.wait(0.005):
        task.check()


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "There is no folder"), ("empty", "no config.json"), ("notes.txt", "notes.txt")]
)
def test_a_checkpoint_named_at_the_start_that_is_none_is_a_notice_and_nothing_else(
    qtbot: QtBot, workbench: Workbench, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no checkpoint")
    workbench.session.set_prompt("stays")
    workbench.open_checkpoint(tmp_path / name)
    qtbot.waitUntil(lambda: workbench.window.findChild(QWidget, "hub.notice") is not None, timeout=30_000)
    notice = workbench.window.findChild(QWidget, "hub.notice")
    assert said in f"{notice.accessibleName()} {notice.accessibleDescription()}"
    assert workbench.session.model is None
    assert workbench.session.prompt == "stays"
    workbench.window.show_pane("tokenizer")
    assert "tokenizer" in workbench.window.visible_panes()


def test_a_checkpoint_named_at_the_start_is_loaded(qtbot: QtBot, workbench: Workbench, tiny_llama: Checkpoint) -> None:
    workbench.open_checkpoint(tiny_llama.path)
    qtbot.waitUntil(lambda: workbench.session.model is not None, timeout=60_000)
    assert workbench.session.checkpoint.path == tiny_llama.path


def test_closing_while_work_runs_asks_by_name_and_keeping_on_keeps_on(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Fine-tuning everything", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.TRAIN)
    asked: list[str] = []

    def answer() -> None:
        box = workbench.window.findChild(QMessageBox, "window.close_question")
        asked.append(box.text())
        assert box.defaultButton().text() == "Keep working"
        box.defaultButton().click()

    QTimer.singleShot(50, answer)
    assert workbench.window.close() is False
    assert "Fine-tuning everything" in asked[0]
    assert job.state is State.RUNNING
    assert workbench.window.isVisible()


def test_stop_and_close_stops_the_work_first(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Fine-tuning everything", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.TRAIN)

    def answer() -> None:
        box = workbench.window.findChild(QMessageBox, "window.close_question")
        next(b for b in box.buttons() if b.text() == "Stop and close").click()

    QTimer.singleShot(50, answer)
    workbench.window.close()
    qtbot.waitUntil(lambda: not workbench.window.isVisible())
    assert job.state is State.CANCELLED


def test_the_flow_strip_says_what_is_loaded_and_opens_its_panes(workbench: Workbench, tiny_llama: Checkpoint) -> None:
    strip = workbench.window.flow_strip
    assert "no checkpoint" in strip.accessibleDescription()
    workbench.session.set_model(models.load(tiny_llama))
    assert "tiny-llama" in strip.accessibleDescription()
    assert "LlamaForCausalLM" in strip.accessibleDescription()
    for name in ("tokenizer", "probabilities", "hub"):
        strip.box_clicked.emit(name)
        assert name in workbench.window.visible_panes()


def test_a_checkpoint_is_loaded_from_the_flow_strip_without_leaving_the_pane(
    qtbot: QtBot, workbench: Workbench, workbench_data: Path, tiny_llama: Checkpoint
) -> None:
    hub.open_folder(tiny_llama.path)
    workbench.window.show_pane("jobs")
    menu = workbench.window.findChild(QToolButton, "window.choose_checkpoint").menu()
    menu.aboutToShow.emit()

    def line() -> QAction | None:
        return next((each for each in menu.actions() if each.text().startswith(tiny_llama.path.name)), None)

    qtbot.waitUntil(lambda: line() is not None)
    line().trigger()
    qtbot.waitUntil(lambda: workbench.session.model is not None, timeout=30_000)
    assert workbench.window.visible_panes() == ("jobs",)
    menu.load_requested.emit(replace(tiny_llama, path=Path("/none")), False)
    qtbot.waitUntil(lambda: "hub" in workbench.window.visible_panes())
    assert workbench.session.checkpoint.path == tiny_llama.path, "a load that fails changes nothing"


def test_the_status_bar_shows_running_work_and_cancels_it(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Downloading things", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.IO)
    button = workbench.window.findChild(QAbstractButton, "window.cancel_0")
    qtbot.waitUntil(button.isVisible)
    with qtbot.waitSignal(job.cancelled_):
        button.click()
    qtbot.waitUntil(lambda: not button.isVisible())


def test_a_model_that_is_given_up_is_held_by_no_pane(
    qtbot: QtBot, workbench: Workbench, tiny_llama: Checkpoint, tiny_bert_classifier: Checkpoint
) -> None:
    for entry in ENTRIES:
        workbench.window.pane(entry.name)
    gone = []
    for checkpoint in (tiny_llama, tiny_bert_classifier):
        model = models.load(checkpoint)
        gone.append(weakref.ref(model.model))
        workbench.session.set_model(model)
        workbench.session.set_prompt(checkpoint.name)
        del model
    workbench.session.set_model(None)
    qtbot.waitUntil(lambda: not workbench.runner.active)
    gc.collect()
    assert [each() for each in gone] == [None, None]


@pytest.mark.parametrize(("height", "zoom"), [(900, 1.0), (700, 1.0), (520, 1.0), (900, 2.0), (900, 2.5), (900, 3.0)])
def test_every_pane_stays_on_the_rail_when_the_window_is_low_or_its_text_is_large(
    qtbot: QtBot, workbench: Workbench, height: int, zoom: float
) -> None:
    window = workbench.window
    window.resize(1200, height)
    workbench.settings.zoom = zoom
    window.apply_theme()
    last = window.findChild(QWidget, f"window.{ENTRIES[-1].name}")
    assert last is not None
    qtbot.waitUntil(window.updatesEnabled)
    qtbot.waitUntil(lambda: window.height() == height and last.isVisible())
    bottom = window.statusBar().y()
    qtbot.waitUntil(lambda: last.mapTo(window, last.rect().bottomLeft()).y() <= bottom)


def test_the_line_between_two_panes_shows_under_the_pointer_without_a_style_sheet_around_them(
    qtbot: QtBot, workbench: Workbench
) -> None:
    window = workbench.window
    window.docks.arrange((("hub",), ("jobs",)))
    left, right = (window.findChild(QDockWidget, f"window.dock_{name}") for name in ("hub", "jobs"))
    qtbot.waitUntil(lambda: window.updatesEnabled() and right.x() == left.geometry().right() + 7)
    between = QPoint(right.x() - 3, right.geometry().center().y())
    ground, tint = (window.palette().color(role) for role in (QPalette.ColorRole.Window, QPalette.ColorRole.Midlight))
    assert window.grab().toImage().pixelColor(between) == ground != tint

    picture = QImage(6, 100, QImage.Format.Format_RGB32)
    option = QStyleOption()
    option.initFrom(window)
    option.rect = picture.rect()
    for hovered, wanted in ((QStyle.StateFlag.State_None, ground), (QStyle.StateFlag.State_MouseOver, tint)):
        picture.fill(ground)
        option.state = QStyle.StateFlag.State_Enabled | hovered
        painter = QPainter(picture)
        handle = QStyle.PrimitiveElement.PE_IndicatorDockWidgetResizeHandle
        window.style().drawPrimitive(handle, option, painter, window)
        painter.end()
        assert picture.pixelColor(3, 50) == wanted
    # Around everything, one would make each widget dearer to build and to dress.
    assert window.styleSheet() == ""


def test_a_pane_opened_while_the_theme_changes_wears_all_of_the_new_one(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.settings.theme = "light"
    window.apply_theme()
    window.show_pane("trainer")
    qtbot.waitUntil(window.updatesEnabled)
    window.show_pane("hub")
    window.settings.theme = "dark"
    window.apply_theme()
    window.show_pane("trainer")
    qtbot.waitUntil(window.updatesEnabled)
    look = theme.current()
    assert look.dark
    pane = window.pane("trainer")
    plain = [label for label in pane.findChildren(QLabel) if not label.property("role") and label.text()]
    assert plain
    inks = {label.palette().color(QPalette.ColorRole.WindowText).name() for label in plain}
    assert inks == {QColor(look.text).name()}
    picture = pane.grab().toImage()
    plot = window.findChild(QWidget, "trainer.loss_plot")
    assert plot is not None
    corner = plot.mapTo(pane, plot.rect().center())
    assert picture.pixelColor(corner).lightness() < 128, "the plot is dark as well"


def test_a_recommended_checkpoint_is_looked_for_in_the_hub(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    workbench.session.set_offline(True)
    window.pane("tasks").checkpoint_requested.emit("google/flan-t5-small")
    assert "hub" in window.visible_panes()
    assert window.pane("hub").findChild(QLineEdit, "hub.search").text() == "google/flan-t5-small"
    qtbot.waitUntil(lambda: not workbench.runner.active)
    workbench.session.set_offline(False)
