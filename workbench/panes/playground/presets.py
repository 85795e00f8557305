"""Sets of knobs by name: neutral, the defaults, the checkpoint's own, and those the person saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPushButton, QVBoxLayout, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.presets import UNSET
from workbench.engine.sampling import NEUTRAL
from workbench.engine.values import Sampling, Strategy
from workbench.runtime.presets import Presets
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.theme import px

Knobs = tuple[Sampling, Strategy]

#: Names that are taken.
BUILT_IN = ("Neutral", "Defaults", "From the checkpoint")
_SHOWN = 22


class PresetBar(QWidget):
    """A menu of presets that shows the name of the one that holds, and a line to name a new one.

    Args:
        presets: The saved ones.

    Signals:
        chosen(Sampling, Strategy): The person chose a preset; the seed is that of the knobs shown before.
    """

    chosen = Signal(object, object)

    def __init__(self, presets: Presets, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets = presets
        self._sampling, self._strategy = Sampling(), Strategy()
        self._own: Knobs | None = None
        self._told = False

        self._menu = QMenu(self)
        self._button = named(
            QPushButton("Presets"),
            "playground.presets",
            "Presets",
            "Put all knobs where a preset has them, or name where they stand",
        )
        self._button.setMenu(self._menu)
        self._neutral = named(
            QPushButton("Neutral"),
            "playground.neutral",
            "Neutral",
            "Switch every knob off: the distribution as the model gives it",
        )
        self._name = named(
            _NameEdit(), "playground.preset_name", "Name of the preset", "What to call these knobs; any text"
        )
        self._name.setPlaceholderText("Name of the preset")
        self._name.setMaxLength(80)
        self._save = named(
            QPushButton("Save"), "playground.preset_save", "Save", "Keep the knobs under this name (Enter)"
        )
        self._cancel = named(
            QPushButton("Cancel"), "playground.preset_cancel", "Cancel", "Keep nothing under a name (Esc)"
        )
        icons.put(self._save, "save")
        self._lay_out()

        self._menu.aboutToShow.connect(self._fill)
        self._menu.triggered.connect(self._on_action)
        self._neutral.clicked.connect(self._on_neutral)
        self._name.textChanged.connect(self._show_name)
        self._name.returnPressed.connect(self._on_save)
        self._name.left.connect(self._on_cancel)
        self._save.clicked.connect(self._on_save)
        self._cancel.clicked.connect(self._on_cancel)
        presets.changed.connect(self._show_current)
        self._show_name()
        self._fill()

    def show_knobs(self, sampling: Sampling, strategy: Strategy) -> None:
        """Take where the knobs stand."""
        self._sampling, self._strategy = sampling, strategy
        self._show_current()

    def show_own(self, own: Knobs | None) -> None:
        """Take the knobs of the checkpoint's own generation config, or None without a checkpoint."""
        self._own = own
        self._show_current()

    @property
    def current(self) -> str:
        """Name of the preset that holds, the person's own ones first; empty when it is none."""
        for name, knobs in (*self._saved(), *self._built_in()):
            if self._same(knobs):
                return name
        return ""

    def _lay_out(self) -> None:
        row, line = QHBoxLayout(), QHBoxLayout()
        row.addWidget(self._button, 1)
        row.addWidget(self._neutral)
        self._naming = QWidget()
        line.setContentsMargins(0, 0, 0, 0)
        line.addStretch(1)
        line.addWidget(self._save)
        line.addWidget(self._cancel)
        naming = QVBoxLayout(self._naming)
        naming.setContentsMargins(0, 0, 0, 0)
        naming.addWidget(self._name)
        naming.addLayout(line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(self, 6))
        column.addLayout(row)
        column.addWidget(self._naming)
        self._naming.hide()

    def _built_in(self) -> list[tuple[str, Knobs]]:
        # How long the text gets is no part of neutral, nor of a checkpoint that does not say it.
        length = self._sampling.max_new_tokens
        built_in = [
            (BUILT_IN[0], (replace(NEUTRAL, max_new_tokens=length), Strategy())),
            (BUILT_IN[1], (Sampling(), Strategy())),
        ]
        if self._own is not None:
            sampling, strategy = self._own
            if sampling.max_new_tokens == UNSET.max_new_tokens:
                sampling = replace(sampling, max_new_tokens=length)
            built_in.append((BUILT_IN[2], (sampling, strategy)))
        return built_in

    def _saved(self) -> list[tuple[str, Knobs]]:
        return [(preset.name, (preset.sampling, preset.strategy)) for preset in self._presets.saved]

    def _same(self, knobs: Knobs) -> bool:
        return (replace(knobs[0], seed=self._sampling.seed), knobs[1]) == (self._sampling, self._strategy)

    def _fill(self) -> None:
        """Write the menu anew; actions and submenus of the old one go with it."""
        for old in self._menu.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly):
            old.deleteLater()
        self._menu.clear()
        current = self.current
        for name, _ in self._built_in():
            key = {BUILT_IN[0]: "neutral", BUILT_IN[1]: "defaults"}.get(name, "of_checkpoint")
            self._add(self._menu, name, key, checked=name == current)
        if self._own is None:
            missing = self._menu.addAction(f"{BUILT_IN[2]}: none is loaded")
            missing.setEnabled(False)
        saved = self._saved()
        if saved:
            self._menu.addSeparator()
        for name, _ in saved:
            self._add(self._menu, name, "saved", checked=name == current)
        self._menu.addSeparator()
        self._add(self._menu, "Save as…", "save_as")
        if saved:
            gone = self._menu.addMenu("Delete")
            for name, _ in saved:
                self._add(gone, name, "delete")

    def _add(self, menu: QMenu, name: str, key: str, *, checked: bool = False) -> None:
        action = QAction(name.replace("&", "&&"), menu)
        action.setObjectName(f"playground.preset_{key}")
        action.setData(name)
        if checked:
            action.setCheckable(True)
            action.setChecked(True)
        menu.addAction(action)

    def _on_action(self, action: QAction) -> None:
        name, key = action.data(), action.objectName().removeprefix("playground.preset_")
        if key == "save_as":
            self._on_save_as()
        elif key == "delete":
            self._try(partial(self._presets.delete, name))
        elif key:
            self._choose(dict(self._saved() if key == "saved" else self._built_in())[name])

    def _choose(self, knobs: Knobs) -> None:
        self.chosen.emit(replace(knobs[0], seed=self._sampling.seed), knobs[1])

    def _on_neutral(self) -> None:
        self._choose(self._built_in()[0][1])

    def _on_save_as(self) -> None:
        self._name.setText("" if self.current in BUILT_IN else self.current)
        self._show_name()
        self._naming.show()
        self._name.setFocus()
        self._name.selectAll()

    def _on_save(self) -> None:
        name = self._name.text().strip()
        if self._save.isEnabled() and self._try(partial(self._presets.save, name, self._sampling, self._strategy)):
            self._on_cancel()

    def _on_cancel(self) -> None:
        self._naming.hide()
        self._button.setFocus()

    def _show_name(self) -> None:
        """Say what Save would do with the name as it stands."""
        name = self._name.text().strip()
        taken = name in BUILT_IN
        replaces = any(preset.name == name for preset in self._presets.saved)
        text = "Replace" if replaces else "Save"
        self._save.setText(text)
        self._save.setAccessibleName(text)
        self._save.setEnabled(bool(name) and not taken)
        self._save.setToolTip(
            "This name belongs to a preset that comes with the program"
            if taken
            else "Keep the knobs under this name (Enter)"
        )

    def _show_current(self) -> None:
        current = self.current
        said = f"Preset: {current}" if current else "Presets"
        said = said if len(said) <= _SHOWN + 8 else f"{said[: _SHOWN + 7]}…"
        if said != self._button.accessibleName():
            self._button.setText(said.replace("&", "&&"))
            self._button.setAccessibleName(said)

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except WorkbenchError as error:
            return not self._tell(error)
        return True

    def _tell(self, error: WorkbenchError) -> bool:
        """Show a failure in the pane this stands in, if it does."""
        pane: QWidget | None = self
        while pane is not None and not isinstance(pane, PaneFrame):
            pane = pane.parentWidget()
        if pane is not None:
            pane.show_notice(error.what, error.why, error.remedy, kind="warning")
        return pane is not None

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Say once what was wrong with the saved presets."""
        super().showEvent(event)
        if self._presets.trouble is not None and not self._told:
            self._told = self._tell(self._presets.trouble)


class _NameEdit(QLineEdit):
    """A line that is left with Esc, which stops the pane's work everywhere else.

    Signals:
        left(): Esc was pressed.
    """

    left = Signal()

    def event(self, event: QEvent) -> bool:
        """Claim Esc before it becomes a shortcut."""
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if escape and event.type() == QEvent.Type.KeyPress:
            self.left.emit()
            return True
        return super().event(event)
