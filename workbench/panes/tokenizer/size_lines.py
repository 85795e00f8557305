"""How large a text is, and what of it a model is given, in two lines that can be copied."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from workbench.widgets import theme
from workbench.widgets.naming import named


class SizeLines(QWidget):
    """The size of the text above the shape of what the model is given."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._summary = named(
            QLabel(), "tokenizer.summary", "Summary", "The size of the text in characters, in UTF-8 bytes and in tokens"
        )
        self._shape = named(
            QLabel(), "tokenizer.shape", "Shape", "What the model is given: texts × positions, and what is padding"
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for line, role in ((self._summary, "heading"), (self._shape, "muted")):
            line.setWordWrap(True)
            line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            theme.set_role(line, role)
            column.addWidget(line)

    def say(self, summary: str, shape: str | None = None) -> None:
        """Write both lines.

        Args:
            summary: The size of the text, or what is said in its place.
            shape: What the model is given; None leaves it as it is.
        """
        _say(self._summary, summary)
        if shape is not None:
            _say(self._shape, shape)


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setAccessibleName(text or label.objectName().rpartition(".")[2].capitalize())
