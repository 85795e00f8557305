"""The knobs of generate(), in step with the session."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.values import Sampling
from workbench.widgets import icons
from workbench.widgets.knob import Knob
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSpinBox
from workbench.widgets.theme import px, set_role

_LARGEST_SEED = 2**31 - 1
_NEUTRAL: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}


class Controls(QScrollArea):
    """One knob for each field of `Sampling`.

    Attributes:
        tint: Whether the output is tinted.

    Signals:
        sampling_edited(Sampling): The person moved a knob.
    """

    sampling_edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sampling = Sampling()
        self._shown: dict[str, float] = {}
        self._showing = False

        self._do_sample = named(
            QCheckBox("do_sample"),
            "playground.do_sample",
            "do_sample",
            "Draws the next token from the distribution; switched off, the most probable one is taken (greedy)",
        )
        # In the order in which the library applies them.
        self._knobs = {
            "repetition_penalty": Knob(
                "playground.repetition_penalty", "repetition_penalty", 0.5, 2.0, 1.0, step=0.05, decimals=2, off=1.0,
                tip="Makes tokens that were there already less likely (above 1) or more likely (below 1), in greedy "
                "decoding too; usually 1.0 to 1.3",
            ),
            "temperature": Knob(
                "playground.temperature", "temperature", 0.05, 3.0, 0.7, step=0.05, decimals=2, off=1.0,
                tip="Divides the logits: below 1 sharpens the distribution, above 1 flattens it; usually 0.2 to 1.5",
            ),
            "top_k": Knob(
                "playground.top_k", "top_k", 0, 500, 50, step=1, decimals=0, off=0,
                tip="Keeps the k most probable tokens; usually 20 to 100",
            ),
            "top_p": Knob(
                "playground.top_p", "top_p", 0.0, 1.0, 0.95, step=0.01, decimals=3, off=1.0,
                tip="Keeps the smallest set of tokens whose probabilities reach p; usually 0.8 to 0.95",
            ),
            "min_p": Knob(
                "playground.min_p", "min_p", 0.0, 1.0, 0.0, step=0.01, decimals=3, off=0.0,
                tip="Drops what is less probable than min_p times the most probable token; usually 0.02 to 0.1",
            ),
            "max_new_tokens": Knob(
                "playground.max_new_tokens", "max_new_tokens", 1, 4096, 128, decimals=0, log=True,
                tip="Stops after as many new tokens; may be moved while text comes; usually 50 to 500",
            ),
        }  # fmt: skip
        self._seed = named(
            QuietSpinBox(),
            "playground.seed",
            "seed",
            "The same seed, prompt and knobs give the same tokens; read when a generation starts; any whole number",
        )
        self._seed.setRange(0, _LARGEST_SEED)
        self._seed.setMinimumWidth(px(self, 84))
        self._new_seed = named(QToolButton(), "playground.new_seed", "New seed", "Take another random seed")
        self._neutral = named(
            QPushButton("Neutral"),
            "playground.neutral",
            "Neutral",
            "Switch every knob off: the distribution as the model gives it",
        )
        self._defaults = named(
            QPushButton("Defaults"), "playground.defaults", "Defaults", "Put the knobs back to where they were at first"
        )
        self.tint = named(
            QCheckBox("Tint by surprise"),
            "playground.tint",
            "Tint by surprise",
            "The stronger the tint, the less probable the token was before the knobs acted; full at 10 bits (1/1,024)",
        )
        self.tint.setChecked(True)
        set_role(self._new_seed, "quiet")
        icons.put(self._new_seed, "refresh")
        self._lay_out()

        self._do_sample.toggled.connect(self._on_edited)
        self._seed.valueChanged.connect(self._on_edited)
        self._new_seed.clicked.connect(self._on_new_seed)
        self._neutral.clicked.connect(self._on_neutral)
        self._defaults.clicked.connect(self._on_defaults)
        for knob in self._knobs.values():
            knob.value_changed.connect(self._on_edited)
        self.show_sampling(self._sampling)

    def show_sampling(self, sampling: Sampling) -> None:
        """Show where the knobs stand, without announcing it."""
        self._sampling = sampling
        self._showing = True
        self._do_sample.setChecked(sampling.do_sample)
        self._seed.setValue(min(sampling.seed, _LARGEST_SEED))
        for name, knob in self._knobs.items():
            knob.set_value(getattr(sampling, name))
        self._shown = {"seed": self._seed.value()} | {name: knob.value for name, knob in self._knobs.items()}
        self._showing = False
        self._show_what_acts()

    def minimumSizeHint(self) -> QSize:
        """As wide as the knobs need, so that they are only ever scrolled down."""
        content: QWidget | None = self.widget()
        width = content.minimumSizeHint().width() if content is not None else 0
        return QSize(width + self.verticalScrollBar().sizeHint().width(), px(self, 120))

    def _lay_out(self) -> None:
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(px(self, 4), 0, px(self, 8), 0)
        column.setSpacing(px(self, 8))
        column.addWidget(self._do_sample)
        for knob in self._knobs.values():
            column.addWidget(knob)
        label = QLabel("seed")
        label.setToolTip(self._seed.toolTip())
        label.setBuddy(self._seed)
        seed = QHBoxLayout()
        seed.addWidget(label)
        seed.addWidget(self._seed, 1)
        seed.addWidget(self._new_seed)
        column.addLayout(seed)
        presets = QHBoxLayout()
        presets.addWidget(self._neutral)
        presets.addWidget(self._defaults)
        presets.addStretch(1)
        column.addLayout(presets)
        self._note = QLabel("Knobs act on the next token, while text comes, and on the distribution at once.")
        self._note.setWordWrap(True)
        set_role(self._note, "muted")
        column.addWidget(self._note)
        column.addWidget(self.tint)
        column.addStretch(1)
        self.setWidget(content)

    def _on_edited(self) -> None:
        if self._showing:
            return
        # What a knob can't show (a value beyond its range, set elsewhere) stays as it was until that knob is moved.
        now: dict[str, float] = {"seed": self._seed.value()} | {name: knob.value for name, knob in self._knobs.items()}
        moved: dict[str, Any] = {
            name: type(getattr(self._sampling, name))(value)
            for name, value in now.items()
            if value != self._shown[name]
        }
        self._take(replace(self._sampling, **moved, do_sample=self._do_sample.isChecked()))

    def _on_new_seed(self) -> None:
        self._seed.setValue(random.randrange(_LARGEST_SEED))

    def _on_neutral(self) -> None:
        self._take(replace(self._sampling, do_sample=True, **_NEUTRAL))

    def _on_defaults(self) -> None:
        self._take(replace(Sampling(), seed=self._sampling.seed))

    def _take(self, sampling: Sampling) -> None:
        self.show_sampling(sampling)
        self.sampling_edited.emit(sampling)

    def _show_what_acts(self) -> None:
        for name in ("temperature", "top_k", "top_p", "min_p"):
            self._knobs[name].setEnabled(self._do_sample.isChecked())
