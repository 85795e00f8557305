"""A data set of the Hub, named by hand: repository, configuration and revision."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from workbench.engine.values import DataSource
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox


class HubForm(QWidget):
    """Asks for a data set of the Hub.

    Signals:
        source_requested(DataSource): The person wants it read.
        closed(): The person wants none after all.
    """

    source_requested = Signal(object)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._repo = named(
            QLineEdit(), "trainer.hub_dataset", "Hub data set", "Its name on the Hub, such as stanfordnlp/imdb"
        )
        self._repo.setPlaceholderText("owner/name")
        self._config = named(
            QuietComboBox(),
            "trainer.hub_config",
            "Configuration",
            "A part of the data set, such as a language; empty where there is only one",
        )
        self._config.setEditable(True)
        self._config.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._revision = named(
            QLineEdit(), "trainer.hub_revision", "Revision", "A branch, tag or commit; empty takes the newest"
        )
        self._revision.setPlaceholderText("main")
        self._open = named(
            QPushButton("Open"),
            "trainer.hub_open",
            "Open",
            "Fetch it into the cache of the datasets library and show its rows; programs of a repository are never run",
        )
        self._close = named(QPushButton("Close"), "trainer.hub_close", "Close", "Go back to the files of this machine")

        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, box in enumerate((self._repo, self._config, self._revision)):
            label = QLabel(box.accessibleName())
            label.setBuddy(box)
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self._open)
        buttons.addWidget(self._close)
        grid.addLayout(buttons, 3, 0, 1, 2)

        self._repo.returnPressed.connect(self._on_open)
        self._open.clicked.connect(self._on_open)
        self._close.clicked.connect(self.closed)

    def begin(self) -> None:
        """Wait for a name."""
        self._repo.setFocus()

    def show_configs(self, configs: Sequence[str]) -> None:
        """Offer configurations, after the data set turned out to have several."""
        self._config.clear()
        self._config.addItems(list(configs))
        self._config.setFocus()

    def _on_open(self) -> None:
        repo = self._repo.text().strip()
        if repo:
            self.source_requested.emit(
                DataSource(repo=repo, config=self._config.currentText().strip(), revision=self._revision.text().strip())
            )
