"""Step 2, the model: which checkpoint to start from, what it is to learn, and the head that takes."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from workbench.engine import models
from workbench.engine.errors import WorkbenchError
from workbench.engine.train import HEADS, Head
from workbench.engine.values import Checkpoint, Facts
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role


class ModelStep(QWidget):
    """Chooses checkpoint and task.

    Attributes:
        facts: Of the chosen checkpoint, or None.

    Signals:
        edited(): Another checkpoint or task is chosen.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.facts: Facts | None = None
        self._by_hand = False
        self._problem = ""
        self._checkpoint = named(
            QuietComboBox(), "trainer.checkpoint", "Checkpoint", "What to start from: any checkpoint on this machine"
        )
        self._checkpoint.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._task = named(
            QuietComboBox(), "trainer.task", "Task", "What is learned: a label for each text, or to go on writing"
        )
        for name, head in HEADS.items():
            self._task.addItem(head.title, name)
        self._head = named(QLabel(), "trainer.head", "Head")
        self._head.setWordWrap(True)

        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, box in enumerate((self._checkpoint, self._task)):
            label = QLabel(box.accessibleName())
            label.setBuddy(box)
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        grid.addWidget(self._head, 2, 0, 1, 2)

        self._checkpoint.activated.connect(self._on_chosen)
        self._checkpoint.currentIndexChanged.connect(self._describe)
        self._task.currentIndexChanged.connect(self._on_task)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The chosen checkpoint."""
        chosen = self._checkpoint.currentData()
        return chosen if isinstance(chosen, Checkpoint) else None

    @property
    def task(self) -> str:
        """The chosen task, as transformers names it."""
        return str(self._task.currentData())

    @property
    def head(self) -> Head:
        """What the chosen task trains."""
        return HEADS[self.task]

    def show_checkpoints(self, found: Iterable[Checkpoint], loaded: Checkpoint | None) -> None:
        """List what there is; the loaded one is chosen unless the person chose another."""
        before = self.checkpoint
        known = {checkpoint.path: checkpoint for checkpoint in found if checkpoint.complete}
        if loaded is not None:
            known.setdefault(loaded.path, loaded)
        wanted = before if self._by_hand and before is not None and before.path in known else loaded or before
        self._checkpoint.blockSignals(True)
        self._checkpoint.clear()
        for checkpoint in known.values():
            self._add(checkpoint)
        place = next((number for number, path in enumerate(known) if wanted and path == wanted.path), 0)
        self._checkpoint.setCurrentIndex(place if known else -1)
        self._checkpoint.blockSignals(False)
        if before is None or self.checkpoint is None or before.path != self.checkpoint.path:
            self._describe()

    def show_loaded(self, loaded: Checkpoint) -> None:
        """Start from what was loaded, unless the person chose something else."""
        paths = [self._checkpoint.itemData(place).path for place in range(self._checkpoint.count())]
        if loaded.path not in paths:
            self._add(loaded)
            paths.append(loaded.path)
        if not self._by_hand:
            self._checkpoint.setCurrentIndex(paths.index(loaded.path))

    def show_head(self, labels: int) -> None:
        """Say which head is trained.

        Args:
            labels: Different labels in the data, 0 while unknown.
        """
        facts = self.facts
        head = HEADS[self.task].auto_class
        fits = facts is not None and head in facts.heads and facts.has_tokenizer
        if facts is None:
            none = "No checkpoint on this machine yet: get a starter in the Hub pane."
            text = self._problem or (none if self._checkpoint.count() == 0 else "")
        elif not facts.has_tokenizer:
            text = "This checkpoint has no tokenizer, so it can't be trained on text."
        elif not fits:
            text = f"{facts.model_type} models have no {head}: choose another task or checkpoint."
        else:
            learned = f"{labels} labels" if labels else f"learns {HEADS[self.task].learns}"
            text = f"{facts.model_type}, {facts.layers or '?'} layers → {head}, {learned}"
        self._head.setText(text)
        set_role(self._head, "muted" if fits or not text else "warning")

    def _add(self, checkpoint: Checkpoint) -> None:
        self._checkpoint.addItem(checkpoint.name, checkpoint)
        place = self._checkpoint.count() - 1
        self._checkpoint.setItemData(place, str(checkpoint.path), Qt.ItemDataRole.ToolTipRole)

    def _on_chosen(self) -> None:
        self._by_hand = True

    def _on_task(self) -> None:
        self.edited.emit()

    def _describe(self) -> None:
        self.facts, self._problem = None, ""
        if self.checkpoint is not None:
            try:
                self.facts = models.describe(self.checkpoint)
            except WorkbenchError as error:
                self._problem = str(error)
        self.edited.emit()
