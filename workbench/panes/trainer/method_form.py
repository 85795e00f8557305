"""What of the checkpoint is trained: everything, the head, or an adapter with its layers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from workbench.engine.train.means import Limits
from workbench.engine.train.methods import ADAPTERS, Layout
from workbench.engine.train.own_adapter import OWN
from workbench.engine.values import Method
from workbench.panes.trainer.form_rows import add_row, help_of, number_box, rows_of
from workbench.panes.trainer.settings_fields import Field
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

_FULL = "Trains every weight but those of layers that are frozen: the most that can be learned, and the most memory."
_HEAD = "Trains the head and leaves the body as it is: the fastest, where the body knows enough."

_UPON = "A new adapter would have two checkpoints beneath it: merge this one first, by Save or push… under Evaluation."

_KIND = Field("method", "Method", "peft", "all, or LoRA",
              "What is trained: every weight, the head, or an adapter beside frozen weights.")  # fmt: skip
_RANK = Field("rank", "Rank", "r", "4–64", "Inner size of the adapter's matrices: more learns more.", 1, 4096)
_ALPHA = Field("alpha", "Alpha", "lora_alpha", "1–2 × rank", "The adapter counts alpha / rank.", 1, 8192)
_DROPOUT = Field("adapter_dropout", "Dropout", "lora_dropout", "0–0.1",
                 "Leaves out a share of the adapter's inputs at each step.", 0, 0.9, 0.05, 2)  # fmt: skip
_BITS = Field("bits", "Base weights", "quantization_config", "float32",
              "How the frozen weights below the adapter are kept.")  # fmt: skip

FIELDS = (_KIND, _RANK, _ALPHA, _DROPOUT, _BITS)


class MethodForm(QWidget):
    """Chooses a `Method`; the layers an adapter can go to are offered once the checkpoint has been looked at.

    Signals:
        edited(): The person changed it.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filling = False
        self._wanted: tuple[str, ...] = ()
        self._adapter = self._beneath = self._unfit = ""
        self._layers: dict[str, QCheckBox] = {}
        self._kind = named(QuietComboBox(), "trainer.method", _KIND.label, help_of(_KIND))
        self._kind.addItem("Everything", "full")
        self._kind.addItem("The head alone", "head")
        for name, adapter in ADAPTERS.items():
            self._kind.addItem(adapter.title, name)
        self._about = named(QLabel(_FULL), "trainer.method_about", "What the method does")
        self._about.setWordWrap(True)
        set_role(self._about, "muted")
        self._rank, self._alpha, self._dropout = (number_box(field) for field in (_RANK, _ALPHA, _DROPOUT))
        self._bits = named(QuietComboBox(), "trainer.bits", _BITS.label, help_of(_BITS))
        for title, bits in (("float32", 0), ("8 bits", 8), ("4 bits", 4)):
            self._bits.addItem(title, bits)
        self._offered = QWidget()
        self._columns = QGridLayout(self._offered)
        self._columns.setContentsMargins(0, 0, 0, 0)
        self._all = QLabel("Layers: all linear ones but the head, or")
        self._all.setToolTip("target_modules of peft: none ticked means all-linear")

        grid = rows_of(self)
        self._rows = {
            field.name: add_row(grid, field, control)
            for field, control in zip(
                FIELDS, (self._kind, self._rank, self._alpha, self._dropout, self._bits), strict=True
            )
        }
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self._about)
        layout.addWidget(self._all)
        layout.addWidget(self._offered)

        for box in (self._kind, self._bits):
            box.currentIndexChanged.connect(self._on_edited)
        for number in (self._rank, self._alpha, self._dropout):
            number.valueChanged.connect(self._on_edited)
        self.fill(Method())

    @property
    def summary(self) -> str:
        """The method in a few words."""
        adapter = ADAPTERS.get(str(self._kind.currentData()))
        if adapter is None:
            return self._kind.currentText().lower()
        return f"{adapter.title}, rank {self._rank.value()}" if adapter.rank else adapter.title

    def value(self) -> Method:
        """The method as it is set."""
        kind = str(self._kind.currentData())
        if kind not in ADAPTERS:  # everything, the head, its own adapter
            return Method(kind)
        return Method(
            kind,
            int(self._rank.value()),
            int(self._alpha.value()),
            float(self._dropout.value()),
            self._targets(),
            int(self._bits.currentData()),
        )

    def fill(self, method: Method) -> None:
        """Show a method without announcing it."""
        self._filling = True
        self._kind.setCurrentIndex(max(0, self._kind.findData(method.kind)))
        self._rank.setValue(method.rank)
        self._alpha.setValue(method.alpha)
        self._dropout.setValue(method.dropout)
        self._bits.setCurrentIndex(self._bits.findData(method.bits))
        self._wanted = method.targets
        for name, box in self._layers.items():
            box.setChecked(name in method.targets)
        self._filling = False
        self._show_kind()

    def show_adapter(self, kind: str, beneath: str, unfit: str = "") -> None:
        """Offer to train the checkpoint's own adapter further, where it is one; a new one can't be put upon it.

        Args:
            kind: As peft names it, such as ``LORA``; empty where the checkpoint is no adapter.
            beneath: The checkpoint that it belongs to.
            unfit: Why it can't be trained further for this task, as a sentence; everything is chosen in its place.
        """
        titles = {adapter.title.upper(): adapter.title for adapter in ADAPTERS.values()}
        self._adapter, self._beneath, self._unfit = titles.get(kind, kind), beneath, unfit
        place = self._kind.findData(OWN)
        self._filling = True
        if kind and place < 0:
            self._kind.insertItem(0, "Its own adapter", OWN)
        elif not kind and place >= 0:
            self._kind.removeItem(place)
        for place in range(self._kind.count()):
            name = str(self._kind.itemData(place))
            self._kind.model().item(place).setEnabled(not (unfit if name == OWN else kind and name in ADAPTERS))
            if name == OWN:
                self._kind.setItemData(place, unfit, Qt.ItemDataRole.ToolTipRole)
            if name in ADAPTERS:
                tip = _UPON if kind else ADAPTERS[name].about
                self._kind.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        if unfit and self._kind.currentData() == OWN:
            self._kind.setCurrentIndex(self._kind.findData("full"))
        self._filling = False
        self._show_kind()

    def show_layout(self, layout: Layout) -> None:
        """Offer the layers of the checkpoint; those that were ticked stay so where they are found."""
        if tuple(self._layers) != tuple(name for name, _ in layout.layers):
            ticked = self._targets() or self._wanted
            for box in self._layers.values():
                self._columns.removeWidget(box)
                box.deleteLater()
            self._layers = {}
            for place, (name, count) in enumerate(layout.layers):
                box = named(
                    QCheckBox(name), f"trainer.layer.{name}", name, f"Give the {count} layers {name} an adapter"
                )
                box.setChecked(name in ticked)
                box.toggled.connect(self._on_edited)
                self._columns.addWidget(box, place // 2, place % 2)
                self._layers[name] = box
            self._wanted = ()
        self._show_kind()

    def show_limits(self, limits: Limits) -> None:
        """Switch off what this machine can't do, and say why."""
        for place in range(self._bits.count()):
            item = self._bits.model().item(place)
            item.setEnabled(not limits.bits or self._bits.itemData(place) == 0)
            item.setToolTip(limits.bits if self._bits.itemData(place) else "")
        self._bits.setToolTip(f"{help_of(_BITS)} {limits.bits}".strip())

    def _targets(self) -> tuple[str, ...]:
        if not self._layers:
            return self._wanted
        return tuple(name for name, box in self._layers.items() if box.isChecked())

    def _on_edited(self) -> None:
        self._show_kind()
        if not self._filling:
            self.edited.emit()

    def _show_kind(self) -> None:
        kind = str(self._kind.currentData())
        adapter = ADAPTERS.get(kind)
        own = f"Goes on training the {self._adapter} adapter beside the frozen weights of {self._beneath}."
        about = {"full": _FULL, "head": _HEAD, OWN: own}.get(kind) or (adapter.about if adapter is not None else "")
        if self._adapter and kind in ("full", "head"):
            about = " ".join((self._unfit, f"The adapter is merged into {self._beneath} first.", about)).strip()
        self._about.setText(about)
        used = {
            "method": True,
            "rank": bool(adapter and adapter.rank),
            "alpha": bool(adapter and adapter.alpha),
            "adapter_dropout": bool(adapter and adapter.dropout),
            "bits": adapter is not None,
        }
        for name, widgets in self._rows.items():
            for widget in widgets:
                widget.setVisible(used[name])
        self._all.setVisible(bool(adapter and self._layers))
        self._offered.setVisible(bool(adapter and self._layers))
        self._kind.setItemData(self._kind.currentIndex(), self._about.text(), Qt.ItemDataRole.ToolTipRole)
