"""The settings of a task: only those that apply to it are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QCompleter, QFormLayout, QLineEdit, QWidget

from workbench.engine.tasks import Spec
from workbench.engine.tasks.feature_extraction import STATES
from workbench.engine.tasks.languages import SPEECH_TASKS
from workbench.engine.tasks.painting import UNREAD
from workbench.engine.tasks.pooling import POOLINGS
from workbench.engine.tasks.projection import PROJECTIONS
from workbench.engine.tasks.text_classification import FUNCTIONS
from workbench.engine.tasks.time_series_prediction import FREQUENCIES
from workbench.engine.tasks.writing import DRAWS
from workbench.engine.values import TaskOptions
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox

#: Settings that mean something only while another is on.
_NEEDS = {**dict.fromkeys(DRAWS, "do_sample"), "crop_overlap": "crop_layers", "chunk_overlap": "chunk_length"}

#: Settings that mean something else to each task.
_OWN = ("template", "source_language", "target_language")

#: Settings of a text, which mean nothing while a picture is drawn instead.
_WORDS_ALONE = (*UNREAD, "stops")


@dataclass(frozen=True, slots=True)
class _Row:
    """A setting: its control, how its value is read and set, the signal that says it changed, and how it is offered.

    Attributes:
        offer: Given the texts that may be chosen, where the model says which they are.
    """

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: Any
    offer: Callable[[tuple[str, ...]], None] | None = None


class OptionsForm(QWidget):
    """One row a setting.

    Signals:
        changed(): The person changed a setting.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec: Spec | None = None
        self._applies: tuple[str, ...] = ()
        self._kept: dict[tuple[str, str], Any] = {}
        self._rows = _rows()
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        for row in self._rows.values():
            widget = row.widget
            self._form.addRow("" if isinstance(widget, QCheckBox) else widget.accessibleName(), widget)
            row.changed.connect(self._on_changed)
        for name in self._rows:
            self._form.setRowVisible(self._rows[name].widget, False)

    @property
    def options(self) -> TaskOptions:
        """The settings as they stand; those that don't apply are as they start."""
        return TaskOptions(**{name: self._rows[name].read() for name in self._applies})

    def show_for(self, spec: Spec, applies: tuple[str, ...] | None = None) -> None:
        """Show what applies to a task; a setting that starts at a value of its own keeps one for this task alone.

        Args:
            spec: The task.
            applies: Those of its settings that the model reads, or None for all.
        """
        self._applies = spec.options if applies is None else applies
        if spec != self._spec:
            self._keep()
            self._spec = spec
            start = TaskOptions()
            own, choices = dict(spec.defaults), dict(spec.choices)
            for name, row in self._rows.items():
                value = self._kept.get(self._key(spec, name), own.get(name, getattr(start, name)))
                row.widget.blockSignals(True)
                if row.offer is not None:
                    row.offer(choices.get(name, ()))
                row.write(value)
                row.widget.blockSignals(False)
        self._show()

    def _keep(self) -> None:
        for name in self._rows:
            self._kept[self._key(self._spec, name)] = self._rows[name].read()

    def _key(self, spec: Spec | None, name: str) -> tuple[str, str]:
        alone = spec is not None and (name in dict(spec.defaults) or name in _OWN)
        return (spec.name if spec is not None and alone else "", name)

    def _show(self) -> None:
        for name, row in self._rows.items():
            needed = _NEEDS.get(name)
            used = needed not in self._applies or bool(self._rows[needed].read())
            used &= not (name in _WORDS_ALONE and "paints" in self._applies and self._rows["paints"].read())
            self._form.setRowVisible(row.widget, name in self._applies and used)

    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()


def _rows() -> dict[str, _Row]:
    start = TaskOptions()
    return {
        "top_k": _whole("top_k", "Top k", 0, 100, start.top_k or 0, "How many to give; usually 1 to 10", none="all"),
        "threshold": _decimal(
            "threshold", "Threshold", 0.0, 1.0, start.threshold, "Leave out what scores less; usually 0 to 0.9"
        ),
        "function": _choice(
            "function", "Scores by", FUNCTIONS,
            "How logits become scores: softmax shares 100 % among the labels, sigmoid scores each alone, none leaves "
            "the logits as they are; auto does as the checkpoint was trained",
        ),
        "targets": _words(
            "targets", "Targets", "any token",
            "What may stand in place of the mask, between commas; empty takes the whole vocabulary",
        ),
        "stability": _decimal(
            "stability", "Stability", 0.0, 1.0, start.stability,
            "Leave out masks that change more than this with their threshold; usually 0.8 to 0.98",
        ),
        "stability_shift": _decimal(
            "stability_shift", "Stability shift", 0.0, 10.0, start.stability_shift,
            "How far a mask's logit is moved up and down to see whether the mask changes; usually 0.5 to 2",
        ),
        "mask_logit": _decimal(
            "mask_logit", "Mask logit", -20.0, 20.0, start.mask_logit,
            "Logit above which a pixel belongs to a mask; usually -1 to 1, and 0 is a probability of one half",
        ),
        "box_overlap": _decimal(
            "box_overlap", "Box overlap", 0.0, 1.0, start.box_overlap,
            "Of two masks whose boxes share more than this of their area the less sure is left out; usually 0.5 to 0.9",
        ),
        "crop_layers": _whole(
            "crop_layers", "Crop layers", 0, 3, start.crop_layers,
            "Do it all once more on parts of the picture, to find small things: 1 takes 4 parts, 2 takes 16 more, 3 "
            "takes 64 more; usually 0 or 1",
        ),
        "crop_overlap": _decimal(
            "crop_overlap", "Crop overlap", -0.05, 0.9, -0.05,
            "Share of the shorter side that the parts have in common; usually 0.2 to 0.5. Its own is the library's "
            "512/1500",
            none="its own",
        ),
        "points_per_side": _whole(
            "points_per_side", "Points a side", 1, 64, start.points_per_side,
            "Points of the grid that masks are asked for at, each way; 32 asks 1,024 times; usually 8 to 32",
        ),
        "num_frames": _whole(
            "num_frames", "Frames", 0, 512, 0,
            "Frames of the video that are looked at; usually 8 to 64. Its own is what the checkpoint was made for, and "
            "many take no other number",
            none="its own",
        ),
        "frame_step": _whole(
            "frame_step", "Frame step", 1, 1000, start.frame_step,
            "From a frame that is looked at to the next; 1 takes every frame; usually 1 to 16",
        ),
        "mask_threshold": _decimal(
            "mask_threshold", "Mask threshold", 0.0, 1.0, start.mask_threshold,
            "Probability above which a pixel belongs to a part; usually 0.3 to 0.7",
        ),
        "overlap": _decimal(
            "overlap", "Area left", 0.0, 1.0, start.overlap,
            "Leave out a part of which surer parts have taken so much that less than this share is left; usually 0.5 "
            "to 0.8",
        ),
        "subtask": _choice(
            "subtask", "Parts", ("auto", "panoptic", "instance", "semantic"),
            "Panoptic: things one by one and the rest by kind; instance: things alone; semantic: all by kind; auto: "
            "the first of these that the checkpoint has",
        ),
        "aggregation": _choice(
            "aggregation", "Aggregation", ("simple", "none", "first", "average", "max"),
            "How tokens become entities: none keeps each token, simple joins neighbours of one label, the others label "
            "whole words first: by their first token, by the mean of their tokens, or by the surest",
        ),
        "ignore_labels": _words(
            "ignore_labels", "Leave out", "none", "Labels that are no entities, between commas; usually O",
            start.ignore_labels,
        ),
        "stride": _whole(
            "stride", "Stride", 0, 512, 0,
            "Tokens that two neighbouring windows over a long text share; usually 32 to 128. With auto a question is "
            "asked of windows that share 128 (256 over a page), and what is labelled is cut at the context",
            none="auto",
        ),
        "max_length": _whole(
            "max_length", "Cut at", 0, 1_000_000, 0,
            "Tokens that the model reads at once, special ones included; usually 64 to 512. A longer text is cut, or "
            "read in windows of as many; auto takes all that the checkpoint can",
            none="auto",
        ),
        "split": _check(
            "split", "Given as words", "Cut the text at its spaces first, and tokenize each word by itself, as data "
            "sets of labelled words are; off gives the tokenizer the whole text",
        ),
        "max_answer_tokens": _whole(
            "max_answer_tokens", "Longest answer", 1, 384, start.max_answer_tokens,
            "Tokens of an answer at most; usually 5 to 30",
        ),
        "cleaned": _check(
            "cleaned", "Clean up", "Mend what was read as Nougat's processor does: repetitions, tables, references"
        ),
        "no_answer": _check("no_answer", "May have no answer", "Let the context hold no answer (SQuAD 2 and its like)"),
        "sequential": _check(
            "sequential", "One after the other", "Ask each question with the answer to the one before, as those that "
            "were trained on conversations (SQA) are asked; off asks each by itself",
        ),
        "template": _line(
            "template", "Template", "How a label becomes a sentence; {} is the label. Empty takes the task's own"
        ),
        "multi_label": _check("multi_label", "Several may be true", "Score each label alone, instead of sharing 100 %"),
        "source_language": _listed(
            "source_language", "From",
            "Language of the text, or of what is said, as the checkpoint calls it; usually its code or its name. Empty "
            "takes the checkpoint's own, or lets Whisper hear which it is",
        ),
        "target_language": _listed(
            "target_language", "Into",
            "Language to write, as the checkpoint calls it, such as de_DE or deu_Latn; empty takes its own",
        ),
        "speech_task": _choice(
            "speech_task", "Speech becomes", SPEECH_TASKS,
            "Transcribe writes what is said in its own language, translate in English; auto does as the checkpoint's "
            "generation_config says, usually transcribe",
        ),
        "timestamps": _choice(
            "timestamps", "Time stamps", ("none", "segment", "word", "char"),
            "Say when each part was said: segments or words (Whisper), words or characters (CTC)",
        ),
        "chunk_length": _whole(
            "chunk_length", "Part (s)", 0, 600, start.chunk_length or 0,
            "Seconds of a long sound that are heard at once; usually 10 to 60. All takes what grows with the square "
            "of the length, or goes along it as the model itself does (Whisper)",
            none="all",
        ),
        "chunk_overlap": _decimal(
            "chunk_overlap", "Shared (s)", -0.05, 120.0, -0.05,
            "Seconds that a part shares with each neighbour, so that no word is cut; usually a sixth of a part",
            none="a sixth",
        ),
        "says_language": _check(
            "says_language", "Say the language", "Say in which language each part was spoken, as Whisper hears it"
        ),
        "frequency": _choice(
            "frequency", "Steps", FREQUENCIES,
            "How far the moments are apart: high is a day or less, medium a week or a month, low more than that",
        ),
        "max_new_tokens": _whole(
            "max_new_tokens", "New tokens", 1, 4096, start.max_new_tokens, "Stop after as many; usually 20 to 500"
        ),
        "num_beams": _whole(
            "num_beams", "Beams", 0, 16, 0,
            "Texts that are followed at once; usually 1 to 5. Its own is what the checkpoint's generation_config says, "
            "or 1",
            none="its own",
        ),
        "do_sample": _check("do_sample", "Sample", "Draw each token; off takes the most probable one (greedy)"),
        "temperature": _decimal(
            "temperature", "Temperature", 0.05, 5.0, start.temperature,
            "Divides the logits before a token is drawn; usually 0.2 to 1.5",
        ),
        "draw_top_k": _whole(
            "draw_top_k", "Top k tokens", 0, 1000, 0,
            "Draw from as many tokens, the most probable ones; usually 10 to 100. Its own is what the checkpoint's "
            "generation_config says, or the library's 50",
            none="its own",
        ),
        "top_p": _decimal(
            "top_p", "Top p", 0.0, 1.0, 0.0,
            "Draw from the fewest tokens that have this probability together; usually 0.8 to 0.95. Its own is what the "
            "checkpoint's generation_config says, or all",
            none="its own",
        ),
        "seed": _whole("seed", "Seed", 0, 2**31 - 1, start.seed, "The same seed draws the same tokens"),
        "stops": _words(
            "stops", "Stop at", "nothing",
            "Stop once one of these texts is written, between commas; the text itself is kept; usually a full stop or "
            "nothing",
        ),
        "speaks": _check("speaks", "Speak", "Say the answer besides writing it, which takes far longer"),
        "paints": _check("paints", "Draw a picture", "Draw what the text says instead of writing, which takes longer"),
        "states": _choice(
            "states", "States", STATES,
            "Whose hidden states an encoder-decoder is asked for: the encoder's, or the decoder's, which reads the "
            "same text one place to the right; auto takes those that pipeline() gives, or the encoder's",
        ),
        "pooling": _choice(
            "pooling", "Pooling", POOLINGS,
            "How hidden states become one vector: their mean, that of the first position (cls), their maximum, or that "
            "of the last position; usually the mean. The pooler is a layer of the model's own, which not every "
            "checkpoint has",
        ),
        "projection": _choice(
            "projection", "Map", PROJECTIONS,
            "How vectors become points: by the directions they differ most in (PCA), or so that neighbours stay "
            "neighbours (t-SNE); for three lines and more",
        ),
        "normalize": _check("normalize", "Normalize", "Scale each vector to length 1", start.normalize),
    }  # fmt: skip


def _whole(name: str, label: str, least: int, most: int, value: int, tip: str, none: str = "") -> _Row:
    box = named(QuietSpinBox(), f"tasks.{name}", label, tip)
    box.setRange(least, most)
    box.setValue(value)
    box.setKeyboardTracking(False)
    if not none:
        return _Row(box, box.value, box.setValue, box.valueChanged)
    box.setSpecialValueText(none)

    def read() -> int | None:
        return box.value() or None

    def write(value: int | None) -> None:
        box.setValue(value or 0)

    return _Row(box, read, write, box.valueChanged)


def _decimal(name: str, label: str, least: float, most: float, value: float, tip: str, none: str = "") -> _Row:
    box = named(QuietDoubleSpinBox(), f"tasks.{name}", label, tip)
    box.setDecimals(2)
    box.setRange(least, most)
    box.setSingleStep(0.05)
    box.setValue(value)
    box.setKeyboardTracking(False)

    box.setSpecialValueText(none)

    def read() -> float | None:
        value = round(box.value(), 4)
        return None if none and value <= least else value

    def write(value: float | None) -> None:
        box.setValue(least if value is None else value)

    return _Row(box, read, write, box.valueChanged)


def _choice(name: str, label: str, choices: tuple[str, ...], tip: str) -> _Row:
    box = named(QuietComboBox(), f"tasks.{name}", label, tip)
    box.addItems(choices)
    return _Row(box, box.currentText, box.setCurrentText, box.currentIndexChanged)


def _check(name: str, label: str, tip: str, on: bool = False) -> _Row:
    box = named(QCheckBox(label), f"tasks.{name}", label, tip)
    box.setChecked(on)
    return _Row(box, box.isChecked, box.setChecked, box.toggled)


def _words(name: str, label: str, none: str, tip: str, value: tuple[str, ...] = ()) -> _Row:
    line = named(QLineEdit(", ".join(value)), f"tasks.{name}", label, tip)
    line.setPlaceholderText(none)

    def read() -> tuple[str, ...]:
        return tuple(word.strip() for word in line.text().split(",") if word.strip())

    def write(words: tuple[str, ...]) -> None:
        line.setText(", ".join(words))

    return _Row(line, read, write, line.textChanged)


def _line(name: str, label: str, tip: str) -> _Row:
    line = named(QLineEdit(), f"tasks.{name}", label, tip)
    line.setPlaceholderText("its own")
    return _Row(line, line.text, line.setText, line.textChanged)


def _listed(name: str, label: str, tip: str) -> _Row:
    """A text that may be written, or chosen where the model says what there is; empty takes the model's own."""
    none = "its own"
    box = named(QuietComboBox(), f"tasks.{name}", label, tip)
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.lineEdit().setPlaceholderText(none)
    box.completer().setCompletionMode(QCompleter.CompletionMode.PopupCompletion)

    def offer(choices: tuple[str, ...]) -> None:
        box.clear()
        box.addItems((none, *choices) if choices else ())

    def read() -> str:
        text = box.currentText()
        return "" if text == none else text

    return _Row(box, read, box.setEditText, box.editTextChanged, offer)
