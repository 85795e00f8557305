"""A result drawn for its kind: bars, marked text, alternatives, new text, or lines compared."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QImage, QTextCursor
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import tasks
from workbench.engine.tasks.projection import PROJECTIONS
from workbench.engine.values import Sound, TaskResult
from workbench.panes.tasks.answer import AnswerView
from workbench.panes.tasks.cells import CellsView
from workbench.panes.tasks.forecast import ForecastView
from workbench.panes.tasks.many import ManyView
from workbench.panes.tasks.maps import DepthView, FieldView
from workbench.panes.tasks.pages import LayoutView, MadeView, PagesView, ReadingView
from workbench.panes.tasks.pictures import CutOutView, FoundView, MatchesView
from workbench.panes.tasks.similarity import SimilarityView
from workbench.panes.tasks.sound import SpokenView, TranscriptView
from workbench.panes.tasks.stages import shape
from workbench.widgets import theme
from workbench.widgets.bar_chart import LabelBars
from workbench.widgets.data_table import DataTable, shown
from workbench.widgets.entity_text import EntityText, Span
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable


class ContinuedText(QPlainTextEdit):
    """A read-only text whose end is new, and tinted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self._start = 0

    def set_texts(self, before: str, new: str) -> None:
        """Show a text and what came after it."""
        self.setPlainText(drawable(before))
        self._start = self.document().characterCount() - 1
        self.setPlainText(drawable(before + new))
        self._tint()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_start"):
            self._tint()

    def _tint(self) -> None:
        new = QTextEdit.ExtraSelection()
        new.cursor = QTextCursor(self.document())
        new.cursor.setPosition(min(self._start, self.document().characterCount() - 1))
        new.cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        new.format.setBackground(QColor(theme.current().accent_soft))
        self.setExtraSelections([new])


class ResultView(QStackedWidget):
    """One page for each kind of result; its accessible description says the result in words.

    Attributes:
        many: The table of many rows.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "tasks.result", "Result", "What the task gave")
        self._nothing = QLabel("Nothing yet. Give it something, or take the example, and run.")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        set_role(self._nothing, "muted")
        self._bars = named(LabelBars(), "tasks.label_bars", "Labels", "Each label with its score")
        self._marked = named(EntityText(), "tasks.entity_text", "Marked text", "The text with its entities marked")
        self._entities = named(
            DataTable(), "tasks.entities", "Entities", "Each entity with its score and the characters it covers"
        )
        self._entities.set_format(2, format_percent)
        self._filled = named(
            DataTable(),
            "tasks.filled",
            "Alternatives",
            "What could stand in place of each mask, by falling probability",
        )
        self._generated = named(
            ContinuedText(), "tasks.generated", "Generated text", "The text as it goes on; what is new is tinted"
        )
        self._said = named(
            ContinuedText(),
            "tasks.placed_text",
            "Text",
            "What was written; what it names is drawn in the picture below",
        )
        self._named_places = FoundView("tasks.placed")
        self._placed = QSplitter(Qt.Orientation.Vertical)
        self._placed.addWidget(self._said)
        self._placed.addWidget(self._named_places)
        self._placed.setStretchFactor(0, 1)
        self._placed.setStretchFactor(1, 3)
        self._placed.setChildrenCollapsible(False)
        self._similarity = SimilarityView()
        self._embedding = TensorGrid("tasks.embedding")
        self._vector = QLabel()
        self._vector.setWordWrap(True)
        set_role(self._vector, "muted")
        alone = QWidget()
        column = QVBoxLayout(alone)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._vector)
        column.addWidget(self._embedding, 1)
        self._alone = alone
        self._bar_page = QScrollArea()
        self._bar_page.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._bar_page.setWidgetResizable(True)
        self._bar_page.setFrameShape(QFrame.Shape.NoFrame)
        holder = QFrame()
        set_role(holder, "card")
        column = QVBoxLayout(holder)
        column.addWidget(self._bars)
        column.addStretch(1)
        self._bar_page.setWidget(holder)
        self._tagged = QSplitter(Qt.Orientation.Vertical)
        self._tagged.addWidget(self._marked)
        self._tagged.addWidget(self._entities)
        self._tagged.setChildrenCollapsible(False)
        self._answer = AnswerView()
        self._picture = QImage()
        self._found = FoundView()
        self._depth = DepthView()
        self._field = FieldView()
        self._cut_out = CutOutView()
        self._made = MadeView()
        self._reading = ReadingView()
        self._layout = LayoutView()
        self._pages = PagesView()
        self._transcript = TranscriptView()
        self._spoken = SpokenView()
        self._cells = CellsView()
        self._matches = MatchesView()
        self._forecast = ForecastView()
        self._other = QImage()
        self._outputs = named(
            DataTable(), "tasks.outputs", "Outputs", "Every tensor that came out; its values are in the second box"
        )
        self.many = ManyView()
        for page in (
            self._nothing,
            self._bar_page,
            self._tagged,
            self._filled,
            self._generated,
            self._placed,
            self._similarity,
            self._alone,
            self._answer,
            self._found,
            self._depth,
            self._field,
            self._cut_out,
            self._made,
            self._reading,
            self._layout,
            self._pages,
            self._transcript,
            self._spoken,
            self._cells,
            self._matches,
            self._forecast,
            self._outputs,
            self.many,
        ):
            self.addWidget(page)

    def clear(self) -> None:
        """Show that there is no result."""
        self.setCurrentWidget(self._nothing)
        self.setAccessibleDescription("No result yet")

    def show_many(self) -> None:
        """Show the table of many rows, empty."""
        self.many.begin()
        self.setCurrentWidget(self.many)

    def show_rows(self) -> None:
        """Show again the rows that came before something else was shown."""
        if self.many.filled:
            self.setCurrentWidget(self.many)
            self.setAccessibleDescription(self.many.finish())

    def finish_many(self) -> None:
        """List the rows that came, all or some."""
        self.setAccessibleDescription(self.many.finish())

    def show_result(self, result: TaskResult, picture: QImage | None = None, other: QImage | None = None) -> None:
        """Show a result on the page of its kind.

        Args:
            result: What a task gave.
            picture: A copy of the picture it was done on, small enough for a screen.
            other: Likewise of the second picture.
        """
        self._picture, self._other = picture or QImage(), other or QImage()
        words = {
            "labels": self._show_labels,
            "entities": self._show_entities,
            "answer": self._show_answer,
            "filled": self._show_filled,
            "text": self._show_generated,
            "vectors": self._show_features,
            "boxes": self._show_boxes,
            "masks": self._show_masks,
            "points": self._show_points,
            "matches": self._show_matches,
            "tensors": self._show_tensors,
            "depth": self._show_depth,
            "field": self._show_field,
            "alpha": self._show_alpha,
            "image": self._show_image,
            "reading": self._show_reading,
            "layout": self._show_layout,
            "pages": self._show_pages,
            "transcript": self._show_transcript,
            "sound": self._show_sound,
            "cells": self._show_cells,
            "series": self._show_series,
        }[tasks.spec(result.task).shows](result)
        self.setAccessibleDescription(words)

    def _show_labels(self, result: TaskResult) -> str:
        raw = any(not 0.0 <= item.score <= 1.0 for item in result.items)
        scores = [
            (item.label, item.score, f"{item.score:.4g}" if raw else format_percent(item.score))
            for item in result.items
        ]
        self._bars.set_bars(scores)
        self.setCurrentWidget(self._bar_page)
        return "; ".join(f"{label} {score}" for label, _, score in scores) or "No label scores as much"

    def _show_entities(self, result: TaskResult) -> str:
        spans = [
            Span(item.start, item.end, item.label, f"{item.label} {format_percent(item.score)}")
            for item in result.items
        ]
        self._marked.set_spans(result.text, spans)
        rows = [(item.text, item.label, item.score, f"{item.start}–{item.end}") for item in result.items]
        self._entities.set_rows(("entity", "label", "score", "characters"), rows)
        self.setCurrentWidget(self._tagged)
        return (
            "; ".join(f"{item.text}: {item.label} {format_percent(item.score)}" for item in result.items)
            or "No entities"
        )

    def _show_answer(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._answer)
        return self._answer.show_result(result)

    def _show_boxes(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._found)
        return self._found.show_boxes(result, self._picture)

    def _show_masks(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._found)
        return self._found.show_masks(result, self._picture)

    def _show_points(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._found)
        return self._found.show_points(result, self._picture)

    def _show_matches(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._matches)
        return self._matches.show_result(result, self._picture, self._other)

    def _show_tensors(self, result: TaskResult) -> str:
        summary = result.stages[2].tensors[0].values
        views = [tensor for tensor in result.stages[1].tensors if tensor.values.size]
        rows = [
            (view.name, shape(view), *(f"{number:.4g}" for number in numbers), " × ".join(view.axes))
            for view, numbers in zip(views, summary, strict=True)
        ]
        self._outputs.set_rows(("tensor", "shape", "least", "mean", "most", "axes"), rows)
        self.setCurrentWidget(self._outputs)
        return "; ".join(f"{name} {size}" for name, size, *_ in rows)

    def _show_depth(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._depth)
        return self._depth.show_result(result, self._picture)

    def _show_field(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._field)
        return self._field.show_result(result, self._picture)

    def _show_image(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._made)
        return self._made.show_result(result, self._picture)

    def _show_reading(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._reading)
        return self._reading.show_result(result, self._picture)

    def _show_layout(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._layout)
        return self._layout.show_result(result, self._picture)

    def _show_pages(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._pages)
        return self._pages.show_result(result)

    def _show_alpha(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._cut_out)
        return self._cut_out.show_result(result, self._picture)

    def _show_transcript(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._transcript)
        return self._transcript.show_result(result)

    def _show_sound(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._spoken)
        return self._spoken.show_result(result)

    def _show_cells(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._cells)
        return self._cells.show_result(result)

    def _show_series(self, result: TaskResult) -> str:
        self.setCurrentWidget(self._forecast)
        return self._forecast.show_result(result)

    def _show_filled(self, result: TaskResult) -> str:
        several = any(item.mask_index for item in result.items)
        columns = ("token", "probability", "id", "text")
        rows = [(item.token, item.score, item.token_id, item.sequence) for item in result.items]
        if several:
            columns = ("mask", *columns)
            rows = [(item.mask_index + 1, *row) for item, row in zip(result.items, rows, strict=True)]
        for number, name in enumerate(columns):
            self._filled.set_format(number, format_percent if name == "probability" else shown)
        self._filled.set_rows(columns, rows)
        self.setCurrentWidget(self._filled)
        return "; ".join(f"{item.token} {format_percent(item.score)}" for item in result.items)

    def _show_generated(self, result: TaskResult) -> str:
        text, *places = result.items
        if not isinstance(text, str):
            self.setCurrentWidget(self._made)
            return self._made.show_drawn(text)
        if places and isinstance(places[0], Sound):
            self.setCurrentWidget(self._spoken)
            return self._spoken.show_result(result)
        if places:
            self._said.set_texts("", text)
            self.setCurrentWidget(self._placed)
            return f"{text} ({self._named_places.show_places(result, self._picture)})"
        # A decoder goes on with the text it was given; what reads and then writes begins anew.
        goes_on = "AutoModelForCausalLM" in tasks.spec(result.task).heads
        self._generated.set_texts(result.text if goes_on else "", text)
        self.setCurrentWidget(self._generated)
        return text or "No new text: the end token came first"

    def _show_features(self, result: TaskResult) -> str:
        lines = [line for line in result.text.splitlines() if line.strip()]
        embeddings = result.stages[2].tensors[0]
        if len(embeddings.values) == 1:
            self._embedding.set_tensor(embeddings.name, embeddings.dtype, embeddings.values)
            length = float((embeddings.values[0] ** 2).sum() ** 0.5)
            words = f"A vector of {embeddings.shape[1]} numbers with length {length:.3f}."
            self._vector.setText(f"{words} Write several lines to compare them." if len(lines) == 1 else words)
            self.setCurrentWidget(self._alone)
            return words
        views = {tensor.name: tensor.values for tensor in result.stages[2].tensors}
        texts = [drawable(line) for line in lines]
        how = next((name for name in PROJECTIONS if name in views), "")
        self._similarity.set_values(texts, views["similarity"], views.get(how), how)
        self.setCurrentWidget(self._similarity)
        return f"{len(lines)} lines compared"
