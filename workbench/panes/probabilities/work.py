"""The jobs of the pane: scoring once more, searching the vocabulary, writing a distribution to a file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from workbench.engine import forward
from workbench.engine.errors import WorkbenchError
from workbench.engine.models import LoadedModel
from workbench.engine.task import Task
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Logits, Sampling, Start
from workbench.panes.probabilities import words
from workbench.panes.probabilities.export import write_csv
from workbench.panes.probabilities.listing import search
from workbench.panes.probabilities.looking import Key, Missing, Shown
from workbench.runtime.jobs import Job, Lane, Runner

#: Distributions scored on request that are kept.
_SCORED = 64


class Work(QObject):
    """What was asked for, and what came of it.

    Args:
        runner: Runs it.

    Attributes:
        scored: Logits scored here, by what they belong to.

    Signals:
        scoring_ended(): It was scored, or failed, or was given up.
        found(list): Pairs of likeness and id, as `search` gives them.
        exported(Path): The file is written.
        failed(WorkbenchError, str): What went wrong, and details.
    """

    scoring_ended = Signal()
    found = Signal(object)
    exported = Signal(object)
    failed = Signal(object, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._scoring: Job | None = None
        self.scored: dict[Key, Logits] = {}

    @property
    def is_scoring(self) -> bool:
        """Whether a pass is waited for."""
        return self._scoring is not None and self._scoring.active

    def score(self, model: LoadedModel, missing: Missing) -> None:
        """Run the model over what stands in front of the place whose logits are missing."""
        if missing.start is None:
            return
        title = f"Score what follows {words.tokens(len(missing.key[1]))}"
        job = Job(title, _score, model, missing.start, missing.key, pane="probabilities", stops="after the pass")
        job.succeeded.connect(self._on_scored)
        job.failed.connect(self._on_failed)
        job.finished.connect(self.scoring_ended)
        self._scoring = self._runner.start(job, Lane.MODEL, slot="probabilities.score")

    def stop_scoring(self) -> None:
        """Give up the pass that is waited for."""
        if self._scoring is not None and self._scoring.active:
            self._scoring.cancel()

    def find(self, vocabulary: Vocabulary, text: str, size: int) -> None:
        """Search the vocabulary; a newer search takes the place of an older one."""
        job = Job(f"Find “{text}”", search, vocabulary, text, size, pane="probabilities", quiet=True)
        job.succeeded.connect(self.found)
        job.failed.connect(self._on_failed)
        self._runner.start(job, Lane.TEXT, slot="probabilities.find")

    def export(self, path: Path, shown: Shown, sampling: Sampling, vocabulary: Vocabulary | None) -> None:
        """Write every entry of the vocabulary to a file."""
        job = Job(
            f"Export the distribution to {path.name}",
            write_csv,
            path,
            shown.logits,
            shown.situation,
            sampling,
            vocabulary,
            shown.guided,
            pane="probabilities",
        )
        job.succeeded.connect(self.exported)
        job.failed.connect(self._on_failed)
        self._runner.start(job, Lane.TEXT)

    def _on_scored(self, result: tuple[Key, Logits]) -> None:
        key, logits = result
        self.scored[key] = logits
        while len(self.scored) > _SCORED:
            del self.scored[next(iter(self.scored))]

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        self.failed.emit(error, job.details if isinstance(job, Job) else "")


def _score(model: LoadedModel, start: Start, key: Key, *, task: Task) -> tuple[Key, Logits]:
    return key, forward.next_token(model, start, task=task)
