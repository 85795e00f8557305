"""The shelf: starters that make the first minute real, a card each with one button."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.starters import STARTERS, Starter
from workbench.engine.task import Progress
from workbench.widgets import icons
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.fitting import FittingWidget
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes, format_progress
from workbench.widgets.theme import px, set_role

_SOURCES = {
    "": "Hub, else package index",
    "hub": "from the Hub",
    "starter": "from the package index",
    "program": "came with the program",
}


class Shelf(FittingWidget):
    """Starters and sample data.

    Signals:
        get_requested(str): Fetch the starter with this key.
        load_requested(str): Load it, it is there.
        cancel_requested(str): Stop fetching it.
        chosen(str): The person wants to look at it.
    """

    get_requested = Signal(str)
    load_requested = Signal(str)
    cancel_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = {starter.key: _StarterCard(starter) for starter in STARTERS}
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for card in self._cards.values():
            card.pressed.connect(self._on_pressed)
        self._shown: tuple[_Card, ...] = (*self._cards.values(), _SampleCard())
        for each in self._shown:
            self._row.addWidget(each, 1)
        self._lying = False

    @property
    def lying(self) -> bool:
        """Whether the cards lie one below the other, as no three stand side by side in its width."""
        return self._lying

    def minimumSizeHint(self) -> QSize:
        """As narrow as a card that lies."""
        return QSize(px(self, 220), super().minimumSizeHint().height())

    def fit(self) -> None:
        """Lay the cards down where they can't stand."""
        across = max(card.standing_width for card in self._shown)
        lying = across * len(self._shown) + self._row.spacing() * (len(self._shown) - 1) > self.width()
        if lying == self._lying:
            return
        self._lying = lying
        self._row.setDirection(QBoxLayout.Direction.TopToBottom if lying else QBoxLayout.Direction.LeftToRight)
        for card in self._shown:
            card.lay(lying)
        self.updateGeometry()

    def set_installed(self, sources: Mapping[str, str]) -> None:
        """Say which starters are on this machine, and where each came from: ``hub`` or ``starter``."""
        for key, card in self._cards.items():
            card.set_installed(sources.get(key))

    def set_progress(self, key: str, progress: Progress | None) -> None:
        """Show how far fetching a starter has come; None while nothing is fetched."""
        self._cards[key].set_progress(progress)

    def set_loading(self, loading: bool) -> None:
        """Hold the Load buttons back while a load runs."""
        for card in self._cards.values():
            card.set_loading(loading)

    def _on_pressed(self) -> None:
        card = self.sender()
        if isinstance(card, _StarterCard):
            key = card.starter.key
            if card.fetching:
                self.cancel_requested.emit(key)
            elif card.installed:
                self.load_requested.emit(key)
            else:
                self.get_requested.emit(key)


class _Card(QFrame):
    """A name, three short lines, and what can be done with it: below them, or beside them where it lies."""

    def __init__(self, title: str, text: str, facts: str, source: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._source = ElidedLabel(source)
        self._labels = (ElidedLabel(title), ElidedLabel(text), ElidedLabel(facts), self._source)
        for label, role in zip(self._labels, ("heading", "", "muted", "muted"), strict=True):
            set_role(label, role)
        self._grid = QGridLayout(self)
        self._grid.setVerticalSpacing(4)
        self._action = QWidget()
        self._actions = QVBoxLayout(self._action)
        self._actions.setContentsMargins(0, 0, 0, 0)
        self._actions.addStretch(1)
        self.lay(False)

    @property
    def standing_width(self) -> int:
        """Pixels it takes to say everything while it stands."""
        edges = self._grid.contentsMargins()
        return max(label.sizeHint().width() for label in self._labels) + edges.left() + edges.right()

    def lay(self, lying: bool) -> None:
        """Lay it down, or let it stand."""
        title, text, facts, source = self._labels
        self._grid.addWidget(title, 0, 0)
        self._grid.addWidget(text, 1, 0)
        self._grid.addWidget(facts, 1 if lying else 2, int(lying))
        self._grid.addWidget(source, 0 if lying else 3, int(lying))
        place = (0, 2, 3, 1, Qt.AlignmentFlag.AlignVCenter) if lying else (5, 0, 1, 1)
        self._grid.addWidget(self._action, *place)
        self._grid.setColumnStretch(1, int(lying))
        self._grid.setColumnStretch(0, int(not lying))
        self._grid.setRowStretch(4, int(not lying))


class _StarterCard(_Card):
    """A starter with its one button: Get, Cancel or Load.

    Signals:
        pressed(): The button.
    """

    pressed = Signal()

    def __init__(self, starter: Starter, parent: QWidget | None = None) -> None:
        facts = f"{starter.licence} · {format_bytes(starter.size)}"
        super().__init__(starter.name, starter.kind, facts, _SOURCES[""], parent)
        self.setToolTip(f"{starter.title} Looked for in this order: {'; '.join(starter.sources)}.")
        self.starter = starter
        self.installed = False
        self.fetching = False
        self._loading = False
        self._button = named(QPushButton(), f"hub.starter_{starter.key}", "Get")
        self._bar = named(
            QProgressBar(), f"hub.starter_{starter.key}_progress", f"Fetching {starter.name}", "How far it has come"
        )
        self._bar.setTextVisible(True)
        self._bar.hide()
        self._actions.addWidget(self._bar)
        self._actions.addWidget(self._button)
        self._button.clicked.connect(self.pressed)
        self._show()

    def set_installed(self, source: str | None) -> None:
        """Get turns into Load once it came from somewhere."""
        self.installed = source is not None
        self._source.setText(_SOURCES[source or ""])
        self._show()

    def set_loading(self, loading: bool) -> None:
        """A load runs."""
        self._loading = loading
        self._show()

    def set_progress(self, progress: Progress | None) -> None:
        """Get turns into Cancel while it comes."""
        self.fetching = progress is not None
        if progress is not None:
            known = bool(progress.total)
            self._bar.setRange(0, 1000 if known else 0)
            self._bar.setValue(int(1000 * progress.done / progress.total) if progress.total else 0)
            amount = format_progress(progress.done, progress.total, progress.unit)
            self._bar.setFormat(f"{progress.note} {amount}".strip().replace("%", "%%"))
            self._bar.setToolTip(f"{progress.note} {amount}".strip())
        self._show()

    def _show(self) -> None:
        size = format_bytes(self.starter.download)
        if self.fetching:
            words, tip, picture = "Cancel", "Stop fetching it", "stop"
        elif self.installed:
            words, tip, picture = "Load", f"Load {self.starter.name} with its own dtype on the best device", "play"
        else:
            words, tip, picture = f"Get {size}", f"Fetch {self.starter.name}, verify it, keep it for good", "download"
        self._button.setText(words)
        named(self._button, self._button.objectName(), words, tip)
        icons.put(self._button, picture, "text" if self.fetching or self.installed else "accent_text")
        set_role(self._button, "" if self.fetching or self.installed else "primary")
        self._button.setEnabled(not (self._loading and self.installed and not self.fetching))
        self._bar.setVisible(self.fetching)


class _SampleCard(_Card):
    """The sample data, which came with the program."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Movie-review snippets", "10,605 rated sentences", "MIT · 1.4 MB", _SOURCES["program"], parent)
        self.setToolTip("Sentences of film reviews, rated from -4 to 4: the data for a first classifier.")
        ready = QLabel("Ready in Trainer")
        set_role(ready, "success")
        self._actions.addWidget(ready)
