"""What was read off a picture: a line of writing, the shape of a table, pages found; and a picture made of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.values import TaskResult
from workbench.panes.tasks.cells import Marked
from workbench.panes.tasks.pictures import show_picture
from workbench.widgets import icons, saving
from workbench.widgets.code_view import CodeView
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView, to_image
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import px, set_role
from workbench.widgets.tinted_matrix import TintedMatrix
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.visible_text import drawable


class ReadingView(QWidget):
    """The picture, the text that was read in it, and each letter tinted by how sure it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = named(PictureView(), "tasks.read_picture", "Picture", "The line of writing")
        self._text = named(QLabel(), "tasks.read_text", "Text read", "What was read")
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setWordWrap(True)
        set_role(self._text, "title")
        self._letters = named(
            TokenStrip(), "tasks.read_letters", "Letters", "Each letter, the stronger tinted the surer it is"
        )
        self._letters.set_placeholder("no letter was read")
        self._letters.set_mode("strength")
        views = QSplitter(Qt.Orientation.Vertical)
        views.addWidget(self._picture)
        views.addWidget(self._letters)
        views.setStretchFactor(0, 2)
        views.setStretchFactor(1, 1)
        views.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._ways = named(QLabel(), "tasks.read_ways", "Ways of reading", "What was read in each; the surest counts")
        self._ways.setWordWrap(True)
        set_role(self._ways, "muted")
        column.addWidget(self._text)
        column.addWidget(self._ways)
        column.addWidget(views, 1)

    def show_result(self, result: TaskResult, picture: QImage) -> str:
        """Show a result, and say it in words."""
        (reading,) = result.items
        show_picture(self._picture, result, picture)
        sure = f"  {format_percent(reading.score)} sure"
        self._text.setText(drawable(reading.text) + sure if reading.letters else "No letter was read")
        self._ways.setVisible(bool(reading.ways))
        self._ways.setText(
            " · ".join(
                f"{way}: {drawable(said.label)} {format_percent(said.score)}"
                if said is not None
                else f"{way}: that vocabulary is not on this machine"
                for way, said in reading.ways
            )
        )
        self._letters.set_tokens(
            [
                Chip(letter.label, strength=letter.score, tip=f"{letter.label} {format_percent(letter.score)}")
                for letter in reading.letters
            ]
        )
        return self._text.text()


class PagesView(QSplitter):
    """Questions against pages, and the page that was chosen; at first the best one of the first question."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._scores = named(
            TintedMatrix(),
            "tasks.page_scores",
            "Pages",
            "How well each page answers each question; more is better",
        )
        self._page = named(PictureView(), "tasks.page", "Page", "The page that was chosen")
        self.addWidget(self._scores)
        self.addWidget(self._page)
        self.setStretchFactor(0, 3)
        self.setStretchFactor(1, 2)
        self.setChildrenCollapsible(False)
        self._pages = np.zeros((0, 1, 1, 3), np.uint8)
        self._scores.cell_chosen.connect(self._on_chosen)
        self.splitterMoved.connect(self._fit)

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        (self._pages,) = (tensor.values for tensor in result.stages[0].tensors if tensor.name == "frames")
        scores, questions = result.stages[2].tensors[0].values, result.tokens
        # A long question adds up more than a short one, so that each is tinted by itself.
        spread = np.ptp(scores, axis=1, keepdims=True).clip(1e-9)

        def tip(row: int, column: int) -> str:
            return f"{scores[row, column]:.6g}\n{drawable(questions[row])}\npage {column + 1}"

        self._scores.set_cells(
            [drawable(question) for question in questions],
            [f"page {number}" for number in range(1, len(self._pages) + 1)],
            (scores - scores.min(axis=1, keepdims=True)) / spread,
            lambda row, column: f"{scores[row, column]:.4g}",
            tip,
        )
        self._fit()
        best = scores.argmax(axis=1)
        self._scores.setCurrentIndex(self._scores.model().index(0, int(best[0])))
        self._on_chosen(0, int(best[0]))
        return "; ".join(f"{question} page {page + 1}" for question, page in zip(questions, best, strict=True))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave most of the room to the numbers."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._scores.verticalHeader().setMaximumWidth(max(px(self, 60), self._scores.width() // 2))

    def _on_chosen(self, _row: int, column: int) -> None:
        self._page.set_picture(to_image(self._pages[column]))


class LayoutView(QSplitter):
    """The picture, the table drawn with its joined cells, and the HTML it was told in."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._picture = named(PictureView(), "tasks.layout_picture", "Picture", "The picture of the table")
        self._words = named(QLabel(), "tasks.layout_words", "Shape", "How many rows, columns and cells there are")
        self._words.setWordWrap(True)
        set_role(self._words, "muted")
        self._table = named(
            QTableWidget(), "tasks.layout", "Table", "The cells in the order they were told; the head is tinted"
        )
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setTabKeyNavigation(False)
        self._table.setItemDelegate(Marked(self._table))
        self._table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._html = named(CodeView(), "tasks.layout_html", "HTML", "The table as the model wrote it")
        self._html.set_language("html")
        told = QSplitter(Qt.Orientation.Vertical)
        told.addWidget(self._table)
        told.addWidget(self._html)
        told.setStretchFactor(0, 3)
        told.setStretchFactor(1, 1)
        told.setChildrenCollapsible(False)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._words)
        column.addWidget(told, 1)
        self.addWidget(self._picture)
        self.addWidget(side)
        self.setSizes([1, 1])
        self.setChildrenCollapsible(False)

    def show_result(self, result: TaskResult, picture: QImage) -> str:
        """Show a result, and say it in words."""
        (layout,) = result.items
        show_picture(self._picture, result, picture)
        rows = max((cell.row + cell.rows for cell in layout.cells), default=0)
        columns = max((cell.column + cell.columns for cell in layout.cells), default=0)
        self._table.clear()
        self._table.clearSpans()
        self._table.setRowCount(rows)
        self._table.setColumnCount(columns)
        for number, cell in enumerate(layout.cells, 1):
            item = QTableWidgetItem(str(number))
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            if cell.header:
                font = self._table.font()
                font.setBold(True)
                item.setFont(font)
            self._table.setItem(cell.row, cell.column, item)
            if cell.rows > 1 or cell.columns > 1:
                self._table.setSpan(cell.row, cell.column, cell.rows, cell.columns)
        self._html.set_code(layout.html.replace("<tr>", "\n<tr>").replace("</tbody>", "\n</tbody>"))
        words = f"Rows: {rows} · columns: {columns} · cells: {len(layout.cells)} · {format_percent(layout.score)} sure"
        self._words.setText(f"{words}. The model tells the shape alone; the cells are numbered, not read.")
        return words


class MadeView(QWidget):
    """The picture before and after, and a place to save what was made of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = named(PictureView(), "tasks.made_before", "Picture", "The picture that was given")
        self._after = named(PictureView(), "tasks.made", "Picture made", "What the model made of it")
        self._words = named(QLabel(), "tasks.made_words", "Sizes", "Pixels before and after")
        set_role(self._words, "muted")
        self._save = named(
            QPushButton("Save as PNG"), "tasks.save_png", "Save as PNG", "Write the picture that was made to a file"
        )
        icons.put(self._save, "save")
        views = QSplitter(Qt.Orientation.Horizontal)
        views.addWidget(self._before)
        views.addWidget(self._after)
        views.setChildrenCollapsible(False)
        row = QHBoxLayout()
        row.addWidget(self._save)
        row.addWidget(self._words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(views, 1)
        column.addLayout(row)
        self._save.clicked.connect(self._on_save)

    def show_result(self, result: TaskResult, picture: QImage) -> str:
        """Show a result, and say it in words."""
        (made,) = result.items
        self._before.show()
        show_picture(self._before, result, picture)
        self._after.set_picture(to_image(made))
        (sizes,) = (tensor.values for tensor in result.stages[0].tensors if tensor.name == "target_size")
        height, width = (int(each) for each in sizes[0])
        words = f"{width:,} × {height:,} became {made.shape[1]:,} × {made.shape[0]:,} pixels"
        self._words.setText(words)
        return words

    def show_drawn(self, made: np.ndarray) -> str:
        """Show a picture that was made of no other, of shape ``(height, width, 3)``, and say it in words."""
        self._before.hide()
        self._after.set_picture(to_image(made))
        words = f"A picture of {made.shape[1]:,} × {made.shape[0]:,} pixels was drawn"
        self._words.setText(words)
        return words

    def _on_save(self) -> None:
        saving.save(self, "Save the picture", "made.png", "PNG (*.png)", ".png", self._write)

    def _write(self, path: Path) -> None:
        if not self._after.picture.save(str(path)):
            raise OSError("The picture could not be written")
