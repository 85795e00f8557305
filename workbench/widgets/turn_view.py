"""One turn of a conversation: who speaks, what is said, its versions, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import icons, theme
from workbench.widgets.code_block import CodeBlock
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.foldable import Foldable
from workbench.widgets.markdown_text import MarkdownText, parts
from workbench.widgets.naming import named
from workbench.widgets.visible_text import drawable

#: What can be done with a turn: its picture, its name and what it does.
ACTIONS = {
    "answer": ("play", "Answer this", "Let the model answer from here"),
    "regenerate": (
        "refresh",
        "Regenerate",
        "Write another version with the next seed; the menu key or the right button offers the same seed",
    ),
    "edit": ("edit", "Edit", "Put other words in its place (F2); this version stays"),
    "tokens": ("tokenizer", "Tokens", "See the tokens of this answer, what they were chosen from and alternatives"),
    "copy": ("copy", "Copy", "Copy this turn, in Markdown as it was written"),
    "delete": ("trash", "Delete from here", "Delete this version and what follows it"),
}
#: Those that wait while something is being written.
_WAITING = ("answer", "regenerate", "edit", "delete")


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of what was said.

    Attributes:
        kind: ``markdown``, ``plain`` or ``thinking``.
        text: What is read.
        tokens: Of a thinking, 0 when they were not counted.
        done: Whether nothing is added any more.
    """

    kind: str
    text: str
    tokens: int = 0
    done: bool = True


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn as it is shown.

    Attributes:
        key: Its number.
        speaker: Who speaks, in words.
        own: Whether the person said it: it stands on a ground of its own.
        source: The exact words, which Copy and Edit take.
        passages: The same, as it is to be read.
        version: Which of the versions this is, 1 for the first.
        versions: How many there are.
        note: Said below it in muted ink.
        actions: Of `ACTIONS`, those that are offered.
        saves: What the button of the editor says.
    """

    key: int
    speaker: str
    own: bool
    source: str
    passages: tuple[Passage, ...]
    version: int = 1
    versions: int = 1
    note: str = ""
    actions: tuple[str, ...] = ()
    saves: str = "Save"


class TurnView(QFrame):
    """Draws a turn, and asks for what the person wants of it.

    Args:
        name: What object names begin with, such as ``playground.turn_3``.
        place: 1 for the first turn.

    Signals:
        pressed(int): It was clicked; its key.
        asked(int, str): One of `ACTIONS` is wanted, or ``same_seed``; Copy and Edit it does itself.
        walked(int, int): Another version is wanted: the key, and -1 or 1.
        edited(int, str): The person wrote something else.
        grew(int): It takes another height now.
    """

    pressed = Signal(int)
    asked = Signal(int, str)
    walked = Signal(int, int)
    edited = Signal(int, str)
    grew = Signal(int)

    def __init__(self, name: str, place: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._place = place
        self._shown: ShownTurn | None = None
        self._current = False
        self._busy = False
        self._pieces: list[_Prose | _Code | _Thought] = []
        self._editor: _Editor | None = None
        self._speaker = QLabel()
        theme.set_role(self._speaker, "heading")
        self._note = QLabel()
        self._note.setWordWrap(True)
        theme.set_role(self._note, "muted")
        self._before = self._tool("previous", "chevron-left", "Previous version", "Show the version before (Alt+Left)")
        self._after = self._tool("next", "chevron-right", "Next version", "Show the version after (Alt+Right)")
        self._count = QLabel()
        theme.set_role(self._count, "muted")
        self._buttons = {action: self._tool(action, *texts) for action, texts in ACTIONS.items()}
        same = QAction("Regenerate with the same seed", self)
        same.triggered.connect(self._on_same_seed)
        self._buttons["regenerate"].addAction(same)
        self._buttons["regenerate"].setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._lay_out()
        self._before.clicked.connect(self._on_before)
        self._after.clicked.connect(self._on_after)
        for action, button in self._buttons.items():
            button.setProperty("action", action)
            button.clicked.connect(self._on_action)

    # What it shows.

    @property
    def shown(self) -> ShownTurn | None:
        """What it shows."""
        return self._shown

    @property
    def is_edited(self) -> bool:
        """Whether the person is writing other words."""
        return self._editor is not None

    def show_turn(self, turn: ShownTurn) -> None:
        """Show a turn; of what it showed before, only what changed is laid out again."""
        if turn == self._shown:
            return
        if self._shown is not None and turn.key != self._shown.key:
            self._close_editor()
            for piece in self._pieces:
                if isinstance(piece, _Thought):
                    piece.set_open(False)
        self._shown = turn
        self._speaker.setText(turn.speaker)
        self._note.setText(turn.note)
        self._note.setVisible(bool(turn.note))
        several = turn.versions > 1
        self._count.setText(f"{turn.version}/{turn.versions}")
        for widget in (self._before, self._count, self._after):
            widget.setVisible(several)
        self._before.setEnabled(turn.version > 1)
        self._after.setEnabled(turn.version < turn.versions)
        for action, button in self._buttons.items():
            button.setVisible(action in turn.actions)
        versions = f", version {turn.version} of {turn.versions}" if several else ""
        self.setAccessibleName(drawable(f"{turn.speaker}, turn {self._place}{versions}"))
        self._show_passages(turn.passages)
        self._show_busy()
        self.update()

    def set_current(self, current: bool) -> None:
        """Mark it as the turn that is looked at."""
        if current != self._current:
            self._current = current
            self.update()

    def set_busy(self, busy: bool) -> None:
        """Hold back what can't be done while something is being written."""
        self._busy = busy
        self._show_busy()

    def height_at(self, width: int) -> int:
        """The height it takes at a width."""
        # A layout hears of a change inside another one with the next event only, and remembers heights until then:
        # so it is told, from the inside out.
        for piece in self._pieces:
            for each in (*reversed(piece.findChildren(QWidget)), piece):
                each.updateGeometry()
        self._body.updateGeometry()
        self._column.invalidate()
        tall = self._column.totalSizeHint().height()
        return self._column.totalHeightForWidth(width) if self._column.hasHeightForWidth() else tall

    def edit(self) -> None:
        """Let the person write other words."""
        if self._shown is None or self._editor is not None or self._busy or "edit" not in self._shown.actions:
            return
        self._editor = _Editor(self.objectName(), self._shown.source, self._shown.saves)
        self._editor.saved.connect(self._on_saved)
        self._editor.cancelled.connect(self._close_editor)
        self._body.hide()
        self._column.insertWidget(2, self._editor)
        self._editor.show()
        self._editor.text.setFocus()
        self.grew.emit(self._shown.key)

    # Building.

    def _tool(self, name: str, picture: str, label: str, tip: str) -> QToolButton:
        button = named(QToolButton(), f"{self.objectName()}_{name}", label, tip)
        icons.put(button, picture, "muted", 15)
        theme.set_role(button, "quiet")
        button.hide()
        return button

    def _lay_out(self) -> None:
        self._top = QHBoxLayout()
        self._top.setSpacing(0)
        self._top.addWidget(self._speaker)
        self._top.addSpacing(theme.px(self, 6))
        for widget in (self._before, self._count, self._after):
            self._top.addWidget(widget)
        self._top.addStretch(1)
        for button in self._buttons.values():
            self._top.addWidget(button)
        self._body = QWidget()
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self._body.setSizePolicy(policy)
        self._said = QVBoxLayout(self._body)
        self._said.setContentsMargins(0, 0, 0, 0)
        self._column = QVBoxLayout(self)
        self._column.addLayout(self._top)
        self._column.addWidget(self._body)
        self._column.addWidget(self._note)
        self._column.addStretch(1)
        self._space()

    def _space(self) -> None:
        wide, high = theme.px(self, 12), theme.px(self, 6)
        self._column.setContentsMargins(wide, high, wide, theme.px(self, 10))
        self._column.setSpacing(theme.px(self, 3))
        self._said.setSpacing(theme.px(self, 8))

    def _show_passages(self, passages: Sequence[Passage]) -> None:
        wanted: list[tuple[type[_Prose] | type[_Code] | type[_Thought], object]] = []
        for passage in passages:
            if passage.kind == "thinking":
                wanted.append((_Thought, passage))
            elif passage.kind == "plain":
                wanted.append((_Prose, (passage.text, False)))
            else:
                for part in parts(passage.text, done=passage.done):
                    wanted.append(
                        (_Code, (part.text, part.language)) if part.kind == "code" else (_Prose, (part.text, True))
                    )
        same = 0
        for piece, (kind, _) in zip(self._pieces, wanted, strict=False):
            if type(piece) is not kind:
                break
            same += 1
        for piece in self._pieces[same:]:
            self._said.removeWidget(piece)
            piece.hide()
            piece.deleteLater()
        del self._pieces[same:]
        for number, (kind, content) in enumerate(wanted):
            if number >= same:
                made = kind(f"{self.objectName()}_{number + 1}")
                made.pressed.connect(self._on_pressed)
                if isinstance(made, _Thought):
                    made.folded.connect(self._on_folded)
                self._said.addWidget(made)
                made.show()
                self._pieces.append(made)
            self._pieces[number].show_content(content)

    def _show_busy(self) -> None:
        for action in _WAITING:
            self._buttons[action].setEnabled(not self._busy)

    # What the person did.

    def _on_pressed(self) -> None:
        if self._shown is not None:
            self.pressed.emit(self._shown.key)

    def _on_folded(self) -> None:
        if self._shown is not None:
            self.grew.emit(self._shown.key)

    def _on_before(self) -> None:
        self._walk(-1)

    def _on_after(self) -> None:
        self._walk(1)

    def _walk(self, by: int) -> None:
        if self._shown is not None:
            self.walked.emit(self._shown.key, by)

    def _on_same_seed(self) -> None:
        if self._shown is not None and not self._busy:
            self.asked.emit(self._shown.key, "same_seed")

    def _on_action(self) -> None:
        action = self.sender().property("action")
        if self._shown is None:
            return
        if action == "copy":
            QApplication.clipboard().setText(drawable(self._shown.source))
        elif action == "edit":
            self.edit()
        else:
            self.asked.emit(self._shown.key, action)

    def _on_saved(self) -> None:
        if self._shown is None or self._editor is None:
            return
        key, text = self._shown.key, self._editor.text.text()
        self._close_editor()
        self.edited.emit(key, text)

    def _close_editor(self) -> None:
        if self._editor is None or self._shown is None:
            return
        self._column.removeWidget(self._editor)
        self._editor.hide()
        self._editor.deleteLater()
        self._editor = None
        self._body.show()
        if self._buttons["edit"].isVisible():
            self._buttons["edit"].setFocus()
        self.grew.emit(self._shown.key)

    # Qt.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Look at it."""
        super().mousePressEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._on_pressed()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw its ground, and a bar where it is looked at."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        area = QRectF(self.rect())
        if self._shown is not None and self._shown.own:
            painter.setBrush(QColor(look.window))
            painter.drawRoundedRect(area, theme.px(self, 8), theme.px(self, 8))
        if self._current:
            painter.setBrush(QColor(look.accent))
            wide, edge = theme.px(self, 3), theme.px(self, 8)
            painter.drawRoundedRect(QRectF(0, edge, wide, area.height() - 2 * edge), wide / 2, wide / 2)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_said"):
            self._space()


class _Prose(MarkdownText):
    """A part that is read."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(f"{name}_text")

    def show_content(self, content: tuple[str, bool]) -> None:
        text, markdown = content
        if (text, markdown) != (self._text, self._markdown):
            self._markdown = markdown
            self.set_text(text)


class _Code(CodeBlock):
    """A part that is code."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}_copy_code")

    def show_content(self, content: tuple[str, str]) -> None:
        self.set_code(*content)


class _Thought(Foldable):
    """A part in which the model thinks; its text is laid out once somebody wants to read it."""

    pressed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}_thinking", "Thinking", "What the model wrote for itself before its answer")
        self._passage: Passage | None = None
        self._text = MarkdownText()
        self._text.setObjectName(f"{name}_thought")
        self._text.pressed.connect(self.pressed)
        self.body.addWidget(self._text)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.folded.connect(self._fill)

    def show_content(self, passage: Passage) -> None:
        if passage == self._passage:
            return
        self._passage = passage
        tokens = f"{passage.tokens:,} {'token' if passage.tokens == 1 else 'tokens'}"
        if not passage.done:
            self.set_title(f"Thinking… {tokens}")
        else:
            self.set_title(f"Thought for {tokens}" if passage.tokens else "Thought")
        self._fill()

    def _fill(self) -> None:
        if self.is_open and self._passage is not None and self._text.text != self._passage.text:
            self._text.set_text(self._passage.text)


class _Editor(QWidget):
    """Where the person writes other words."""

    saved = Signal()
    cancelled = Signal()

    def __init__(self, name: str, text: str, saves: str) -> None:
        super().__init__()
        self.text = named(ExactTextEdit(), f"{name}_editor", "Other words", "Ctrl+Enter saves, Esc leaves it as it was")
        self.text.set_text(text)
        self.text.setFixedHeight(
            min(14, max(3, text.count("\n") + 2 + len(text) // 60)) * self.text.fontMetrics().lineSpacing()
            + theme.px(self, 14)
        )
        save = named(QPushButton(saves), f"{name}_save", saves, "Make a new version of these words (Ctrl+Enter)")
        theme.set_role(save, "primary")
        cancel = named(QPushButton("Cancel"), f"{name}_cancel", "Cancel", "Leave it as it was (Esc)")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        row = QHBoxLayout()
        row.addWidget(save)
        row.addWidget(cancel)
        row.addStretch(1)
        column.addLayout(row)
        save.clicked.connect(self.saved)
        cancel.clicked.connect(self.cancelled)
        self.text.installEventFilter(self)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        """Take Ctrl+Enter and Esc before the window's own shortcuts do."""
        if event.type() not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) or not isinstance(event, QKeyEvent):
            return False
        enters = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        saves = enters and bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not saves and event.key() != Qt.Key.Key_Escape:
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            (self.saved if saves else self.cancelled).emit()
        return True

    def sizeHint(self) -> QSize:
        """As tall as the editor and its buttons."""
        return self.layout().totalSizeHint()
