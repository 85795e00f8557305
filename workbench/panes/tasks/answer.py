"""Answers marked in their context, listed, and as the matrix of starts and ends they were chosen from."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from workbench.engine.values import TaskResult
from workbench.widgets.data_table import DataTable
from workbench.widgets.entity_text import EntityText, Span
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.span_matrix import SpanMatrix
from workbench.widgets.theme import px
from workbench.widgets.visible_text import drawable


class AnswerView(QSplitter):
    """The context with its answers on the left, the score matrix on the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._context = named(EntityText(), "tasks.context", "Context", "The context with the best answer marked")
        self._answers = named(
            DataTable(), "tasks.answers", "Answers", "Each answer with its score and the characters it covers"
        )
        self._answers.set_empty_text("No answer")
        self._answers.set_format(1, format_percent)
        self._matrix = named(
            SpanMatrix(),
            "tasks.span_matrix",
            "Span scores",
            "How probable each start and end are together; spans only go forward, so that half is empty",
        )
        told = QSplitter(Qt.Orientation.Vertical)
        told.addWidget(self._context)
        told.addWidget(self._answers)
        told.setChildrenCollapsible(False)
        self.addWidget(told)
        self.addWidget(self._matrix)
        self.setStretchFactor(0, 1)
        self.setStretchFactor(1, 1)
        self.setChildrenCollapsible(False)
        self._told = told

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        context = result.given.second
        real = [answer for answer in result.items if answer.text]
        spans = [Span(answer.start, answer.end, format_percent(answer.score)) for answer in real[:1]]
        self._context.set_spans(context, spans)
        rows = [
            (
                drawable(answer.text) or "(no answer)",
                answer.score,
                f"{answer.start}–{answer.end}" if answer.text else "",
            )
            for answer in result.items
        ]
        self._answers.set_rows(("answer", "score", "characters"), rows)
        self._matrix.set_scores(result.tokens, result.stages[2].tensors[2].values)
        self._told.setSizes([px(self, 140), px(self, 140)])
        return "; ".join(f"{text} {format_percent(score)}" for text, score, _ in rows) or "No answer"
