"""What to do when the model was loaded without the head a task needs."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget

from workbench.engine import tasks
from workbench.engine.models import LoadedModel
from workbench.widgets.naming import named
from workbench.widgets.steady_label import SteadyLabel
from workbench.widgets.theme import set_role

_WORDS = {
    "AutoModelForSequenceClassification": "a head that labels whole texts",
    "AutoModelForTokenClassification": "a head that labels each token",
    "AutoModelForQuestionAnswering": "a head that scores each token as start and end of an answer",
    "AutoModelForMultipleChoice": "a head that scores each choice",
    "AutoModelForNextSentencePrediction": "the head that tells the next sentence from a random one",
    "AutoModelForTableQuestionAnswering": "a head that scores the cells of a table",
    "AutoModelForDocumentQuestionAnswering": "a head that scores the words of a page",
    "AutoModelForVisualQuestionAnswering": "a head that scores answers to questions about a picture",
    "AutoModelForZeroShotObjectDetection": "a model that finds what it is told in a picture",
    "AutoModelForCTC": "a head that gives each moment a letter",
    "AutoModelForMaskedLM": "a head that fills in masked words",
    "AutoModelForCausalLM": "a head that predicts the next token",
    "AutoModelForSeq2SeqLM": "an encoder with a decoder that writes",
    "AutoModelForImageClassification": "a head that labels whole pictures",
    "AutoModelForObjectDetection": "a head that finds objects in a picture",
    "AutoModelForSemanticSegmentation": "a head that labels each pixel",
    "AutoModelForDepthEstimation": "a head that says how far each pixel is",
    "AutoModelForNormalEstimation": "a head that says which way the surface looks at each pixel",
    "AutoModelForPointmapEstimation": "a head that says where in space each pixel lies",
    "AutoModelForTextRecognition": "a head that reads a line of writing",
    "AutoModelForTableRecognition": "a head that tells the shape of a table",
    "AutoModelForImageToImage": "a head that draws a picture",
    "AutoModelForImageMatting": "a head that says how much of each pixel belongs to a thing",
    "AutoModelForZeroShotImageClassification": "a model that compares pictures with sentences",
    "AutoModelForImageTextToText": "a model that writes about pictures",
    "AutoModelForAudioClassification": "a head that labels a whole sound",
    "AutoModelForSpeechSeq2Seq": "an encoder that hears with a decoder that writes",
    "AutoModelForTextToWaveform": "a model that speaks or plays",
    "AutoModelForTimeSeriesPrediction": "a head that goes on with a series",
    "AutoModel": "no head at all",
}


class HeadCard(QFrame):
    """Says which head is missing and offers to load the checkpoint with it; hidden when the task can be done.

    Signals:
        load_requested(str): The Auto class to load the checkpoint as.
    """

    load_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "tasks.head", "Head")
        set_role(self, "card")
        self._head = ""
        self._words = SteadyLabel()
        self._load = named(
            QPushButton("Load with this head"),
            "tasks.load_head",
            "Load with this head",
            "Load the same checkpoint again, with the head this task needs",
        )
        column = QVBoxLayout(self)
        column.addWidget(self._words)
        column.addWidget(self._load, 0, Qt.AlignmentFlag.AlignLeft)
        self._load.clicked.connect(self._on_load)

    def show_for(self, model: LoadedModel, task: str, supported: bool) -> None:
        """Say what is missing for a task, if anything is."""
        self.setVisible(not supported)
        if supported:
            return
        self._head = tasks.missing_head(model, task)
        words = _WORDS.get(self._head, "another head")
        needs = f"{task} needs {words} ({self._head}); the model was loaded as {model.head}."
        possible = self._head in model.facts.heads
        if not self._head:
            refused = tasks.unsupported(model, task)
            needs = f"{refused.what} {refused.why} {refused.remedy}"
        elif not possible:
            needs += f" The architecture {model.facts.model_type} has no such head: choose another checkpoint."
        elif self._head != model.facts.trained_head:
            needs += " The checkpoint was not trained with it: a fresh head answers at random until it is fine-tuned."
        self._words.say(needs)
        self.setAccessibleDescription(needs)
        self._load.setVisible(possible)

    def set_busy(self, busy: bool) -> None:
        """Switch the button off while something runs."""
        self._load.setEnabled(not busy)

    def _on_load(self) -> None:
        self.load_requested.emit(self._head)
