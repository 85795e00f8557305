"""The switches of the tokenizer call, under the names it has for them."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from workbench.engine import tokens
from workbench.engine.values import TokenizerOptions
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox


class Switches(QWidget):
    """What ``tokenizer(text, …)`` is called with.

    Signals:
        changed(): The person changed one.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._special = named(
            QCheckBox("add_special_tokens"),
            "tokenizer.add_special_tokens",
            "add_special_tokens",
            "Add what the model expects around a text, such as [CLS] and [SEP]; usually on, off for rendered chats",
        )
        self._special.setChecked(True)
        self._truncation = named(
            QCheckBox("truncation"), "tokenizer.truncation", "truncation", "Cut what is longer than max_length"
        )
        self._padding = named(
            QuietComboBox(),
            "tokenizer.padding",
            "padding",
            "Fill short texts up: to the longest of the batch (the usual choice), or all to max_length",
        )
        for label, value in (("False", False), ("longest", "longest"), ("max_length", "max_length")):
            self._padding.addItem(label, value)
        self._side = named(
            QuietComboBox(),
            "tokenizer.padding_side",
            "padding_side",
            "Where padding goes: right for training and encoders, left for generating from a batch",
        )
        for name, side in (("own", None), ("right", "right"), ("left", "left")):
            self._side.addItem(name, side)
        self._length = named(
            QuietSpinBox(),
            "tokenizer.max_length",
            "max_length",
            "Tokens, special ones included, to cut at and to fill up to; usually 128 up to the model's own",
        )
        self._length.setRange(0, 1_000_000)
        self._length.setSpecialValueText("own")

        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        checks = QHBoxLayout()
        checks.addWidget(self._special)
        checks.addWidget(self._truncation)
        checks.addStretch(1)
        grid.addLayout(checks, 0, 0, 1, 2)
        rows = (("padding", self._padding), ("padding_side", self._side), ("max_length", self._length))
        for number, (label, control) in enumerate(rows, start=1):
            words = QLabel(label)
            words.setBuddy(control)
            grid.addWidget(words, number, 0)
            grid.addWidget(control, number, 1)
        grid.setColumnStretch(1, 1)

        self._special.toggled.connect(self._on_changed)
        self._truncation.toggled.connect(self._on_changed)
        self._padding.currentIndexChanged.connect(self._on_changed)
        self._side.currentIndexChanged.connect(self._on_changed)
        self._length.valueChanged.connect(self._on_changed)
        self._show()

    @property
    def options(self) -> TokenizerOptions:
        """The switches; what has no effect is left at its default."""
        padding = self._padding.currentData()
        truncation = self._truncation.isChecked()
        length = self._length.value() if truncation or padding == "max_length" else 0
        return TokenizerOptions(
            add_special_tokens=self._special.isChecked(),
            padding=padding,
            truncation=truncation,
            max_length=length or None,
            padding_side=self._side.currentData() if padding else None,
        )

    def show_tokenizer(self, tokenizer: tokens.Tokenizer) -> None:
        """Say what a tokenizer's own length and side are."""
        longest = tokens.longest(tokenizer)
        self._length.setSpecialValueText(f"own ({longest:,})" if longest else "own (none)")
        self._side.setItemText(0, f"own ({tokenizer.padding_side})")

    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        padding = self._padding.currentData()
        self._side.setEnabled(bool(padding))
        self._length.setEnabled(self._truncation.isChecked() or padding == "max_length")
