"""How a checkpoint is loaded: head, dtype, device, attention, and the buttons that do it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from workbench.engine.values import Facts
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Choices:
    """What `models.load` is told.

    Attributes:
        head: Auto class; None takes the trained one.
        dtype: As stored, or another.
        device: Where it computes.
        attention: ``attn_implementation``; None takes the fastest that the model has.
        bits: Of packed weights; 0 leaves them.
    """

    head: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    attention: str | None = None
    bits: int = 0


class LoadForm(QWidget):
    """The choices, and Load.

    Signals:
        load_requested(bool): Load it; True for beside the model there is.
        changed(): Something was chosen.
    """

    load_requested = Signal(bool)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: Facts | None = None
        self._head = named(
            QuietComboBox(), "hub.head", "Head", "Which Auto class to load it with; the trained one fits the weights"
        )
        self._dtype = named(
            QuietComboBox(), "hub.dtype", "dtype", "Bytes a weight takes: auto keeps what is stored, float32 takes 4"
        )
        for name in DTYPES:
            self._dtype.addItem(name, name)
        self._device = named(QuietComboBox(), "hub.device", "Device", "Where it computes; auto takes the fastest")
        self._device.addItem("auto", "auto")
        self._attention = named(
            QuietComboBox(),
            "hub.attention",
            "Attention",
            "How attention is computed: auto takes sdpa where the model has it; eager writes its maps out",
        )
        for words, value in (("auto", None), ("sdpa", "sdpa"), ("eager", "eager")):
            self._attention.addItem(words, value)
        self._bits = named(
            QuietComboBox(), "hub.bits", "Quantize", "Bits a weight of a linear layer is packed into, on a GPU"
        )
        for words, bits in (("none", 0), ("8 bits", 8), ("4 bits", 4)):
            self._bits.addItem(words, bits)
        self._bits_label = QLabel("Quantize")
        self._load = named(QPushButton("Load"), "hub.load", "Load", "Load it with these choices (Ctrl+Enter)")
        self._second = named(
            QPushButton("Load as second"),
            "hub.load_second",
            "Load as second",
            "Load it beside those in memory, any number: to compare, to score a text with both, or to guess ahead",
        )
        set_role(self._load, "primary")
        icons.put(self._load, "play", "accent_text")
        self._needs = named(QLabel(), "hub.needs", "Head in words", "What the chosen head can do as it is")
        self._needs.setWordWrap(True)
        set_role(self._needs, "muted")
        self._lay_out()
        self._bits.hide()
        self._bits_label.hide()
        self._load.clicked.connect(self._on_load)
        self._second.clicked.connect(self._on_second)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for label, control, line, column in (
            (QLabel("Head"), self._head, 0, 0),
            (QLabel("dtype"), self._dtype, 1, 0),
            (QLabel("Device"), self._device, 1, 2),
            (QLabel("Attention"), self._attention, 2, 0),
            (self._bits_label, self._bits, 2, 2),
        ):
            control.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            control.setMinimumContentsLength(12 if control is self._head else 3)
            label.setBuddy(control)
            set_role(label, "muted")
            grid.addWidget(label, line, column)
            grid.addWidget(control, line, column + 1, 1, 3 if control is self._head else 1)
            control.currentIndexChanged.connect(self._on_choice)
        buttons = QHBoxLayout()
        buttons.addWidget(self._second)
        buttons.addWidget(self._load)
        grid.addWidget(self._needs, 3, 0, 1, 4)
        grid.addLayout(buttons, 4, 0, 1, 4, Qt.AlignmentFlag.AlignRight)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

    @property
    def choices(self) -> Choices:
        """What is chosen."""
        return Choices(
            head=self._head.currentData(),
            dtype=str(self._dtype.currentData()),
            device=str(self._device.currentData()),
            attention=self._attention.currentData(),
            bits=int(self._bits.currentData()),
        )

    def set_devices(self, devices: tuple[str, ...]) -> None:
        """Offer these devices beside auto, and packed weights where one of them is a GPU."""
        if [self._device.itemData(index) for index in range(1, self._device.count())] != list(devices):
            while self._device.count() > 1:
                self._device.removeItem(1)
            for device in devices:
                self._device.addItem("spread (device_map auto)" if device == "spread" else device, device)
        packs = any(device.startswith("cuda") for device in devices)
        self._bits.setVisible(packs)
        self._bits_label.setVisible(packs)

    def show_facts(self, facts: Facts | None) -> None:
        """Offer the heads of a checkpoint, the trained one first."""
        self._facts = facts
        self._head.blockSignals(True)
        self._head.clear()
        for head in facts.heads if facts else ():
            trained = facts is not None and head == facts.trained_head
            self._head.addItem(f"{head} (trained)" if trained else head, head)
        trained_at = self._head.findData(facts.trained_head) if facts else -1
        self._head.setCurrentIndex(max(0, trained_at))
        self._head.blockSignals(False)
        self._show_needs()

    def set_state(self, *, ready: bool, loading: bool) -> None:
        """Let it be loaded, or say that something loads."""
        for button in (self._load, self._second):
            button.setEnabled(ready and not loading)
        words = "Loading…" if loading else "Load"
        self._load.setText(words)
        self._load.setAccessibleName(words)

    def _show_needs(self) -> None:
        facts, head = self._facts, self._head.currentData()
        words = ""
        if facts is not None and head and facts.trained_head and head not in (facts.trained_head, "AutoModel"):
            words = "This head is untrained: its weights are drawn at random until you fine-tune it."
        elif facts is not None and head == "AutoModel" and facts.trained_head != "AutoModel":
            words = "Without a head it gives hidden states only."
        self._needs.setText(words)
        self._needs.setVisible(bool(words))

    def _on_choice(self) -> None:
        self._show_needs()
        self.changed.emit()

    def _on_load(self) -> None:
        self.load_requested.emit(False)

    def _on_second(self) -> None:
        self.load_requested.emit(True)
