"""The two halves of the pane: the steps beside the views, or among them where there is no room for both."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLayout, QSizePolicy, QSplitter, QTabWidget, QWidget

from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.theme import CHANGES

_TITLE = "Set up"


class Arrangement(QSplitter):
    """Steps on the left, views on the right; in a narrow window the steps are the first of the views.

    Args:
        steps: The left half.
        views: The right half.
    """

    def __init__(self, steps: QWidget, views: QTabWidget, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._steps, self._views = steps, views
        # A new style sheet resizes while it goes from widget to widget, and none may change its parent then.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._fit)
        self._measured = True
        self.setChildrenCollapsible(False)
        self.addWidget(steps)
        self.addWidget(views)
        self.setStretchFactor(1, 1)
        views.currentChanged.connect(self._on_view)

    @property
    def is_narrow(self) -> bool:
        """Whether the steps are one of the views."""
        return self._views.indexOf(self._steps) >= 0

    def minimumSizeHint(self) -> QSize:
        """As narrow as one half can be."""
        halves = (self._steps.minimumSizeHint(), self._views.minimumSizeHint())
        return QSize(max(each.width() for each in halves), max(each.height() for each in halves))

    def _on_view(self) -> None:
        # A view that nobody looks at takes no height, or the others would scroll for its sake.
        for view in self._each():
            policy = view.sizePolicy()
            shown = view is self._views.currentWidget()
            policy.setVerticalPolicy(QSizePolicy.Policy.Preferred if shown else QSizePolicy.Policy.Ignored)
            view.setSizePolicy(policy)

    def _each(self) -> list[QWidget]:
        return [self._views.widget(place) for place in range(self._views.count())]

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Look for room."""
        super().resizeEvent(event)
        self._later.start()

    def event(self, event: QEvent) -> bool:
        """Look for room again when a half needs more or less of it."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._later.start()
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_later"):
            self._measured = False
            self._later.start()

    def _fit(self) -> None:
        """Move the steps to where there is room for them."""
        if not self._measured:
            self._measured = True
            # Qt does not measure anew what is hidden while the zoom changes.
            for layout in self.findChildren(QLayout):
                layout.invalidate()
            for widget in self.findChildren(QWidget):
                widget.updateGeometry()
            for column in self._steps.findChildren(ColumnScroll):
                column.measure()
        widest = max((view.minimumSizeHint().width() for view in self._each() if view is not self._steps), default=0)
        is_narrow = self.width() < self._steps.minimumSizeHint().width() + widest + self.handleWidth()
        if is_narrow and not self.is_narrow:
            self._views.insertTab(0, self._steps, _TITLE)
            self._views.setTabToolTip(0, "Data, model, settings and the buttons of the run")
            self._on_view()
        elif self.is_narrow and not is_narrow:
            self._views.removeTab(self._views.indexOf(self._steps))
            self._steps.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
            self.insertWidget(0, self._steps)
            self._steps.show()
            self.setSizes([self._steps.sizeHint().width(), self.width()])
