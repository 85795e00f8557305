"""The control of the watermark, and the detector's verdict on a text that bears one."""

from __future__ import annotations

import re
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.generate.detecting import Verdict, detect
from workbench.engine.task import Task
from workbench.engine.values import Branch, Watermark
from workbench.panes.playground.knobs import LARGEST_SEED, Control, labelled
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.knob import Knob
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox

_KINDS = {"": "off", "green": "green list", "synthid": "SynthID"}
_SCHEMES = {"lefthash": "by the token in front", "selfhash": "by the token itself too"}


class WatermarkControl(Control):
    """The kind of mark, and what that kind is told."""

    def __init__(self) -> None:
        super().__init__(
            "watermarking_config",
            "Marks the text so that a detector with the same key tells it from others; readers see nothing. Read when "
            "a generation starts. Green list: some tokens, which depend on those in front, become likelier. SynthID: a "
            "tournament among the tokens that keeps their chances on average",
        )
        self._known = Watermark()
        self._kind = named(QuietComboBox(), "playground.watermarking_config", self.field, self.tip)
        self._kind.addItems(list(_KINDS.values()))
        self.column.addWidget(labelled(self.field, self._kind, self.tip))
        self._of: dict[str, list[QWidget]] = {
            "green": [*self._green()],
            "synthid": [*self._synthid()],
        }
        for widgets in self._of.values():
            for widget in widgets:
                self.column.addWidget(widget)
        self.setFocusProxy(self._kind)
        self._kind.currentIndexChanged.connect(self._on_kind)
        self._show_kind()

    def read(self) -> Watermark | None:
        """The mark, or None when it is off."""
        kind = list(_KINDS)[self._kind.currentIndex()]
        if not kind:
            return None
        return replace(
            self._known,
            kind=kind,
            greenlist_ratio=self._ratio.value,
            bias=self._bias.value,
            context_width=int(self._width.value),
            seeding_scheme=list(_SCHEMES)[self._scheme.currentIndex()],
            hashing_key=self._key.value(),
            ngram_len=int(self._ngram.value),
            keys=tuple(int(each) for each in re.findall(r"\d+", self._keys.text())),
        )

    def show_value(self, value: Watermark | None) -> None:
        """Show a mark; off leaves the rest where it was."""
        self._kind.setCurrentIndex(list(_KINDS).index(value.kind if value is not None else ""))
        if value is None:
            return
        self._known = value
        self._ratio.set_value(value.greenlist_ratio)
        self._bias.set_value(value.bias)
        self._width.set_value(value.context_width)
        self._scheme.setCurrentIndex(list(_SCHEMES).index(value.seeding_scheme))
        self._key.setValue(value.hashing_key)
        self._ngram.set_value(value.ngram_len)
        if value.keys != tuple(int(each) for each in re.findall(r"\d+", self._keys.text())):
            self._keys.setText(" ".join(map(str, value.keys)))

    def _on_kind(self) -> None:
        self._show_kind()
        self.edited.emit()

    def _show_kind(self) -> None:
        kind = list(_KINDS)[self._kind.currentIndex()]
        for name, widgets in self._of.items():
            for widget in widgets:
                widget.setVisible(name == kind)

    def _green(self) -> list[QWidget]:
        usual = Watermark()
        self._ratio = Knob(
            "playground.greenlist_ratio", "greenlist_ratio", 0.01, 0.99, usual.greenlist_ratio, step=0.01, decimals=2,
            tip="Share of the vocabulary that is green at a step; usually 0.25 to 0.5",
        )  # fmt: skip
        self._bias = Knob(
            "playground.watermark_bias", "bias", -10.0, 10.0, usual.bias, step=0.1, decimals=2,
            tip="Added to the logits of green tokens: the larger, the surer the detector and the odder the text; "
            "usually 0.5 to 2.5",
        )  # fmt: skip
        self._width = Knob(
            "playground.context_width", "context_width", 1, 8, usual.context_width, step=1, decimals=0,
            tip="How many tokens in front decide which are green; usually 1 to 4",
        )  # fmt: skip
        self._scheme = named(
            QuietComboBox(), "playground.seeding_scheme", "seeding_scheme",
            "What decides which tokens are green; in transformers: lefthash and selfhash, which is slower",
        )  # fmt: skip
        self._scheme.addItems(list(_SCHEMES.values()))
        self._key = named(
            QuietSpinBox(), "playground.hashing_key", "hashing_key", "Whoever wants to find the mark has to know it",
        )  # fmt: skip
        self._key.setRange(1, LARGEST_SEED)
        self._key.setValue(usual.hashing_key)
        for knob in (self._ratio, self._bias, self._width):
            knob.value_changed.connect(self.edited)
        self._scheme.currentIndexChanged.connect(self.edited)
        self._key.valueChanged.connect(self.edited)
        rows = [labelled(each.accessibleName(), each, each.toolTip()) for each in (self._scheme, self._key)]
        return [self._ratio, self._bias, self._width, *rows]

    def _synthid(self) -> list[QWidget]:
        usual = Watermark()
        self._ngram = Knob(
            "playground.ngram_len", "ngram_len", 2, 10, usual.ngram_len, step=1, decimals=0,
            tip="On how many tokens, the new one included, the tournament depends; usually 5",
        )  # fmt: skip
        self._keys = named(
            QLineEdit(" ".join(map(str, usual.keys))), "playground.watermark_keys", "keys",
            "A number for each round of the tournament; whoever wants to find the mark has to know them; usually 20 to "
            "30 of them",
        )  # fmt: skip
        self._ngram.value_changed.connect(self.edited)
        self._keys.textChanged.connect(self.edited)
        return [self._ngram, labelled("keys", self._keys, self._keys.toolTip())]


class Judge(QObject):
    """Asks the detector about the text that is looked at, and says what it found.

    Args:
        session: Whose branch.
        runner: Does it beside all else: a long text takes seconds, and typing must not wait.
        label: Shows the verdict; hidden where no mark was put on.
    """

    def __init__(self, session: Session, runner: Runner, label: QLabel) -> None:
        super().__init__(label)
        self._session, self._runner, self._label = session, runner, label
        self._asked: tuple[object, ...] = ()

    def look(self, branch: Branch | None, *, writing: bool) -> None:
        """Judge a branch; one that is being written, or bears no mark, gets no verdict."""
        steps = branch.steps if branch is not None and not writing else ()
        mark = steps[-1].sampling.watermarking_config if steps else None
        size = self._vocabulary(branch) if branch is not None else 0
        if mark is None or not size:
            self._asked = ()
            self._label.hide()
            return
        asked = (mark, tuple(step.token_id for step in steps), size)
        if asked == self._asked:
            return
        self._asked = asked
        self._label.hide()
        job = Job("Look for the watermark", _judge, *asked, pane="playground", quiet=True)
        job.succeeded.connect(self._on_judged)
        self._runner.start(job, Lane.IO, slot="playground.watermark")

    def _vocabulary(self, branch: Branch) -> int:
        """How many tokens the model scored, 0 where nobody knows any longer."""
        logits = next((step.logits for step in branch.steps if step.logits is not None), None)
        if logits is not None:
            return int(logits.bits.size)
        model = self._session.model
        own = model is not None and model.checkpoint.name == branch.checkpoint
        return int(model.model.config.get_text_config().vocab_size) if model is not None and own else 0

    def _on_judged(self, result: tuple[tuple[object, ...], str]) -> None:
        asked, words = result
        if asked == self._asked:
            self._label.setText(words)
            self._label.show()


def _judge(mark: Watermark, ids: tuple[int, ...], size: int, *, task: Task) -> tuple[tuple[object, ...], str]:
    """What was asked, and what to say: the verdict, or why there is none."""
    try:
        return (mark, ids, size), said(detect(mark, ids, size, task=task))
    except WorkbenchError as error:
        return (mark, ids, size), f"Watermark: {error.why[0].lower()}{error.why[1:]}"


def said(verdict: Verdict) -> str:
    """A verdict in words."""
    found = "found" if verdict.found else "not found"
    share = verdict.green / verdict.tokens
    return (
        f"Watermark {found}: {verdict.green:,} of {verdict.tokens:,} tokens are green ({format_percent(share)}, "
        f"{format_percent(verdict.expected)} by chance) · z {verdict.z:.2f} · p {verdict.p:.2g}"
    )
