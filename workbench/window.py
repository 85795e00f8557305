"""The window: the flow strip, the rail, panes as docks, the status bar, menus and closing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QChildEvent, QEvent, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QKeySequence,
    QResizeEvent,
    QShowEvent,
    QWindow,
)
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QMessageBox,
    QToolBar,
    QWidget,
)

from workbench import __version__, flow
from workbench.ahead import Ahead
from workbench.checkpoints import CheckpointMenu
from workbench.docks import Docks
from workbench.dressing import Dressing
from workbench.engine.values import Checkpoint, Step
from workbench.entries import ENTRIES, LAYOUTS, OPENS
from workbench.rail import Rail
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.runtime.settings import Settings
from workbench.status import StatusBar
from workbench.widgets import theme
from workbench.widgets.flow_strip import FlowStrip
from workbench.widgets.foldable import Foldable
from workbench.widgets.naming import described, named, with_keys
from workbench.widgets.palette import CommandPalette
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.separators import Separators
from workbench.widgets.steady_focus import SteadyFocus
from workbench.widgets.zoom_wheel import ZoomWheel

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

_ZOOMS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)


class MainWindow(QMainWindow):
    """The workbench's one window.

    Args:
        session: The state the panes meet in.
        runner: Where their work runs.
        settings: What is remembered between starts.

    Signals:
        painted(): Once, after the window was first shown and the event loop turned.
    """

    painted = Signal()

    def __init__(self, session: Session, runner: Runner, settings: Settings) -> None:
        # Before there is a part: one that is dressed before it hears of another font keeps the size it had.
        theme.set_font(QApplication.instance(), settings.zoom)
        super().__init__()
        # First, as children are announced to it from here on.
        self._dressing = Dressing(self, self._follow_theme)
        self.session = session
        self.runner = runner
        self.settings = settings
        self.setObjectName("window")
        self.setWindowTitle("Transformers Workbench")
        self.resize(1440, 900)
        self.setStyle(Separators(QApplication.instance()))
        self.docks = Docks(self, tuple(entry.name for entry in ENTRIES), self._build_pane, self._dressing.dress)
        self.docks.changed.connect(self._show_rail)
        self.docks.floated.connect(self._on_floated)
        self._ahead = Ahead(self.docks, self._dressing, runner, self)
        self._presenting = False
        self._closing = False
        self._shown = False

        self._build_strip()
        self._build_rail()
        self._status = StatusBar(session, runner)
        self._status.setObjectName("window.status")
        self._status.jobs_requested.connect(self._on_jobs_requested)
        self.setStatusBar(self._status)
        self._build_menus()
        self._zoom_wheel = ZoomWheel(self)
        self._zoom_wheel.turned_up.connect(self.zoom_in)
        self._zoom_wheel.turned_down.connect(self.zoom_out)
        self._steady_focus = SteadyFocus(self)
        self._flow_timer = QTimer(self, interval=500, singleShot=True)
        self._flow_timer.timeout.connect(self._show_flow)

        session.model_changed.connect(self._show_flow)
        session.encoding_changed.connect(self._show_flow)
        session.steps_reset.connect(self._show_flow)
        session.step_added.connect(self._on_step)
        runner.busy_changed.connect(self._on_busy_changed)

        self.apply_theme()
        session.set_prompt(settings.prompt)
        self._restore_layout()
        self._show_flow()

    # Building.

    def _build_strip(self) -> None:
        self.flow_strip = named(FlowStrip(), "window.flow_strip", "Flow", "What is loaded now; a box opens its pane")
        self.flow_strip.box_clicked.connect(self.show_pane)
        menu = CheckpointMenu(self.session, self.runner, self.flow_strip)
        menu.load_requested.connect(self._on_load_requested)
        menu.unload_requested.connect(self._on_unload_requested)
        menu.folder_requested.connect(self._on_open_folder)
        menu.hub_requested.connect(self._on_hub_requested)
        self.flow_strip.set_menu(
            menu,
            "window.choose_checkpoint",
            "Choose a checkpoint",
            "What is in memory and on this machine, to be loaded with one click (Ctrl+L)",
        )
        bar = QToolBar("Flow", self)
        bar.setObjectName("window.flow_bar")
        bar.setMovable(False)
        bar.addWidget(self.flow_strip)
        bar.toggleViewAction().setVisible(False)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)

    def _build_rail(self) -> None:
        self._rail = Rail(self)
        self._rail.pane_requested.connect(self._on_pane_requested)
        self.addActions(list(self._rail.panes.values()))
        self.addToolBar(Qt.ToolBarArea.LeftToolBarArea, self._rail)

    def _build_menus(self) -> None:
        file_menu = self.menuBar().addMenu("&File")
        self._add(file_menu, "Choose a checkpoint…", "Ctrl+L", self.flow_strip.open_menu)
        self._add(file_menu, "Open a checkpoint folder…", "Ctrl+O", self._on_open_folder)
        file_menu.addSeparator()
        self._add(file_menu, "Quit", "Ctrl+Q", self.close)
        run_menu = self.menuBar().addMenu("&Run")
        self._add(run_menu, "Run the pane's main action", "Ctrl+Return", self._on_run)
        self._add(run_menu, "Stop", "Esc", self._on_stop)
        view = self.menuBar().addMenu("&View")
        panes = view.addMenu("Panes")
        panes.addActions(list(self._rail.panes.values()))
        beside = view.addMenu("Open beside")
        for entry in ENTRIES:
            action = self._add(beside, entry.title, "", self._on_beside)
            action.setData(entry.name)
        layouts = view.addMenu("Layout")
        for name in LAYOUTS:
            action = self._add(layouts, name, "", self._on_layout)
            action.setData(name)
        view.addSeparator()
        self._add(view, "Zoom in", "Ctrl++", self.zoom_in).setShortcuts(
            [QKeySequence("Ctrl++"), QKeySequence("Ctrl+=")]
        )
        self._add(view, "Zoom out", "Ctrl+-", self.zoom_out)
        self._add(view, "Actual size", "Ctrl+0", self.zoom_reset)
        view.addSeparator()
        themes = view.addMenu("Theme")
        group = QActionGroup(self)
        for name in ("system", "light", "dark"):
            action = self._add(themes, name.capitalize(), "", self._on_theme)
            action.setData(name)
            action.setCheckable(True)
            action.setChecked(self.settings.theme == name)
            group.addAction(action)
        self._present_action = self._add(view, "Present", "F11", self._on_present)
        self._present_action.setCheckable(True)
        help_menu = self.menuBar().addMenu("&Help")
        self._add(help_menu, "Command palette…", "Ctrl+K", self.open_palette)
        self._add(help_menu, "Help on this pane", "F1", self._on_help)
        self._add(help_menu, "About", "", self._on_about)
        self._palette = CommandPalette(self)
        self._palette.chosen.connect(self._on_command)

    def _add(self, menu: QWidget, text: str, shortcut: str, slot: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        if shortcut:
            action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(slot)
        menu.addAction(action)
        self.addAction(action)
        return action

    # Panes and layouts.

    def pane(self, name: str) -> PaneFrame:
        """The pane of that name, built when it is first asked for; KeyError when there is none."""
        return self.docks.pane(name)

    def show_pane(self, name: str, *, beside: bool = False) -> None:
        """Bring a pane to the front; it takes the window unless it is already there or ``beside`` is asked for."""
        if name not in self._rail.panes:
            return
        if not self.docks.is_shown(name):
            columns = self.docks.columns() if beside else ()
            self.arrange((*columns, (name,)) if columns else OPENS.get(name, ((name,),)))
        self.docks.focus(name)
        self._show_rail()

    def arrange(self, columns: Sequence[Sequence[str]]) -> None:
        """Show these panes and no others, as columns of panes from top to bottom."""
        self.docks.arrange(columns)
        self._show_rail()

    def visible_panes(self) -> tuple[str, ...]:
        """Names of the panes that can be seen now."""
        return self.docks.shown()

    def current_pane(self) -> PaneFrame | None:
        """The pane with the keyboard focus, or else the first one shown."""
        return self.docks.current()

    def build_ahead(self) -> None:
        """Build the panes not yet seen, one at a time, so that the first click on each finds it ready."""
        self._ahead.start()

    def _build_pane(self, name: str) -> PaneFrame:
        entry = next(entry for entry in ENTRIES if entry.name == name)
        pane = entry.load()(self.session, self.runner)
        if hasattr(pane, "hub_requested"):
            pane.hub_requested.connect(self._on_hub_requested)
        if hasattr(pane, "checkpoint_requested"):
            pane.checkpoint_requested.connect(self._on_checkpoint_requested)
        if hasattr(pane, "pane_requested"):
            pane.pane_requested.connect(self.show_pane)
        if hasattr(pane, "branch_requested"):
            pane.branch_requested.connect(self._on_branch_requested)
        return pane

    def _restore_layout(self) -> None:
        known = {entry.name for entry in ENTRIES}
        layout = self.settings.layout()
        if layout is not None and known.issuperset(layout[2]):
            geometry, state, panes = layout
            self.arrange([[name] for name in panes])
            self.restoreGeometry(geometry)
            self.restoreState(state)
            self.docks.resume(self.settings.arrangement)
        if not self.visible_panes():
            self.arrange([["hub"]])

    def _show_rail(self) -> None:
        self._rail.show_open(self.docks.shown())

    def _on_pane_requested(self, name: str, beside: bool) -> None:
        self.show_pane(name, beside=beside)

    def _on_beside(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.show_pane(str(action.data()), beside=True)

    def _on_layout(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.arrange(LAYOUTS[str(action.data())])

    def _on_hub_requested(self) -> None:
        self.show_pane("hub")

    def _on_checkpoint_requested(self, name: str) -> None:
        self.show_pane("hub")
        self.pane("hub").look_for(name)

    def _on_load_requested(self, checkpoint: Checkpoint, second: bool) -> None:
        # Its notice, and what is to be consented to, are in Hub.
        self.pane("hub").load(checkpoint, second=second).failed.connect(self._on_hub_requested)

    def _on_unload_requested(self, model: LoadedModel) -> None:
        self.pane("hub").unload(model)

    def _on_branch_requested(self, index: int, token_id: int) -> None:
        self.show_pane("playground", beside=True)
        self.pane("playground").branch_at(index, token_id)

    # Looks.

    def apply_theme(self) -> None:
        """Apply the remembered theme and zoom to the whole program; a shown window changes within a few turns."""
        chosen = self.settings.theme
        dark = theme.system_is_dark() if chosen == "system" else chosen == "dark"
        zoom = max(1.5, self.settings.zoom) if self._presenting else self.settings.zoom
        self._dressing.change(dark, zoom, self._presenting)

    def childEvent(self, event: QChildEvent) -> None:
        """Dress dialogs as they are about to be shown."""
        super().childEvent(event)
        child = event.child()
        dialog = isinstance(child, QWidget) and not isinstance(child, QDockWidget)
        if dialog and event.type() == QEvent.Type.ChildPolished:
            self._dressing.dress(child)

    def _follow_theme(self) -> None:
        self._rail.follow_theme()
        self._status.follow_zoom()
        self._fit_rail()

    def _fit_rail(self) -> None:
        # Before the window is shown, Qt calls the bars hidden that will be there.
        bars = (self.flow_strip.parentWidget(), self.statusBar(), *(() if self._presenting else (self.menuBar(),)))
        self._rail.fit(self.height() - sum(bar.sizeHint().height() for bar in bars))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the rail."""
        super().resizeEvent(event)
        self._fit_rail()

    def zoom_in(self) -> None:
        """One step larger, up to 300 %."""
        self._zoom_to(next((zoom for zoom in _ZOOMS if zoom > self.settings.zoom + 0.01), _ZOOMS[-1]))

    def zoom_out(self) -> None:
        """One step smaller, down to 60 %."""
        self._zoom_to(next((zoom for zoom in reversed(_ZOOMS) if zoom < self.settings.zoom - 0.01), _ZOOMS[0]))

    def zoom_reset(self) -> None:
        """Back to 100 %."""
        self._zoom_to(1.0)

    def _zoom_to(self, zoom: float) -> None:
        self.settings.zoom = zoom
        self.apply_theme()
        self.statusBar().showMessage(f"Zoom {zoom * 100:.0f} %", 1500)

    def set_presenting(self, presenting: bool) -> None:
        """Full screen, at least 150 %, high contrast, without menus and without switches not in use; or back."""
        if presenting == self._presenting:
            return
        self._presenting = presenting
        self._present_action.setChecked(presenting)
        self.menuBar().setVisible(not presenting)
        for fold in self.findChildren(Foldable):
            fold.put_away(presenting)
        self.setWindowState(
            self.windowState() | Qt.WindowState.WindowFullScreen
            if presenting
            else self.windowState() & ~Qt.WindowState.WindowFullScreen
        )
        self.apply_theme()

    def _on_present(self) -> None:
        self.set_presenting(not self._presenting)

    def _on_theme(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.settings.theme = str(action.data())
            self.apply_theme()

    # The pane's verbs from the keyboard.

    def _on_run(self) -> None:
        pane = self.current_pane()
        if pane is not None:
            pane.run_main_action()

    def _on_stop(self) -> None:
        pane = self.current_pane()
        if pane is not None:
            pane.stop_main_action()

    def _on_floated(self, window: QWindow) -> None:
        window.installEventFilter(self._zoom_wheel)

    def _on_open_folder(self) -> None:
        self.show_pane("hub")
        self.pane("hub").ask_for_folder()

    def open_palette(self) -> None:
        """List every command, to be found by typing."""
        actions = [action for action in self.actions() if action.text() and action.isVisible()]
        self._commands = actions
        self._palette.open_with([(self._command_name(a), a.shortcut().toString()) for a in actions])

    def _command_name(self, action: QAction) -> str:
        menus = [menu.title().replace("&", "") for menu in action.associatedObjects() if hasattr(menu, "title")]
        return " › ".join([*menus[:1], action.text()])

    def _on_command(self, index: int) -> None:
        self._commands[index].trigger()

    def _on_help(self) -> None:
        pane = self.current_pane()
        if pane is None:
            return
        entry = next(entry for entry in ENTRIES if entry.name == pane.objectName())
        here = described(QApplication.focusWidget())
        pane.show_notice(
            f"{entry.title}: {entry.tip}.",
            f"{here}Every control has a tooltip that says what it does and its usual range. Show code gives the Python "
            "that does the same.",
            with_keys(
                "Ctrl+Enter runs the pane's main action, Esc stops it, Ctrl+1 … Ctrl+9 and Ctrl+J change panes, Ctrl+K "
                "finds every command, Ctrl+plus and Ctrl+minus zoom, F11 presents."
            ),
            kind="info",
        )

    def _on_about(self) -> None:
        pane = self.current_pane()
        if pane is not None:
            pane.show_notice(
                f"Transformers Workbench {__version__}",
                "A desktop workbench over Hugging Face transformers. Apache-2.0; Qt by LGPL.",
                "workbench --check prints the versions and the state of this machine.",
                kind="info",
            )

    def show_error(self, what: str, why: str, details: str) -> None:
        """Show a failure nobody expected in the pane at hand; the window goes on."""
        pane = self.current_pane()
        if pane is not None:
            pane.show_notice(what, why, "Nothing else changed. Please report it with the details.", details)

    # The flow strip and the running work.

    def _on_step(self, _: Step) -> None:
        if not self._flow_timer.isActive():
            self._flow_timer.start()

    def _show_flow(self) -> None:
        self.flow_strip.set_boxes(flow.boxes(self.session))

    def _on_busy_changed(self) -> None:
        if self._closing and not self.runner.active:
            QTimer.singleShot(0, self, self.close)

    def _on_jobs_requested(self) -> None:
        self.show_pane("jobs")

    # Showing and closing.

    def _on_first_turn(self) -> None:
        self.painted.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Announce the first paint."""
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            self.windowHandle().installEventFilter(self._zoom_wheel)
            QTimer.singleShot(0, self, self._on_first_turn)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's light and dark while the theme is left to it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ThemeChange and self.settings.theme == "system":
            self.apply_theme()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when work runs, stop it cleanly, remember everything."""
        active = self.runner.active
        if active and not self._closing:
            names = "\n".join(f"•  {job.title}" for job in active)
            box = QMessageBox(self)
            box.setObjectName("window.close_question")
            box.setWindowTitle("Work is running")
            box.setText(f"This work is still running:\n\n{names}")
            box.setInformativeText("A fine-tune keeps its checkpoint; a download can be resumed.")
            stop = box.addButton("Stop and close", QMessageBox.ButtonRole.AcceptRole)
            box.setDefaultButton(box.addButton("Keep working", QMessageBox.ButtonRole.RejectRole))
            box.exec()
            if box.clickedButton() is not stop:
                event.ignore()
                return
        if active:
            self._closing = True
            for job in active:
                job.cancel()
            self.statusBar().showMessage("Stopping the work, then closing…")
            event.ignore()
            return
        self._ahead.stop()
        self._dressing.stop()
        self._flow_timer.stop()
        self.remember()
        self.runner.shut_down()
        super().closeEvent(event)

    def remember(self) -> None:
        """Write down the layout, the prompt and the switches."""
        if not self._presenting:
            self.settings.set_layout(self.saveGeometry(), self.saveState(), self.visible_panes())
            self.settings.arrangement = self.docks.arrangement
        self.settings.prompt = self.session.prompt
        self.settings.offline = self.session.offline
        self.settings.sync()
