"""The menu of the flow strip's first box: what is in memory and on this machine, to be loaded with one click."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from workbench.engine.task import Task
from workbench.engine.values import Checkpoint
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.quantities import format_bytes
from workbench.widgets.visible_text import drawable

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Checkpoints in the menu, the last used first; Hub has all of them.
_MOST = 12


class CheckpointMenu(QMenu):
    """Changes the model that the panes use, without leaving the pane one is in.

    Args:
        session: Whose models it shows, and lets change their parts.
        runner: Looks at this machine on the IO lane, each time the menu opens.

    Signals:
        load_requested(Checkpoint, bool): Load it; as the second model (True) or in the place of the first.
        unload_requested(LoadedModel): Give back its memory.
        folder_requested(): A folder is to be asked for.
        hub_requested(): All that is there is to be seen.
    """

    load_requested = Signal(object, bool)
    unload_requested = Signal(object)
    folder_requested = Signal()
    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("Checkpoints", parent)
        self._session, self._runner = session, runner
        self._found: tuple[Checkpoint, ...] | None = None
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self._on_about_to_show)
        # Later, as it is one of its own actions that changes them.
        session.models_changed.connect(self._fill, Qt.ConnectionType.QueuedConnection)

    def _on_about_to_show(self) -> None:
        self._fill()
        job = Job("Looking at this machine", _look, pane="hub", quiet=True)
        job.succeeded.connect(self._on_found)
        self._runner.start(job, Lane.IO, slot="window.checkpoints")

    def _on_found(self, found: tuple[Checkpoint, ...]) -> None:
        if found != self._found:
            self._found = found
            self._fill()

    def _fill(self) -> None:
        self._empty()
        if self._session.models:
            self._add_loaded(self._session.models)
            self.addSeparator()
        self._head("On this machine")
        held = {model.checkpoint.path for model in self._session.models}
        found = [each for each in self._found or () if each.path not in held]
        for text, checkpoint in _lines(found):
            self._add(self, text, partial(self.load_requested.emit, checkpoint, False), str(checkpoint.path))
        if self._found is None:
            self._head("Looking …")
        elif not found:
            self._head("Nothing else; get one in Hub")
        elif self._session.model is not None:
            second = self.addMenu("Load as second model")
            for text, checkpoint in _lines(found):
                self._add(second, text, partial(self.load_requested.emit, checkpoint, True), str(checkpoint.path))
        self.addSeparator()
        self._add(self, "Open a checkpoint folder…", self.folder_requested.emit)
        more = f" ({len(found) - _MOST} more)" if len(found) > _MOST else ""
        self._add(self, f"Show Hub{more}", self.hub_requested.emit)

    def _empty(self) -> None:
        for part in self.findChildren(QMenu):
            part.deleteLater()
        self.clear()

    def _add_loaded(self, models: Sequence[LoadedModel]) -> None:
        session = self._session
        self._head("In memory")
        for number, model in enumerate(models):
            part = "in use" if model is session.model else "second" if model is session.second else ""
            line = self._add(self, _line(model.checkpoint.name, part), partial(self._on_use, number))
            line.setCheckable(True)
            line.setChecked(model is session.model)
        if session.model is not None and session.second is not None:
            self._add(self, "Swap first and second", session.swap)
        unload = self.addMenu("Unload")
        for number, model in enumerate(models):
            self._add(unload, _line(model.checkpoint.name), partial(self._on_unload, number))

    # By number: an action that held a model would keep its weights in memory.

    def _on_use(self, number: int) -> None:
        self._session.set_model(self._session.models[number])

    def _on_unload(self, number: int) -> None:
        self.unload_requested.emit(self._session.models[number])

    def _head(self, text: str) -> None:
        self.addAction(text).setEnabled(False)

    @staticmethod
    def _add(menu: QMenu, text: str, slot: Callable[[], object], tip: str = "") -> QAction:
        action = menu.addAction(text)
        action.setToolTip(drawable(tip))
        action.triggered.connect(slot)
        return action


def _look(*, task: Task) -> tuple[Checkpoint, ...]:
    """What can be loaded, the last used first."""
    # Not needed before somebody asks.
    from workbench.engine import hub

    found = []
    for checkpoint in hub.each_local():
        task.check()
        if checkpoint.complete:
            found.append(checkpoint)
    return tuple(sorted(found, key=lambda each: (-each.last_used, each.name)))


def _lines(found: Sequence[Checkpoint]) -> list[tuple[str, Checkpoint]]:
    """What the menu says of each: revisions of one name are told apart."""
    shown = found[:_MOST]
    names = Counter(each.name for each in shown)
    many = {each.path for each in shown if names[each.name] > 1 and each.revision}
    return [
        (_line(f"{each.name} {each.revision[:7]}" if each.path in many else each.name, format_bytes(each.size)), each)
        for each in shown
    ]


def _line(name: str, right: str = "") -> str:
    return drawable(name).replace("&", "&&") + (f"\t{right}" if right else "")
