"""What lies between the docks of a window."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QProxyStyle, QStyle, QStyleOption, QWidget

#: Pixels between two docks.
_WIDTH = 6


class Separators(QProxyStyle):
    """Draws nothing between docks, and a tint where the pointer could move one.

    A style and not a style sheet: a window that wears one, however small, makes each widget in it take half as long
    again to build and to dress.

    Args:
        parent: What it lives as long as: longer than the window, whose parts still ask for it when they go.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__("Fusion")
        self.setParent(parent)

    def drawPrimitive(
        self,
        element: QStyle.PrimitiveElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        """Tint a separator under the pointer."""
        if element != QStyle.PrimitiveElement.PE_IndicatorDockWidgetResizeHandle:
            super().drawPrimitive(element, option, painter, widget)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, option.palette.midlight())

    def pixelMetric(
        self, metric: QStyle.PixelMetric, option: QStyleOption | None = None, widget: QWidget | None = None
    ) -> int:
        """Room for a separator."""
        if metric == QStyle.PixelMetric.PM_DockWidgetSeparatorExtent:
            return _WIDTH
        return super().pixelMetric(metric, option, widget)
