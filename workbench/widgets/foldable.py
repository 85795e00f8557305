"""A part of a form that folds away, and says in its heading how much of it is in use."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import icons, theme
from workbench.widgets.naming import named

_SWITCHES = (QAbstractSlider, QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit)


class Foldable(QWidget):
    """A heading that opens and closes what stands below it.

    Attributes:
        heading: The heading, a button; object name ``name``.
        body: Layout of what folds away.

    Signals:
        folded(bool): The person opened (True) or closed it.
    """

    folded = Signal(bool)

    def __init__(self, name: str, title: str, tip: str, parent: QWidget | None = None) -> None:
        """Build a closed one.

        Args:
            name: Object name of the heading.
            title: What stands in the heading.
            tip: What is in it.
            parent: The usual.
        """
        super().__init__(parent)
        self._title, self._note = title, ""
        self._put_away = False
        self.heading = named(QToolButton(), name, title, tip)
        self.heading.setText(title)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # A long note is cut off before it makes the place wider.
        self.heading.setMinimumWidth(1)
        theme.set_role(self.heading, "fold")
        self._content = QWidget()
        self.body = QVBoxLayout(self._content)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.heading)
        self._column.addWidget(self._content)
        self.heading.clicked.connect(self._on_clicked)
        self._content.hide()
        self._draw()

    @property
    def is_open(self) -> bool:
        """Whether its content is to be seen."""
        return not self._content.isHidden()

    def set_open(self, is_open: bool) -> None:
        """Open or close it, without announcing it."""
        self._content.setVisible(is_open)
        self._draw()

    def put_away(self, away: bool) -> None:
        """Close it where it holds switches and none of them is in use, as its note would say; or open it again."""
        if away:
            unused = self.is_open and not self._note
            held = self._content.findChildren(QWidget) if unused else ()
            self._put_away = any(isinstance(each, _SWITCHES) for each in held)
        if self._put_away:
            self.set_open(not away)
        self._put_away = self._put_away and away

    def set_title(self, title: str) -> None:
        """Say something else in the heading."""
        self._title = title
        self._draw()

    def set_note(self, note: str) -> None:
        """Say something behind the title, such as ``2 on``; empty says nothing."""
        if note == self._note:
            return
        self._note = note
        self._draw()

    def minimumSizeHint(self) -> QSize:
        """As wide as its content, folded away or not, so that opening it moves nothing sideways."""
        hint = super().minimumSizeHint()
        return QSize(max(hint.width(), self._content.minimumSizeHint().width()), hint.height())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "body"):
            self._space()

    def _on_clicked(self) -> None:
        self.set_open(not self.is_open)
        self.folded.emit(self.is_open)

    def _draw(self) -> None:
        said = f"{self._title} · {self._note}" if self._note else self._title
        self.heading.setText(said)
        self.heading.setAccessibleName(said)
        icons.put(self.heading, "chevron-down" if self.is_open else "chevron-right", "muted", 14)
        self._space()

    def _space(self) -> None:
        self._column.setSpacing(theme.px(self, 4))
        self.body.setContentsMargins(theme.px(self, 8), 0, 0, theme.px(self, 6))
        self.body.setSpacing(theme.px(self, 8))
