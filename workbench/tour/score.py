"""A text as the model reads it."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtWidgets import QTableView, QWidget

from workbench.tour.guide import Step, Tour

_TEXT = "The capital of France is Paris, and the capital of Italy is Rome. Colourless green ideas sleep furiously."


def see_score(tour: Tour) -> None:
    """Score a sentence, and hold the perplexity against the loss of the library."""
    tour.window.show_pane("score")
    tour.find(QWidget, "score.text").setPlainText(_TEXT)
    tour.click("score.run")
    pane: Any = tour.window.pane("score")
    tour.wait(lambda: pane.reading is not None, 120, "a score")
    tour.wait_idle()
    shown = pane.reading.scores[0]
    expected = _plain_loss(tour, _TEXT)
    tour.require(
        abs(math.log(shown.perplexity) - expected) < 1e-3,
        f"the perplexity is that of the loss: {math.log(shown.perplexity)} against {expected}",
    )
    tour.report["perplexity"] = round(shown.perplexity, 3)
    tour.report["bits_per_byte"] = round(shown.bits_per_byte, 4)
    table = tour.find(QTableView, "score.table")
    tour.require(table.model().rowCount() == len(shown.tokens), "a row for each token")
    pane.select(len(shown.tokens) - 2)
    tour.picture("score")


def _plain_loss(tour: Tour, text: str) -> float:
    model = tour.model

    def loss(**_: object) -> float:
        inputs = model.tokenizer(text, return_tensors="pt").to(model.device)
        return model.model(**inputs, labels=inputs["input_ids"]).loss.item()

    return tour.ask("Checking against the loss", loss)


STEPS: tuple[tuple[str, Step], ...] = (("score a sentence", see_score),)
