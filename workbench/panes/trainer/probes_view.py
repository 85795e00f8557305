"""Probes: a few texts asked again and again while the model learns, and a slider to go back over the answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.train import Head
from workbench.engine.values import ProbeResult, TrainSpec
from workbench.panes.trainer.probe_text import page, plain
from workbench.widgets import icons
from workbench.widgets.foldable import Foldable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSlider, QuietSpinBox
from workbench.widgets.theme import CHANGES, px, set_role
from workbench.widgets.visible_text import drawable, one_line

#: By the Auto class of a head: what a probe is, and two that can be tried.
_KINDS = {
    "AutoModelForCausalLM": (
        "a prompt that is continued; ||| stands between an instruction and its input, where data have both",
        "The film begins with\nOnce upon a time",
    ),
    "AutoModelForSeq2SeqLM": ("a text that is rewritten", "The film begins with a storm.\nOnce upon a time"),
    "AutoModelForSequenceClassification": (
        "a text that gets a label; ||| stands between the two texts of a pair",
        "A film with a warm heart and a sharp eye.\nTwo hours of my life that nobody will give back.",
    ),
    "AutoModelForTokenClassification": (
        "a sentence whose words get tags",
        "Ada Lovelace was born in London.\nThe ship left Lisbon for Brazil in May.",
    ),
    "AutoModelForMaskedLM": ("a sentence with a [MASK]", "The film was [MASK].\nThe capital of France is [MASK]."),
    "AutoModelForQuestionAnswering": (
        "a question, |||, and the text that answers it",
        "Where was she born? ||| Ada Lovelace was born in London.",
    ),
    "AutoModelForImageClassification": ("the path of a picture", ""),
}
_WRITES = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")
#: Labels drawn at most: as many as there are colours that can be told apart.
_LINES = 6


class ProbesView(QWidget):
    """Probes to be edited above, the answers of a step below.

    Signals:
        edited(): The person changed what the next run will ask.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._results: dict[int, list[ProbeResult]] = {}
        self._steps: list[int] = []
        self._example = ""
        self._plot: LinePlot | None = None

        self._texts = named(
            QPlainTextEdit(), "trainer.probes", "Probes", "One a line; the next run asks them while it learns"
        )
        self._texts.setTabChangesFocus(True)
        self._every = named(
            QuietSpinBox(), "trainer.probe_steps", "every", "Optimizer steps between two rounds, usually 10 to 100"
        )
        self._every.setRange(1, 100_000)
        self._every.setValue(10)
        self._every.setSuffix(" steps")
        self._length = named(
            QuietSpinBox(), "trainer.probe_tokens", "at most", "Tokens that are written for a probe, usually 16 to 64"
        )
        self._length.setRange(1, 1024)
        self._length.setValue(32)
        self._length.setSuffix(" tokens")
        self._edit = Foldable("trainer.probe_edit", "Probes of the next run", "Texts that the run asks while it learns")
        self._edit.set_open(True)
        self._use = named(
            QPushButton("Use examples"), "trainer.probe_examples", "Use examples", "Fills in two texts for this head"
        )
        self._about = QLabel()
        self._about.setWordWrap(True)
        set_role(self._about, "muted")

        self._slider = named(
            QuietSlider(), "trainer.probe_step", "Step", "Goes back over the answers; the arrow keys go round by round"
        )
        self._back = named(QToolButton(), "trainer.probe_back", "Round before", "The answers of the round before")
        self._on = named(QToolButton(), "trainer.probe_on", "Round after", "The answers of the round after")
        icons.put(self._back, "chevron-left")
        icons.put(self._on, "chevron-right")
        self._where = named(QLabel(), "trainer.probe_where", "Round")
        set_role(self._where, "heading")
        self._answers = named(
            QTextBrowser(), "trainer.probe_answers", "Answers", "What changed since the round before is underlined"
        )
        self._answers.setOpenLinks(False)
        self._which = named(
            QuietComboBox(), "trainer.probe_which", "Probe", "Whose probabilities are drawn over the steps"
        )
        self._which.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._lay_out()
        self._texts.textChanged.connect(self._on_edited)
        self._every.valueChanged.connect(self._on_edited)
        self._length.valueChanged.connect(self._on_edited)
        self._use.clicked.connect(self._on_examples)
        self._slider.valueChanged.connect(self._show_round)
        self._back.clicked.connect(self._on_back)
        self._on.clicked.connect(self._on_forward)
        self._which.currentIndexChanged.connect(self._show_lines)
        self._on_edited()
        self._show_round()

    # What it holds.

    def values(self) -> dict[str, Any]:
        """The fields of a `TrainSpec` that it sets."""
        lines = (drawable(line).strip() for line in self._texts.toPlainText().splitlines())
        return {
            "probes": tuple(dict.fromkeys(line for line in lines if line)),
            "probe_steps": self._every.value(),
            "probe_tokens": self._length.value(),
        }

    def fill(self, spec: TrainSpec) -> None:
        """Take over the probes of a run for the next one."""
        self._texts.setPlainText("\n".join(spec.probes))
        self._every.setValue(spec.probe_steps)
        self._length.setValue(spec.probe_tokens)

    def show_head(self, head: Head) -> None:
        """Say what a probe is for this head."""
        kind, self._example = _KINDS.get(head.auto_class, ("a text", ""))
        self._texts.setPlaceholderText(self._example)
        self._about.setText(
            f"Each line is {kind}. The run asks them all again and again, so that one sees what is being learned; "
            "its losses stay the same."
        )
        writes = head.auto_class in _WRITES
        self._length.setVisible(writes)
        self._at_most.setVisible(writes)
        self._on_edited()

    def begin(self) -> None:
        """Forget the answers of the last run, and make room for those of the next."""
        self.set_results(())
        self._edit.set_open(not self.values()["probes"])

    def add(self, result: ProbeResult) -> None:
        """Take an answer of the run at work; who looks at the newest round keeps looking at the newest."""
        follows = self._slider.value() == self._slider.maximum()
        self._take(result)
        self._slider.blockSignals(True)
        self._slider.setMaximum(max(0, len(self._steps) - 1))
        if follows:
            self._slider.setValue(self._slider.maximum())
        self._slider.blockSignals(False)
        self._show_probes()
        self._show_round()

    def set_results(self, results: Sequence[ProbeResult]) -> None:
        """Show the answers of a whole run, the last round first."""
        self._results, self._steps = {}, []
        for result in results:
            self._take(result)
        self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, len(self._steps) - 1))
        self._slider.setValue(self._slider.maximum())
        self._slider.blockSignals(False)
        self._show_probes()
        self._show_round()

    # What the person did.

    def _on_edited(self) -> None:
        number = len(self.values()["probes"])
        self._edit.set_note(f"{number:,}" if number else "")
        self._use.setVisible(not number and bool(self._example))
        self._every.setEnabled(number > 0)
        self._length.setEnabled(number > 0)
        self.edited.emit()

    def _on_examples(self) -> None:
        self._texts.setPlainText(self._example)

    def _on_back(self) -> None:
        self._slider.setValue(self._slider.value() - 1)

    def _on_forward(self) -> None:
        self._slider.setValue(self._slider.value() + 1)

    # What changed.

    def _take(self, result: ProbeResult) -> None:
        if result.step not in self._results:
            self._results[result.step] = []
            self._steps.insert(bisect_left(self._steps, result.step), result.step)
        self._results[result.step].append(result)

    def _show_round(self) -> None:
        at = self._slider.value()
        has = bool(self._steps)
        self._after.setVisible(has)
        self._nothing.setVisible(not has)
        if not has:
            return
        step = self._steps[at]
        results = self._results[step]
        before = self._results[self._steps[at - 1]] if at else []
        self._answers.setHtml(page(results, before))
        self._answers.setAccessibleDescription("; ".join(f"{one.probe}: {plain(one)}" for one in results))
        when = "before the first step" if step == 0 else f"after step {step:,}"
        self._where.setText(f"{when[0].upper()}{when[1:]}")
        self._back.setEnabled(at > 0)
        self._on.setEnabled(at < len(self._steps) - 1)
        if self._plot is not None:
            self._plot.point_at(float(step))

    def _show_probes(self) -> None:
        asked = list(dict.fromkeys(one.probe for step in self._steps for one in self._results[step] if one.labels))
        if asked != [self._which.itemData(row) for row in range(self._which.count())]:
            chosen = self._which.currentData()
            self._which.blockSignals(True)
            self._which.clear()
            for probe in asked:
                self._which.addItem(one_line(drawable(probe)), probe)
            self._which.setCurrentIndex(max(0, self._which.findData(chosen)))
            self._which.blockSignals(False)
        self._lines.setVisible(bool(asked))
        self._show_lines()

    def _show_lines(self) -> None:
        probe = self._which.currentData()
        if probe is None:
            return
        if self._plot is None:
            self._plot = LinePlot("trainer.probe_plot", "Probability", "optimizer step", "probability", smoothing=0)
            self._plot.keep_y(0.0, 1.0)
            self._lines.layout().addWidget(self._plot, 1)
            # What was laid out without it has left it no room.
            self._split.setSizes([200, 260])
        shares: dict[str, list[tuple[float, float]]] = {}
        for step in self._steps:
            for result in self._results[step]:
                if result.probe == probe:
                    for name, share in result.labels:
                        shares.setdefault(name, []).append((float(step), share))
        # Those that were ever the likeliest, in an order that does not change while points come.
        likely = sorted(shares, key=lambda name: -max(share for _, share in shares[name]))[:_LINES]
        names = sorted(drawable(name) for name in likely)
        if names != self._drawn:
            self._plot.remove_series()
            self._drawn = names
        for name in likely:
            self._plot.set_series(drawable(name), *zip(*shares[name], strict=True))

    # Qt, and the layout.

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme, which the answers are written in."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_after"):
            self._fit()
            self._show_round()

    def _fit(self) -> None:
        self._answers.setMinimumHeight(px(self, 48))
        self._texts.setFixedHeight(self._texts.fontMetrics().lineSpacing() * 4 + px(self, 14))

    def _lay_out(self) -> None:
        self._drawn: list[str] = []
        self._at_most = QLabel("at most")
        self._at_most.setBuddy(self._length)
        every = QLabel("every")
        every.setBuddy(self._every)
        for box in (self._every, self._length):
            box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        edit = QGridLayout()
        edit.addWidget(self._texts, 0, 0, 2, 1)
        edit.setColumnStretch(0, 1)
        for row, (label, control) in enumerate(((every, self._every), (self._at_most, self._length))):
            edit.addWidget(label, row, 1)
            edit.addWidget(control, row, 2)
        about = QHBoxLayout()
        about.addWidget(self._about, 1)
        about.addWidget(self._use, 0, Qt.AlignmentFlag.AlignTop)
        scrub = QHBoxLayout()
        scrub.addWidget(self._where)
        scrub.addStretch(1)
        scrub.addWidget(self._back)
        scrub.addWidget(self._slider, 3)
        scrub.addWidget(self._on)
        self._lines = QWidget()
        lines = QVBoxLayout(self._lines)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self._which)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self._answers)
        self._split.addWidget(self._lines)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 1)
        self._after = QWidget()
        after = QVBoxLayout(self._after)
        after.setContentsMargins(0, 0, 0, 0)
        after.addLayout(scrub)
        after.addWidget(self._split, 1)
        self._nothing = QLabel("The answers of the next run appear here, from before its first step to its last.")
        self._nothing.setWordWrap(True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        set_role(self._nothing, "muted")
        self._fit()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit.body.addLayout(about)
        self._edit.body.addLayout(edit)
        layout.addWidget(self._edit)
        layout.addWidget(self._nothing, 1)
        layout.addWidget(self._after, 1)
