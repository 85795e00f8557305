"""Every field of the installed TrainingArguments: searched, read about, and set where no control has it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.train.arguments import Argument, arguments, parse, spell
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import px, set_role


class AllArguments(QWidget):
    """A searchable table; the chosen field is read about and set below it.

    Args:
        runner: Asks the library for its fields, the first time the table is shown.

    Signals:
        edited(): The person set or reset a field.
    """

    edited = Signal()

    def __init__(self, runner: Runner | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._asked = False
        self._known: dict[str, Argument] = {}
        self._given: dict[str, Any] = {}
        self._set_above: dict[str, Any] = {}
        self._shown: list[Argument] = []
        self._chosen: Argument | None = None
        self._search = named(
            QLineEdit(), "trainer.arguments_search", "Search the arguments", "Words of a name or of what it does"
        )
        self._search.setPlaceholderText("Search")
        self._search.setClearButtonEnabled(True)
        self._table = named(
            DataTable(), "trainer.arguments", "All arguments", "Every field of TrainingArguments in this version"
        )
        self._table.set_muted(self._is_locked)
        self._table.set_empty_text("nothing found")
        self._name = QLabel()
        set_role(self._name, "mono")
        self._help = QLabel("Choose a row to read what it does.")
        self._help.setWordWrap(True)
        set_role(self._help, "muted")
        self._value = named(QuietComboBox(), "trainer.argument_value", "Value", "A number, True, None, a list or text")
        self._value.setEditable(True)
        self._value.setInsertPolicy(QuietComboBox.InsertPolicy.NoInsert)
        self._value.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._set = named(QPushButton("Set"), "trainer.argument_set", "Set", "Use this value (Enter)")
        self._reset = named(QPushButton("Reset"), "trainer.argument_reset", "Reset", "Back to the default")
        self._problem = named(QLabel(), "trainer.argument_problem", "Problem")
        self._problem.setWordWrap(True)
        set_role(self._problem, "error")
        self._lay_out()
        self._search.textChanged.connect(self._show_table)
        self._table.row_selected.connect(self._on_row)
        self._table.row_activated.connect(self._on_activated)
        self._value.lineEdit().returnPressed.connect(self._on_set)
        self._set.clicked.connect(self._on_set)
        self._reset.clicked.connect(self._on_reset)
        self._show_chosen()

    @property
    def given(self) -> dict[str, Any]:
        """Fields that were set here, and their values."""
        return dict(self._given)

    def fill(self, given: dict[str, Any]) -> None:
        """Show these as set, without announcing it."""
        self._given = dict(given)
        self._show_table()
        self._show_chosen()

    def show_set_above(self, values: dict[str, Any]) -> None:
        """Show what the controls of the form give to TrainingArguments."""
        self._set_above = values
        self._show_table()

    def open(self) -> None:
        """Ask the library for its fields, once."""
        if self._asked or self._runner is None:
            return
        self._asked = True
        self._table.set_empty_text("asking transformers …")
        self._show_table()
        job = Job("List the training arguments", arguments, pane="trainer", quiet=True)
        job.succeeded.connect(self._on_known)
        job.failed.connect(self._on_unknown)
        self._runner.start(job, Lane.IO, slot="trainer.arguments")

    def _on_known(self, known: tuple[Argument, ...]) -> None:
        self._known = {argument.name: argument for argument in known}
        self._table.set_empty_text("nothing found")
        self._show_table()

    def _on_unknown(self, error: WorkbenchError) -> None:
        self._asked = False
        self._table.set_empty_text(str(error))
        self._show_table()

    def _on_row(self, row: int) -> None:
        self._chosen = self._shown[row] if row < len(self._shown) else None
        self._show_chosen()

    def _on_activated(self, row: int) -> None:
        self._on_row(row)
        self._value.setFocus(Qt.FocusReason.OtherFocusReason)
        self._value.lineEdit().selectAll()

    def _on_set(self) -> None:
        if self._chosen is None or self._chosen.locked:
            return
        try:
            value = parse(self._chosen, self._value.currentText())
        except WorkbenchError as error:
            self._problem.setText(f"{error.why} {error.remedy}")
            self._problem.setVisible(True)
            return
        if value == self._chosen.default and type(value) is type(self._chosen.default):
            self._given.pop(self._chosen.name, None)
        else:
            self._given[self._chosen.name] = value
        self._on_changed()

    def _on_reset(self) -> None:
        if self._chosen is not None and self._given.pop(self._chosen.name, None) is not None:
            self._on_changed()

    def _on_changed(self) -> None:
        self._show_table()
        self._show_chosen()
        self.edited.emit()

    def _is_locked(self, row: int) -> bool:
        return row < len(self._shown) and bool(self._shown[row].locked)

    def _value_of(self, argument: Argument) -> Any:
        return self._given.get(argument.name, self._set_above.get(argument.name, argument.default))

    def _show_table(self) -> None:
        words = self._search.text().lower().split()
        self._shown = [
            argument
            for argument in self._known.values()
            if all(word in f"{argument.name} {argument.help}".lower() for word in words)
        ]
        # What was set here comes first: it is what one looks for.
        self._shown.sort(key=lambda argument: argument.name not in self._given)
        self._table.set_rows(("Argument", "Value"), len(self._shown), self._row)
        self._table.viewport().update()

    def _row(self, number: int) -> tuple[str, str]:
        argument = self._shown[number]
        return argument.name, spell(self._value_of(argument))

    def _show_chosen(self) -> None:
        chosen = self._chosen
        free = chosen is not None and not chosen.locked
        for widget in (self._value, self._set, self._reset):
            widget.setVisible(chosen is not None)
            widget.setEnabled(free)
        self._problem.setVisible(False)
        self._name.setVisible(chosen is not None)
        if chosen is None:
            return
        self._name.setText(chosen.name)
        default = f"Default {spell(chosen.default)}."
        about = chosen.help if chosen.help.endswith((".", "!")) else f"{chosen.help}."
        self._help.setText(f"{about} {default} {chosen.locked}".strip())
        self._value.clear()
        choices = chosen.choices or (("True", "False") if chosen.kind == "bool" else ())
        self._value.addItems([*choices, *(["None"] if chosen.optional and choices else [])])
        self._value.setEditText(spell(self._value_of(chosen)))
        self._reset.setEnabled(chosen.name in self._given)

    def _lay_out(self) -> None:
        self._table.setMinimumHeight(px(self, 190))
        setting = QHBoxLayout()
        setting.addWidget(self._value, 1)
        setting.addWidget(self._set)
        setting.addWidget(self._reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._search, self._table, self._name, self._help):
            layout.addWidget(widget)
        layout.addLayout(setting)
        layout.addWidget(self._problem)
