"""A card that says what happened, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import icons, theme
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.visible_text import drawable

_WORDS = {"error": "Error", "warning": "Warning", "info": "Note", "success": "Done"}
_ICONS = {"error": "error", "warning": "warning", "info": "info", "success": "check"}
#: Pixels, at 100 %, of a card whose headline has room beside the buttons.
_BESIDE = 340


class NoticeCard(LeastHeight):
    """What, why, what to do; details on demand, one action at most, and a button that dismisses it.

    Attributes:
        kind: ``error``, ``warning``, ``info`` or ``success``; shown by an icon and a word, and by colour besides.
        what, why, remedy, details: As given.

    Signals:
        dismissed(): The card was closed; it deletes itself.
    """

    dismissed = Signal()

    def __init__(
        self,
        name: str,
        what: str,
        why: str = "",
        remedy: str = "",
        details: str = "",
        *,
        kind: str = "error",
        action: tuple[str, Callable[[], object]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.kind, self.what, self.why, self.remedy, self.details = kind, what, why, remedy, details
        named(self, name, f"{_WORDS[kind]}: {drawable(what)}")
        self.setAccessibleDescription(drawable(" ".join(part for part in (what, why, remedy) if part)))

        self._icon = QLabel()
        word = theme.set_role(QLabel(_WORDS[kind]), kind)
        headline = theme.set_role(_text(what), "heading")
        self._details_button = named(QToolButton(), f"{name}_show_details", "Details", "Show or hide the details")
        self._details_button.setText("Details")
        self._details_button.setCheckable(True)
        self._details_button.setVisible(bool(details))
        self._dismiss = named(QToolButton(), f"{name}_dismiss", "Dismiss", "Close this notice")
        icons.put(self._dismiss, "close", "muted", 16)
        self._details = QPlainTextEdit(drawable(details))
        named(self._details, f"{name}_details", "Details", "What the program knows about it")
        self._details.setReadOnly(True)
        self._details.setVisible(False)

        top = QHBoxLayout()
        top.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(word, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(headline, 1, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._details_button, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._dismiss, 0, Qt.AlignmentFlag.AlignTop)
        self._layout = QVBoxLayout(self)
        self._layout.addLayout(top)
        self._top, self._rest = top, QVBoxLayout()
        self._words = (word, headline)
        for part in (why, remedy):
            if part:
                self._rest.addWidget(_text(part))
        if action:
            button = named(QPushButton(action[0]), f"{name}_action", action[0], action[0])
            button.clicked.connect(action[1])
            self._rest.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        self._rest.addWidget(self._details)
        self._layout.addLayout(self._rest)

        self._details_button.toggled.connect(self._details.setVisible)
        self._dismiss.clicked.connect(self.dismiss)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._restyle()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def dismiss(self) -> None:
        """Close the card."""
        self.hide()
        self.dismissed.emit()
        # Nobody shall find it by its name while it waits to be deleted.
        self.setParent(None)
        self.deleteLater()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the card with a bar in its colour."""
        look = theme.current()
        ink = QColor(getattr(look, self.kind))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        radius = theme.px(self, 8)
        painter.setPen(theme.mix(QColor(look.border), ink, 0.45))
        painter.setBrush(theme.mix(QColor(look.surface), ink, 0.05))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), radius, radius)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        bar = theme.px(self, 3)
        painter.drawRoundedRect(0, radius, bar, self.height() - 2 * radius, bar / 2, bar / 2)
        painter.end()

    def sizeHint(self) -> QSize:
        """As high as its words at the width it has."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the headline a line of its own in a narrow card."""
        super().resizeEvent(event)
        word, headline = self._words
        narrow = self.width() < theme.px(self, _BESIDE)
        if narrow != (self._rest.indexOf(headline) == 0):
            (self._top if narrow else self._rest).removeWidget(headline)
            self._top.setStretchFactor(word, int(narrow))
            if narrow:
                self._rest.insertWidget(0, headline)
            else:
                self._top.insertWidget(2, headline, 1, Qt.AlignmentFlag.AlignTop)
            self._restyle()

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_rest"):
            self._restyle()

    def _restyle(self) -> None:
        edge = theme.px(self, 18)
        self._icon.setPixmap(
            icons.pixmap(_ICONS[self.kind], edge, getattr(theme.current(), self.kind), self.devicePixelRatioF())
        )
        # The words stand on the line of the buttons, which are higher.
        above = max(0, (self._dismiss.sizeHint().height() - self.fontMetrics().height()) // 2)
        word, headline = self._words
        word.setContentsMargins(0, above, 0, 0)
        headline.setContentsMargins(0, 0 if self._rest.indexOf(headline) == 0 else above, 0, 0)
        self._icon.setContentsMargins(0, max(0, (self._dismiss.sizeHint().height() - edge) // 2), 0, 0)
        left = theme.px(self, 14)
        self._layout.setContentsMargins(left, theme.px(self, 8), theme.px(self, 8), theme.px(self, 10))
        self._layout.setSpacing(theme.px(self, 4))
        self._rest.setContentsMargins(edge + theme.px(self, 8), 0, theme.px(self, 8), 0)
        self._rest.setSpacing(theme.px(self, 6))
        self._details.setFont(theme.mono_font(self))
        self._details.setFixedHeight(theme.px(self, 140))


def _text(text: str) -> QLabel:
    label = QLabel(drawable(text))
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
