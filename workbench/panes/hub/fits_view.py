"""Fits?: what the selected checkpoint takes at a chosen context, against what is free now, with the sum behind it."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from workbench.engine import fits, machine
from workbench.engine.values import Facts, Listing, Shape
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.quiet import QuietSpinBox
from workbench.widgets.theme import px, set_role

_CONTEXT = 1024
_LONGEST = 1_048_576


class FitsView(QWidget):
    """Two lines: whether it fits, and why."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stored: tuple[tuple[str, int], ...] = ()
        self._shape: Shape | None = None
        self._dtype, self._device, self._bits = "auto", "cpu", 0
        self._words = named(QLabel(), "hub.fits", "Fits", "What it takes at its largest, against the free memory")
        self._words.setWordWrap(True)
        self._context = named(
            QuietSpinBox(),
            "hub.fits_context",
            "Context",
            "Tokens it reads and keeps, for the estimate alone: often 1,024 to 32,768",
        )
        self._context.setRange(1, _LONGEST)
        self._context.setGroupSeparatorShown(True)
        self._context.setSingleStep(1024)
        self._context.setValue(_CONTEXT)
        self._context.setSuffix(" tokens")
        self._formula = named(QLabel(), "hub.fits_formula", "Formula", "Of what the estimate is the sum")
        self._formula.setWordWrap(True)
        set_role(self._formula, "muted")
        self._context.setMinimumWidth(px(self._context, 90))
        self._words.setMinimumWidth(px(self._words, 90))
        self._label = set_role(QLabel("Context"), "muted")
        self._label.setBuddy(self._context)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(self._formula, 2, 0, 1, 3)
        self._grid.setColumnStretch(0, 1)
        self.set_narrow(False)
        self._context.valueChanged.connect(self.refresh)
        self.clear()

    def set_narrow(self, narrow: bool) -> None:
        """Give the words a line to themselves, where they and the context are too much for one."""
        self._grid.addWidget(self._words, 0, 0, 1, 3 if narrow else 1)
        self._grid.addWidget(self._label, int(narrow), 1)
        self._grid.addWidget(self._context, int(narrow), 2)

    def clear(self) -> None:
        """Show nothing."""
        self._stored, self._shape = (), None
        self.hide()

    def show_facts(self, facts: Facts) -> None:
        """Reckon a checkpoint whose config is known."""
        whole = (("U8", facts.weight_bytes),) if facts.weight_bytes else ()
        self._show(facts.stored or whole, facts.shape, facts.context)

    def show_listing(self, listing: Listing) -> None:
        """Reckon the weights of a row of a search, until its config is known."""
        self._show(listing.stored, None, None)

    def set_choices(self, dtype: str, device: str, bits: int = 0) -> None:
        """Reckon for this dtype, the memory of this device and so many bits a packed weight."""
        self._dtype, self._device, self._bits = dtype, device, bits
        self.refresh()

    def refresh(self) -> None:
        """Look again at what is free."""
        if not self._stored:
            return
        found = fits.estimate(
            self._stored,
            self._shape,
            dtype=self._dtype,
            context=self._context.value(),
            free=machine.free(self._device),
            bits=self._bits,
            threads=machine.threads() if self._device == "cpu" else 0,
        )
        self._context.setEnabled(self._shape is not None)
        need = ("" if found.exact else "at least ") + format_bytes(found.total)
        free = format_bytes(found.free or 0)
        if found.fits is None:
            self._words.setText(f"Needs {need}.")
        elif found.fits:
            self._words.setText(f"Fits: needs {need}, {free} are free.")
        else:
            self._words.setText(f"Does not fit now: needs {need}, {free} are free. You can try all the same.")
        set_role(self._words, "warning" if found.fits is False else "")
        sums = [
            f"{format_bytes(size)} {line}" if size else line
            for size, line in zip((found.weights, found.cache, found.activations), found.formula, strict=True)
        ]
        self._formula.setText("\n".join(sums))

    def showEvent(self, event: QShowEvent) -> None:
        """What is free has changed since it was last seen."""
        super().showEvent(event)
        self.refresh()

    def _show(self, stored: tuple[tuple[str, int], ...], shape: Shape | None, longest: int | None) -> None:
        self._stored, self._shape = stored, shape
        self._context.setMaximum(min(longest or _LONGEST, _LONGEST))
        self.setVisible(bool(stored))
        self.refresh()
