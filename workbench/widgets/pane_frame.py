"""The frame every pane stands in: title, tools, notices, body, and the code that does the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import icons, theme
from workbench.widgets.code_view import CodeView
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.naming import named
from workbench.widgets.notice import NoticeCard

#: Notices shown at once; older ones make room.
MOST_NOTICES = 3
#: Pixels at 100 % from which the code stands beside the body.
_BESIDE = 620


class PaneFrame(QWidget):
    """Base of the panes. Its own names are mangled, so that no pane takes one by accident.

    Args:
        name: Object name, and the first part of the name of every control.
        title: What a person calls it.
        with_code: Whether there is code that does what the pane does.

    Attributes:
        title_bar: Title and tools; a dock takes it as its own bar, by which the pane is moved.
        header: Layout right of the title for the pane's own tools.
        body: Layout of the pane's content.
        in_turns: Whether it goes on making its parts after it was made. It wants its looks at once, so that each part
            is dressed as it comes, not all of them together.

    Signals:
        code_shown(bool): The code panel was opened or closed.
        close_requested(): The person closed the pane.
    """

    code_shown = Signal(bool)
    close_requested = Signal()
    in_turns = False

    def __init__(self, name: str, title: str, parent: QWidget | None = None, *, with_code: bool = True) -> None:
        super().__init__(parent)
        self.__name = name
        self.__on_empty_click: Callable[[], object] | None = None
        named(self, name, title)

        self.__title = theme.set_role(ElidedLabel(title), "title")
        self.__code_button = named(
            QToolButton(), f"{name}.show_code", "Show code", "Show the Python that does exactly what this pane does"
        )
        self.__code_button.setText("Show code")
        self.__code_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.__code_button.setCheckable(True)
        icons.put(self.__code_button, "code")
        self.__code_button.setVisible(with_code)
        self.__close_button = named(QToolButton(), f"{name}.close", "Close", "Close this pane; nothing in it is lost")
        theme.set_role(self.__close_button, "quiet")
        icons.put(self.__close_button, "close", size=16)
        self.header = QHBoxLayout()
        self.title_bar = _TitleBar(self.__title, self.header, self.__code_button, self.__close_button)
        self.title_bar.setObjectName(f"{name}.title_bar")

        self.__notices = QVBoxLayout()
        body = QWidget()
        self.body = QVBoxLayout(body)
        self.body.setContentsMargins(0, 0, 0, 0)
        page = QScrollArea()
        page.setFrameShape(QFrame.Shape.NoFrame)
        page.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page.setWidgetResizable(True)
        page.setWidget(body)
        page.setObjectName(f"{name}.page")
        page.viewport().setObjectName(f"{name}.page_viewport")
        self.__pages = QStackedWidget()
        self.__pages.addWidget(page)
        self.__pages.addWidget(self.__build_empty_page())
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.__notices)
        column.addWidget(self.__pages, 1)
        self.__left = column
        self.__code_panel = self.__build_code_panel()
        self.__code_panel.hide()
        self.__splitter = QSplitter(Qt.Orientation.Horizontal)
        self.__splitter.setChildrenCollapsible(False)
        self.__splitter.addWidget(left)
        self.__splitter.addWidget(self.__code_panel)
        self.__splitter.setStretchFactor(0, 3)
        self.__splitter.setStretchFactor(1, 2)

        self.__page = QVBoxLayout()
        self.__page.addWidget(self.__splitter, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.title_bar)
        outer.addLayout(self.__page, 1)

        self.__code_button.toggled.connect(self.__on_code_toggled)
        self.__close_button.clicked.connect(self.close_requested)
        self.__space()

    def run_main_action(self) -> None:
        """Do the pane's main action (Ctrl+Enter); a pane without one leaves this alone."""

    def stop_main_action(self) -> None:
        """Stop the pane's main action (Esc); a pane without one leaves this alone."""

    def set_code(self, text: str) -> None:
        """Show the Python that does what the pane does now."""
        self.__code.set_code(text)

    @property
    def code(self) -> str:
        """The Python shown in the code panel."""
        return self.__code.code

    @property
    def code_is_shown(self) -> bool:
        """Whether the code panel is open."""
        return self.__code_button.isChecked()

    def show_code(self, shown: bool = True) -> None:
        """Open or close the code panel."""
        self.__code_button.setChecked(shown)

    def save_code(self, path: Path) -> bool:
        """Write the code as UTF-8; a failure becomes a notice.

        Returns:
            Whether it was written.
        """
        try:
            Path(path).write_text(self.__code.code, encoding="utf-8")
        except (OSError, UnicodeError) as error:
            self.show_notice(
                f"Could not save the code to {path}", str(error), "Choose another folder.", details=repr(error)
            )
            return False
        return True

    def show_notice(
        self,
        what: str,
        why: str = "",
        remedy: str = "",
        details: str = "",
        *,
        kind: str = "error",
        action: tuple[str, Callable[[], object]] | None = None,
    ) -> NoticeCard:
        """Put a card above the body; the same sentence replaces its older card.

        Args:
            what: What happened.
            why: The reason.
            remedy: What the person can do.
            details: For the curious, shown on demand.
            kind: ``error``, ``warning``, ``info`` or ``success``.
            action: Text and function of one button.

        Returns:
            The card.
        """
        cards = self.notices
        for old in [card for card in cards if card.what == what] or cards[MOST_NOTICES - 1 :]:
            self.__remove(old)
        card = NoticeCard(f"{self.__name}.notice", what, why, remedy, details, kind=kind, action=action)
        for number, old in enumerate(self.notices, start=2):
            old.setObjectName(f"{self.__name}.notice_{number}")
        self.__notices.insertWidget(0, card)
        card.show()
        _tab_to(self.__close_button, card)
        return card

    @property
    def notices(self) -> list[NoticeCard]:
        """The cards shown, newest first."""
        cards = [self.__notices.itemAt(index).widget() for index in range(self.__notices.count())]
        return [card for card in cards if isinstance(card, NoticeCard) and not card.isHidden()]

    def clear_notices(self, kind: str = "") -> None:
        """Remove all cards, or those of one kind: ``error``, ``warning``, ``info`` or ``success``."""
        for card in self.notices:
            if kind in ("", card.kind):
                self.__remove(card)

    def show_empty(self, text: str, button: str | None = None, on_click: Callable[[], object] | None = None) -> None:
        """Show what to do instead of the body, and the one button that does it.

        Args:
            text: What to do, in a sentence.
            button: Text of the button, or None for none.
            on_click: Called when it is pressed.
        """
        self.__empty_text.setText(text)
        self.__empty_button.setText(button or "")
        self.__empty_button.setAccessibleName(button or "Start here")
        self.__empty_button.setVisible(button is not None)
        self.__on_empty_click = on_click
        self.__pages.setCurrentIndex(1)

    def show_body(self) -> None:
        """Show the body again."""
        self.__pages.setCurrentIndex(0)

    @property
    def is_empty(self) -> bool:
        """Whether the empty state is shown."""
        return self.__pages.currentIndex() == 1

    def __on_empty_clicked(self) -> None:
        if self.__on_empty_click:
            self.__on_empty_click()

    def __on_code_toggled(self, shown: bool) -> None:
        self.__code_panel.setVisible(shown)
        self.__place_code()
        if shown and self.__splitter.sizes()[1] < self.width() // 4:
            self.__splitter.setSizes([self.width() * 3 // 5, self.width() * 2 // 5])
        self.code_shown.emit(shown)

    def __place_code(self) -> None:
        """Beside the body, or below it in a pane that is too narrow for both."""
        below = self.width() < theme.px(self, _BESIDE)
        way = Qt.Orientation.Vertical if below else Qt.Orientation.Horizontal
        if way != self.__splitter.orientation():
            self.__splitter.setOrientation(way)

    def __on_save_code(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save code", f"{self.__name}.py", "Python (*.py)")
        if path:
            self.save_code(Path(path))

    def minimumSizeHint(self) -> QSize:
        """Little: a body that needs more is scrolled."""
        return QSize(theme.px(self, 150), theme.px(self, 100))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Find room for the code."""
        super().resizeEvent(event)
        self.__place_code()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_PaneFrame__page"):
            self.__space()

    def __remove(self, card: NoticeCard) -> None:
        self.__notices.removeWidget(card)
        card.hide()
        card.setParent(None)
        card.deleteLater()

    def __build_empty_page(self) -> QWidget:
        page = QWidget()
        self.__empty_text = theme.set_role(QLabel(), "muted")
        self.__empty_text.setWordWrap(True)
        self.__empty_text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.__empty_button = named(QPushButton(), f"{self.__name}.empty_action", "Start here", "Do what is said here")
        theme.set_role(self.__empty_button, "primary")
        self.__empty_button.clicked.connect(self.__on_empty_clicked)
        column = QVBoxLayout(page)
        column.addStretch(2)
        column.addWidget(self.__empty_text)
        column.addWidget(self.__empty_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return page

    def __build_code_panel(self) -> QWidget:
        panel = QWidget()
        self.__code = named(CodeView(), f"{self.__name}.code", "Code", "Runs as it stands and gives the same result")
        copy = named(QToolButton(), f"{self.__name}.code_copy", "Copy", "Copy the code")
        save = named(QToolButton(), f"{self.__name}.code_save", "Save", "Save the code as a Python file")
        bar = QHBoxLayout()
        bar.addWidget(theme.set_role(QLabel("Python"), "heading"))
        bar.addStretch(1)
        for button, text, drawing in ((copy, "Copy", "copy"), (save, "Save", "save")):
            button.setText(text)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            icons.put(button, drawing, size=16)
            bar.addWidget(button)
        copy.clicked.connect(self.__code.copy_code)
        save.clicked.connect(self.__on_save_code)
        column = QVBoxLayout(panel)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(bar)
        column.addWidget(self.__code, 1)
        return panel

    def __space(self) -> None:
        edge, gap = theme.px(self, 12), theme.px(self, 8)
        self.title_bar.layout().setContentsMargins(edge, theme.px(self, 6), theme.px(self, 6), theme.px(self, 6))
        for layout in (self.title_bar.layout(), self.header):
            layout.setSpacing(theme.px(self, 6))
        self.__page.setContentsMargins(edge, theme.px(self, 2), edge, edge)
        for layout in (self.body, self.__notices, self.__left):
            layout.setSpacing(gap)


def _tab_to(last: QWidget, whole: QWidget) -> QWidget:
    """Let the Tab key go from a widget through what takes the focus of another; the last of that is returned."""
    for part in (whole, *whole.findChildren(QWidget)):
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            QWidget.setTabOrder(last, part)
            last = part
    return last


class _TitleBar(QWidget):
    """Title, tools and buttons in one line, the tools below where it is too narrow; "Show code" is cut to its icon."""

    def __init__(self, title: QLabel, tools: QHBoxLayout, code_button: QToolButton, close_button: QToolButton) -> None:
        super().__init__()
        self.__title, self.__tools, self.__code_button = title, tools, code_button
        self.__grid = QGridLayout(self)
        self.__grid.setColumnStretch(1, 1)
        self.__grid.addWidget(title, 0, 0)
        self.__grid.addLayout(tools, 0, 1)
        self.__grid.addWidget(code_button, 0, 2)
        self.__grid.addWidget(close_button, 0, 3)
        self.__below = self.__ordered = False

    def minimumSizeHint(self) -> QSize:
        """As high as its tools, and as narrow as a pane can be."""
        return QSize(theme.px(self, 120), super().minimumSizeHint().height())

    def showEvent(self, event: QShowEvent) -> None:
        """Let the Tab key go from left to right: the tools were made after the buttons at their right."""
        super().showEvent(event)
        if not self.__ordered:
            self.__ordered = True
            last: QWidget = self.__code_button
            for place in range(self.__tools.count()):
                tool = self.__tools.itemAt(place).widget()
                last = _tab_to(last, tool) if tool is not None else last
            QWidget.setTabOrder(last, self.__code_button)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose what there is room for."""
        super().resizeEvent(event)
        tools = self.__tools.minimumSize().width()
        least = super().minimumSizeHint().width() + (tools if self.__below else 0)
        beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
        word = self.__code_button.fontMetrics().horizontalAdvance(self.__code_button.text())
        least -= word if self.__code_button.toolButtonStyle() == beside else 0
        whole = least + word + self.__title.sizeHint().width() - self.__title.minimumSizeHint().width()
        wanted = beside if whole <= event.size().width() else alone
        if self.__code_button.toolButtonStyle() != wanted:
            self.__code_button.setToolButtonStyle(wanted)
        if self.__below != (least > event.size().width()):
            self.__below = not self.__below
            self.__grid.removeItem(self.__tools)
            place = (1, 0, 1, 4, Qt.AlignmentFlag.AlignLeft) if self.__below else (0, 1)
            self.__grid.addLayout(self.__tools, *place)
