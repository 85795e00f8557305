"""What a checkpoint would run, shown before anybody agrees: code with its dangerous lines marked, or pickles."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QTextCursor, QTextFormat
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QSplitter, QTextEdit, QVBoxLayout, QWidget

from workbench.engine.trust import Request
from workbench.widgets import theme
from workbench.widgets.code_view import CodeView
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.theme import px
from workbench.widgets.visible_text import drawable

_CODE = (
    "Loading {name} would run these Python files on this machine, with all that you may do yourself. "
    "Marked lines reach beyond computing; a line that is not marked can do harm all the same. "
    "Your consent holds for these files of this commit, and is asked for again when any of them changes."
)
_PICKLE = (
    "The weights of {name} are pickled, a format that can run any program when it is opened without protection. "
    "With your consent torch opens these files so that only tensors are taken (weights_only=True), and refuses what "
    "would do more. It holds for these files as they are, and is asked for again when one changes."
)


class ConsentDialog(QDialog):
    """The question; nothing happens but by its button.

    Args:
        request: What would run.
        parent: The pane.

    Signals:
        agreed(Request): The person agreed to exactly that.
    """

    agreed = Signal(object)

    def __init__(self, request: Request, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._request = request
        code = request.kind == "code"
        title = "Run the code of a checkpoint" if code else "Open pickled weights"
        named(self, "hub.trust", title)
        self.setWindowTitle(title)
        words = named(QLabel(), "hub.trust_words", "Question", "What is asked")
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setText((_CODE if code else _PICKLE).format(name=drawable(request.repository)))
        words.setWordWrap(True)
        pinned = QLabel(f"Commit {request.commit or 'none, a folder'} · SHA-256 {request.sha256}")
        pinned.setTextFormat(Qt.TextFormat.PlainText)
        pinned.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        pinned.setWordWrap(True)
        theme.set_role(pinned, "muted")
        self._marks = named(
            DataTable(), "hub.trust_marks", "What is dangerous", "Select a line to see it in the code below"
        )
        self._marks.set_empty_text("nothing was found; that is no promise")
        self._rows = [(at, finding) for at, file in enumerate(request.files) for finding in file.findings]
        rows = [
            (drawable(request.files[at].name), finding.line or None, drawable(finding.what))
            for at, finding in self._rows
        ]
        self._marks.set_rows(("File", "Line", "What it does"), rows)
        self._code = named(CodeView(), "hub.trust_code", "Code", "The file as it would run")
        self._file = 0
        both = QSplitter(Qt.Orientation.Vertical)
        both.setChildrenCollapsible(False)
        both.addWidget(self._marks)
        both.addWidget(self._code)
        both.setStretchFactor(1, 2)
        self._code.setVisible(code)
        self._code.setMinimumHeight(px(self, 160))
        self._files = named(DataTable(), "hub.trust_files", "Files", "Every file that would be run or opened")
        self._files.set_rows(
            ("File", "Lines", "Marked"),
            [(drawable(file.name), file.text.count("\n") or None, len(file.findings)) for file in request.files],
        )
        both.insertWidget(0, self._files)
        both.setSizes([px(self, height) for height in (80, 150, 300)])
        buttons = QDialogButtonBox()
        verb = "Run this code" if code else "Open these files"
        self._yes = named(
            buttons.addButton(verb, QDialogButtonBox.ButtonRole.DestructiveRole), "hub.trust_yes", verb, "Agree"
        )
        theme.set_role(self._yes, "danger")
        no = named(buttons.addButton(QDialogButtonBox.StandardButton.Cancel), "hub.trust_no", "Cancel", "Load nothing")
        no.setDefault(True)
        column = QVBoxLayout(self)
        column.addWidget(words)
        column.addWidget(pinned)
        column.addWidget(both, 1)
        column.addWidget(buttons)
        self.resize(px(self, 820), px(self, 620))
        self._marks.row_selected.connect(self._on_mark)
        self._files.row_selected.connect(self._show_file)
        self._yes.clicked.connect(self._on_yes)
        no.clicked.connect(self.reject)
        self._show_file(0)

    def _show_file(self, at: int) -> None:
        if not at < len(self._request.files):
            return
        self._file = at
        file = self._request.files[at]
        self._code.set_code(drawable(file.text))
        marks = []
        tint = QColor(theme.current().warning)
        tint.setAlpha(60)
        for line in sorted({finding.line for finding in file.findings}):
            mark = QTextEdit.ExtraSelection()
            mark.cursor = QTextCursor(self._code.document().findBlockByNumber(line - 1))
            mark.format.setBackground(tint)
            mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
            marks.append(mark)
        self._code.setExtraSelections(marks)

    def _on_mark(self, row: int) -> None:
        at, finding = self._rows[row]
        if at != self._file:
            self._show_file(at)
        block = self._code.document().findBlockByNumber(max(0, finding.line - 1))
        self._code.setTextCursor(QTextCursor(block))
        self._code.centerCursor()

    def _on_yes(self) -> None:
        self.agreed.emit(self._request)
        self.accept()
