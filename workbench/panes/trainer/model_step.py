"""Step 2, the model: which checkpoint to start from, what it is to learn, and the head that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from workbench.engine import models
from workbench.engine.adapters import AdapterFolder, adapter_in
from workbench.engine.errors import WorkbenchError
from workbench.engine.train import HEADS, Head
from workbench.engine.values import Checkpoint, Facts
from workbench.panes.trainer.head_options import HeadOptions
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

#: Tasks that teach the same to a checkpoint with another head.
_INSTEAD = {
    "text-generation": "fill-mask",
    "fill-mask": "text-generation",
    "chat": "text2text-generation",
    "text2text-generation": "chat",
}


class ModelStep(QWidget):
    """Chooses checkpoint and task.

    Attributes:
        facts: Of the chosen checkpoint, or None.
        adapter: What it is an adapter to, or None where it is none.

    Signals:
        edited(): Another checkpoint or task is chosen.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.facts: Facts | None = None
        self.adapter: AdapterFolder | None = None
        self._by_hand = self._task_by_hand = False
        self._fitting: str | None = None
        self._problem = ""
        self._checkpoint = named(
            QuietComboBox(), "trainer.checkpoint", "Checkpoint", "What to start from: any checkpoint on this machine"
        )
        self._checkpoint.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._task = named(
            QuietComboBox(), "trainer.task", "Task", "What is learned; each entry tells what it needs of the data"
        )
        self._task.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for name, head in HEADS.items():
            self._task.addItem(head.title, name)
        self._head = named(QLabel(), "trainer.head", "Head")
        self._head.setWordWrap(True)

        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for box in (self._checkpoint, self._task):
            form.addRow(box.accessibleName(), box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self._head)
        self._options = HeadOptions(form, self)
        self._options.show_head(self.head)

        self._checkpoint.activated.connect(self._on_chosen)
        self._checkpoint.currentIndexChanged.connect(self._describe)
        self._task.currentIndexChanged.connect(self._on_task)
        self._task.activated.connect(self._on_task_chosen)
        self._options.edited.connect(self._on_option)
        self._tell_tasks()

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

    @property
    def options(self) -> dict[str, Any]:
        """The settings of the head that differ from their defaults."""
        return self._options.values

    def suggest(self, task: str | None) -> None:
        """Choose the task that the data look made for, unless the person chose one.

        What the checkpoint has no head for gives way to what teaches it the same: text alone teaches an encoder to fill
        in what is masked, and a decoder to go on writing.
        """
        self._fitting = task
        heads = self.facts.heads if self.facts is not None else ()
        other = _INSTEAD.get(task or "")
        if task and other and HEADS[task].auto_class not in heads and HEADS[other].auto_class in heads:
            task = other
        place = self._task.findData(task)
        if place >= 0 and not self._task_by_hand:
            self._task.setCurrentIndex(place)

    def choose(self, task: str, checkpoint: Checkpoint, options: Mapping[str, Any]) -> None:
        """Choose a task, a checkpoint and settings of the head, as a person does."""
        self._by_hand = self._task_by_hand = True
        paths = [self._checkpoint.itemData(place).path for place in range(self._checkpoint.count())]
        if checkpoint.path not in paths:
            self._add(checkpoint)
            paths.append(checkpoint.path)
        self._checkpoint.setCurrentIndex(paths.index(checkpoint.path))
        self._task.setCurrentIndex(self._task.findData(task))
        self._options.fill(options)

    def show_columns(self, columns: Mapping[str, str]) -> None:
        """Show the settings of the head that have an effect with these columns, by role."""
        self._options.show_columns(columns)

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
            made = "as the checkpoint has it" if facts.trained_head == head else "a fresh one"
            text = f"{facts.model_type}, {facts.layers or '?'} layers → {head}, {made}; {learned}"
            if self.adapter is not None:
                told = "Method, in step 3, says whether it is trained further or merged first"
                text += f". An adapter ({self.adapter.kind}) to {self.adapter.base_title}: {told}"
        self._head.setText(text)
        set_role(self._head, "muted" if fits or not text else "warning")

    def _add(self, checkpoint: Checkpoint) -> None:
        self._checkpoint.addItem(checkpoint.name, checkpoint)
        place = self._checkpoint.count() - 1
        self._checkpoint.setItemData(place, str(checkpoint.path), Qt.ItemDataRole.ToolTipRole)

    def _on_chosen(self) -> None:
        self._by_hand = True

    def _on_task(self) -> None:
        self._options.show_head(self.head)
        self.edited.emit()

    def _on_task_chosen(self) -> None:
        self._task_by_hand = True

    def _on_option(self) -> None:
        self.edited.emit()

    def _tell_tasks(self) -> None:
        """Write into each entry what it needs, and grey those whose head the checkpoint can't have."""
        grey = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        for place in range(self._task.count()):
            head = HEADS[self._task.itemData(place)]
            has = self.facts is None or head.auto_class in self.facts.heads
            named_roles = [role.title + ("" if role.required else " (may be left out)") for role in head.roles]
            there = "" if has else f" {self.facts.model_type if self.facts else ''} models have no such head."
            tip = f"Learns {head.learns} ({head.auto_class}). Wants: {', '.join(named_roles)}.{there}"
            self._task.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
            self._task.setItemText(place, head.title if has else f"{head.title} – not this checkpoint")
            self._task.setItemData(place, None if has else grey, Qt.ItemDataRole.ForegroundRole)

    def _describe(self) -> None:
        self.facts, self.adapter, self._problem = None, None, ""
        if self.checkpoint is not None:
            self.adapter = adapter_in(self.checkpoint.path)
            try:
                self.facts = models.describe(self.checkpoint)
            except WorkbenchError as error:
                self._problem = str(error)
        self._tell_tasks()
        self.suggest(self._fitting)
        self.edited.emit()
