"""A control's tooltip tells the keys as they are called on the keyboard before it."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtWidgets import QPushButton

from workbench.widgets.naming import named


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ("linux", "Do it (Ctrl+Enter); Ctrl or Shift selects, Alt+Left goes back. Alternatives"),
        ("win32", "Do it (Ctrl+Enter); Ctrl or Shift selects, Alt+Left goes back. Alternatives"),
        ("darwin", "Do it (Cmd+Enter); Cmd or Shift selects, Option+Left goes back. Alternatives"),
    ],
)
def test_keys_are_told_as_the_keyboard_has_them(
    qtbot, monkeypatch: pytest.MonkeyPatch, platform: str, told: str
) -> None:
    button = QPushButton("Do")
    qtbot.addWidget(button)
    monkeypatch.setattr(sys, "platform", platform)
    named(button, "pane.do", "Do", "Do it (Ctrl+Enter); Ctrl or Shift selects, Alt+Left goes back. Alternatives")
    assert (button.toolTip(), button.accessibleDescription()) == (told, told)
