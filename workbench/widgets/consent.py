"""A question before something can't be undone."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.widgets.naming import named


def ask(
    parent: QWidget, pane: str, title: str, question: str, details: str, *, verb: str, otherwise: str,
    on_yes: Callable[[], object],
) -> QMessageBox:  # fmt: skip
    """Open a question that stops nothing else; nothing happens but by its button, and Cancel is at hand.

    Args:
        parent: The pane that asks.
        pane: Its name: the question and its buttons are called ``<pane>.consent``, ``_yes`` and ``_no``.
        title: Of the window.
        question: What is asked.
        details: What is lost, and what stays.
        verb: On the button that does it.
        otherwise: What Cancel means, for its tooltip.
        on_yes: Called when the person agrees.
    """
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    named(box, f"{pane}.consent", title)
    box.setText(question)
    box.setInformativeText(details)
    yes = named(box.addButton(verb, QMessageBox.ButtonRole.DestructiveRole), f"{pane}.consent_yes", verb, "Do it")
    no = box.addButton(QMessageBox.StandardButton.Cancel)
    named(no, f"{pane}.consent_no", no.text().replace("&", ""), otherwise)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    yes.clicked.connect(on_yes)
    box.open()
    return box
