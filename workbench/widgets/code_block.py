"""A block of code inside a text: its language, its lines as they are, and a button that copies them."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.code_view import CodeView
from workbench.widgets.naming import named


class CodeBlock(QFrame):
    """Code as tall as it is; long lines scroll sideways.

    Args:
        name: Object name of the copy button.

    Signals:
        pressed(): The mouse went down on it.
    """

    pressed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._language = QLabel()
        theme.set_role(self._language, "muted")
        self._copy = named(QToolButton(), name, "Copy the code", "Copy this block of code")
        theme.set_role(self._copy, "quiet")
        icons.put(self._copy, "copy", "muted", 15)
        self.view = _Lines()
        self._top = QHBoxLayout()
        self._top.addWidget(self._language)
        self._top.addStretch(1)
        self._top.addWidget(self._copy)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(0)
        self._column.addLayout(self._top)
        self._column.addWidget(self.view)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._copy.clicked.connect(self.view.copy_code)
        self.view.pressed.connect(self.pressed)
        self._space()

    def set_code(self, code: str, language: str = "") -> None:
        """Show code in a language as Markdown names it; an unknown one has no colours."""
        self._language.setText(language or "code")
        self.view.set_language(language)
        self.view.set_code(code)
        self.view.updateGeometry()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_column"):
            self._space()

    def _space(self) -> None:
        edge = theme.px(self, 4)
        self._column.setContentsMargins(edge, edge, edge, edge)
        self._top.setContentsMargins(edge, 0, 0, 0)


class _Lines(CodeView):
    """The lines, all of them seen."""

    pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        theme.set_role(self, "bare")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        lines = self.document().blockCount() * QFontMetricsF(self.document().defaultFont()).lineSpacing()
        longest = max((len(line) for line in self.code.split("\n")), default=0)
        across = longest * QFontMetricsF(self.document().defaultFont()).averageCharWidth()
        edges = 2 * self.document().documentMargin()
        bar = self.horizontalScrollBar().sizeHint().height() if across + edges > width else 0
        return math.ceil(lines + edges) + bar + 1

    def sizeHint(self) -> QSize:
        return QSize(100, self.heightForWidth(max(1, self.width())))

    def minimumSizeHint(self) -> QSize:
        return QSize(1, 1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self.pressed.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.angleDelta().x() and not event.angleDelta().y():
            super().wheelEvent(event)
        else:
            event.ignore()
