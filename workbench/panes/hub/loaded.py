"""What is in memory: every loaded model with what it takes, its part, and the button that gives the memory back."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.models import LoadedModel
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable

#: Lines that are seen at once; further ones scroll.
_LINES = 3


class Loaded(QWidget):
    """A line for each loaded model: the one that all panes use first, the second after it, then the others.

    Args:
        session: Whose models it shows.

    Signals:
        unload_requested(LoadedModel): Give back its memory.
        use_requested(LoadedModel): Let all panes use it.
        second_requested(LoadedModel): Make it the second model.
        swap_requested(): Let the first and the second model change places.
    """

    unload_requested = Signal(object)
    use_requested = Signal(object)
    second_requested = Signal(object)
    swap_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._lines: list[_Line] = []
        self._total = set_role(QLabel(), "muted")
        self._inside = QWidget()
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._scroll = named(QScrollArea(), "hub.loaded", "In memory", "Every loaded model and what it takes")
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._total)
        column.addWidget(self._scroll)
        session.models_changed.connect(self._show_models)
        self._show_models()

    @property
    def _models(self) -> list[LoadedModel]:
        parts = [each for each in (self._session.model, self._session.second) if each is not None]
        return list(dict.fromkeys((*parts, *self._session.models)))

    def _show_models(self) -> None:
        found = self._models
        for line in self._lines:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = [self._line(model, number) for number, model in enumerate(found)]
        for line in self._lines:
            self._column.addWidget(line)
        whole = format_bytes(sum(model.bytes for model in found))
        self._total.setText(f"{len(found)} models in memory, {whole} of weights")
        self._total.setVisible(len(found) > 1)
        self.setVisible(bool(found))
        self._show_height()

    def _line(self, model: LoadedModel, number: int) -> _Line:
        session = self._session
        part = "In use" if model is session.model else "Second" if model is session.second else "Kept"
        suffix = {"In use": "", "Second": "_second"}.get(part, f"_{number + 1}")
        line = _Line(number, model, part, suffix, can_swap=session.model is not None)
        line.unload_clicked.connect(self._on_unload)
        line.use_clicked.connect(self._on_use)
        line.second_clicked.connect(self._on_second)
        line.swap_requested.connect(self.swap_requested)
        return line

    def _show_height(self) -> None:
        heights = [line.sizeHint().height() for line in self._lines[:_LINES]]
        self._scroll.setFixedHeight(sum(heights) + self._column.spacing() * max(0, len(heights) - 1))

    def _on_unload(self, number: int) -> None:
        self.unload_requested.emit(self._models[number])

    def _on_use(self, number: int) -> None:
        self.use_requested.emit(self._models[number])

    def _on_second(self, number: int) -> None:
        self.second_requested.emit(self._models[number])

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and self._lines:
            self._show_height()


class _Line(QWidget):
    """One model, known by its number: a line on its way out must keep no weights alive."""

    unload_clicked = Signal(int)
    use_clicked = Signal(int)
    second_clicked = Signal(int)
    swap_requested = Signal()

    def __init__(self, number: int, model: LoadedModel, part: str, suffix: str, *, can_swap: bool) -> None:
        super().__init__()
        self._number = number
        name = drawable(model.checkpoint.name)
        words = QLabel(f"{part} · {format_bytes(model.bytes)} · {name} · {model.dtype} · {model.device}")
        words.setTextFormat(Qt.TextFormat.PlainText)
        # A long name may be cut on a narrow window, the memory before it not; the tooltip has it whole.
        words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        words.setMinimumWidth(theme.px(self, 80))
        named(words, f"hub.loaded_words{suffix}", name, _tip(model))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(words, 1)
        if part == "Second" and can_swap:
            swap = named(QPushButton("Swap"), "hub.swap", "Swap", "Let the first and the second model change places")
            swap.clicked.connect(self.swap_requested)
            row.addWidget(swap)
        elif part != "In use":
            use = named(QPushButton("Use"), f"hub.use{suffix}", "Use", "Let all panes use it; the others stay")
            use.clicked.connect(self._on_use)
            row.addWidget(use)
        if part == "Kept":
            second = named(
                QPushButton("As second"),
                f"hub.make_second{suffix}",
                "As second",
                "Compare, score and guess ahead with it; the model that was second stays in memory",
            )
            second.clicked.connect(self._on_second)
            row.addWidget(second)
        unload = named(
            QPushButton("Unload"), f"hub.unload{suffix}", "Unload", "Take it out of memory; what it wrote stays"
        )
        unload.clicked.connect(self._on_unload)
        row.addWidget(unload)

    def _on_unload(self) -> None:
        self.unload_clicked.emit(self._number)

    def _on_use(self) -> None:
        self.use_clicked.emit(self._number)

    def _on_second(self) -> None:
        self.second_clicked.emit(self._number)


def _tip(model: LoadedModel) -> str:
    before, after = model.memory
    grown = f"; this process grew by {format_bytes(after - before)} while it was loaded" if after > before else ""
    return drawable(f"{model.checkpoint.name}: {model.head}, weights and buffers {format_bytes(model.bytes)}{grown}")
