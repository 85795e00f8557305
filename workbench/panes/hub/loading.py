"""Loading and unloading: the jobs, what is asked before them, and the report behind them."""

from __future__ import annotations

from functools import partial
from weakref import ref

from PySide6.QtCore import QObject, Signal

from workbench.engine import machine, models
from workbench.engine.errors import OutOfMemory, WorkbenchError
from workbench.engine.models import LoadedModel
from workbench.engine.trust import CodeMissing, ConsentNeeded, Request
from workbench.engine.values import Checkpoint
from workbench.panes.hub import work
from workbench.panes.hub.consent_view import ConsentDialog
from workbench.panes.hub.load_form import Choices
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quantities import format_bytes, format_count, format_seconds

_NAMES = 12


class Loading(QObject):
    """Puts models into the session and takes them out again.

    Args:
        pane: Whose notices and questions are used.
        session: Holds the models.
        runner: Loads on the model lane.

    Signals:
        changed(bool): A load has begun (True) or none runs any more.
        code_requested(Checkpoint): The person wants the Python files of its architecture fetched.
    """

    changed = Signal(bool)
    code_requested = Signal(object)

    def __init__(self, pane: PaneFrame, session: Session, runner: Runner) -> None:
        super().__init__(pane)
        self._pane, self._session, self._runner = pane, session, runner
        self._job: Job | None = None
        self._wish: tuple[Checkpoint, Choices, bool] | None = None
        self._waits_for_code = False

    @property
    def active(self) -> bool:
        """Whether a model is being loaded."""
        return self._job is not None and self._job.active

    def load(
        self, checkpoint: Checkpoint, choices: Choices | None = None, *, second: bool = False, tight: bool = False
    ) -> Job:
        """Load a checkpoint into the session; the one in use before is freed once the new one stands.

        Args:
            checkpoint: A whole one of this machine.
            choices: How; None takes what fits it.
            second: Beside the models there are, not in the place of the first.
            tight: Although its weights take more than is free.

        Returns:
            The job that loads it.
        """
        choices = choices or Choices()
        job = Job(
            f"Load {checkpoint.name}",
            models.load,
            checkpoint,
            head=choices.head,
            dtype=choices.dtype,
            device=choices.device,
            attn_implementation=choices.attention,
            bits=choices.bits,
            tight=tight,
            pane="hub",
            stops="when the weights are read",
            patient=True,
        )
        job.succeeded.connect(self._on_second_loaded if second else self._on_loaded)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        self._job, self._wish, self._waits_for_code = job, (checkpoint, choices, second), False
        self._runner.start(job, Lane.MODEL, slot="hub.load")
        self._pane.clear_notices()
        self.changed.emit(True)
        return job

    def cancel(self) -> None:
        """Stop the load that runs."""
        if self._job is not None:
            self._job.cancel()

    def unload(self, model: LoadedModel) -> None:
        """Take a model out of memory and say what that gave back."""
        name, before = model.checkpoint.name, machine.memory().process
        self._pane.clear_notices()
        self._session.drop_model(model)
        self._free(before, model).succeeded.connect(partial(self._show_freed, name))

    def use(self, model: LoadedModel) -> None:
        """Let all panes use one of the models in memory; the others stay there."""
        self._session.set_model(model)

    def use_second(self, model: LoadedModel) -> None:
        """Make one of the models in memory the second; the others stay there."""
        self._session.set_second(model)

    def _free(self, before: int, model: LoadedModel) -> Job:
        """Collect what nobody holds any more, where it holds up no window."""
        # Patient, as to look through all objects holds the window up for as long as the change of model itself does.
        job = Job("Freeing a model", work.free_memory, before, ref(model.model), pane="hub", quiet=True, patient=True)
        self._runner.start(job, Lane.MODEL)
        return job

    def _on_loaded(self, model: LoadedModel) -> None:
        replaced, before = self._session.model, machine.memory().process
        self._session.set_model(model)
        self._show_report(model)
        self._session.local_changed.emit()
        if replaced is not None:
            self._free(before, replaced)

    def _on_second_loaded(self, model: LoadedModel) -> None:
        # Added first: the model that was second stays in memory, until a person unloads it.
        self._session.add_model(model)
        self._session.set_second(model)
        self._show_report(model)

    def _on_failed(self, error: WorkbenchError) -> None:
        if isinstance(error, ConsentNeeded):
            dialog = ConsentDialog(error.request, self._pane)
            dialog.agreed.connect(self._on_agreed)
            dialog.open()
        job = self.sender()
        details = job.details if isinstance(job, Job) else ""
        action = ("Load all the same", self._on_tight) if isinstance(error, OutOfMemory) else None
        if isinstance(error, CodeMissing) and self._wish is not None and self._wish[0].source == "hub":
            action = ("Fetch its code", self._on_fetch_code)
        self._pane.show_notice(error.what, error.why, error.remedy, details, action=action)

    def go_on(self, arrived: Checkpoint) -> None:
        """Load what waited for its code, now that this has come; the code is shown before any of it runs."""
        if self._waits_for_code and self._wish is not None and self._wish[0].path == arrived.path:
            self._again()

    def _on_fetch_code(self) -> None:
        if self._wish is not None:
            self._waits_for_code = True
            self.code_requested.emit(self._wish[0])

    def _on_agreed(self, request: Request) -> None:
        job = Job("Keep the consent", work.agree, request, pane="hub", quiet=True)
        job.succeeded.connect(self._on_kept)
        self._runner.start(job, Lane.IO)

    def _on_kept(self) -> None:
        self._again()

    def _on_tight(self) -> None:
        self._again(tight=True)

    def _again(self, *, tight: bool = False) -> None:
        if self._wish is not None and not self.active:
            checkpoint, choices, second = self._wish
            self.load(checkpoint, choices, second=second, tight=tight)

    def _on_finished(self) -> None:
        if self._job is not None and not self._job.active:
            self._job = None
            self.changed.emit(False)

    def _show_report(self, model: LoadedModel) -> None:
        report = (
            f"{format_count(model.parameters)} weights as {model.dtype} on {model.device}, "
            f"{format_bytes(model.bytes)}, loaded with {model.head} in {format_seconds(model.seconds)}."
        )
        what = f"{model.checkpoint.name} is loaded."
        kind = "warning" if model.notes else "info"
        self._pane.show_notice(what, report, " ".join(model.notes), report_of(model), kind=kind)

    def _show_freed(self, name: str, freed: int) -> None:
        self._pane.show_notice(f"{name} is unloaded.", f"{format_bytes(freed)} of memory were given back.", kind="info")


def report_of(model: LoadedModel) -> str:
    """The load report: what was missing, unexpected and tied, the memory before and after, and the time."""
    lines = [
        f"{model.checkpoint.path}" + (f", commit {model.checkpoint.revision}" if model.checkpoint.revision else ""),
        f"{model.head}, {model.dtype} on {model.device}, attention {model.attention or 'of its own'}",
        f"Memory of this process: {format_bytes(model.memory[0])} before, {format_bytes(model.memory[1])} after",
        f"Time: {format_seconds(model.seconds)}",
    ]
    for title, names in (
        ("Missing, drawn at random", model.missing),
        ("Unexpected, left out", model.unexpected),
        ("Tied, kept once", model.tied),
    ):
        shown = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
        lines.append(f"{title}: {shown or 'none'}")
    return "\n".join(lines)
