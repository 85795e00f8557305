"""What follows a run: its result in another pane, beside its base, or shared."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from workbench.engine import models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint
from workbench.panes.trainer.after_view import AfterView
from workbench.panes.trainer.share import ShareDialog
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session


class Following(QObject):
    """Does what is asked of a result.

    Args:
        view: Asks it.
        session: Takes the models that are loaded.
        runner: Loads them.
        pane: The pane.

    Signals:
        pane_requested(str): The pane of that name is to come to the front.
        failed(WorkbenchError): A checkpoint could not be loaded.
    """

    pane_requested = Signal(str)
    failed = Signal(object)

    def __init__(self, view: AfterView, session: Session, runner: Runner, pane: QWidget) -> None:
        super().__init__(pane)
        self._session, self._runner, self._pane = session, runner, pane
        self._base: Checkpoint | None = None
        self._next = ""
        view.playground_requested.connect(self._on_playground)
        view.tasks_requested.connect(self._on_tasks)
        view.compare_requested.connect(self._on_compare)
        view.share_requested.connect(self._on_share)

    def load(self, checkpoint: Checkpoint, pane: str = "", *, base: Checkpoint | None = None) -> None:
        """Make a checkpoint the model of the window.

        Args:
            checkpoint: The result of a run.
            pane: Which pane comes to the front then; empty leaves all as it is.
            base: Is loaded as the second model after it.
        """
        self._next, self._base = pane, base
        job = Job(f"Load {checkpoint.name}", models.load, checkpoint, pane="trainer")
        job.succeeded.connect(self._show_loaded)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.MODEL, slot="model.load")

    def _on_playground(self, checkpoint: Checkpoint) -> None:
        self.load(checkpoint, "playground")

    def _on_tasks(self, checkpoint: Checkpoint) -> None:
        self.load(checkpoint, "tasks")

    def _on_compare(self, result: Checkpoint, base: Checkpoint) -> None:
        self.load(result, "compare", base=base)

    def _on_share(self, checkpoint: Checkpoint) -> None:
        dialog = ShareDialog(checkpoint, self._runner, self._pane)
        dialog.made.connect(self._session.local_changed)
        dialog.open()

    def _show_loaded(self, model: LoadedModel) -> None:
        self._session.set_model(model)
        if self._base is None:
            self._go()
            return
        job = Job(f"Load {self._base.name}", models.load, self._base, pane="trainer")
        job.succeeded.connect(self._show_second)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.MODEL, slot="model.load")

    def _show_second(self, model: LoadedModel) -> None:
        self._session.set_second(model)
        self._go()

    def _go(self) -> None:
        if self._next:
            self.pane_requested.emit(self._next)
