"""Step 3, the settings: the usual ones at hand, the others in groups that fold away, and what comes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine.adapters import AdapterFolder
from workbench.engine.errors import WorkbenchError
from workbench.engine.train import Head
from workbench.engine.train.foresight import Foresight, foresee
from workbench.engine.train.own_adapter import OWN
from workbench.engine.train.recommended import PRESETS, recommended
from workbench.engine.train.schedule import UNFORESEEN
from workbench.engine.values import Facts, Method, TrainSpec
from workbench.panes.trainer.all_arguments import AllArguments
from workbench.panes.trainer.form_rows import RateBox, add_row, help_of, number_box, rate_text, rows_of
from workbench.panes.trainer.method_form import MethodForm
from workbench.panes.trainer.settings_fields import (
    EVALUATION,
    EVALUATION_SWITCHES,
    FIELDS,
    MEMORY,
    MEMORY_SWITCHES,
    METHOD,
    SCHEDULE,
    SWITCHES,
    USUAL,
    Field,
)
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.foldable import Foldable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox
from workbench.widgets.small_curve import SmallCurve
from workbench.widgets.theme import set_role

__all__ = ["FIELDS", "SCHEDULES", "SWITCHES", "RateBox", "SettingsForm"]

SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
    "reduce_lr_on_plateau",
    "greedy",
)

#: Zero stands for these in the form.
_ZERO_MEANS = {"rows": None, "max_steps": -1}

#: What settings are called.
_TITLES = {field.name: field.label for field in (*FIELDS, *SWITCHES)} | {
    "method": "Method",
    "arguments": "All arguments",
}
#: Settings that are named where they were set by hand.
_NAMED = 6

_COUNTING = "Counting the weights …"
#: Milliseconds of peace before the settings are looked at.
_PEACE = 300

_GROUPS = (
    ("method", "Method", "What is trained: every weight, the head or an adapter; and what keeps it from overdoing it"),
    ("memory", "Precision and memory", "Number formats, and ways to need less memory"),
    ("schedule", "Schedule", "How the learning rate goes, drawn before the run"),
    ("evaluation", "Evaluation and stopping", "What is held out, how often it is evaluated, when to stop"),
    ("arguments", "All arguments", "Every field of TrainingArguments in the installed version"),
)


class SettingsForm(QWidget):
    """The settings of a run.

    Args:
        runner: Looks at the settings and lists the arguments, off the UI thread; None shows the form alone.

    Attributes:
        presets: The buttons that fill it in.
        by_hand: Names of the settings that the person changed, which no recommendation changes again.

    Signals:
        edited(): The person changed one.
        preset_chosen(str): The person wants the settings of this name in `PRESETS`.
    """

    edited = Signal()
    preset_chosen = Signal(str)

    def __init__(self, runner: Runner | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._filling = False
        self.by_hand: frozenset[str] = frozenset()
        self._before: dict[str, Any] = {}
        self._usual: Method | None = None
        self._asked: tuple[TrainSpec, int, tuple[str, ...]] | None = None
        self._answered: object = None
        self._boxes: dict[str, QuietSpinBox | QuietDoubleSpinBox] = {}
        self._switches: dict[str, QCheckBox] = {}
        self._schedule = QuietComboBox()
        self._schedule.addItems(SCHEDULES)
        self._schedule.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._metric = QuietComboBox()
        self._metric.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._metric.addItem("the head's own", "")
        self._method = MethodForm()
        self._curve = named(SmallCurve(), "trainer.schedule", "Learning rate of each step")
        self._arguments = AllArguments(runner)
        self._kept = named(QLabel(), "trainer.by_hand", "Set by hand")
        self._kept.setWordWrap(True)
        set_role(self._kept, "muted")
        self._kept.hide()
        self._foreseen = named(QLabel(), "trainer.foreseen", "What comes of these settings")
        self._foreseen.setWordWrap(True)
        set_role(self._foreseen, "muted")
        self.presets = self._buttons()
        self._groups = {
            key: Foldable(f"trainer.group_{key}", title, f"Opens and closes: {about}") for key, title, about in _GROUPS
        }
        self._pause = QTimer(self, singleShot=True, interval=_PEACE)
        self._lay_out()
        self._pause.timeout.connect(self._look)
        self._schedule.currentIndexChanged.connect(self._on_edited)
        self._metric.currentIndexChanged.connect(self._on_edited)
        self._method.edited.connect(self._on_edited)
        self._arguments.edited.connect(self._on_edited)
        self._groups["arguments"].folded.connect(self._on_arguments)
        defaults = TrainSpec.__dataclass_fields__
        self.fill({field.name: defaults[field.name].default for field in (*FIELDS, *SWITCHES)})

    def values(self) -> dict[str, Any]:
        """The settings under the names of `TrainSpec`."""
        values: dict[str, Any] = {name: box.value() for name, box in self._boxes.items()}
        values |= {name: switch.isChecked() and switch.isEnabled() for name, switch in self._switches.items()}
        values |= {name: meaning for name, meaning in _ZERO_MEANS.items() if values[name] == 0}
        method = self._method.value()
        if method.kind != "full":
            values["freeze_layers"] = 0
        return values | {
            "lr_scheduler_type": self._schedule.currentText(),
            "metric_for_best_model": self._metric.currentData(),
            "method": method,
            "arguments": self._arguments.given,
        }

    def fill(self, values: dict[str, Any]) -> None:
        """Set some of the settings without announcing it."""
        self._filling = True
        for name, value in values.items():
            if name in _ZERO_MEANS and value == _ZERO_MEANS[name]:
                value = 0
            if name in self._boxes:
                self._boxes[name].setValue(value)
            elif name in self._switches:
                self._switches[name].setChecked(value)
            elif name == "lr_scheduler_type":
                self._schedule.setCurrentText(value)
            elif name == "metric_for_best_model":
                self._choose_metric(value)
            elif name == "method":
                self._method.fill(value)
            elif name == "arguments":
                self._arguments.fill(value)
        self._filling = False
        self._before = self.values()
        self._show_notes()

    def recommend(self, facts: Facts, task: str, preset: str) -> None:
        """Fill in what is known to go well without announcing it, but for what the person set by hand.

        Args:
            facts: Of the checkpoint.
            task: What is learned.
            preset: A name of `PRESETS`.
        """
        method = self._method.value() if "method" in self.by_hand else self._usual
        known = recommended(facts, task, preset, method)
        self.fill({name: value for name, value in known.items() if name not in self.by_hand})

    def keep(self, names: Collection[str]) -> None:
        """Take these settings, and no others, for set by hand."""
        self.by_hand = frozenset(names)
        self._show_kept()

    def show_adapter(self, adapter: AdapterFolder | None, auto_class: str) -> None:
        """Offer what can be done with a checkpoint that is an adapter, or take the offer back.

        Args:
            adapter: What the checkpoint is an adapter to, or None where it is none.
            auto_class: Of the head that is trained; an adapter that was made for another is merged first.
        """
        had, self._usual = self._method.value(), None
        if adapter is None:
            self._method.show_adapter("", "")
        else:
            unfit = "" if adapter.fits(auto_class) else f"Its own adapter was made for {adapter.head}."
            self._method.show_adapter(adapter.kind, adapter.base_title, unfit)
            self._usual = Method("full" if unfit else OWN)
        if self._method.value() != had:
            self.keep(self.by_hand - {"method"})
        self._before = self.values()

    def show_head(self, head: Head, options: Mapping[str, Any]) -> None:
        """Switch off what this head has no use for, and offer what its evaluations tell.

        Args:
            head: The head.
            options: Of its settings those that are not at their defaults; what is measured depends on some.
        """
        self._switches["group_by_length"].setEnabled(head.by_length)
        names = ["", *head.measures(options)]
        if names == [self._metric.itemData(place) for place in range(self._metric.count())]:
            self._metric.setItemText(0, f"{head.metric} (its own)")
        else:
            chosen = self._metric.currentData()
            with QSignalBlocker(self._metric):
                self._metric.clear()
                for name in names:
                    self._metric.addItem(name or f"{head.metric} (its own)", name)
                self._metric.setCurrentIndex(max(0, self._metric.findData(chosen)))
        self._before = self.values()

    def _choose_metric(self, name: str) -> None:
        if self._metric.findData(name) < 0:
            self._metric.addItem(name, name)
        self._metric.setCurrentIndex(self._metric.findData(name))

    def foresee(self, spec: TrainSpec | None, rows: int = 0, labels: Sequence[str] = ()) -> None:
        """Say what would come of a run, when the settings have been left alone for a moment.

        Args:
            spec: The run; None while there is none.
            rows: Usable rows of its data.
            labels: Names of the labels, as far as they are known.
        """
        self._asked = None if spec is None else (spec, rows, tuple(labels))
        if self._asked is not None and self.isVisible():
            self._pause.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up on what nobody looked at."""
        super().showEvent(event)
        if self._asked is not None:
            self._pause.start()

    # What the person did.

    def _on_edited(self) -> None:
        self._show_notes()
        if self._filling:
            return
        now = self.values()
        changed = {name for name, value in now.items() if self._before.get(name) != value}
        # No layers are frozen beside a method that freezes all of them.
        self._before, changed = now, changed - ({"freeze_layers"} if "method" in changed else set())
        self.keep(self.by_hand | changed)
        self.edited.emit()

    def _on_arguments(self, is_open: bool) -> None:
        if is_open:
            self._arguments.open()

    def _on_preset(self) -> None:
        self.preset_chosen.emit(self.sender().property("preset"))

    # What is known.

    def _look(self) -> None:
        if self._asked is None or self._runner is None or self._asked == self._answered:
            return
        self._answered = self._asked
        spec, rows, labels = self._asked
        if not self._foreseen.text():
            self._say(_COUNTING, "muted")
        job = Job("Look at the settings", foresee, spec, rows, labels, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_foresight)
        job.failed.connect(self._show_failure)
        self._runner.start(job, Lane.IO, slot="trainer.foresight")

    def _show_failure(self, error: WorkbenchError) -> None:
        self._answered = None
        self._say(str(error), "error")

    def _show_foresight(self, seen: Foresight) -> None:
        self._method.show_limits(seen.limits)
        for name, why in (("fp16", seen.limits.fp16), ("torch_compile", seen.limits.torch_compile)):
            switch = self._switches[name]
            switch.setEnabled(not why)
            field = next(field for field in SWITCHES if field.name == name)
            switch.setToolTip(f"{help_of(field)} {why}".strip())
        self._show_curve(seen)
        if seen.layout is not None:
            self._method.show_layout(seen.layout)
        if seen.problem is not None:
            self._say(str(seen.problem), "error")
            return
        parts = []
        if seen.layout is not None:
            share = f"{seen.layout.trained / max(1, seen.layout.total):.2g}"
            percent = f"{float(share) * 100:g} %"
            parts.append(f"{seen.layout.trained:,} of {seen.layout.total:,} weights are trained ({percent})")
        parts.append(f"{seen.steps:,} steps" if seen.steps else "the number of steps shows when the rows are encoded")
        self._say(" · ".join(parts), "muted")

    def _say(self, words: str, role: str) -> None:
        set_role(self._foreseen, role)
        self._foreseen.setText(words)

    def _show_curve(self, seen: Foresight) -> None:
        peak = max(seen.rates, default=0.0)
        if not seen.rates:
            words = "It goes by the evaluations" if self._schedule.currentText() in UNFORESEEN else "It can't be drawn"
            self._curve.set_curve((), f"{words}.", ("", "", ""), f"{words}, so nobody can draw it before.")
            return
        end = f"step {seen.steps:,}" if seen.steps else "100 %"
        middle = "" if seen.steps else "of the run"
        at = seen.rates.index(peak) / max(1, len(seen.rates) - 1)
        self._curve.set_curve(
            seen.rates,
            f"peak {rate_text(peak)}",
            ("step 1" if seen.steps else "0 %", middle, end),
            f"The learning rate begins at {rate_text(seen.rates[0])}, reaches {rate_text(peak)} after {at * 100:.0f} % "
            f"of the run and ends at {rate_text(seen.rates[-1])}.",
        )

    def _show_kept(self) -> None:
        titles = [_TITLES[name] for name in _TITLES if name in self.by_hand]
        listed = ", ".join(titles[:_NAMED]) + (f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else "")
        self._kept.setText(
            f"Set by hand, and kept for any checkpoint or task: {listed}. Quick or Good fills it in again."
        )
        self._kept.setVisible(bool(titles))

    def _show_notes(self) -> None:
        values = self.values()
        precision = "bfloat16" if values["bf16"] else "float16" if values["fp16"] else "float32"
        every = values["eval_steps"]
        stops = f", patience {values['early_stopping_patience']}" if values["early_stopping_patience"] else ""
        stops += ", keeps the best" if values["load_best_model_at_end"] else ""
        given = len(values["arguments"])
        self._groups["method"].set_note(self._method.summary)
        self._groups["memory"].set_note(precision)
        self._groups["schedule"].set_note(values["lr_scheduler_type"].replace("_", " "))
        self._groups["evaluation"].set_note((f"every {every:,} steps" if every else "each epoch") + stops)
        self._groups["arguments"].set_note(f"{given} set" if given else "")
        self._boxes["freeze_layers"].setEnabled(values["method"].kind == "full")

    # The layout.

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._grid(USUAL))
        column.addWidget(self._kept)
        column.addWidget(self._foreseen)
        for group in self._groups.values():
            column.addWidget(group)
        method, memory = self._groups["method"].body, self._groups["memory"].body
        method.addWidget(self._method)
        method.addLayout(self._grid(METHOD))
        memory.addLayout(self._grid(MEMORY, MEMORY_SWITCHES))
        self._groups["schedule"].body.addLayout(self._grid(SCHEDULE))
        self._groups["schedule"].body.addWidget(self._curve)
        self._groups["evaluation"].body.addLayout(self._grid(EVALUATION, EVALUATION_SWITCHES))
        self._groups["arguments"].body.addWidget(self._arguments)

    def _grid(self, fields: Sequence[Field], switches: Sequence[Field] = ()) -> QGridLayout:
        grid = rows_of(self)
        for field in fields:
            add_row(grid, field, self._control(field))
        for field in switches:
            switch = named(QCheckBox(field.label), f"trainer.{field.name}", field.label, help_of(field))
            switch.toggled.connect(self._on_edited)
            self._switches[field.name] = switch
            add_row(grid, field, switch, is_switch=True)
        return grid

    def _control(self, field: Field) -> QWidget:
        own: dict[str, QWidget] = {"lr_scheduler_type": self._schedule, "metric_for_best_model": self._metric}
        if field.name in own:
            return named(own[field.name], f"trainer.{field.name}", field.label, help_of(field))
        box = number_box(field)
        box.valueChanged.connect(self._on_edited)
        self._boxes[field.name] = box
        return box

    def _buttons(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        for name, (title, about) in PRESETS.items():
            button = named(QPushButton(title), f"trainer.preset_{name}", title, f"Fills in the settings. {about}")
            button.setProperty("preset", name)
            button.clicked.connect(self._on_preset)
            row.addWidget(button)
        return holder
